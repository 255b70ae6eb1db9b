"""Numbers, prices and times as short words for a narrow screen."""

from __future__ import annotations

from datetime import datetime

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.price import PRICE_DECIMALS, PRICE_SCALE, price_text
from tradeassistd.market.session import NEW_YORK

DASH = "-"
_COUNTS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_BYTES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def price(value: int | None, tick_size: int) -> str:
    """A scaled price with as many decimals as its tick size has: 6,882.25, -921, 118.015625."""
    if value is None:
        return DASH
    places = len(price_text(abs(tick_size) or 1).partition(".")[2])
    unit = 10 ** (PRICE_DECIMALS - places)
    whole, part = divmod((abs(value) + unit // 2) // unit * unit, PRICE_SCALE)
    decimals = f".{part:0{PRICE_DECIMALS}d}"[: places + 1] if places else ""
    return f"{'-' if value < 0 else ''}{whole:,}{decimals}"


def change(last: int | None, reference: int | None) -> str:
    """By how much of the reference the price has moved: +0.25%; empty where that says nothing."""
    if last is None or not reference:
        return ""
    moved = (last - reference) / abs(reference)
    if abs(moved) >= 10:
        return f"{moved:+,.0%}" if abs(moved) < 1e4 else f"{'+' if moved > 0 else '-'}{count(abs(moved) * 100)}%"
    return f"{moved:+.2%}"


def count(value: float) -> str:
    """A count in at most five characters: 812, 9.4K, 507K, 1.2M."""
    for size, letter in _COUNTS:
        if abs(value) >= size:
            scaled = value / size
            if abs(scaled) >= 1e4:
                return f"{scaled:.0e}".replace("e+", "e") + letter
            # Cut, not rounded: 999,950 is 999K, never 1000K.
            return f"{int(scaled * 10) / 10:.1f}{letter}" if abs(scaled) < 10 else f"{int(scaled)}{letter}"
    return f"{value:.0f}"


def size(value: int) -> str:
    """A number of bytes: 14 MB."""
    for unit, word in _BYTES:
        if value >= unit:
            scaled = value / unit
            return f"{scaled:.1f} {word}" if scaled < 10 else f"{scaled:,.0f} {word}"
    return f"{value} B"


def age(seconds: float) -> str:
    """How long ago: 0.2 s, 48 s, 12 min, 5 h, 3 d."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    for limit, unit, word in ((100, 1, "s"), (100 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds / 86_400:,.0f} d"


def milliseconds(value: float | None) -> str:
    """A latency: 8 ms, 1.4 s."""
    if value is None:
        return DASH
    if value < 1_000:
        return f"{value:.0f} ms" if value >= 1 else "<1 ms"
    return age(value / 1_000)


def day(us: int) -> str:
    """Mon 16 Nov 2026, in New York."""
    at = _new_york(us)
    return f"{at:%a %d %b %Y}" if at else DASH


def short_day(us: int) -> str:
    """Mon 16 Nov, in New York."""
    return day(us)[:10].rstrip()


def time_of_day(us: int) -> str:
    """09:30:00, in New York."""
    at = _new_york(us)
    return f"{at:%H:%M:%S}" if at else DASH


def _new_york(us: int) -> datetime | None:
    """None where the calendar has no such instant: a screen must not end over a broken number."""
    try:
        return datetime.fromtimestamp(us // US_PER_S, NEW_YORK)
    except (OverflowError, ValueError, OSError):
        return None
