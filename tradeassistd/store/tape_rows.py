"""Events as rows of a tape and back, exactly: packed keys, prices in units of their last decimal.

A tick's key is `symbol id << 40 | microsecond of the trading day`: 2^40 us are 12 days, and the longest trading day
(a weekend and its Monday) is three. Bid and ask are stored as distance to last, times as distance to the event, because
small integers take one or two bytes in SQLite and 0, 1 and NULL take none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from tradeassistd.engine.events import Event, Note
from tradeassistd.market.price import PRICE_DECIMALS
from tradeassistd.market.tick import Tick

KEY_BITS = 40
AT_MASK = (1 << KEY_BITS) - 1
LEAST_DECIMALS = 2
TICKS = "ticks"
"""The key of `meta` under which a tape counts its ticks."""
ODD_TICK = "tick"
"""The kind under which a tick stands among the other events when a number of it fits no column."""

TickRow = tuple[int | None, ...]
EventRow = tuple[int, str, str]
_NOTE: msgspec.json.Decoder[Note] = msgspec.json.Decoder(Note)
_TICK = msgspec.json.Decoder(Tick)
_COLUMN_MAX = 2**63


class Entry(NamedTuple):
    """One row of `symbols`."""

    id: int
    symbol: str
    decimals: int

    @property
    def unit(self) -> int:
        """What a stored price is multiplied by to give a scaled one."""
        return int(10 ** (PRICE_DECIMALS - self.decimals))


class SymbolTable:
    """The entries of one tape; a symbol's newest entry has the most decimals and takes its next ticks."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.unsaved: list[Entry] = []
        self._newest: dict[str, tuple[int, int]] = {}
        self._count = 0
        for entry in entries:
            self._take(entry)

    def row(self, tick: Tick, begin_us: int) -> TickRow:
        """The columns of `ticks`; opens an entry when the prices need one."""
        last, bid, ask = tick.last, tick.bid, tick.ask
        base, unit = self._newest.get(tick.symbol) or self._open(tick)
        if (last is not None and last % unit) or (bid is not None and bid % unit) or (ask is not None and ask % unit):
            base, unit = self._open(tick)
        level, at_ms = last or 0, tick.event_us // 1_000
        return (
            base | (tick.event_us - begin_us),
            None if last is None else last // unit,
            None if bid is None else (level - bid) // unit,
            None if ask is None else (ask - level) // unit,
            tick.bid_size,
            tick.ask_size,
            tick.volume,
            None if tick.trade_ms is None else at_ms - tick.trade_ms,
            None if tick.quote_ms is None else at_ms - tick.quote_ms,
            tick.size,
            tick.changed,
        )

    def _open(self, tick: Tick) -> tuple[int, int]:
        decimals = LEAST_DECIMALS
        for price in (tick.last, tick.bid, tick.ask):
            while price is not None and price % 10 ** (PRICE_DECIMALS - decimals):
                decimals += 1
        entry = Entry(self._count + 1, tick.symbol, decimals)
        self.unsaved.append(entry)
        return self._take(entry)

    def _take(self, entry: Entry) -> tuple[int, int]:
        self._count = max(self._count, entry.id)
        self._newest[entry.symbol] = entry.id << KEY_BITS, entry.unit
        return self._newest[entry.symbol]


def tick_of(symbol: str, unit: int, begin_us: int, row: Sequence[Any]) -> Tick:
    """The tick a row of that entry was made from."""
    key, last, bid_below, ask_above, bid_size, ask_size, volume, trade_before, quote_before, size, changed = row
    event_us = begin_us + (key & AT_MASK)
    level, at_ms = last or 0, event_us // 1_000
    return Tick(
        event_us,
        symbol,
        None if last is None else last * unit,
        None if bid_below is None else (level - bid_below) * unit,
        None if ask_above is None else (level + ask_above) * unit,
        bid_size,
        ask_size,
        volume,
        None if trade_before is None else at_ms - trade_before,
        None if quote_before is None else at_ms - quote_before,
        size,
        changed,
    )


def event_row(event: Event, begin_us: int) -> EventRow:
    """A row of `events`."""
    kind = ODD_TICK if isinstance(event, Tick) else str(event.__struct_config__.tag)
    return event.event_us - begin_us, kind, msgspec.json.encode(event).decode()


def event_of(kind: str, body: str) -> Event:
    """The event a row of `events` was made from. Raises msgspec.ValidationError when this program does not know it."""
    return _TICK.decode(body) if kind == ODD_TICK else _NOTE.decode(body)


def fits_columns(row: TickRow) -> bool:
    """Whether SQLite can hold every number of the row: it knows 64 bits and no more."""
    return all(value is None or -_COLUMN_MAX <= value < _COLUMN_MAX for value in row)


def entries_of(raw: sqlite3.Connection) -> Iterator[Entry]:
    """The symbols of a tape, oldest entry first."""
    return (Entry(*row) for row in raw.execute("SELECT id, symbol, decimals FROM symbols ORDER BY id"))
