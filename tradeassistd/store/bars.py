"""Bars and gaps as rows of main.db."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tradeassistd.engine.events import Gap
from tradeassistd.market.bar import Bar

_COLUMNS = "symbol, interval, session, start_us, end_us, open, high, low, close, volume, trades"
# A bar that a rule has seen is not replaced (rules.md 4.3), so the first one stored stays.
_INSERT_BAR = f"INSERT INTO bars ({_COLUMNS}) VALUES (?{', ?' * 10}) ON CONFLICT DO NOTHING"
_INSERT_GAP = """
    INSERT INTO gaps (symbol, from_us, to_us, reason, event_us) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (symbol, from_us) DO UPDATE SET to_us = max(to_us, excluded.to_us)"""


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
