"""Where a tape begins and ends, in microseconds of its trading day: of all events, or of one symbol's rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from tradeassistd.store.journal import get_meta
from tradeassistd.store.tape_rows import AT_MASK, KEY_BITS, Entry, entries_of


def day_begin_us(raw: sqlite3.Connection) -> int:
    """The instant that a tape's microseconds are counted from, 0 when nothing was written yet."""
    return int(get_meta(raw, "begin_us") or 0)


def first_at(raw: sqlite3.Connection) -> int:
    """When the first event is, -1 when there is none."""
    return min(_ends(raw, "ASC", AT_MASK), default=-1)


def last_at(raw: sqlite3.Connection, until: int = AT_MASK) -> int:
    """When the last event is that is no later than `until`, -1 when there is none."""
    return max(_ends(raw, "DESC", until), default=-1) if until >= 0 else -1


def last_row_at(raw: sqlite3.Connection, entry: Entry, until: int = AT_MASK) -> int:
    """When the last row of an entry is that is no later than `until`, -1 when there is none."""
    return max(_rows_end(raw, entry, "DESC", until), default=-1)


def _ends(raw: sqlite3.Connection, direction: str, until: int) -> Iterator[int]:
    for table in ("clock", "events"):
        query = f"SELECT at FROM {table} WHERE at <= ? ORDER BY at {direction} LIMIT 1"
        yield from (at for (at,) in raw.execute(query, (until,)))
    for entry in entries_of(raw):
        yield from _rows_end(raw, entry, direction, until)


def _rows_end(raw: sqlite3.Connection, entry: Entry, direction: str, until: int) -> Iterator[int]:
    base = entry.id << KEY_BITS
    query = f"SELECT key FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key {direction} LIMIT 1"
    yield from (key & AT_MASK for (key,) in raw.execute(query, (base, base | until)))
