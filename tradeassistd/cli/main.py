"""`tradeassist`: the command line. Heavy imports happen inside the command that needs them, so `--help` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tradeassistd import __version__
from tradeassistd.base.errors import ConfigError, TradeAssistError, UnfitError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.audit import audit_app
from tradeassistd.cli.auth_app import auth_app
from tradeassistd.cli.backfill_app import backfill_app
from tradeassistd.cli.db import db_app
from tradeassistd.cli.history_app import bars_app, history_app
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.cli.options import AsJson, Config, socket_of, state_directory_of
from tradeassistd.cli.rules_app import rules_app
from tradeassistd.cli.silence_app import silence_app

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Alert rules as YAML, evaluated on every tick of Schwab's stream.",
    context_settings={"max_content_width": 120},  # what a command is for stands whole in the list where there is room
)  # fmt: skip
app.add_typer(silence_app)
app.add_typer(backfill_app)
app.add_typer(audit_app)
app.add_typer(bars_app)
app.add_typer(history_app, name="history")
app.add_typer(rules_app, name="rules")
notify_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work with the channels alerts go to.")
app.add_typer(notify_app, name="notify")
app.add_typer(auth_app, name="auth")
app.add_typer(db_app, name="db")


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Alert rules as YAML, evaluated on every tick of Schwab's stream."""
    if version:
        typer.echo(f"tradeassist {__version__}")
        raise typer.Exit


@app.command()
def demo(
    duration_s: Annotated[int, typer.Option("--for", min=0, help="End after this many seconds; 0: at Ctrl+C.")] = 0,
    speed: Annotated[float, typer.Option(min=0.1, help="Market seconds per second.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Which synthetic Monday.")] = 1,
) -> None:
    """Simulator, daemon and starter rules, live in this terminal. Needs no account, no root, no network."""
    from tradeassistd.cli.demo import run

    raise typer.Exit(run(duration_s=duration_s, speed=speed, seed=seed))


@app.command("top")
def show_top(
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end, as without a terminal.")] = False,
    config: Config = None,
) -> None:
    """Quotes, rules, alerts and deliveries, live in this terminal. Exit code 69 when the daemon is not running."""
    import os

    from tradeassistd.base.paths import socket_path
    from tradeassistd.cli.top import run

    raise typer.Exit(run(state_directory_of(config), socket_path(config, os.environ), once=once))


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """What the daemon is doing: feed, rules, alerts, deliveries. Exit code 69 when it is not running."""
    from tradeassistd.cli.status import show_status

    raise typer.Exit(show_status(state_directory_of(config), socket_of(config), as_json=as_json))


