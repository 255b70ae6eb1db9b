"""`tradeassist bars` and `tradeassist history`: their options."""

from __future__ import annotations

from typing import Annotated

import typer

from tradeassistd.cli.options import AsJson, Config, state_directory_of

bars_app = typer.Typer(rich_markup_mode=None)
history_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the stored past.")


@bars_app.command()
def bars(
    symbol: Annotated[str, typer.Argument(help="As Schwab writes it: /ES, SPY, '$VIX'.")],
    interval: Annotated[str, typer.Option(help="1m 2m 3m 5m 10m 15m 30m 1h 2h 4h or 1d.")] = "5m",
    session: Annotated[str, typer.Option(
        help="rth, ext, globex, overnight or always; default: the symbol's own.", show_default=False,
    )] = "",
    begin: Annotated[str, typer.Option(
        "--from", help="A date, or '2026-11-20 09:30' in New York; default: as many bars as fit.", show_default=False,
    )] = "",
    end: Annotated[str, typer.Option(
        "--to", help="The same; of a date its end. Default: the newest bar.", show_default=False,
    )] = "",
    limit: Annotated[int, typer.Option(min=0, max=100_000, help="At most this many, the newest; 0: what fits.")] = 0,
    table: Annotated[bool, typer.Option("--table", help="Every bar in a table, no chart.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Stored bars of a symbol drawn as candles, the last ones as a table; holes show. Exit code 1: there are none.

    Bars are made of trades, and Schwab's own where nobody watched. Works whether or not the daemon runs.
    """
    from tradeassistd.cli.bars import show

    raise typer.Exit(
        show(state_directory_of(config), symbol, interval=interval, session=session, begin=begin, end=end, limit=limit,
             table=table, as_json=as_json)
    )  # fmt: skip


@history_app.command("verify")
def verify(
    symbols: Annotated[list[str] | None, typer.Argument(
        help="As Schwab writes them; default: every symbol that was watched.", show_default=False,
    )] = None,
    begin: Annotated[str, typer.Option(
        "--from", metavar="DATE", help="First trading day; default: six days before the last.", show_default=False,
    )] = "",
    end: Annotated[str, typer.Option(
        "--to", metavar="DATE", help="Last trading day, included; default: that of now.", show_default=False,
    )] = "",
    every_day: Annotated[bool, typer.Option("--days", help="A line for every day, also for those that agree.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compare stored minutes with what Schwab tells now, day by day. Exit code 1 when something differs or is missing.

    Asks the running daemon, who asks Schwab; without a daemon it is done here. Nothing is changed.
    """
    from tradeassistd.cli.backfill import given_days
    from tradeassistd.cli.history import run
    from tradeassistd.cli.symbols import given_symbols, note_meant

    wanted = given_symbols(symbols)
    first, last = given_days(begin, end)
    note_meant(wanted)
    raise typer.Exit(run(config, wanted, first, last, every_day=every_day, as_json=as_json))
