"""The view on a terminal: looks again and again, draws without flicker, and listens to keys."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.cli.view.draw import draw, whole_height
from tradeassistd.cli.view.keys import keys
from tradeassistd.cli.view.look import Look, look_for
from tradeassistd.cli.view.snapshot import Snapshot
from tradeassistd.cli.view.source import Source

LOOK_EVERY_S = 0.25
QUIT_KEYS, PAUSE_KEYS = "qQ", "pP "
LINES_MAX = 200


class Picture:
    """A snapshot for rich; drawn for the size the terminal has at that moment."""

    def __init__(self, shown: Snapshot, look: Look) -> None:
        self._shown = shown
        self._look = look

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield joined(draw(self._shown, options.max_width, options.height or console.height, self._look))


class Viewer:
    """Shows a source on the whole terminal until `stop` is set, a quit key is pressed, or `until_s` has come."""

    def __init__(self, source: Source, console: Console, clock: Clock, stop: asyncio.Event, first: Snapshot) -> None:
        """`first` is shown until the source has something."""
        self.shown = first
        self._source = source
        self._console = console
        self._clock = clock
        self._stop = stop
        self._look = look_for(console.encoding)
        self._paused = False
        self._wake = asyncio.Event()

    async def run(self, *, until_s: float = float("inf"), check: Callable[[], None] | None = None) -> Snapshot:
        """The last snapshot. `until_s` is machine time (`Clock.elapsed_s`); `check` is called at each look."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._wake.set)
        stopping = asyncio.create_task(self._stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            with (
                Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False,
                     redirect_stderr=False) as live,
                keys(sys.stdin.fileno(), self._pressed),
            ):  # fmt: skip
                while not self._stop.is_set() and self._clock.elapsed_s() < until_s:
                    if check is not None:
                        check()
                    if not self._paused:
                        await self._look_again()
                    live.update(Picture(replace(self.shown, paused=self._paused), self._look), refresh=True)
                    await self._rest()
        finally:
            stopping.cancel()
            loop.remove_signal_handler(signal.SIGWINCH)
        return self.shown

    async def _look_again(self) -> None:
        try:
            self.shown = await asyncio.to_thread(self._source.look)
        except TradeAssistError:
            return  # nothing there yet, or busy: what was seen last stays, and the next look is soon

    async def _rest(self) -> None:
        """Until the next look is due, or a key, a new size or the end comes first."""
        try:
            async with self._clock.deadline(LOOK_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _pressed(self, key: str) -> None:
        if key in QUIT_KEYS:
            self._stop.set()
        elif key in PAUSE_KEYS:
            self._paused = not self._paused
        self._wake.set()


def print_picture(shown: Snapshot, console: Console) -> None:
    """The picture as it stood on the screen, to stay on the terminal."""
    console.print(joined(draw(shown, console.width, console.height - 1, look_for(console.encoding))), crop=False)


def print_once(shown: Snapshot, console: Console) -> None:
    """The whole picture as plain lines, however long."""
    height = min(whole_height(shown), LINES_MAX)
    for line in draw(shown, console.width, height, look_for(console.encoding)):
        console.print(line, no_wrap=True, soft_wrap=True, crop=False)


def joined(lines: list[Text]) -> Text:
    """Lines as one text that is never wrapped."""
    made = Text("\n", no_wrap=True, overflow="crop", end="").join(lines)
    made.no_wrap, made.overflow, made.end = True, "crop", ""
    return made
