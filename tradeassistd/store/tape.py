"""The tape of one trading day, for the writer: a batch of events in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from tradeassistd.base.clock import Clock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Event
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Tick
from tradeassistd.store.database import Database
from tradeassistd.store.density import Density, note_density
from tradeassistd.store.directory import tape_path
from tradeassistd.store.journal import get_meta, put_meta
from tradeassistd.store.tape_rows import TICKS, EventRow, SymbolTable, TickRow, entries_of, event_row, fits_columns

ROWS_AT_ONCE_MAX = 2_048
"""Of one statement. SQLite runs outside the interpreter's lock, and each time it comes back it waits for that lock, up
to 5 ms while the engine is busy: row by row the tape would fall behind just when most happens. A power of two, so that
any number of rows is a few statements out of a few that SQLite keeps ready."""
_HOUR_US = 3_600 * US_PER_S


class Tape:
    """One open tape file; one `write` at a time."""

    def __init__(
        self, database: Database, symbols: SymbolTable, begin_us: int, end_us: int, ticks: int | None = None
    ) -> None:
        self.begin_us = begin_us
        self.end_us = end_us
        self.path = database.path
        self._database = database
        self._symbols = symbols
        self._ticks = ticks
        """How many there are on it; None on a tape from before they were counted."""

    @classmethod
    async def open(cls, directory: Path, at_us: int, *, clock: Clock, density: Density = Density.EVERY) -> Tape:
        """The tape of the trading day that holds the instant. Raises like Database.open."""
        day, begin_us = trading_day(at_us)
        database = await Database.open(
            tape_path(directory, day), clock=clock, synchronous="NORMAL", migrations="tape"
        )  # NORMAL: a power cut may cost the last batches, which is a gap, and never the file

        def begin(raw: sqlite3.Connection) -> tuple[SymbolTable, int | None]:
            is_new = get_meta(raw, "begin_us") is None
            put_meta(raw, "begin_us", begin_us)
            note_density(raw, density)
            return SymbolTable(entries_of(raw)), 0 if is_new else get_meta(raw, TICKS)

        try:
            symbols, ticks = await database.transaction(begin)
        except BaseException:
            await database.close()
            raise
        return cls(database, symbols, begin_us, _end_us(day, begin_us), ticks)

    def holds(self, event: Event) -> bool:
        """Whether the event belongs to this trading day."""
        return self.begin_us <= event.event_us < self.end_us

    async def write(self, events: Sequence[Event]) -> int:
        """Store events of this day in one transaction; returns how many were on the tape already.

        Raises TransientError or FatalError; nothing was stored then, and the same events may be written again.
        """
        repeated, self._ticks = await self._database.transaction(lambda raw: self._write(raw, events))
        self._symbols.unsaved.clear()
        return repeated

    async def close(self) -> None:
        await self._database.close()

    def _write(self, raw: sqlite3.Connection, events: Sequence[Event]) -> tuple[int, int | None]:
        ticks: list[TickRow] = []
        turns: list[tuple[int]] = []
        notes: list[EventRow] = []
        tick_row, begin_us = self._symbols.row, self.begin_us
        for event in events:
            if isinstance(event, Tick):
                ticks.append(tick_row(event, begin_us))
            elif isinstance(event, ClockTurn):
                turns.append((event.event_us - begin_us,))
            else:
                notes.append(event_row(event, begin_us))
        # A rollback takes them back too, so they stay unsaved until a commit is certain.
        _insert(raw, "symbols", self._symbols.unsaved)
        before = raw.total_changes
        try:
            _insert(raw, "ticks", ticks)
        except OverflowError:
            notes += _odd_ticks(events, ticks, begin_us)
            _insert(raw, "ticks", [row for row in ticks if fits_columns(row)])
        count = None if self._ticks is None else self._ticks + raw.total_changes - before
        _insert(raw, "clock", turns)
        _insert(raw, "events", notes)
        repeated = len(events) - (raw.total_changes - before)
        if count is not None:
            put_meta(raw, TICKS, count)  # counting the rows of a large tape takes seconds
        return repeated, count


def _insert(raw: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Add the rows that are not there yet.

    Raises OverflowError when a number fits no column; some of the rows may be stored then.
    """
    first, at_once = 0, ROWS_AT_ONCE_MAX
    columns = len(rows[0]) if rows else 1
    parameters_max = raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    while first < len(rows):
        while at_once > len(rows) - first or at_once * columns > parameters_max:
            at_once //= 2
        part = rows[first : first + at_once]
        raw.execute(_statement(table, columns, at_once), [*chain.from_iterable(part)])
        first += at_once


@cache
def _statement(table: str, columns: int, rows: int) -> str:
    # An event written twice is the same event: a batch is tried again when it is not known whether it arrived.
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _odd_ticks(events: Sequence[Event], rows: Sequence[TickRow], begin_us: int) -> list[EventRow]:
    """Ticks with a number beyond 64 bits, which a broken feed may send: kept all the same, as events."""
    ticks = (event for event in events if isinstance(event, Tick))
    return [event_row(tick, begin_us) for tick, row in zip(ticks, rows, strict=True) if not fits_columns(row)]


def _end_us(day: str, begin_us: int) -> int:
    """When the next trading day begins: days begin on whole hours, and the longest is three days and an hour."""
    for hours in range(22, 75):
        next_day, next_begin_us = trading_day(begin_us + hours * _HOUR_US)
        if next_day != day:
            return next_begin_us
    raise AssertionError(f"trading day {day} has no end")
