"""Values of the API as traders read them in a terminal."""

from __future__ import annotations

from datetime import datetime

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.session import NEW_YORK

DIGITS_MAX = 6
"""Decimals shown: enough for a 64th of a point."""
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
