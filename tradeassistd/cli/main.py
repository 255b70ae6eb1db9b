"""`tradeassist`: the command line. Heavy imports happen inside the command that needs them, so `--help` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tradeassistd import __version__
from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.not_running import NotRunningError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Alert rules as YAML, evaluated on every tick of Schwab's stream.",
)  # fmt: skip
rules_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work with rule files.")
app.add_typer(rules_app, name="rules")
notify_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work with the channels alerts go to.")
app.add_typer(notify_app, name="notify")
auth_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Log in to Schwab.")
app.add_typer(auth_app, name="auth")

Config = Annotated[Path | None, typer.Option("--config", help="Settings file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Alert rules as YAML, evaluated on every tick of Schwab's stream."""
    if version:
        typer.echo(f"tradeassist {__version__}")
        raise typer.Exit


@app.command()
def demo(
    duration_s: Annotated[int, typer.Option("--for", help="End after this many seconds; 0: at Ctrl+C.")] = 0,
    speed: Annotated[float, typer.Option(help="Market seconds per second.")] = 60.0,
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

    raise typer.Exit(run(_state_directory(config), socket_path(config, os.environ), once=once))


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """What the daemon is doing: feed, rules, alerts, deliveries. Exit code 69 when it is not running."""
    from tradeassistd.cli.status import show_status

    raise typer.Exit(show_status(_state_directory(config), as_json=as_json))


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

    raise typer.Exit(show_quotes(_state_directory(config), symbols or [], as_json=as_json))


@app.command()
def instruments(
    text: Annotated[str, typer.Argument(help="Symbol, root, or part of a name; all when left out.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What is known of symbols: class, market, tick size, point value, plausible range. Exit code 1: none fits."""
    from tradeassistd.cli.instruments import show

    raise typer.Exit(show(text, _state_directory(config), config, as_json=as_json))


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

    raise typer.Exit(
        show_alerts(_state_directory(config), limit=limit, rule=rule, symbol=symbol, suppressed=suppressed,
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

    raise typer.Exit(acknowledge(_socket(config), rule, symbol, as_json=as_json))


@app.command()
def reconnect(config: Config = None) -> None:
    """Try to connect to Schwab now, instead of waiting: another program has given the stream back."""
    from tradeassistd.cli.client import ask

    feed = ask(_socket(config), "/reconnect", method="POST").document
    typer.echo(f"connecting (the feed was: {feed['feed']})" if feed["feed"] != "live" else "the feed is live")


For = Annotated[str, typer.Option("--for", help="How long: 90s, 30m or 2h.", show_default=False)]
Until = Annotated[str, typer.Option(
    help="Or until when: 2026-12-18 (the end of that trading day), '2026-12-18 15:00 America/New_York', or 15:30 in "
    "New York.", show_default=False,
)]  # fmt: skip
Reason = Annotated[str, typer.Option(help="Why, for whoever wonders.")]


@app.command()
def silence(
    rule: Annotated[list[str] | None, typer.Option(help="Glob of rule ids, e.g. 'es-*'; may be repeated.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Glob of symbols, e.g. '/E*'; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Glob of tags; may be repeated.")] = None,
    for_: For = "",
    until: Until = "",
    reason: Reason = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Nobody is told of what fits every option given, for a while. What still fires when it ends is told then."""
    from tradeassistd.cli.silence import silence as run

    if not (rule or symbol or tag):
        raise typer.BadParameter("name a --rule, a --symbol or a --tag; '*' fits all")
    raise typer.Exit(
        run(_socket(config), rule or (), symbol or (), tag or (), for_s=_for_s(for_, until), until=until, reason=reason,
            as_json=as_json)
    )  # fmt: skip


@app.command()
def snooze(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    symbol: Annotated[str, typer.Argument(help="Only of this symbol; all when left out.")] = "",
    for_: For = "",
    until: Until = "",
    reason: Reason = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Nobody is told of one rule for a while: a silence of that rule, or of it on one symbol."""
    from tradeassistd.cli.silence import silence as run

    if any(sign in rule + symbol for sign in "*?["):
        raise typer.BadParameter("snooze takes one rule; `tradeassist silence` takes globs")

    raise typer.Exit(
        run(_socket(config), (rule,), (symbol,) if symbol else (), (), for_s=_for_s(for_, until), until=until,
            reason=reason, as_json=as_json)
    )  # fmt: skip


@app.command()
def silences(
    end: Annotated[
        int, typer.Option("--end", metavar="ID", help="End the silence of this number now.", show_default=False)
    ] = 0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """The silences in force, of `_silences.yaml` and said ones. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli import silence as commands

    socket = _socket(config)
    raise typer.Exit(commands.end(socket, end, as_json=as_json) if end else commands.show(socket, as_json=as_json))


@rules_app.command("check")
def rules_check(
    directory: Annotated[Path | None, typer.Argument(help="Rules directory; default: that of the settings.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    output: Annotated[str, typer.Option("--format", help="text, json, or github: annotations of a pull request.")] = "",
    state: Annotated[Path | None, typer.Option(
        help="State directory, only looked at: which `fire: once` rules are spent; default: that of the settings.",
        show_default=False,
    )] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """All errors and warnings of all rule files. Exit code 1 when there is an error; with --strict, or a warning.

    Channels in `notify`, and which rules are spent, are looked up where there are settings: with --config, or without
    DIRECTORY.
    """
    from tradeassistd.cli.rules import FORMATS, check

    output = output or ("json" if as_json else "text")
    if output not in FORMATS or (as_json and output != "json"):
        raise typer.BadParameter(f"write one of {', '.join(FORMATS)}", param_hint="--format")
    channels: frozenset[str] | None = None
    store, market_clock = state, False
    if directory is None or config is not None:
        from tradeassistd.base.config import load_settings

        settings = load_settings(config)
        directory, channels = directory or settings.rules.dir, frozenset(settings.channels)
        store, market_clock = state or settings.store.path, settings.clock == "market"
    assert directory is not None  # load_settings completes it
    raise typer.Exit(
        check(directory, output=output, strict=strict, channels=channels, state=store, state_asked=state is not None,
              market_clock=market_clock)
    )  # fmt: skip


@rules_app.command("test")
def rules_test(
    paths: Annotated[list[Path] | None, typer.Argument(
        metavar="PATH", help="Test files, or directories of them; default: tests/ in the rules directory.",
    )] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML here.")] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="List the conditions that no test made true.")] = False,
    config: Config = None,
) -> None:  # fmt: skip
    """Run the unit tests of rules. Exit code 1 when one fails, with what did happen, or when there are none."""
    from tradeassistd.cli.rules_test import run

    if not paths:
        from tradeassistd.base.config import load_settings

        directory = load_settings(config).rules.dir
        assert directory is not None  # load_settings completes it
        paths = [directory / "tests"]
    raise typer.Exit(run(paths, junit=junit, coverage=coverage))


@rules_app.command("schema")
def rules_schema(
    kind: Annotated[str, typer.Option(
        "--for", help="Which files: rules, defaults, watchlists, instruments, routes, silences or tests.",
    )] = "rules",
) -> None:  # fmt: skip
    """The JSON Schema of rule files, with which editors complete keys and mark mistakes."""
    from tradeassistd.cli.rules_schema import show

    raise typer.Exit(show(kind))


@rules_app.command("functions")
def rules_functions(
    name: Annotated[str, typer.Argument(help="Only this function, with all there is to know of it.")] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Call the functions of your own packages: each with the same bars twice, and with odd ones.",
    )] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Functions a rule may use, also those of packages of your own (entry points `tradeassistd.functions`).

    Exit code 1 when an installed one cannot be used, or --check finds it unsound.
    """
    from tradeassistd.cli.rules_functions import show

    raise typer.Exit(show(name, try_them=check, as_json=as_json))


@rules_app.command("list")
def rules_list(config: Config = None, as_json: AsJson = False) -> None:
    """Every rule in force with its states. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli.rules_live import show_list

    raise typer.Exit(show_list(_socket(config), as_json=as_json))


@rules_app.command("show")
def rules_show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the rule.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """One rule with the present value of every part of its condition, and how far it is from firing."""
    from tradeassistd.cli.rules_live import show_rule

    raise typer.Exit(show_rule(_socket(config), rule_id, as_json=as_json))


@rules_app.command("reload")
def rules_reload(
    wait: Annotated[bool, typer.Option(help="Wait until the new rules are in force, or rejected.")] = True,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept a directory without rules.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have the daemon read its rules directory now. Exit code 1 when it rejected a file."""
    from tradeassistd.cli.rules_live import reload

    raise typer.Exit(reload(_socket(config), wait=wait, allow_empty=allow_empty, as_json=as_json))


@app.command()
def watch(
    kinds: Annotated[str, typer.Option(help="Comma list of tick_update alert_fired rule_triggered health_status "
                                            "connection_events; default: all but tick_update.")] = "",
    symbols: Annotated[str, typer.Option(help="Only events of these symbols, e.g. /ES,SPY.")] = "",
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:  # fmt: skip
    """Events as they happen, until Ctrl+C. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli.watch import watch as run

    raise typer.Exit(run(_socket(config), kinds.split(","), symbols.split(","), as_json=as_json))


@auth_app.command("login")
def auth_login(
    browser: Annotated[bool | None, typer.Option(
        "--browser/--no-browser", show_default=False,
        help="Open a browser here and take its redirect (the callback URL must be https://127.0.0.1:PORT), or print "
        "the address and wait for the redirect to be pasted; default: a browser where there is one, never over SSH.",
    )] = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Log in to Schwab and write the token file; Schwab wants this every seven days. A running daemon takes it up."""
    from tradeassistd.cli.auth import login

    raise typer.Exit(login(config, browser=browser))


@auth_app.command("status")
def auth_status(config: Config = None, as_json: AsJson = False) -> None:
    """How old the login to Schwab is and when it ends. Exit code 1 when somebody has to log in."""
    from tradeassistd.cli.auth import show_status

    raise typer.Exit(show_status(config, as_json=as_json))


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
    file: Annotated[list[Path] | None, typer.Option("--file", help="Recorded tick file to play.")] = None,
    as_symbol: Annotated[str, typer.Option("--as", help="Serve the recorded file as this symbol.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 1,
    start: Annotated[str, typer.Option(help="Market time at which the synthetic market starts.")] = "",
    speed: Annotated[str, typer.Option(help="Market seconds per second, or `max`: as fast as it is taken.")] = "1",
    cut: Annotated[list[str] | None, typer.Option("--cut", help="TIME/SECONDS: drop the connection then.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="What goes wrong and when (docs/simulator.md).")] = None,
    fault: Annotated[list[str] | None, typer.Option("--fault", help="One fault: 'mute, at: 5m, for: 45s'.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what the market really made to this tick file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")] = False,
    port: Annotated[int, typer.Option(help="REST port; 0: any free one.")] = 8182,
    token_file: Annotated[Path | None, typer.Option(help="Write a token for the daemon here.")] = None,
) -> None:
    """Run the built-in Schwab: REST and streamer on this machine."""
    from tradeassistd.cli.simulate import run, show_schema

    raise typer.Exit(
        show_schema() if schema else
        run(files=file or [], as_symbol=as_symbol, seed=seed, start=start, speed=speed, cuts=cut or [], port=port,
            token_file=token_file, scenario=scenario, faults=fault or [], truth=truth)
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
    except TradeAssistError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        sys.exit(exit_codes.NO)


def _socket(config: Path | None) -> Path | None:
    """Where the daemon serves its API, found without loading all settings; None when they turn it off."""
    import os

    from tradeassistd.base.paths import socket_path

    return socket_path(config, os.environ)


def _for_s(for_: str, until: str) -> int:
    """The seconds of --for, 0 when --until is given instead. Raises BadParameter unless one of them is."""
    from tradeassistd.base.yaml12 import ValueProblem, duration_s

    if bool(for_) == bool(until):
        raise typer.BadParameter("say how long with --for, or until when with --until")
    try:
        length_s = duration_s(for_) if for_ else 0
    except ValueProblem as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if for_ and not length_s:
        raise typer.BadParameter(f"{for_} is no time at all", param_hint="--for")
    return length_s


def _state_directory(config: Path | None) -> Path:
    """Where the daemon keeps its state, found without loading all settings."""
    import os

    from tradeassistd.base.paths import state_directory

    return state_directory(config, os.environ)


if __name__ == "__main__":
    main()
