"""Rows on their way into the store: checked, and put beside what is there, never in its place.

Importing the same file again changes nothing. Alerts come with what became of them, and are never told again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradeassistd.base.errors import PermanentError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.engine.transition import Transition
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.session import ALWAYS, trading_day
from tradeassistd.market.tick import Tick
from tradeassistd.store import bars as bar_rows
from tradeassistd.store import official, outbox
from tradeassistd.store.directory import tape_path
from tradeassistd.store.journal import put_meta
from tradeassistd.store.migrations import SQL, create_private, migrate
from tradeassistd.store.official import Span
from tradeassistd.store.records import OPEN_STATES, Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.tape_rows import TICKS, SymbolTable, fits_columns
from tradeassistd.store.transfer.files import Numbered, Row
from tradeassistd.store.transfer.tables import ALERTS, BARS, Table

ROWS_AT_ONCE_MAX = 250
"""Of one transaction and one request: the daemon's own work waits no longer than they take, a few milliseconds."""
TICKS_AT_ONCE = 20_000
_HOUR_US = 3_600 * US_PER_S
TRADES = "trades"
"""The source of bars that were made of trades here or on another machine; the others are Schwab's."""
SOURCES = (TRADES, "rest", "chart")
SESSIONS = (ALWAYS, "rth", "ext", "globex", "overnight")
IMPORTED = "imported_from"
"""The key of `meta` under which a tape says that it was not recorded here."""


class Taken(msgspec.Struct):
    """What came of rows: new ones, and those that were there already."""

    new: int = 0
    there: int = 0

    def add(self, other: Taken) -> None:
        self.new += other.new
        self.there += other.there


class DayTaken(NamedTuple):
    """What came of the ticks of one trading day."""

    day: str
    outcome: str
    """stored, there or refused."""
    ticks: int
    detail: str = ""


def checked(table: Table, rows: Iterable[Numbered]) -> Iterator[Numbered]:
    """The rows as they come, each fit to be stored. Raises PermanentError naming the first that is not."""
    make: Callable[[Row], object] = {ALERTS.name: _alert, BARS.name: _bar}[table.name]
    for numbered in rows:
        try:
            make(numbered.row)
        except (ValueError, msgspec.ValidationError) as error:
            raise PermanentError(f"{numbered.place}: {error}", hint="Repair or leave out that row") from None
        yield numbered


def put_rows(raw: sqlite3.Connection, table: Table, rows: Sequence[Row], event_us: int) -> Taken:
    """Store checked rows of alerts or bars, in the transaction of the caller. Raises ValueError when one is unfit."""
    return _put_bars(raw, rows, event_us) if table is BARS else _put_alerts(raw, rows)


def put_span(raw: sqlite3.Connection, symbol: str, from_us: int, to_us: int, event_us: int) -> None:
    """Note that imported one-minute bars lack nothing between two instants, so that rules may warm from them."""
    official.insert_span(raw, Span(symbol, from_us, to_us), "rest", event_us)


def _bar(row: Row) -> tuple[Bar, str]:
    symbol, interval, session, start_us, end_us, open_, high, low, close, volume, trades, source = row
    if interval not in INTERVALS_S:
        raise ValueError(f"interval: {interval!r} is none of {' '.join(INTERVALS_S)}")
    if session not in SESSIONS or source not in SOURCES:
        raise ValueError(f"session has to be one of {' '.join(SESSIONS)}, source one of {' '.join(SOURCES)}")
    if source != TRADES and session != ALWAYS:
        raise ValueError(f"Schwab's bars are of the session {ALWAYS}")
    end_us = start_us + INTERVALS_S[interval] * US_PER_S if end_us is None else end_us
    if not symbol or end_us <= start_us:
        raise ValueError("a bar needs a symbol, and ends after it starts")
    if not low <= min(open_, close) <= max(open_, close) <= high:
        raise ValueError("low, open, close and high are not in their order")
    if volume < 0 or trades < 0:
        raise ValueError("volume and trades cannot be less than zero")
    return Bar(symbol, interval, session, start_us, end_us, open_, high, low, close, volume, trades), source


