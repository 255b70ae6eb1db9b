"""Rows on their way out of the store, oldest first, one by one: memory stays bounded however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tradeassistd.base.instant import US_PER_MS
from tradeassistd.market.tick import Tick
from tradeassistd.store import journal, outbox
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.transfer.files import Row
from tradeassistd.store.transfer.tables import ALERTS, BARS, RULES, TICKS, Selection, Table

_ALERTS = """
    SELECT a.id, a.position FROM alerts a JOIN transitions t ON t.event_us = a.event_us AND t.position = a.position
    WHERE a.event_us >= ? AND a.event_us < ? ORDER BY a.event_us, a.position"""
_PRICES = "open, high, low, close, volume"
_BARS = f"""
    SELECT symbol, interval, session, start_us, end_us, {_PRICES}, trades, 'trades' FROM bars
    WHERE (:symbol = '' OR symbol = :symbol) AND (:interval = '' OR interval = :interval)
    AND start_us >= :since AND start_us < :until ORDER BY symbol, interval, session, start_us"""
_OFFICIAL = f"""
    SELECT symbol, interval, 'always', start_us, end_us, {_PRICES}, 0, source FROM official_bars
    WHERE (:symbol = '' OR symbol = :symbol) AND (:interval = '' OR interval = :interval)
    AND start_us >= :since AND start_us < :until ORDER BY symbol, interval, start_us"""
_RULES = """
    SELECT rules.file, rule_texts.text, rule_sets.hash, rule_sets.git_commit, rule_sets.event_us FROM rule_sets
    JOIN rules ON rules.set_number = rule_sets.number JOIN rule_texts ON rule_texts.number = rules.text_number
    WHERE :every OR rule_sets.hash = :accepted ORDER BY rule_sets.event_us, rule_sets.number, rules.file"""


def rows_of(directory: Path, table: Table, selection: Selection) -> Iterator[Row]:
    """The rows of a table that the store holds (all but settings), beside a running daemon or without one.

    Raises like `reading`.
    """
    if table is TICKS:
        yield from _ticks(directory, selection)
        return
    with reading(directory / MAIN_FILE, "main") as raw:
        raw.execute("BEGIN")  # one look at everything
        if table is ALERTS:
            yield from _alerts(raw, selection)
        elif table is BARS:
            yield from _bars(raw, selection)
        elif table is RULES:
            yield from raw.execute(_RULES, {"every": selection.every_version, "accepted": journal.accepted_hash(raw)})
        raw.execute("COMMIT")


def _alerts(raw: sqlite3.Connection, selection: Selection) -> Iterator[Row]:
    for alert_id, position in raw.execute(_ALERTS, (selection.from_us, selection.until_us)):
        alert = outbox.select_alert(raw, alert_id)
        one = alert.transition
        if not selection.takes(one.symbol):
            continue
        columns = f"SELECT {outbox.DELIVERY_COLUMNS} FROM deliveries WHERE alert_id = ? ORDER BY channel"
        deliveries = [outbox.delivery_of(row) for row in raw.execute(columns, (alert_id,))]
        yield (
            alert.id, one.event_us, position, one.rule_id, one.symbol, one.level, alert.severity, alert.title,
            alert.text, alert.description, one.kind.value, one.state.value, one.suppressed, one.value, one.unit,
            one.price, one.since_us, one.late, one.tell, one.title, one.message, one.fingerprint, alert.rules_hash,
            msgspec.to_builtins(one.operands), msgspec.to_builtins(one.setup), msgspec.to_builtins(deliveries),
        )  # fmt: skip


def _bars(raw: sqlite3.Connection, selection: Selection) -> Iterator[Row]:
    for statement in (_BARS, _OFFICIAL):
        for symbol in sorted(selection.symbols) or ("",):
            wanted: dict[str, Any] = {"symbol": symbol, "interval": selection.interval}
            yield from raw.execute(statement, {**wanted, "since": selection.from_us, "until": selection.until_us})


def _ticks(directory: Path, selection: Selection) -> Iterator[Row]:
    for path in reversed(tape_paths(directory)):
        try:
            for event in read_tape(path, from_us=selection.from_us, until_us=selection.until_us - 1):
                if isinstance(event, Tick) and selection.takes(event.symbol):
                    yield _tick(event)
        except EmptyFileError:
            continue


def _tick(tick: Tick) -> Row:
    return (
        tick.event_us, tick.symbol, tick.last, tick.bid, tick.ask, tick.bid_size, tick.ask_size, tick.volume,
        None if tick.trade_ms is None else tick.trade_ms * US_PER_MS,
        None if tick.quote_ms is None else tick.quote_ms * US_PER_MS, tick.size, tick.changed,
    )  # fmt: skip
