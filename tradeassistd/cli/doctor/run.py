"""Runs the doctor's checks in order and prints them as they come."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import typer

from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.config import Settings, load_settings
from tradeassistd.base.errors import ConfigError, FatalError, TradeAssistError
from tradeassistd.base.paths import default_path, socket_path, state_directory
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.doctor import channels, configuration, daemon, login, machine, network
from tradeassistd.cli.doctor.finding import PROBLEM, Finding, lines, problem, summary
from tradeassistd.cli.doctor.told import Told
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.store import queries

WIDTHS = (60, 120)
LATE_HINT = "tradeassist doctor --bundle FILE.tar.gz packs what helps to find out why"


def run(config: Path | None, bundle: Path | None, *, as_json: bool) -> int:
    """Print what every check found; exit code 1 when there is a problem."""
    found: list[Finding] = []
    clock = WallClock()
    try:
        settings, broken = load_settings(config), None
    except ConfigError as error:
        settings, broken = None, error
    told = ask_daemon(config, settings)
    for one in examine(config, settings, broken, told, clock):
        found.append(one)
        if not as_json:
            typer.echo("\n".join(lines(one, _width())))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        typer.echo(summary(found))
    if bundle is not None:
        from tradeassistd.cli.doctor.bundle import write_bundle

        write_bundle(bundle, config, settings, told, found, clock)
        if not as_json:
            typer.echo(f"Written: {bundle}. Tokens, keys and account numbers are taken out; look before you send it.")
    return exit_codes.NO if any(one.state == PROBLEM for one in found) else exit_codes.YES


def examine(
    config: Path | None, settings: Settings | None, broken: ConfigError | None, told: Told, clock: Clock
) -> Iterator[Finding]:
    """Every check, in the order in which one thing needs another."""
    if settings is None:
        assert broken is not None
        yield problem("settings", broken.message, broken.hint)
        yield from daemon.daemon(told.status, told.pid, answers=told.answers, hidden=told.hidden)
        return
    assert settings.rules.dir and settings.store.path and settings.schwab.token_file  # load_settings completes them
    yield from configuration.settings(settings, config or default_path(os.environ))
    yield from configuration.rules(settings.rules.dir, frozenset(settings.channels), clock, settings.store.keep.bars)
    yield from configuration.credentials(settings)
    yield from login.login(settings.schwab.token_file, clock, told.live("login"))
    yield from network.reach(settings.schwab.base_url, clock)
    yield from machine.directory(settings.store.path)
    yield from machine.databases(settings.store.path)
    yield from channels.channels(settings, told.live("channels"), clock)
    yield from daemon.daemon(told.status, told.pid, answers=told.answers, hidden=told.hidden)


def ask_daemon(config: Path | None, settings: Settings | None) -> Told:
    """The newest status there is."""
    try:
        directory = settings.store.path if settings is not None else state_directory(config, os.environ)
        socket = socket_path(config, os.environ)
    except ConfigError:
        return Told({}, None)  # the settings cannot even be read, and the first finding says so
    assert directory is not None  # load_settings completes it
    try:
        pid = queries.daemon_running(directory)
    except FatalError as error:
        return Told({}, None, hidden=error.message)
    if pid is not None and socket is not None:
        try:
            return Told(ask(socket, "/health/detailed").document, pid, answers=True)
        except (NotRunningError, TradeAssistError):
            pass  # it starts, stops or hangs: what it stored last has to do, and a finding says so
    try:
        return Told(queries.status(directory), pid)
    except TradeAssistError:
        return Told({}, pid)  # the check of the databases says why


def _width() -> int:
    return max(WIDTHS[0], min(shutil.get_terminal_size((80, 24)).columns, WIDTHS[1]))
