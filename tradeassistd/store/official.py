"""Official bars as rows of main.db: what Schwab told of a symbol, and for which spans and days it was asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from tradeassistd.market.bar import Bar
from tradeassistd.market.session import ALWAYS

Source = Literal["rest", "chart"]
Outcome = Literal["stored", "there", "empty", "refused"]

_COLUMNS = "symbol, interval, start_us, end_us, open, high, low, close, volume"
# The first telling stays unless the new one differs: REST corrects what CHART_* said, and itself.
_INSERT = f"""
    INSERT INTO official_bars ({_COLUMNS}, source, event_us) VALUES (?{", ?" * 10})
    ON CONFLICT (symbol, interval, start_us) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, source = excluded.source, event_us = excluded.event_us
    WHERE excluded.source = 'rest' AND (open, high, low, close, volume) != (
        excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)"""


class Span(NamedTuple):
    """Official one-minute bars are all there from one instant to another, UTC microseconds."""

    symbol: str
    from_us: int
    to_us: int


class DayAnswer(NamedTuple):
    """What came of asking for one trading day of one symbol."""

    symbol: str
    interval: str
    day: str
    """YYYY-MM-DD, the trading day in New York."""
    outcome: Outcome
    detail: str
    """Why, in words, where it was refused or empty."""
    bars: int
    whole: bool
    """The day was over when it was asked for: nobody needs to ask again."""


def insert_official(raw: sqlite3.Connection, bars: Sequence[Bar], source: Source, event_us: int) -> int:
    """Store official bars (their session is `always`); returns how many were new or are others now."""
    before = raw.total_changes
    raw.executemany(
        _INSERT,
        [
            (bar.symbol, bar.interval, bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume,
             source, event_us)
            for bar in bars
        ],
    )  # fmt: skip
    return raw.total_changes - before


def select_official(raw: sqlite3.Connection, symbol: str, interval: str, from_us: int, to_us: int) -> Iterator[Bar]:
    """The official bars that begin between two instants, oldest first, one by one; `trades` is 0, nobody counted."""
    rows = raw.execute(
        f"""SELECT {_COLUMNS} FROM official_bars
            WHERE symbol = ? AND interval = ? AND start_us >= ? AND start_us < ? ORDER BY start_us""",
        (symbol, interval, from_us, to_us),
    )
    for symbol_, interval_, start_us, end_us, open_, high, low, close, volume in rows:
        yield Bar(symbol_, interval_, ALWAYS, start_us, end_us, open_, high, low, close, volume, trades=0)


def count_official(raw: sqlite3.Connection, symbol: str, interval: str, from_us: int, to_us: int) -> int:
    """How many official bars begin between two instants."""
    (count,) = raw.execute(
        "SELECT count(*) FROM official_bars WHERE symbol = ? AND interval = ? AND start_us >= ? AND start_us < ?",
        (symbol, interval, from_us, to_us),
    ).fetchone()
    return int(count)


def insert_span(raw: sqlite3.Connection, span: Span, source: Source, event_us: int) -> None:
    """Note that the official minutes of a span are all there; spans that touch become one."""
    touching = raw.execute(
        "SELECT from_us, to_us FROM filled WHERE symbol = ? AND from_us <= ? AND to_us >= ?",
        (span.symbol, span.to_us, span.from_us),
    ).fetchall()
    raw.executemany("DELETE FROM filled WHERE symbol = ? AND from_us = ?", [(span.symbol, one) for one, _ in touching])
    from_us = min([span.from_us, *(one for one, _ in touching)])
    to_us = max([span.to_us, *(one for _, one in touching)])
    raw.execute("INSERT INTO filled VALUES (?, ?, ?, ?, ?)", (span.symbol, from_us, to_us, source, event_us))


def select_spans(raw: sqlite3.Connection, symbol: str) -> list[Span]:
    """The spans of a symbol whose official minutes are all there, oldest first, none touching another."""
    rows = raw.execute("SELECT symbol, from_us, to_us FROM filled WHERE symbol = ? ORDER BY from_us", (symbol,))
    return [Span(*row) for row in rows]


def newest_bar_us(raw: sqlite3.Connection, symbol: str, interval: str) -> int:
    """Where the last one-minute bar of a symbol ends, made of trades or told by Schwab, or Schwab's last one of that
    interval; 0 when there is none."""
    ours = "SELECT end_us FROM bars WHERE symbol = :symbol AND interval = '1m' AND session = 'always'"
    theirs = "SELECT end_us FROM official_bars WHERE symbol = :symbol AND interval = '1m'"
    told = "SELECT end_us FROM official_bars WHERE symbol = :symbol AND interval = :interval"
    given = {"symbol": symbol, "interval": interval}
    newest = (raw.execute(f"{one} ORDER BY start_us DESC LIMIT 1", given).fetchone() for one in (ours, theirs, told))
    return max(row[0] if row else 0 for row in newest)


def newest_official_us(raw: sqlite3.Connection, symbol: str, interval: str, before_us: int) -> int:
    """Where the last of Schwab's bars of that interval begins that begins before an instant; 0 when there is none."""
    (newest_us,) = raw.execute(
        "SELECT max(start_us) FROM official_bars WHERE symbol = ? AND interval = ? AND start_us < ?",
        (symbol, interval, before_us),
    ).fetchone()
    return int(newest_us or 0)


def upsert_day(raw: sqlite3.Connection, answer: DayAnswer, event_us: int) -> None:
    """Keep what came of a day; the last answer counts."""
    raw.execute("INSERT OR REPLACE INTO backfilled VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*answer, event_us))


def select_days(raw: sqlite3.Connection, symbol: str, interval: str) -> dict[str, DayAnswer]:
    """By trading day what came of asking for it."""
    rows = raw.execute(
        """SELECT symbol, interval, day, outcome, detail, bars, whole FROM backfilled
           WHERE symbol = ? AND interval = ?""",
        (symbol, interval),
    )
    return {
        day: DayAnswer(symbol_, interval_, day, outcome, detail, bars, bool(whole))
        for symbol_, interval_, day, outcome, detail, bars, whole in rows
    }
