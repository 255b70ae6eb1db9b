"""`tradeassist top`: quotes, rules, alerts, feed and deliveries of the daemon, live in this terminal."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import typer
from rich.console import Console

from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.errors import FatalError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.view.api_source import ApiSource
from tradeassistd.cli.view.screen import Viewer, print_once
from tradeassistd.cli.view.snapshot import RUNNING, Snapshot
from tradeassistd.cli.view.source import Source
from tradeassistd.cli.view.store_source import StoreSource
from tradeassistd.store import queries

FRAME = Snapshot(program="tradeassist", hint="p pause  q quit")


def run(directory: Path, socket: Path | None, *, once: bool) -> int:
    """Show the daemon that keeps its state in `directory` and answers at `socket` (None: it has no API).

    Exit code 69 when it does not run. Raises FatalError when this user may not look.
    """
    console, clock = Console(highlight=False), WallClock()
    queries.daemon_running(directory)
    source = source_for(directory, socket, clock, FRAME)
    try:
        shown = source.look()
    except FatalError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        return exit_codes.NOT_RUNNING
    if once or not on_screen(console):
        print_once(shown, console)
    else:
        shown = asyncio.run(_watch(source, console, clock, shown))
    return exit_codes.YES if shown.daemon == RUNNING else exit_codes.NOT_RUNNING


def source_for(directory: Path, socket: Path | None, clock: Clock, frame: Snapshot) -> Source:
    """The store, and the daemon's API where it has one."""
    source = StoreSource(directory, clock, frame)
    return source if socket is None else ApiSource(source, socket, clock)


def on_screen(console: Console) -> bool:
    """Whether the view can take the terminal over: it is one, it obeys, and keys come from it."""
    return console.is_terminal and not console.is_dumb_terminal and os.isatty(0)


async def _watch(source: Source, console: Console, clock: Clock, first: Snapshot) -> Snapshot:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await Viewer(source, console, clock, stop, first).run()