def _put_bars(raw: sqlite3.Connection, rows: Sequence[Row], event_us: int) -> Taken:
    made = [_bar(row) for row in rows]
    new = bar_rows.insert_bars(raw, [bar for bar, source in made if source == TRADES])
    for source in ("rest", "chart"):
        absent = [bar for bar, told_by in made if told_by == source and not _is_there(raw, bar)]
        new += official.insert_official(raw, absent, source, event_us)
    return Taken(new, len(rows) - new)


def _is_there(raw: sqlite3.Connection, bar: Bar) -> bool:
    query = "SELECT 1 FROM official_bars WHERE symbol = ? AND interval = ? AND start_us = ?"
    return raw.execute(query, (bar.symbol, bar.interval, bar.start_us)).fetchone() is not None


def _alert(row: Row) -> tuple[int, Alert, list[Delivery]]:
    (alert_id, event_us, position, rule_id, symbol, level, severity, title, text, description, kind, state, suppressed,
     value, unit, price, since_us, late, tell, rule_title, message, fingerprint, rules_hash, operands, setup,
     deliveries) = row  # fmt: skip
    transition = msgspec.convert(
        {
            "event_us": event_us, "rule_id": rule_id, "symbol": symbol, "level": level, "fingerprint": fingerprint,
            "kind": kind, "state": state, "suppressed": suppressed, "value": value, "unit": unit, "price": price,
            "since_us": since_us, "late": late, "operands": operands, "tell": tell, "title": rule_title,
            "message": message, "setup": setup,
        },
        Transition, strict=False,
    )  # fmt: skip
    if transition.alert_id != alert_id:
        raise ValueError(f"id: {alert_id!r} is not that of this rule, symbol, level and time")
    if severity not in SEVERITIES:
        raise ValueError(f"severity: {severity!r} is none of {' '.join(SEVERITIES)}")
    sent = msgspec.convert(deliveries, list[Delivery], strict=False)
    for delivery in sent:
        delivery.alert_id = alert_id
        if delivery.state in OPEN_STATES:  # it is the other daemon's to send
            delivery.state, delivery.error = DeliveryState.WITHDRAWN, f"imported while it was {delivery.state.value}"
            delivery.settled_us = delivery.settled_us or event_us
    return position, Alert(alert_id, transition, severity, title, text, rules_hash, description), sent


def _put_alerts(raw: sqlite3.Connection, rows: Sequence[Row]) -> Taken:
    taken = Taken()
    for position, alert, deliveries in map(_alert, rows):
        if raw.execute("SELECT 1 FROM alerts WHERE id = ?", (alert.id,)).fetchone():
            taken.there += 1
            continue
        outbox.insert_imported(raw, _free_position(raw, alert.transition.event_us, position), alert)
        decided = Decided(alert.transition.event_us, (), deliveries=tuple(deliveries))
        outbox.insert_decided(raw, decided)
        taken.new += 1
    return taken


def _free_position(raw: sqlite3.Connection, event_us: int, wanted: int) -> int:
    """Another daemon may have decided something at the same microsecond."""
    rows = raw.execute("SELECT position FROM transitions WHERE event_us = ?", (event_us,))
    used = {position for (position,) in rows}
    return wanted if wanted not in used else max(used) + 1


