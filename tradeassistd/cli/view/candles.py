"""Draws bars as candles, two steps of price to a line, with their volume and what is missing between them.

A rising bar is thin and a falling one solid, so that nothing is told by colour alone. One column is one bar. Where time
that belongs between two bars is left out stands a column of its own: shaded for a hole, dotted where the session was
closed; a bar's time without a trade is left blank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.view.look import DIM, DOWN, UP, Look
from tradeassistd.market.bar import Bar
from tradeassistd.market.session import NEW_YORK

HOLE, CLOSED, QUIET = "hole", "closed", "quiet"
Mark = str
"""What stands between two bars: HOLE, CLOSED or QUIET."""
VOLUME_LINES = 2
PRICE_EVERY = 4
"""Lines between two prices of the scale."""
LABEL_EVERY = 12
"""Columns between two times of the axis at least."""
_NONE, _WICK, _BODY = range(3)


class Signs(NamedTuple):
    """The pieces of a candle: (upper half, lower half) of a line to a sign, for a rising and for a falling bar."""

    rising: dict[tuple[int, int], str]
    falling: dict[tuple[int, int], str]
    volume: str
    marks: dict[Mark, str]
    rule: str


_WICKS = {(_NONE, _NONE): " ", (_WICK, _WICK): "│", (_NONE, _WICK): "╷", (_WICK, _NONE): "╵"}
_UNICODE = Signs(
    rising=_WICKS | {(_BODY, _BODY): "┃", (_NONE, _BODY): "╻", (_BODY, _NONE): "╹", (_WICK, _BODY): "╽",
                     (_BODY, _WICK): "╿"},
    falling=_WICKS | {(_BODY, _BODY): "█", (_NONE, _BODY): "▄", (_BODY, _NONE): "▀", (_WICK, _BODY): "▄",
                      (_BODY, _WICK): "▀"},
    volume=" ▁▂▃▄▅▆▇█", marks={HOLE: "░", CLOSED: "┊", QUIET: " "}, rule="─",
)  # fmt: skip
_PLAIN = {(_NONE, _NONE): " ", (_WICK, _WICK): "|", (_NONE, _WICK): "|", (_WICK, _NONE): "|"}
_BODIES = ((_BODY, _BODY), (_NONE, _BODY), (_BODY, _NONE), (_WICK, _BODY), (_BODY, _WICK))
_ASCII = Signs(
    rising=_PLAIN | dict.fromkeys(_BODIES, "o"), falling=_PLAIN | dict.fromkeys(_BODIES, "#"),
    volume=" .:|", marks={HOLE: "?", CLOSED: ":", QUIET: " "}, rule="-",
)  # fmt: skip


def chart(columns: Sequence[Bar | Mark], height: int, look: Look, price_text: Callable[[int], str]) -> list[Text]:
    """The picture, `height` lines (6 at least), as wide as there are columns and the scale at their right.

    Raises ValueError when there is no bar among the columns.
    """
    bars = [one for one in columns if isinstance(one, Bar)]
    if not bars:
        raise ValueError("there is no bar to draw")
    signs = _ASCII if look.encoding else _UNICODE
    has_volume = any(bar.volume for bar in bars)
    lines = max(height - 2 - VOLUME_LINES * has_volume, 2)
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    drawn = [_column(one, low, high, lines, signs) for one in columns]
    made = []
    for line in range(lines):
        scale = _price_at(line, lines, low, high)
        label = price_text(scale) if line % PRICE_EVERY == 0 or line == lines - 1 else ""
        made.append(Text.assemble(*(column[line] for column in drawn), " ", (label, DIM)))
    if has_volume:
        made += _volumes(columns, signs)
    made.append(Text(signs.rule * len(columns), DIM))
    made.append(Text(_times(columns), DIM))
    return made


def _column(one: Bar | Mark, low: int, high: int, lines: int, signs: Signs) -> list[tuple[str, str]]:
    """The signs of one column with their colours, the highest line first."""
    if not isinstance(one, Bar):
        return [(signs.marks[one], DIM)] * lines
    top, steps = high - low, 2 * lines - 1

    def step(price: int) -> int:
        return round((price - low) * steps / top) if top else lines

    wick = step(one.low), step(one.high)
    body = step(min(one.open, one.close)), step(max(one.open, one.close))
    falls = one.close < one.open
    pieces, colour = (signs.falling, DOWN) if falls else (signs.rising, UP)

    def half(at: int) -> int:
        return _BODY if body[0] <= at <= body[1] else _WICK if wick[0] <= at <= wick[1] else _NONE

    return [(pieces[half(steps - 2 * line), half(steps - 2 * line - 1)], colour) for line in range(lines)]


def _price_at(line: int, lines: int, low: int, high: int) -> int:
    """The price that the middle of a line stands for: the highest at the top, the lowest at the bottom."""
    return high - (high - low) * line // (lines - 1) if lines > 1 else high


def _volumes(columns: Sequence[Bar | Mark], signs: Signs) -> list[Text]:
    most = max(one.volume for one in columns if isinstance(one, Bar))
    full = len(signs.volume) - 1
    made = []
    for line in range(VOLUME_LINES - 1, -1, -1):
        text = Text()
        for one in columns:
            if not isinstance(one, Bar):
                text.append(signs.marks[one], DIM)
                continue
            eighths = -(-one.volume * full * VOLUME_LINES // most) - line * full  # the least trade shows
            text.append(signs.volume[max(0, min(full, eighths))], "bright_black")
        if line == VOLUME_LINES - 1:
            text.append(f" {most:,}", DIM)
        made.append(text)
    return made


def _times(columns: Sequence[Bar | Mark]) -> str:
    """The axis: the time of a bar where its label begins, with its date where the day is another."""
    line, day, free = "", None, 0
    for at, one in enumerate(columns):
        if not isinstance(one, Bar):
            continue
        begun = datetime.fromtimestamp(one.start_us // US_PER_S, NEW_YORK)
        other_day = begun.date() != day
        text = f"{begun:%b %d %H:%M}" if other_day else f"{begun:%H:%M}"
        if at < (len(line) + 2 if other_day and line else free) or at + len(text) > len(columns) + LABEL_EVERY:
            continue
        line = line.ljust(at) + text
        day, free = begun.date(), at + max(LABEL_EVERY, len(text) + 2)
    return line