@app.command()
def doctor(
    bundle: Annotated[Path | None, typer.Option(
        metavar="FILE.tar.gz", help="Also pack what helps to find out why, without secrets.", show_default=False,
    )] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Check everything an alert needs: settings, login, Schwab, disk, data, channels. Exit code 1: a problem.

    Works whether or not the daemon runs, and changes nothing.
    """
    from tradeassistd.cli.doctor.run import run

    raise typer.Exit(run(config, bundle, as_json=as_json))


@app.command()
def quotes(
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols; all when left out.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """The last stored quote of each symbol."""
    from tradeassistd.cli.queries import show_quotes
    from tradeassistd.cli.symbols import given_symbols

    raise typer.Exit(show_quotes(state_directory_of(config), given_symbols(symbols), as_json=as_json))


@app.command()
def instruments(
    text: Annotated[str, typer.Argument(help="Symbol, root, or part of a name; all when left out.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What is known of symbols: class, market, tick size, point value, plausible range. Exit code 1: none fits."""
    from tradeassistd.cli.instruments import show

    raise typer.Exit(show(text, state_directory_of(config), config, as_json=as_json))


@app.command()
def alerts(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")] = 20,
    rule: Annotated[str, typer.Option(help="Only this rule.")] = "",
    symbol: Annotated[str, typer.Option(help="Only this symbol.")] = "",
    suppressed: Annotated[bool, typer.Option("--suppressed", help="Also those nobody was told.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Stored alerts and what became of their deliveries."""
    from tradeassistd.cli.queries import show_alerts
    from tradeassistd.cli.symbols import given_symbols

    given_symbols([symbol])
    raise typer.Exit(
        show_alerts(state_directory_of(config), limit=limit, rule=rule, symbol=symbol, suppressed=suppressed,
                    as_json=as_json)
    )  # fmt: skip


@app.command()
def ack(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    symbol: Annotated[str, typer.Argument(help="Only of this symbol; all when left out.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that you have seen it: no more reminders of what the rule fires now. Exit code 1 when nothing fires."""
    from tradeassistd.cli.acknowledge import acknowledge
    from tradeassistd.cli.symbols import given_symbols

    given_symbols([symbol])
    raise typer.Exit(acknowledge(socket_of(config), rule, symbol, as_json=as_json))


@app.command()
def reconnect(config: Config = None) -> None:
    """Try to connect to Schwab now, instead of waiting: another program has given the stream back."""
    from tradeassistd.cli.client import ask

    feed = ask(socket_of(config), "/reconnect", method="POST").document
    typer.echo(f"connecting (the feed was: {feed['feed']})" if feed["feed"] != "live" else "the feed is live")


@app.command()
def watch(
    kinds: Annotated[str, typer.Option(help="Comma list of tick_update alert_fired rule_triggered health_status "
                                            "connection_events; default: all but tick_update.")] = "",
    symbols: Annotated[str, typer.Option(help="Only events of these symbols, e.g. /ES,SPY.")] = "",
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:  # fmt: skip
    """Events as they happen, until Ctrl+C. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli.symbols import given_symbols, note_meant
    from tradeassistd.cli.watch import watch as run

    wanted = given_symbols([symbols])
    note_meant(wanted)
    raise typer.Exit(run(socket_of(config), kinds.split(","), wanted, as_json=as_json))


@notify_app.command("test")
def notify_test(
    channel: Annotated[str, typer.Argument(help="Channel of the settings; all when left out.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message from this terminal, not through the daemon. Exit code 1 when any channel failed."""
    from tradeassistd.cli.notify import send_tests

    raise typer.Exit(send_tests(config, channel, as_json=as_json))


@app.command()
def simulate(
    file: Annotated[list[Path] | None, typer.Option(
        "--file", exists=True, dir_okay=False, help="Recorded tick file to play.",
    )] = None,
    as_symbol: Annotated[str, typer.Option("--as", help="Serve the recorded file as this symbol.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 1,
    start: Annotated[str, typer.Option(help="Market time at which the synthetic market starts.")] = "",
    speed: Annotated[str, typer.Option(help="Market seconds per second, or `max`: as fast as it is taken.")] = "1",
    cut: Annotated[list[str] | None, typer.Option("--cut", help="TIME/SECONDS: drop the connection then.")] = None,
    scenario: Annotated[Path | None, typer.Option(
        exists=True, dir_okay=False, help="What goes wrong and when (docs/simulator.md).",
    )] = None,
    fault: Annotated[list[str] | None, typer.Option("--fault", help="One fault: 'mute, at: 5m, for: 45s'.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what the market really made to this tick file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="REST port; 0: any free one.")] = 8182,
    token_file: Annotated[Path | None, typer.Option(help="Write a token for the daemon here.")] = None,
    futures_history: Annotated[bool, typer.Option(help="Price history has futures, too.")] = True,
) -> None:  # fmt: skip
    """Run the built-in Schwab: REST and streamer on this machine."""
    from tradeassistd.cli.simulate import run, show_schema

    raise typer.Exit(
        show_schema() if schema else
        run(files=file or [], as_symbol=as_symbol, seed=seed, start=start, speed=speed, cuts=cut or [], port=port,
            token_file=token_file, scenario=scenario, faults=fault or [], truth=truth,
            futures_history=futures_history)
    )  # fmt: skip


def main() -> None:
    """Run the command line; a known error is one line on stderr and an exit code."""
    try:
        app()
    except ConfigError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        sys.exit(exit_codes.CONFIGURATION)
    except NotRunningError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        sys.exit(exit_codes.NOT_RUNNING)
    except UnfitError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        sys.exit(exit_codes.USAGE)
    except TradeAssistError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        sys.exit(exit_codes.NO)


if __name__ == "__main__":
    main()
