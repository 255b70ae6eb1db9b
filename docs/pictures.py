"""Draws the README's pictures from a real run: `make pictures`.

Starts the simulator (always the same Monday) and the daemon with the starter rules, as `tradeassist demo` does, waits
until the market's clock has come to a given time, and saves what the two commands show then. Prices, rules and alerts
are the same at every run, but for the few market seconds between two looks; ages, rates and latencies are as measured.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.paths import SOCKET_FILE
from tradeassistd.cli import demo, top
from tradeassistd.cli.demo_programs import Programs, programs
from tradeassistd.cli.receiver import Receiver
from tradeassistd.cli.view.draw import draw
from tradeassistd.cli.view.look import UNICODE
from tradeassistd.cli.view.snapshot import Snapshot
from tradeassistd.cli.view.source import Source
from tradeassistd.cli.view.words import time_of_day

DOCS = Path(__file__).resolve().parent
SPEED, SEED = 60.0, 1
LOOK_EVERY_S = 0.1
PATIENCE_S = 300.0
THEME = TerminalTheme(
    (22, 27, 34), (201, 209, 217),
    [(22, 27, 34), (232, 113, 106), (96, 188, 117), (214, 166, 82), (108, 158, 232), (178, 138, 222), (88, 178, 190),
     (201, 209, 217)],
    [(110, 118, 129), (255, 138, 130), (120, 212, 141), (236, 190, 108), (138, 180, 248), (202, 164, 240),
     (120, 205, 216), (240, 246, 252)],
)  # fmt: skip
"""Calm colours on a dark ground; the second row holds the bright ones."""
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 16px; font-family: system-ui, "DejaVu Sans", sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: what is drawn, how large, and at which market time (New York)."""

    name: str
    title: str
    at: str
    width: int
    height: int
    frame: Snapshot


PICTURES = (
    Picture("demo", "make demo", "09:52:40", 80, 24, demo.frame(SPEED)),
    Picture("top", "tradeassist top", "10:08:20", 120, 36, top.FRAME),
)


async def main() -> None:
    """Run the demo's programs until the last picture is taken."""
    with tempfile.TemporaryDirectory(prefix="tradeassist-pictures-") as scratch:
        folder, clock = Path(scratch), WallClock()
        async with Receiver() as receiver, programs(folder, receiver.url, SPEED, SEED) as running:
            source = top.source_for(folder / "state", folder / SOCKET_FILE, clock, top.FRAME)
            async with clock.deadline(PATIENCE_S):
                await _take(source, running, clock)


async def _take(source: Source, running: Programs, clock: WallClock) -> None:
    """Save each picture at its time; they are in order."""
    for picture in PICTURES:
        while (shown := look(source)) is None or time_of_day(shown.now_us) < picture.at:
            running.check()
            await clock.pause(LOOK_EVERY_S)
        frame = picture.frame
        save(picture, replace(shown, program=frame.program, note=frame.note, speed=frame.speed))


def look(source: Source) -> Snapshot | None:
    """The present snapshot; None while the daemon has not stored anything."""
    try:
        shown = source.look()
    except TradeAssistError:
        return None
    return shown if shown.now_us else None


def save(picture: Picture, shown: Snapshot) -> None:
    """Write one picture as SVG; the same lines give the same bytes."""
    console = Console(record=True, width=picture.width, height=picture.height, file=io.StringIO(), force_terminal=True,
                      color_system="truecolor", highlight=False)  # fmt: skip
    console.print(Text("\n").join(draw(shown, picture.width, picture.height, UNICODE)), no_wrap=True, crop=False)
    svg = console.export_svg(title=picture.title, theme=THEME, code_format=SVG, unique_id=picture.name)
    (DOCS / f"{picture.name}.svg").write_text(svg, "utf-8")
    print(f"docs/{picture.name}.svg at {time_of_day(shown.now_us)} New York, {len(svg):,} bytes")


if __name__ == "__main__":
    asyncio.run(main())
