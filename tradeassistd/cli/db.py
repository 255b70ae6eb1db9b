"""`tradeassist db`: what the state directory holds, and what becomes of it; each command's work has its own module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeassistd.cli.options import AsJson, Config, state_directory_of

if TYPE_CHECKING:
    from tradeassistd.store.transfer.tables import Table

db_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What is stored: its size, how long it is kept, backup, restore."
)


@db_app.command("info")
def db_info(config: Config = None, as_json: AsJson = False) -> None:
    """Size, rows, oldest and newest of every table and tape, growth a day, and when the disk is full at that rate."""
    from tradeassistd.cli.db_info import show

    raise typer.Exit(show(config, as_json=as_json))


@db_app.command("prune")
def db_prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    keep: Annotated[list[str] | None, typer.Option(
        metavar="WHAT=SPAN", help="In place of the settings' store.keep, this once, e.g. tape=10d; may be repeated.",
        show_default=False,
    )] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Remove now what `store.keep` does not keep; the daemon does so by itself, every hour."""
    from tradeassistd.cli.db_prune import prune

    raise typer.Exit(prune(config, keep or [], dry_run=dry_run, as_json=as_json))


@db_app.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="E.g. tradeassist.tar.gz; a .tar is not packed.")],
    days: Annotated[int | None, typer.Option(
        min=0, help="Only the tapes of so many trading days, the newest.", show_default=False,
    )] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """One file with state, alerts, tape, rules and settings, whether or not the daemon runs.

    The login to Schwab and every secret stay out of it. A former backup of that name is replaced once the new one is
    whole. Exit code 1 when a damaged tape had to be left out.
    """
    from tradeassistd.cli.db_backup import backup

    raise typer.Exit(backup(config, file, days=days, as_json=as_json))


@db_app.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, or a copy of main.db (`db copies`).")],
    replace: Annotated[bool, typer.Option("--replace", help="Move aside what is there, instead of refusing.")] = False,
    keep_rules: Annotated[bool, typer.Option("--keep-rules", help="Leave the rules directory as it is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only see what is in it, and that it is whole.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place: state, alerts, what is yet to be sent, tape, rules, and settings where there are none.

    It is checked as a whole first. The daemon must not run.
    """
    from tradeassistd.cli.db_backup import restore_from

    raise typer.Exit(
        restore_from(config, file, replace=replace, keep_rules=keep_rules, dry_run=dry_run, as_json=as_json)
    )


@db_app.command("copies")
def db_copies(
    prune: Annotated[bool, typer.Option("--prune", help="Remove all but the newest of each file.")] = False,
    keep: Annotated[int, typer.Option(min=0, help="With --prune: how many of each file stay.")] = 1,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Earlier states of the files: from before a migration, what a restore moved aside, damaged tapes."""
    from tradeassistd.cli.db_copies import show

    raise typer.Exit(show(state_directory_of(config), prune=prune, keep=keep, as_json=as_json))


What = Annotated[str, typer.Argument(metavar="WHAT", help="alerts, bars, ticks, rules or settings.")]
Format = Annotated[str, typer.Option("--format", help="csv, json, jsonl or parquet, where the name does not say it.")]


@db_app.command("export")
def db_export(
    what: What,
    file: Annotated[Path, typer.Argument(
        metavar="FILE", help="The ending is the format: .csv, .json, .jsonl (also with .gz), .parquet; - prints it.",
    )],
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be repeated.")] = None,
    begin: Annotated[str, typer.Option("--from", help="A date, or '2026-11-20 09:30' in New York.")] = "",
    end: Annotated[str, typer.Option("--to", help="The same; of a date its end.")] = "",
    interval: Annotated[str, typer.Option(help="Only bars of this interval, e.g. 1m.")] = "",
    every_version: Annotated[bool, typer.Option("--all", help="Every accepted version of the rules.")] = False,
    given: Format = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Stored rows as a file for other programs, oldest first. Exit code 1 when there are none.

    Prices are exact decimals, times UTC. Settings come without their secrets.
    """
    from tradeassistd.cli.db_export import export, selection_of
    from tradeassistd.cli.instants import from_us, to_us
    from tradeassistd.store.transfer.tables import Selection

    table, every = _table(what), Selection()
    selection = selection_of(
        table, symbols=frozenset(symbol or ()), interval=interval, from_us=from_us(begin, every.from_us),
        until_us=to_us(end, every.until_us), every_version=every_version,
    )  # fmt: skip
    raise typer.Exit(export(config, what, file, selection, given=given, as_json=as_json))


@db_app.command("import")
def db_import(
    what: What,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `db export` writes it.")],
    complete: Annotated[bool, typer.Option(
        "--complete", help="Of one-minute bars: the file lacks none of a symbol from its first to its last, so rules "
        "may warm from them.",
    )] = False,
    replace: Annotated[bool, typer.Option(
        "--replace", help="Of rules and settings: replace files that differ; the old ones are kept as *.before-import.",
    )] = False,
    given: Format = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Rows of a file beside what is stored, never in its place. Again, it changes nothing.

    Alerts come with what became of them and are told to nobody. Ticks make tapes of days that have none. Rules and
    settings are written to their places once they are found to be right.
    """
    from tradeassistd.cli.db_import import import_

    _table(what)
    raise typer.Exit(import_(config, what, file, given=given, complete=complete, replace=replace, as_json=as_json))


def _table(what: str) -> Table:
    from tradeassistd.store.transfer.tables import TABLES

    if what not in TABLES:
        raise typer.BadParameter(f"{what!r} is none of {', '.join(TABLES)}", param_hint="WHAT")
    return TABLES[what]
