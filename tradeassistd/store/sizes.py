"""How large everything in the state directory is, and of when; read-only, beside a running daemon or without one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.store.density import stored_density
from tradeassistd.store.directory import MAIN_FILE, files_in, refuse_absent, tape_path, tape_paths
from tradeassistd.store.journal import get_meta, last_event_us
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.tape_files import TapeFiles, day_of, tape_files
from tradeassistd.store.tape_reading import newest_event_us, span_us
from tradeassistd.store.tape_rows import TICKS

LATELY_US = 7 * DAY_S * US_PER_S
"""The days that growth is measured over."""
# What says of when a row is; a table that is not here has no time of its own.
_TIMES = {
    "bars": "start_us", "official_bars": "start_us", "transitions": "event_us", "alerts": "event_us",
    "deliveries": "created_us", "audit": "event_us", "rule_sets": "event_us", "rule_states": "judged_us",
    "silences": "event_us", "gaps": "from_us", "watched": "from_us", "filled": "from_us", "backfilled": "event_us",
}  # fmt: skip

_STAT = """
    SELECT part.tbl_name, sum(stat.pgsize) FROM dbstat stat JOIN sqlite_master part ON part.name = stat.name
    WHERE stat.aggregate = TRUE GROUP BY part.tbl_name"""


class TableSize(msgspec.Struct, frozen=True):
    """One table of main.db. Times are UTC microseconds, 0 where there are none."""

    name: str
    rows: int
    size: int | None
    """Bytes with its indexes; None where this SQLite cannot say."""
    oldest_us: int
    newest_us: int
    lately: int
    """Rows of the seven days before the newest event."""


class TapeSize(msgspec.Struct, frozen=True):
    """One trading day of tape."""

    day: str
    """YYYYMMDD."""
    size: int
    """Bytes, with its log and with copies beside it."""
    ticks: int | None
    """None on a tape from before they were counted."""
    first_us: int
    last_us: int
    density: str
    """every, 1s, bars."""
    trouble: str = ""
    """Why nothing but its size is known."""


class Sizes(msgspec.Struct, frozen=True):
    """All of it, in bytes."""

    directory: str
    newest_us: int
    """The newest event that is stored anywhere."""
    main: int
    """main.db with its log."""
    main_free: int
    """Pages of it that are free: they are used again, or given back."""
    tables: tuple[TableSize, ...]
    tapes: tuple[TapeSize, ...]
    """Oldest first."""
    others: dict[str, int]
    """Every other file by name."""

    @property
    def tape(self) -> int:
        """All tapes together."""
        return sum(one.size for one in self.tapes)


def sizes_of(directory: Path) -> Sizes:
    """Reads main.db through once. Raises like `reading`, or OSError."""
    refuse_absent(directory)
    files = {path.name: path.stat().st_size for path in sorted(files_in(directory)) if path.is_file()}
    tapes = tuple(_tape(directory, one) for one in tape_files(directory))
    with reading(directory / MAIN_FILE, "main", untouched=True) as raw:
        newest_us = max([last_event_us(raw), *(one.last_us for one in tapes)])
        tables = _tables(raw, newest_us - LATELY_US)
        (free,), (page,) = raw.execute("PRAGMA freelist_count").fetchone(), raw.execute("PRAGMA page_size").fetchone()
    main = [files.pop(f"{MAIN_FILE}{part}", 0) for part in ("", "-wal", "-shm")]
    others = {name: size for name, size in files.items() if not day_of(name)}
    return Sizes(str(directory), newest_us, sum(main), free * page, tables, tapes, others)


def _tables(raw: sqlite3.Connection, since_us: int) -> tuple[TableSize, ...]:
    bytes_of = _bytes_by_table(raw)
    names = [name for (name,) in raw.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )]  # fmt: skip
    found = []
    for name in names:
        time = _TIMES.get(name)
        asked = (
            f"ifnull(min({time}), 0), ifnull(max({time}), 0), ifnull(sum({time} >= {since_us}), 0)"
            if time
            else "0, 0, 0"
        )
        rows, oldest_us, newest_us, lately = raw.execute(f"SELECT count(*), {asked} FROM {name}").fetchone()
        found.append(TableSize(name, rows, bytes_of.get(name), oldest_us, newest_us, lately))
    return tuple(found)


def _bytes_by_table(raw: sqlite3.Connection) -> dict[str, int]:
    """Pages of each table and its indexes; empty where SQLite is built without dbstat."""
    try:
        rows = raw.execute(_STAT)
    except sqlite3.OperationalError as error:
        if "dbstat" not in str(error):
            raise
        return {}
    return dict(rows.fetchall())


def _tape(directory: Path, files: TapeFiles) -> TapeSize:
    path = tape_path(directory, files.day)
    if not path.exists():
        return TapeSize(files.day, files.size, None, 0, 0, "", "only a copy of it is there")
    try:
        with reading(path, "tape", untouched=True) as raw:
            first_us, last_us = span_us(raw)
            return TapeSize(
                files.day, files.size, get_meta(raw, TICKS), first_us, last_us, stored_density(raw).word
            )  # fmt: skip
    except EmptyFileError:
        return TapeSize(files.day, files.size, 0, 0, 0, "")
    except TradeAssistError as error:  # of one that is damaged the size still counts
        return TapeSize(files.day, files.size, None, 0, 0, "", error.message)


def newest_event(directory: Path) -> int:
    """The time of the newest event that is stored anywhere, UTC microseconds. Raises like `reading`."""
    tapes = [newest_event_us(path) for path in tape_paths(directory)[:1]]
    with reading(directory / MAIN_FILE, "main") as raw:
        return max(last_event_us(raw), *tapes, 0)
