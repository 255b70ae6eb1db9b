"""Values of the API as traders read them in a terminal."""

from __future__ import annotations

import textwrap
from datetime import datetime

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.session import NEW_YORK

DIGITS_MAX = 6
"""Decimals shown: enough for a 64th of a point."""
LABEL_WIDTH = 10
"""Columns of a label such as `daemon` with the space behind it."""
WORDS = {True: "true   ", False: "false  ", None: "unknown"}


def amount(value: float | None, unit: str) -> str:
    """A value in its unit: percent for a ratio, grouped digits for the others; `?` when unknown."""
    if value is None:
        return "?"
    if unit == "ratio":
        return f"{value:.3%}"
    if value % 1 == 0:
        return f"{value:,.0f}"
    whole, _, digits = f"{value:,.{DIGITS_MAX}f}".partition(".")
    return f"{whole}.{digits.rstrip('0').ljust(2, '0')}"


def signed(value: float, unit: str) -> str:
    """A difference, always with its sign."""
    return ("+" if value >= 0 else "") + amount(value, unit)


def duration(seconds: int) -> str:
    """A duration as a rule file writes it: 90s, 5m, 1h."""
    for unit_s, unit in ((3600, "h"), (60, "m")):
        if seconds and seconds % unit_s == 0:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"


def clock_time(iso: str) -> str:
    """An ISO instant as New York wall time with its date."""
    return f"{datetime.fromisoformat(iso).astimezone(NEW_YORK):%a %Y-%m-%d %H:%M:%S}"


def time_of_day_us(us: int) -> str:
    """An instant as New York time of day to the millisecond."""
    at = datetime.fromtimestamp(us // US_PER_S, NEW_YORK)
    return f"{at:%H:%M:%S}.{us % US_PER_S // US_PER_MS:03d}"


def span(seconds: float) -> str:
    """How long something has lasted, in two units at most: 4.2 s, 48 s, 2 min 5 s, 3 h 4 min, 2 d 3 h."""
    whole = int(max(seconds, 0))
    if whole < 10:
        return f"{max(seconds, 0):.1f} s"
    for unit_s, unit, part_s, part in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def wrapped(label: str, text: str, width: int) -> list[str]:
    """A labelled line, gone on below its text where it is wider than `width`; no word is taken apart."""
    lines = textwrap.wrap(text, max(width - LABEL_WIDTH, 20), break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{label if not number else '':<{LABEL_WIDTH}}{line}".rstrip() for number, line in enumerate(lines)]


def counted(count: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