def put_ticks(directory: Path, rows: Iterable[Row], *, source: str, before_us: int, now_us: int) -> Iterator[DayTaken]:
    """Make a tape of each trading day of ticks, which have to come in the order of time.

    A day that has a tape keeps it: what the daemon saw there is not added to. Only days that were over at `before_us`,
    the last event of the store, are taken (0: the store is new): a start takes the time since then for a gap. Raises
    PermanentError when the ticks are out of order or the disk is full; the day under way is then not there.
    """
    for day, ticks in groupby(_in_order(rows), lambda tick: _day_of_hour(tick.event_us // _HOUR_US)):
        yield _put_day(tape_path(directory, day), day, ticks, source, before_us or now_us)


@lru_cache(maxsize=1_024)
def _day_of_hour(hour: int) -> str:
    return trading_day(hour * _HOUR_US)[0]  # trading days begin on whole hours


def _in_order(rows: Iterable[Row]) -> Iterator[Tick]:
    last_us = 0
    for number, row in enumerate(rows, start=1):
        tick = _tick(row)
        if tick.event_us <= last_us:
            raise PermanentError(f"row {number}: its time is not after that of the row above",
                                 hint="Sort the file by time; no two ticks of a store have the same")  # fmt: skip
        last_us = tick.event_us
        yield tick


def _tick(row: Row) -> Tick:
    event_us, symbol, last, bid, ask, bid_size, ask_size, volume, trade_us, quote_us, size, changed = row
    return Tick(
        event_us, symbol, last, bid, ask, bid_size, ask_size, volume,
        None if trade_us is None else trade_us // US_PER_MS, None if quote_us is None else quote_us // US_PER_MS,
        size, changed,
    )  # fmt: skip


def _put_day(path: Path, day: str, ticks: Iterator[Tick], source: str, over_us: int) -> DayTaken:
    return _compared(path, day, ticks) if path.exists() else _made(path, day, ticks, source, over_us)


def _compared(path: Path, day: str, ticks: Iterator[Tick]) -> DayTaken:
    """Whether the tape has all of the ticks. Both come in the order of time, so neither has to be held."""
    recorded = (event for event in read_tape(path) if isinstance(event, Tick))
    there, count, others = next(recorded, None), 0, 0
    for tick in ticks:
        count += 1
        while there is not None and there.event_us < tick.event_us:
            there = next(recorded, None)
        others += there != tick
    if others:
        return DayTaken(day, "refused", count, f"the day has a tape, which lacks {others} of them")
    return DayTaken(day, "there", count)


def _made(path: Path, day: str, ticks: Iterator[Tick], source: str, over_us: int) -> DayTaken:
    scratch = path.with_name(f".{path.name}.importing")
    scratch.unlink(missing_ok=True)
    try:
        count, last_us = _write_tape(scratch, ticks, source)
        if last_us >= over_us:
            return DayTaken(day, "refused", count, "the day is not over by the last event of the store")
        scratch.rename(path)
    except sqlite3.DatabaseError as error:
        raise PermanentError(f"{path.name}: {error}", hint="Look at the disk: it is full or failing") from error
    finally:
        for part in ("", "-wal", "-shm"):
            Path(f"{scratch}{part}").unlink(missing_ok=True)
    return DayTaken(day, "stored", count)


def _write_tape(path: Path, ticks: Iterator[Tick], source: str) -> tuple[int, int]:
    """How many there were, and when the last one was."""
    create_private(path)
    symbols, count, last_us, begin_us = SymbolTable(), 0, 0, 0
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        while some := [*islice(ticks, TICKS_AT_ONCE)]:
            if not count:
                begin_us = trading_day(some[0].event_us)[1]
                migrate(raw, path, SQL / "tape", begin_us)
            rows = [symbols.row(tick, begin_us) for tick in some]
            if not all(map(fits_columns, rows)):
                raise PermanentError(f"a tick of {_day_of_hour(last_us // _HOUR_US)} holds a number beyond 64 bits",
                                     hint="Leave it out")  # fmt: skip
            raw.execute("BEGIN")
            raw.executemany("INSERT INTO symbols VALUES (?, ?, ?)", symbols.unsaved)
            raw.executemany(f"INSERT INTO ticks VALUES (?{', ?' * 10})", rows)
            raw.execute("COMMIT")
            symbols.unsaved.clear()
            count, last_us = count + len(some), some[-1].event_us
        for key, value in (("begin_us", begin_us), (IMPORTED, source), (TICKS, count)):
            put_meta(raw, key, value)
    finally:
        raw.close()
    return count, last_us
