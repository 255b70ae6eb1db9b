"""How memory grows over a soak, once everything that has a limit has reached it."""

from __future__ import annotations

from itertools import combinations
from statistics import median

from tests.soak.week import Run
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import RECENT_BARS_MAX
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import trading_window_at

SLOPE_KB_MAX = 1024.0
"""A day."""
LEAST_SAMPLES = 24
_HOUR_US = 3600 * US_PER_S
_STOCK = instrument_of("SPY")


def warm_up_h(start_us: int) -> int:
    """After so many hours a stock's one-minute bars have filled the window that is kept of them; those of futures are
    full long before, and by then caches and the allocator's arenas are, too."""
    minutes = hours = 0
    while minutes < RECENT_BARS_MAX:
        minutes += 60 * (trading_window_at(_STOCK, start_us + hours * _HOUR_US) is not None)
        hours += 1
    return hours


def slope_kb(run: Run) -> float | None:
    """By how many kilobytes a day resident memory grows after the warm-up; None for a run too short to tell.

    The median of the slopes between all pairs of hours of one life of the daemon (Theil and Sen): what the allocator
    takes for an hour and gives back is no growth, nor is what one life leaves scattered between what the next one
    takes, for that would be a process of its own.
    """
    begin_h = warm_up_h(run.start_us)
    warm = [sample for sample in run.samples if sample.hours >= begin_h]
    if len(warm) < LEAST_SAMPLES:
        return None
    return 24 * median(
        (two.rss_kb - one.rss_kb) / (two.hours - one.hours)
        for one, two in combinations(warm, 2) if one.starts == two.starts
    )  # fmt: skip
