"""Takes old rows out of main.db, in steps that are each a short transaction: the writer has alerts to commit.

A step looks at a bounded number of rows behind a cursor, and says where the next one goes on. A crash between two of
them leaves a store that is whole: what says that bars are there goes before the bars do, and an alert goes with its
deliveries and its transition or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tradeassistd.engine.transition import State
from tradeassistd.store.bars import keep_watched_from
from tradeassistd.store.journal import accepted_hash
from tradeassistd.store.records import OPEN_STATES

SERIES_PER_STEP = 50
_OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)
_DAILY = "1d"
_TRANSITIONS = "transitions t LEFT JOIN alerts a ON a.event_us = t.event_us AND a.position = t.position"
# Of an alert a delivery that is not settled goes on, one that another carries which is not, and a firing.
_IS_OVER = f"""
    CASE WHEN a.id IS NULL THEN t.event_us < :transitions ELSE t.event_us < :alerts
        AND NOT EXISTS (SELECT 1 FROM deliveries d
            LEFT JOIN deliveries carrier ON carrier.alert_id = d.folded_into AND carrier.channel = d.channel
            WHERE d.alert_id = a.id AND (d.state IN ({_OPEN}) OR carrier.state IN ({_OPEN})))
        AND NOT EXISTS (SELECT 1 FROM rule_states s WHERE s.rule_id = t.rule_id AND s.symbol = t.symbol
            AND s.level = t.level AND s.state = '{State.FIRING}' AND s.since_us <= t.event_us) END"""
# The set that was in force when the oldest tape that is kept began is the last one accepted before.
_IS_FORMER = """
    event_us < :needed AND hash != :accepted
    AND event_us < (SELECT ifnull(max(event_us), 0) FROM rule_sets WHERE event_us <= :needed)"""


class Cutoffs(NamedTuple):
    """What is from before these instants (UTC microseconds) goes; 0 keeps everything."""

    tape: int = 0
    bars: int = 0
    daily_bars: int = 0
    alerts: int = 0
    transitions: int = 0
    rules: int = 0
    audit: int = 0
    tape_day: str = ""
    """The trading day of `tape`, YYYYMMDD."""
    bars_day: str = ""
    """The trading day of `bars`, and of `daily_bars`, YYYY-MM-DD."""
    daily_bars_day: str = ""


class Step(NamedTuple):
    """What one step did."""

    removed: int
    after: tuple[Any, ...] | None
    """Where the next one goes on; None: there is none."""


Take = Callable[[sqlite3.Connection, Cutoffs, int, tuple[Any, ...]], Step]
"""A step: cutoffs, rows at most, and where to go on (at first nowhere)."""


def bars(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, after: tuple[Any, ...]) -> Step:
    """Bars made of trades."""
    return _series(raw, "bars", ("symbol", "interval", "session"), cutoffs, limit, after)


def official_bars(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, after: tuple[Any, ...]) -> Step:
    """Schwab's bars."""
    return _series(raw, "official_bars", ("symbol", "interval"), cutoffs, limit, after)


def spans(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, _: tuple[Any, ...]) -> Step:
    """What is said of times whose bars go: watched and filled spans, gaps, days that were backfilled."""
    if not cutoffs.bars and not cutoffs.daily_bars:
        return Step(0, None)
    before = raw.total_changes
    for table, old in (("watched", "to_us != 0 AND to_us <= ?"), ("filled", "to_us <= ?"), ("gaps", "to_us <= ?")):
        keys = f"SELECT symbol, from_us FROM {table} WHERE {old} LIMIT ?"
        raw.execute(f"DELETE FROM {table} WHERE (symbol, from_us) IN ({keys})", (cutoffs.bars, limit))
    days = f"day < CASE interval WHEN '{_DAILY}' THEN ? ELSE ? END"
    keys = f"SELECT symbol, interval, day FROM backfilled WHERE {days} LIMIT ?"
    raw.execute(
        f"DELETE FROM backfilled WHERE (symbol, interval, day) IN ({keys})",
        (cutoffs.daily_bars_day, cutoffs.bars_day, limit),
    )
    removed = raw.total_changes - before
    if removed:
        return Step(removed, (0,))
    raw.execute(
        """UPDATE filled SET from_us = :cut WHERE from_us < :cut AND to_us > :cut
           AND NOT EXISTS (SELECT 1 FROM filled other WHERE other.symbol = filled.symbol AND other.from_us = :cut)""",
        {"cut": cutoffs.bars},
    )
    keep_watched_from(raw, cutoffs.bars)
    return Step(0, None)


def transitions(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, after: tuple[Any, ...]) -> Step:
    """Transitions; those of an alert with it and its deliveries, once nothing of it goes on."""
    rows = raw.execute(
        f"""SELECT t.event_us, t.position, a.id, {_IS_OVER} FROM {_TRANSITIONS}
            WHERE (t.event_us, t.position) > (:after, :position) AND t.event_us < max(:transitions, :alerts)
            ORDER BY t.event_us, t.position LIMIT :most""",
        {"transitions": cutoffs.transitions, "alerts": cutoffs.alerts, "most": limit,
         "after": after[0] if after else -1, "position": after[1] if after else -1},
    ).fetchall()  # fmt: skip
    old = [row for row in rows if row[3]]
    alerts = [(alert_id,) for _, _, alert_id, _ in old if alert_id is not None]
    raw.executemany("DELETE FROM deliveries WHERE alert_id = ?", alerts)
    raw.executemany("DELETE FROM alerts WHERE id = ?", alerts)
    raw.executemany("DELETE FROM transitions WHERE event_us = ? AND position = ?", [row[:2] for row in old])
    return Step(len(old), tuple(rows[-1][:2]) if len(rows) == limit else None)


