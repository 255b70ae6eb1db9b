"""The made-up breadth of the market: $TICK, $ADD and $TRIN as followers of the market factor.

$TICK follows the last half minute's direction and falls back by itself, $ADD the day's move, $TRIN leans against $ADD
around 1. All stay inside the bounds that are plausible for the real ones.
"""

from __future__ import annotations

from math import exp, sqrt
from random import Random

TICK_BOUND = 1500
ADD_BOUND = 2800
TRIN_BOUNDS = (0.25, 4.0)

_SLOPE_MEMORY_S = 25.0
_TICK_PER_SLOPE = 2.6e7
_ADD_PER_MOVE = 170_000.0


class Internals:
    """Advanced once per slot with the market factor (a natural logarithm of the move)."""

    def __init__(self, seed: int, market: float) -> None:
        self._chance = Random(f"{seed}:internals")
        self._market = market
        self._day_began = market
        self._slope = 0.0
        self._tick_noise = self._add_noise = self._trin_noise = 0.0
        self._opening_add = self._chance.uniform(-500, 500)

    def open_day(self) -> None:
        """Breadth counts from the previous close."""
        self._day_began = self._market
        self._opening_add = self._chance.uniform(-500, 500)

    def advance(self, market: float, seconds: float) -> None:
        """Take the market factor after `seconds` more."""
        weight = 1 - exp(-seconds / _SLOPE_MEMORY_S)
        self._slope += weight * ((market - self._market) / seconds - self._slope)
        self._market = market
        self._tick_noise = self._wander(self._tick_noise, 160.0, 12.0, seconds)
        self._add_noise = self._wander(self._add_noise, 120.0, 300.0, seconds)
        self._trin_noise = self._wander(self._trin_noise, 0.12, 200.0, seconds)

    def value(self, symbol: str) -> float:
        """The present value in points."""
        add = self._opening_add + self._add_noise + _ADD_PER_MOVE * (self._market - self._day_began)
        if symbol == "$ADD":
            return _within(add, -ADD_BOUND, ADD_BOUND)
        if symbol == "$TRIN":
            return _within(exp(self._trin_noise - add / 3500), *TRIN_BOUNDS)
        return _within(self._tick_noise + _TICK_PER_SLOPE * self._slope, -TICK_BOUND, TICK_BOUND)

    def _wander(self, value: float, spread: float, memory_s: float, seconds: float) -> float:
        """One step of noise that forgets within `memory_s` and stays around `spread`."""
        kept = exp(-seconds / memory_s)
        return value * kept + spread * sqrt(1 - kept * kept) * self._chance.gauss(0.0, 1.0)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
