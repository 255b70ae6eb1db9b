"""Signals of my own for tradeassistd."""

from collections.abc import Sequence
from math import isqrt
from statistics import fmean

from tradeassistd.functions import Bars, UserFunction


def weighted(values: Sequence[float]) -> float:
    """Mean in which the newest value weighs most."""
    return sum(weight * value for weight, value in enumerate(values, 1)) / sum(range(1, len(values) + 1))


def hull_average(values: tuple[float, ...], count: int) -> float:
    """Alan Hull's moving average: twice the fast one less the slow one, and that smoothed."""
    ends = range(len(values) - isqrt(count) + 1, len(values) + 1)
    return weighted(
        [2 * weighted(values[end - count // 2 : end]) - weighted(values[end - count : end]) for end in ends]
    )


def hull_bars(count: int) -> int:
    """How many bars it takes."""
    if count < 4:
        raise ValueError("count must be 4 or more")
    return count + isqrt(count) - 1


def range_channel(bars: Bars, count: int, width: float) -> tuple[float, float, float]:
    """The mean close of the last bars, and `width` times their mean range above and below it."""
    middle = fmean(bars.close)
    away = width * (fmean(bars.high) - fmean(bars.low))
    return middle + away, middle, middle - away


def reward_to_risk(entry: float, stop: float, target: float) -> float | None:
    """How much there is to win for each dollar at risk; unknown with the stop at the entry."""
    return (target - entry) / (entry - stop) if entry != stop else None


hull = UserFunction(
    name="hull",
    args={"series": "series", "count": "count", "interval": "interval"},
    gives="same",
    bars=hull_bars,
    compute=hull_average,
    version="1",
    doc="Hull moving average of the last n closed bars.",
    example="hull(close, 16, 5m)",
)
channel = UserFunction(
    name="channel",
    args={"count": "count", "width": "number", "interval": "interval"},
    gives="price",
    lines={
        "upper": "Mean close plus so many mean ranges.",
        "mid": "The mean close.",
        "lower": "Mean close minus so many mean ranges.",
    },
    compute=range_channel,
    version="1",
    doc="A channel around the mean close of the last n bars, as wide as so many of their mean ranges.",
    example="channel(20, 1.5, 5m).upper",
)
reward_risk = UserFunction(
    name="reward_risk",
    args={"entry": "price", "stop": "price", "target": "price"},
    gives="number",
    compute=reward_to_risk,
    version="1",
    doc="What there is to win for each dollar at risk.",
    example="reward_risk(price, day.low, prev_day.high)",
)