def rules(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, _: tuple[Any, ...]) -> Step:
    """Former rule sets, but for the accepted one and those that tapes which are kept were recorded with."""
    needed_us = min(cutoffs.rules, cutoffs.tape)
    found = raw.execute(
        f"SELECT number FROM rule_sets WHERE {_IS_FORMER} ORDER BY event_us LIMIT 1",
        {"needed": needed_us, "accepted": accepted_hash(raw)},
    ).fetchone()
    if found is None:
        return Step(0, None)
    (number,) = found
    texts = [row[0] for row in raw.execute(
        "SELECT text_number FROM rules WHERE set_number = ? ORDER BY file LIMIT ?", (number, limit)
    )]  # fmt: skip
    raw.execute(
        """DELETE FROM rules WHERE set_number = :number AND file IN (
           SELECT file FROM rules WHERE set_number = :number ORDER BY file LIMIT :most)""",
        {"number": number, "most": limit},
    )
    raw.executemany(
        """DELETE FROM rule_texts
           WHERE number = ? AND NOT EXISTS (SELECT 1 FROM rules WHERE text_number = rule_texts.number)""",
        [(text,) for text in dict.fromkeys(texts)],
    )
    if len(texts) < limit:
        raw.execute("DELETE FROM rule_sets WHERE number = ?", (number,))
    return Step(len(texts), (number,))


def audit(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, _: tuple[Any, ...]) -> Step:
    """Rows of the audit, which are in the order of time."""
    removed = raw.execute(
        "DELETE FROM audit WHERE event_us < ? AND id IN (SELECT id FROM audit ORDER BY id LIMIT ?)",
        (cutoffs.audit, limit),
    ).rowcount
    return Step(removed, (0,) if removed == limit else None)


def silences(raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, _: tuple[Any, ...]) -> Step:
    """Silences that are over; the last one stays, for its number is not given again."""
    removed = raw.execute(
        """DELETE FROM silences WHERE number IN (SELECT number FROM silences
           WHERE max(until_us, event_us, ended_us) < ? AND number != (SELECT max(number) FROM silences) LIMIT ?)""",
        (cutoffs.audit, limit),
    ).rowcount
    return Step(removed, (0,) if removed == limit else None)


STEPS: Mapping[str, Take] = {
    "spans": spans, "bars": bars, "official_bars": official_bars, "transitions": transitions, "rules": rules,
    "audit": audit, "silences": silences,
}  # fmt: skip
"""In this order: `spans` says which bars are there, so it goes first."""


def outlook(raw: sqlite3.Connection, cutoffs: Cutoffs) -> dict[str, int]:
    """How many rows the steps would remove, but for those of `spans` and `silences`, which are few.

    Reads whole tables: not for the connection that commits alerts.
    """
    daily = f"start_us < CASE interval WHEN '{_DAILY}' THEN :daily_bars ELSE :bars END"
    asked = {
        "bars": f"bars WHERE {daily}",
        "official_bars": f"official_bars WHERE {daily}",
        "transitions": f"{_TRANSITIONS} WHERE {_IS_OVER}",
        "rules": f"rules JOIN rule_sets ON number = set_number WHERE {_IS_FORMER}",
        "audit": "audit WHERE event_us < :audit",
    }
    values = {**cutoffs._asdict(), "needed": min(cutoffs.rules, cutoffs.tape), "accepted": accepted_hash(raw)}
    return {name: raw.execute(f"SELECT count(*) FROM {rest}", values).fetchone()[0] for name, rest in asked.items()}


def _series(
    raw: sqlite3.Connection, table: str, key: tuple[str, ...], cutoffs: Cutoffs, limit: int, after: tuple[Any, ...]
) -> Step:
    """Old bars of the series behind `after`, until so many are removed or so many series are looked at."""
    removed, columns = 0, ", ".join(key)
    is_series = " AND ".join(f"{column} = ?" for column in key)
    for series in _series_behind(raw, table, columns, after or ("",) * len(key)):
        before_us = cutoffs.daily_bars if series[1] == _DAILY else cutoffs.bars
        last = raw.execute(
            f"SELECT start_us FROM {table} WHERE {is_series} AND start_us < ? ORDER BY start_us LIMIT 1 OFFSET ?",
            (*series, before_us, limit - removed),
        ).fetchone()
        removed += raw.execute(
            f"DELETE FROM {table} WHERE {is_series} AND start_us < ?", (*series, last[0] if last else before_us)
        ).rowcount
        if last:
            return Step(removed, after or ("",) * len(key))
        after = series
    return Step(removed, after if _next_series(raw, table, columns, after) else None)


def _series_behind(
    raw: sqlite3.Connection, table: str, columns: str, after: tuple[Any, ...]
) -> Iterator[tuple[str, ...]]:
    for _ in range(SERIES_PER_STEP):
        found = _next_series(raw, table, columns, after)
        if found is None:
            return
        yield found
        after = found


def _next_series(raw: sqlite3.Connection, table: str, columns: str, after: tuple[Any, ...]) -> tuple[str, ...] | None:
    """The next series; each is found by the primary key, however many bars it has."""
    if not after:
        return None
    wanted = ", ".join("?" * len(after))
    found: tuple[str, ...] | None = raw.execute(
        f"SELECT {columns} FROM {table} WHERE ({columns}) > ({wanted}) ORDER BY {columns} LIMIT 1", after
    ).fetchone()
    return found
