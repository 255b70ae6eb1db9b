"""Bars, gaps and the spans in which a symbol was watched, as rows of main.db."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from tradeassistd.engine.events import Gap
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar, Stretch
from tradeassistd.market.session import ALWAYS
from tradeassistd.store.journal import get_meta, put_meta

_COLUMNS = "symbol, interval, session, start_us, end_us, open, high, low, close, volume, trades"
# A bar that a rule has seen is not replaced (rules.md 4.3), so the first one stored stays.
_INSERT_BAR = f"INSERT INTO bars ({_COLUMNS}) VALUES (?{', ?' * 10}) ON CONFLICT DO NOTHING"
_INSERT_GAP = """
    INSERT INTO gaps (symbol, from_us, to_us, reason, event_us) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (symbol, from_us) DO UPDATE SET to_us = max(to_us, excluded.to_us)"""
_INSERT_STRETCH = """
    INSERT INTO watched (symbol, from_us, to_us, contract) VALUES (?, ?, ?, ?)
    ON CONFLICT (symbol, from_us) DO UPDATE SET to_us = excluded.to_us, contract = excluded.contract"""
_WATCHED_UNTIL = "watched_until_us"
_WATCHED_FROM = "watched_from_us"


def insert_bars(raw: sqlite3.Connection, bars: Sequence[Bar]) -> int:
    """Store closed bars; returns how many were new."""
    before = raw.total_changes
    raw.executemany(
        _INSERT_BAR,
        [
            (bar.symbol, bar.interval, bar.session, bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close,
             bar.volume, bar.trades)
            for bar in bars
        ],
    )  # fmt: skip
    return raw.total_changes - before


def select_bars(
    raw: sqlite3.Connection, symbol: str, interval: str, session: str, *, before_us: int, limit: int
) -> list[Bar]:
    """The last `limit` bars that had closed by `before_us`, oldest first."""
    rows = raw.execute(
        f"""SELECT {_COLUMNS} FROM bars
            WHERE symbol = ? AND interval = ? AND session = ? AND start_us < ? AND end_us <= ?
            ORDER BY start_us DESC LIMIT ?""",
        (symbol, interval, session, before_us, before_us, limit),
    ).fetchall()
    return [Bar(*row) for row in reversed(rows)]


def select_minutes(raw: sqlite3.Connection, symbol: str, from_us: int, to_us: int) -> Iterator[Bar]:
    """The one-minute bars over all trades that lie between two instants, oldest first, one by one."""
    rows = raw.execute(
        f"""SELECT {_COLUMNS} FROM bars
            WHERE symbol = ? AND interval = ? AND session = ? AND start_us >= ? AND start_us < ? AND end_us <= ?
            ORDER BY start_us""",
        (symbol, ARCHIVE_INTERVAL, ALWAYS, from_us, to_us, to_us),
    )
    return (Bar(*row) for row in rows)


def insert_stretches(raw: sqlite3.Connection, stretches: Sequence[Stretch], until_us: int) -> None:
    """What began or ended; those that go on are known up to `until_us`, and all bars that closed by then are stored."""
    raw.executemany(_INSERT_STRETCH, stretches)
    if until_us > (get_meta(raw, _WATCHED_UNTIL) or 0):
        put_meta(raw, _WATCHED_UNTIL, until_us)


def end_stretches(raw: sqlite3.Connection) -> None:
    """The daemon that watched is gone: what went on ended when it last said so."""
    raw.execute("UPDATE watched SET to_us = max(from_us, ?) WHERE to_us = 0", (watched_until_us(raw),))


def watched_until_us(raw: sqlite3.Connection) -> int:
    """Up to when the store knows what was watched, and has every bar that closed; 0 when it never was told."""
    return get_meta(raw, _WATCHED_UNTIL) or 0


def select_stretches(raw: sqlite3.Connection, symbol: str) -> list[Stretch]:
    """The spans in which the symbol was watched, oldest first, each with its end; one that goes on ends where it is
    known to. They begin no earlier than the bars that are kept."""
    until_us, kept_us = watched_until_us(raw), get_meta(raw, _WATCHED_FROM) or 0
    rows = raw.execute(
        "SELECT symbol, from_us, to_us, contract FROM watched WHERE symbol = ? ORDER BY from_us", (symbol,)
    )
    stretches = (
        Stretch(symbol, max(from_us, kept_us), to_us or until_us, contract) for symbol, from_us, to_us, contract in rows
    )
    return [one for one in stretches if one.to_us >= kept_us]


def keep_watched_from(raw: sqlite3.Connection, from_us: int) -> None:
    """Bars of trades from before that instant are about to go, whatever `watched` says."""
    if from_us > (get_meta(raw, _WATCHED_FROM) or 0):
        put_meta(raw, _WATCHED_FROM, from_us)


def select_watched_symbols(raw: sqlite3.Connection) -> list[str]:
    """Every symbol that was ever watched, sorted."""
    return [symbol for (symbol,) in raw.execute("SELECT DISTINCT symbol FROM watched ORDER BY symbol")]


def select_contracts(raw: sqlite3.Connection) -> dict[str, str]:
    """By futures root the contract it stood for when it was last watched."""
    rows = raw.execute("SELECT symbol, contract FROM watched WHERE contract != '' ORDER BY from_us")
    return dict(rows.fetchall())


def insert_gaps(raw: sqlite3.Connection, gaps: Sequence[Gap]) -> None:
    """One row per gap and symbol; a gap of every symbol has an empty one. Told again, it only grows."""
    raw.executemany(
        _INSERT_GAP,
        [(symbol, gap.from_us, gap.to_us, gap.reason, gap.event_us) for gap in gaps for symbol in gap.symbols or ("",)],
    )


def select_gaps(raw: sqlite3.Connection, *, since_us: int) -> list[Gap]:
    """Gaps that had not ended before `since_us`, in order; each names its one symbol, or none."""
    rows = raw.execute(
        "SELECT event_us, from_us, to_us, reason, symbol FROM gaps WHERE to_us >= ? ORDER BY from_us, symbol",
        (since_us,),
    )
    return [Gap(event_us, from_us, to_us, reason, (symbol,) if symbol else ())
            for event_us, from_us, to_us, reason, symbol in rows]  # fmt: skip
