"""`tradeassist db import`: rows of a file beside what is stored; by the running daemon, else with the store's lock."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import PermanentError, UnfitError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.paths import socket_path, state_directory
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.db_import_files import import_rules, import_settings
from tradeassistd.cli.login import login_name
from tradeassistd.cli.wording import counted
from tradeassistd.market.bar import ARCHIVE_INTERVAL, INTERVALS_S
from tradeassistd.market.session import ALWAYS
from tradeassistd.store import journal
from tradeassistd.store.directory import MAIN_FILE, make_directory
from tradeassistd.store.offline import note_offline, writing
from tradeassistd.store.queries import daemon_running
from tradeassistd.store.sizes import newest_event
from tradeassistd.store.transfer.files import Numbered, Row, read_rows
from tradeassistd.store.transfer.incoming import (
    ROWS_AT_ONCE_MAX,
    TRADES,
    DayTaken,
    Taken,
    checked,
    put_rows,
    put_span,
    put_ticks,
)
from tradeassistd.store.transfer.tables import BARS, RULES, SETTINGS, TABLES, TICKS, Table

ROWS_HERE_MAX = 20_000
"""Of one transaction while no daemon runs."""
Spans = dict[str, tuple[int, int]]


def import_(
    config: Path | None, what: str, source: Path, *, given: str, complete: bool, replace: bool, as_json: bool
) -> int:
    """Take the rows of a file. Everything is checked before anything is stored."""
    table = TABLES[what]
    if complete and table is not BARS:
        raise typer.BadParameter("--complete means nothing but for bars")
    if replace and table not in (RULES, SETTINGS):
        raise typer.BadParameter("--replace means nothing but for rules and settings")
    read = partial(read_rows, source, table, given)
    if table is RULES:
        return import_rules(config, [one.row for one in read()], replace=replace, as_json=as_json)
    if table is SETTINGS:
        return import_settings(config, [one.row for one in read()], replace=replace, as_json=as_json)
    directory = state_directory(config, os.environ)
    if table is TICKS:
        return _ticks(config, directory, source, (one.row for one in read()), as_json=as_json)
    spans: Spans = {}
    for numbered in checked(table, read()):  # the whole file, before the first row is stored
        if complete:
            _widen(spans, numbered)
    into = _through_daemon if daemon_running(directory) else _here
    taken = into(config, directory, table, source.name, (one.row for one in read()), spans)
    said = {"what": what, "file": str(source), "new": taken.new, "there": taken.there}
    typer.echo(json.dumps(said, indent=2) if as_json else
               f"{counted(taken.new, 'new row')} of {what}, {taken.there:,} were there already")  # fmt: skip
    return exit_codes.YES


def _through_daemon(config: Path | None, _: Path, table: Table, file: str, rows: Iterator[Row], spans: Spans) -> Taken:
    socket, taken, by = socket_path(config, os.environ), Taken(), login_name()
    while some := [*islice(rows, ROWS_AT_ONCE_MAX)]:
        body = [_cells(row, table) for row in some]
        try:
            done = ask(socket, f"/db/import/{table.name}", method="POST", body=body).document
        except UnfitError as error:  # of the file, not of the command: as without a daemon
            raise PermanentError(error.message) from None
        taken.add(Taken(done["new"], done["there"]))
    whole = [{"symbol": symbol, "from_us": begin, "to_us": end} for symbol, (begin, end) in spans.items()]
    ask(socket, "/db/import", {"what": table.name, "new": taken.new, "file": file, "by": by}, method="POST", body=whole)
    return taken


def _cells(row: Row, table: Table) -> dict[str, Any]:
    """A row as the API takes it: prices and instants as text, so that nothing is rounded on the way."""
    from tradeassistd.store.transfer.files import text_of
    from tradeassistd.store.transfer.tables import Type

    return {
        column.name: value if column.type in (Type.TREE, Type.BOOLEAN, Type.REAL) else text_of(value, column.type)
        for column, value in zip(table.columns, row, strict=True)
        if value is not None
    }


def _here(_: Path | None, directory: Path, table: Table, file: str, rows: Iterator[Row], spans: Spans) -> Taken:
    make_directory(directory)
    taken = Taken()
    with writing(directory, WallClock().now_us()) as transaction:
        last_us = transaction(journal.last_event_us)
        while some := [*islice(rows, ROWS_HERE_MAX)]:
            taken.add(transaction(partial(_put, table, some, last_us)))
        transaction(partial(_put_spans, spans, last_us))
        body = {"what": table.name, "new": taken.new, "file": file, "by": login_name(), "complete": len(spans)}
        transaction(lambda raw: journal.insert_audit(raw, last_us, "db.import", body))
    return taken


def _put(table: Table, rows: Sequence[Row], event_us: int, raw: sqlite3.Connection) -> Taken:
    return put_rows(raw, table, rows, event_us)


def _put_spans(spans: Spans, event_us: int, raw: sqlite3.Connection) -> None:
    for symbol, (begin, end) in spans.items():
        put_span(raw, symbol, begin, end, event_us)


def _widen(spans: Spans, numbered: Numbered) -> None:
    """The span of each symbol that the file says it lacks nothing of; only Schwab's minutes warm windows."""
    symbol, interval, session, start_us, end_us, *_, source = numbered.row
    if interval != ARCHIVE_INTERVAL or session != ALWAYS or source == TRADES:
        wrong = f"{numbered.place}: --complete takes one-minute bars of Schwab, not {interval} of {source}"
        raise PermanentError(wrong, hint="Import the others without it")
    end_us = end_us or start_us + INTERVALS_S[interval] * US_PER_S
    begin, end = spans.get(symbol, (start_us, end_us))
    spans[symbol] = min(begin, start_us), max(end, end_us)


def _ticks(config: Path | None, directory: Path, source: Path, rows: Iterator[Row], *, as_json: bool) -> int:
    """Tapes are made beside those of the daemon, which writes to none of them: no lock is needed."""
    make_directory(directory)
    days: list[DayTaken] = []
    has_store = (directory / MAIN_FILE).exists()
    last_us = newest_event(directory) if has_store else 0
    for day in put_ticks(directory, rows, source=source.name, before_us=last_us, now_us=WallClock().now_us()):
        days.append(day)
        if not as_json:
            detail = f": {day.detail}" if day.detail else ""
            typer.echo(f"{day.day}  {counted(day.ticks, 'tick'):<18} {day.outcome}{detail}")
    new = sum(day.ticks for day in days if day.outcome == "stored")
    if new and has_store:
        _note(config, directory, {"what": "ticks", "new": new, "file": source.name, "by": login_name()})
    if as_json:
        typer.echo(json.dumps([day._asdict() for day in days], indent=2))
    refused = any(day.outcome == "refused" for day in days)
    return exit_codes.NO if refused or not days else exit_codes.YES


def _note(config: Path | None, directory: Path, body: dict[str, Any]) -> None:
    if daemon_running(directory):
        ask(socket_path(config, os.environ), "/db/import", body, method="POST", body=[])
    else:
        note_offline(directory, "db.import", body)
