"""`tradeassist backfill`: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from tradeassistd.cli.options import AsJson, Config

backfill_app = typer.Typer(rich_markup_mode=None)


@backfill_app.command()
def backfill(
    symbols: Annotated[list[str] | None, typer.Argument(
        help="As Schwab writes them: SPY, /ES, '$SPX'; none: watch the backfill that is under way.",
    )] = None,
    begin: Annotated[str, typer.Option(
        "--from", metavar="DATE", help="First trading day; default: 48 days back (1m), nine months (5m), five years.",
        show_default=False,
    )] = "",
    end: Annotated[str, typer.Option(
        "--to", metavar="DATE", help="Last trading day, included; default: that of now.", show_default=False,
    )] = "",
    interval: Annotated[str, typer.Option(help="1m, 5m or 1d.")] = "1m",
    again: Annotated[bool, typer.Option("--again", help="Also days that are there: Schwab corrects some.")] = False,
    every_day: Annotated[bool, typer.Option("--days", help="A line for every day, not for every run of days.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the backfill that the daemon has under way.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fetch history from Schwab into the store, at two calls a second. Exit code 1 when Schwab refused something.

    The running daemon does it, and goes on when this ends; without a daemon it is done here. Days that are stored are
    not asked for again, so the same command goes on where it was interrupted.
    """
    from tradeassistd.cli.backfill import given_days, run, stop_it
    from tradeassistd.cli.symbols import given_symbols, note_meant
    from tradeassistd.feed.history import INTERVALS

    if stop:
        raise typer.Exit(stop_it(config, as_json=as_json))
    if interval not in INTERVALS:
        raise typer.BadParameter(f"write one of {', '.join(INTERVALS)}", param_hint="--interval")
    first, last = given_days(begin, end)
    wanted = given_symbols(symbols)
    note_meant(wanted)
    raise typer.Exit(run(config, wanted, interval, first, last, again=again, every_day=every_day, as_json=as_json))
