"""Events from a tape, in their order, also while the daemon writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from tradeassistd.engine.events import ClockTurn, Event
from tradeassistd.market.tick import Tick
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.tape_ends import day_begin_us, first_at, last_at
from tradeassistd.store.tape_rows import AT_MASK, KEY_BITS, Entry, entries_of, event_of, tick_of

# The span read at once is doubled while it holds few events and halved when it holds many.
FIRST_SPAN_US = 10_000_000
LEAST_SPAN_US = 1_000
SPAN_EVENTS_FEW = 5_000
SPAN_EVENTS_MANY = 40_000

_TICKS = "SELECT * FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key"
_by_time = attrgetter("event_us")


def read_tape(path: Path, *, from_us: int = 0, until_us: int | None = None) -> Iterator[Event]:
    """The events of a tape by event time, from and until included; what is written after the start is left out.

    Memory stays bounded whatever the size of the tape. Raises FatalError or TransientError like `reading`.
    """
    with reading(path, "tape") as raw:
        reader = _Reader(raw)
        at, last_at = max(reader.first_at, from_us - reader.begin_us), reader.last_at
        if until_us is not None:
            last_at = min(last_at, until_us - reader.begin_us)
        span_us = FIRST_SPAN_US
        while at <= last_at:
            events = reader.between(at, min(at + span_us - 1, last_at))
            yield from events
            at += span_us
            if len(events) < SPAN_EVENTS_FEW:
                span_us *= 2
            elif len(events) > SPAN_EVENTS_MANY:
                span_us = max(span_us // 2, LEAST_SPAN_US)


def newest_ticks(path: Path, symbols: frozenset[str] | None = None) -> dict[str, Tick]:
    """The last tick of each symbol of a tape, or of those asked for. Raises like `reading`."""
    with reading(path, "tape") as raw:
        reader = _Reader(raw)
        newest: dict[str, Tick] = {}
        for entry in reader.entries:
            if symbols is None or entry.symbol in symbols:
                tick = reader.newest_of(entry)
                if tick is not None and (known := newest.get(entry.symbol, tick)).event_us <= tick.event_us:
                    newest[known.symbol] = tick
        return newest


def last_ticks(path: Path, symbol: str, *, before_us: int, limit: int) -> list[Tick]:
    """The last ticks of a symbol on a tape from before an event time, oldest first. Raises like `reading`."""
    with reading(path, "tape") as raw:
        begin_us = day_begin_us(raw)
        until = min(before_us - begin_us - 1, AT_MASK)
        found: list[Tick] = []
        for entry in entries_of(raw):
            if entry.symbol == symbol and until >= 0:
                base = entry.id << KEY_BITS
                rows = raw.execute(f"{_TICKS} DESC LIMIT ?", (base, base | until, limit))
                found += [tick_of(symbol, entry.unit, begin_us, row) for row in rows]
        return sorted(found, key=_by_time)[-limit:]  # an entry more where prices became finer within the day


def newest_event_us(path: Path) -> int:
    """The greatest event time on a tape, 0 when it is empty. Raises like `reading`."""
    try:
        with reading(path, "tape") as raw:
            reader = _Reader(raw)
            return reader.begin_us + reader.last_at if reader.last_at >= 0 else 0
    except EmptyFileError:
        return 0


def span_us(raw: sqlite3.Connection) -> tuple[int, int]:
    """The event times of the first and the last event of an open tape; 0 and 0 when it is empty."""
    reader = _Reader(raw)
    return (reader.begin_us + reader.first_at, reader.begin_us + reader.last_at) if reader.last_at >= 0 else (0, 0)


class _Reader:
    """One tape as it stood when this was made: what is committed later is later in time, too."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        raw.execute("BEGIN")  # one snapshot for the ends of every symbol
        try:
            self.begin_us = day_begin_us(raw)
            self.entries = list(entries_of(raw))
            self.first_at, self.last_at = max(first_at(raw), 0), last_at(raw)
        finally:
            raw.execute("COMMIT")

    def between(self, from_at: int, to_at: int) -> list[Event]:
        """Events of a span, both ends included, by time."""
        raw, begin_us, span = self._raw, self.begin_us, (from_at, to_at)
        events: list[Event] = [
            ClockTurn(begin_us + at) for (at,) in raw.execute("SELECT at FROM clock WHERE at BETWEEN ? AND ?", span)
        ]
        found = raw.execute("SELECT kind, body FROM events WHERE at BETWEEN ? AND ?", span)
        events += [event_of(kind, body) for kind, body in found]
        for symbol_id, symbol, decimals in self.entries:
            base, unit = symbol_id << KEY_BITS, Entry(symbol_id, symbol, decimals).unit
            rows = raw.execute(_TICKS, (base | from_at, base | to_at))
            events += [tick_of(symbol, unit, begin_us, row) for row in rows]
        events.sort(key=_by_time)  # a few sorted runs one after another: what this sort is quickest at
        return events

    def newest_of(self, entry: Entry) -> Tick | None:
        """The last tick of an entry, leaving out one that fitted no column."""
        base = entry.id << KEY_BITS
        query = "SELECT * FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1"
        row = self._raw.execute(query, (base, base | AT_MASK)).fetchone()
        return tick_of(entry.symbol, entry.unit, self.begin_us, row) if row else None
