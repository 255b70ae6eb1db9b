"""`tradeassist demo`: the whole product in one terminal - simulator, daemon and starter rules on temporary state."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

import typer
from rich.console import Console

from tradeassistd.base.clock import WallClock
from tradeassistd.base.paths import SOCKET_FILE
from tradeassistd.cli import exit_codes
from tradeassistd.cli.demo_programs import Programs, programs
from tradeassistd.cli.demo_text import AlertLines, summary
from tradeassistd.cli.receiver import Receiver
from tradeassistd.cli.top import on_screen, source_for
from tradeassistd.cli.view.screen import Viewer, print_picture
from tradeassistd.cli.view.snapshot import Snapshot

LOOK_EVERY_S = 0.25
NOTE = "A made-up Monday, the real daemon, the starter rules; alerts stay in the demo."


def run(*, duration_s: int, speed: float, seed: int) -> int:
    """Run the demo; gives the exit code."""
    return asyncio.run(_demo(duration_s, speed, seed))


def frame(speed: float) -> Snapshot:
    """What the screen says around the pictures of the demo."""
    return Snapshot(program="tradeassist demo", note=NOTE, hint="p pause  q quit", speed=speed)


async def _demo(duration_s: int, speed: float, seed: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="tradeassist-demo-") as scratch:
        folder = Path(scratch)
        async with Receiver() as receiver, programs(folder, receiver.url, speed, seed) as running:
            await _watch(folder / "state", stop, running, duration_s, speed, Console(highlight=False))
        typer.echo("\n".join(summary(folder / "state", receiver.received)))
    return exit_codes.YES


async def _watch(
    state: Path, stop: asyncio.Event, running: Programs, duration_s: int, speed: float, console: Console
) -> None:
    """Show what the daemon stores, until told to stop or the time is up."""
    clock = WallClock()
    end_s = clock.elapsed_s() + duration_s if duration_s else float("inf")

    if on_screen(console):
        source = source_for(state, state.parent / SOCKET_FILE, clock, frame(speed))
        last = await Viewer(source, console, clock, stop, frame(speed)).run(until_s=end_s, check=running.check)
        print_picture(last, console)
        return
    typer.echo("simulator and daemon are starting; one line an alert follows, Ctrl+C ends")
    alerts = AlertLines(state)
    while not stop.is_set() and clock.elapsed_s() < end_s:
        running.check()
        for line in await asyncio.to_thread(alerts.fresh):
            typer.echo(line)
        await _until(stop, clock)


async def _until(stop: asyncio.Event, clock: WallClock) -> None:
    """Wait a moment, or less when told to stop."""
    try:
        async with clock.deadline(LOOK_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
