"""`tradeassist db export`: alerts, bars, ticks, rules and settings as CSV, JSON or Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.paths import default_path, read_settings_file, state_directory
from tradeassistd.base.secret_keys import blanked, secret_paths
from tradeassistd.cli import exit_codes
from tradeassistd.cli.db_settle import settle
from tradeassistd.cli.wording import counted
from tradeassistd.store.transfer.files import STDOUT, Row, format_of, write_rows
from tradeassistd.store.transfer.outgoing import rows_of
from tradeassistd.store.transfer.tables import SETTINGS, TABLES, Selection, Table


def export(config: Path | None, what: str, target: Path, selection: Selection, *, given: str, as_json: bool) -> int:
    """Write the rows; exit code 1 when there are none. Raises TradeAssistError when it cannot be done."""
    table = TABLES[what]
    format_of(target, given)
    directory = state_directory(config, os.environ)
    left_out: list[str] = []
    rows: Iterable[Row]
    if table is SETTINGS:
        rows, left_out = _settings(config)
    else:
        settle(config, directory, "export", target.name)
        rows = rows_of(directory, table, selection)
    count = write_rows(target, table, rows, given)
    said = {"what": what, "file": str(target), "rows": count, "left_out": left_out}
    noun = f"{counted(count, 'row')} of {what} in {target}"
    secrets = f"; secrets stay here: {', '.join(left_out)}" if left_out else ""
    typer.echo(json.dumps(said, indent=2) if as_json else f"{noun}{secrets}", err=target == STDOUT)
    return exit_codes.YES if count else exit_codes.NO


def selection_of(table: Table, **given: Any) -> Selection:
    """What to export. Raises BadParameter for an option that means nothing for this kind."""
    fits = {"symbols": ("alerts", "bars", "ticks"), "from_us": ("alerts", "bars", "ticks"), "interval": ("bars",),
            "until_us": ("alerts", "bars", "ticks"), "every_version": ("rules",)}  # fmt: skip
    default = Selection()
    for name, value in given.items():
        if value != getattr(default, name) and table.name not in fits[name]:
            raise typer.BadParameter(f"{_OPTIONS[name]} means nothing for {table.name}")
    return Selection(**given)


_OPTIONS = {"symbols": "--symbol", "from_us": "--from", "until_us": "--to", "interval": "--interval",
            "every_version": "--all"}  # fmt: skip


def _settings(config: Path | None) -> tuple[list[Row], list[str]]:
    """The settings of the file, key by key, secrets empty."""
    values = read_settings_file(config or default_path(os.environ))
    secrets = secret_paths(values)
    rows = [(".".join(path), value) for path, value in _leaves(blanked(values, secrets))]
    return rows, [".".join(path) for path in secrets]


def _leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value and not any("." in inner for inner in value):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
