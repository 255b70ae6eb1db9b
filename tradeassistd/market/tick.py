"""A tick: one change of a level-one quote, carried with the whole merged quote after it."""

from __future__ import annotations

from enum import IntFlag

import msgspec


class Field(IntFlag):
    """Which parts of the quote a tick changed."""

    LAST = 1
    BID = 2
    ASK = 4
    BID_SIZE = 8
    ASK_SIZE = 16
    VOLUME = 32
    TRADE = 64
    """A trade happened (design 4: a rise of total volume), or a sample of a symbol that has no volume."""
    IMAGE = 128
    """The full image after a subscription: it sets values and is never a trade."""
    DELAYED = 256
    """Schwab marked the symbol's data as delayed."""


class Tick(msgspec.Struct, frozen=True, gc=False):
    """The merged quote of one symbol right after one change. Prices are scaled integers (market.price).

    None means *unknown*: nothing was sent yet, or Schwab sent the zero that stands for "none yet".
    """

    event_us: int
    """Event time, UTC microseconds: unique and increasing over all events of the daemon."""
    symbol: str
    last: int | None
    bid: int | None
    ask: int | None
    bid_size: int | None
    ask_size: int | None
    volume: int | None
    """Total volume of the trading day as Schwab counts it."""
    trade_ms: int | None
    """Exchange time of the last trade, UTC milliseconds."""
    quote_ms: int | None
    """Exchange time of the last quote, UTC milliseconds."""
    size: int | None
    """Size of the trade this tick is; 0 for a sample of a symbol without volume; None when it is no trade."""
    changed: int
    """A sum of `Field`."""

    @property
    def is_trade(self) -> bool:
        return self.size is not None

    @property
    def is_image(self) -> bool:
        return bool(self.changed & Field.IMAGE)
