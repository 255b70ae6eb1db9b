"""Draws a snapshot for a screen of any size: a pure function from values to lines."""

from __future__ import annotations

from itertools import zip_longest

from rich.text import Text

from tradeassistd.cli.view import alerts as alert_lines
from tradeassistd.cli.view import frame
from tradeassistd.cli.view import quotes as quote_lines
from tradeassistd.cli.view import rules as rule_lines
from tradeassistd.cli.view.look import DIM, Look
from tradeassistd.cli.view.snapshot import Snapshot

TABLES_LEAST_WIDTH, TABLES_LEAST_HEIGHT = 72, 16
"""On a smaller screen there are no tables beside each other."""
ALERTS_LEAST = 6
"""Lines that the alerts keep, their heading included, whatever else there is."""
TILE_WIDTH = 25
GAP = 3
_CHANNELS_LEAST_HEIGHT = 32


def draw(shown: Snapshot, width: int, height: int, look: Look) -> list[Text]:
    """At most `height` lines, none wider than `width` columns."""
    if width < 1 or height < 1:
        return []
    lines = _tables(shown, width, height, look) if _has_room(width, height) else _compact(shown, width, height, look)
    for line in lines:
        line.plain = look.clean(line.plain)
        line.truncate(width, overflow="crop")
    return lines[:height]


def whole_height(shown: Snapshot) -> int:
    """A height at which nothing is left out, for output that is no screen."""
    tables = max(len(shown.quotes) + len(shown.channels) + 3, len(shown.rules) + 1)
    return 7 + tables + max(len(shown.alerts) + 1, ALERTS_LEAST)


def _has_room(width: int, height: int) -> bool:
    return width >= TABLES_LEAST_WIDTH and height >= TABLES_LEAST_HEIGHT


def _tables(shown: Snapshot, width: int, height: int, look: Look) -> list[Text]:
    """Quotes and rules beside each other, the alerts below."""
    lines = [frame.headline(shown, width, look)]
    if shown.note:
        lines.append(look.cell(shown.note, width, DIM))
    airy = height >= _CHANNELS_LEAST_HEIGHT
    lines += [Text()] * airy
    room = height - len(lines) - 1 - 2 * airy
    left_width = (width - GAP) * 47 // 100
    right_width = width - GAP - left_width
    channels = len(shown.channels) + 2 if airy and shown.channels else 0
    wanted = max(len(shown.quotes) + 1 + channels, len(shown.rules) + 1, 2)
    tables = min(wanted, room - ALERTS_LEAST)
    left = quote_lines.quotes(shown.quotes, left_width, tables - channels, look)
    if channels:
        left += [Text(), *frame.channels(shown.channels, left_width, channels - 1, look)]
    right = rule_lines.rules(shown.rules, right_width, tables, look)
    lines += [_beside(*pair, left_width) for pair in zip_longest(left, right, fillvalue=Text())]
    lines += [Text()] * airy
    below = alert_lines.alerts(shown.alerts, width, height - len(lines) - 1 - airy, look)
    lines += below
    lines += [Text()] * (height - len(lines) - 1)
    return [*lines, frame.last_line(shown, width, look)]


def _beside(left: Text, right: Text, left_width: int) -> Text:
    return Text.assemble(left, " " * (left_width - left.cell_len + GAP), right)


def _compact(shown: Snapshot, width: int, height: int, look: Look) -> list[Text]:
    """One line for each thing that matters, the alerts in what is left."""
    lines = [frame.headline(shown, width, look)]
    room = height - len(lines)
    lines += _tiles(shown, width, max(room - 5, 0) if room < 12 else room // 2, look)
    if room > 2:
        lines.append(rule_lines.firing_line(shown.rules, width, look))
    keep = int(height - len(lines) > 3)
    lines += alert_lines.alerts(shown.alerts, width, height - len(lines) - keep, look)
    lines += [Text()] * (height - len(lines) - 1) if keep else []
    return [*lines, frame.last_line(shown, width, look)] if keep else lines


def _tiles(shown: Snapshot, width: int, rows: int, look: Look) -> list[Text]:
    """The quotes beside each other where at least two fit into a line, else below each other."""
    columns = (width + 2) // (TILE_WIDTH + 2)
    if columns < 2:
        return quote_lines.plain(shown.quotes[:rows], width, look)
    tile_width = (width + 2) // columns - 2
    tiles = [quote_lines.tile(quote, tile_width, look) for quote in shown.quotes[: rows * columns]]
    return [look.line(tiles[first : first + columns], width, "  ") for first in range(0, len(tiles), columns)]
