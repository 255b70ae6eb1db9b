"""A symbol that stands at a price, the frames it is given, and the trades that are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradeassistd.base.clock import MarketClock
from tradeassistd.engine.events import Event, Start
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Tick

T0 = 1_699_974_000_000  # ms, 2023-11-14 10:00 New York
SECOND = 1000


def begun(symbol: str = "/ES", price: float = 5000.0, **options: Any) -> Intake:
    """A symbol that stands at `price`, bid and ask a tick away, volume 1000."""
    taker = Intake(MarketClock(), Start(0, "hash"), last_us=0, last_known_us=0, **options)
    image = Change(symbol, last=price, volume=1000, trade_ms=T0, delayed=False, high=price)
    if symbol[0] != "$":
        image.bid, image.ask = price - 0.25, price + 0.25
    feed(taker, 0, image)
    return taker


def feed(taker: Intake, after_ms: int, *changes: Change) -> list[Event]:
    return list(taker.frame(Frame(T0 + after_ms, list(changes))))


def told(events: Sequence[Event]) -> list[tuple[float | None, int | None]]:
    """Price and size of each trade."""
    return [
        (one.last / PRICE_SCALE if one.last is not None else None, one.size)
        for one in events
        if isinstance(one, Tick) and one.is_trade
    ]


def print_at(price: float, volume: int, symbol: str = "/ES", **more: Any) -> Change:
    return Change(symbol, last=price, volume=volume, **more)
