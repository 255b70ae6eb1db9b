"""Indicators: one value per closed bar, moved incrementally, exact where sums are enough.

Prices come in as scaled integers, so sums are exact and an average is an exact rational: a price equal to an average is
equal (rules.md 5). A recursive indicator runs in float64 and is rounded to a decimal grid of at most 1e-9 of its value.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from tradeassistd.engine.functions import Value
from tradeassistd.market.bar import Bar

SIGNIFICANT_DECADES = 9
"""A recursive indicator keeps this many decades below its leading digit."""


class Indicator(Protocol):
    """Takes the bar series' values one by one."""

    def step(self, value: int) -> Value | None:
        """The indicator after one more closed bar; None while it is warming up."""
        ...


class Mean:
    """SMA: the plain mean of the last n values."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count)
        self._count = count
        self._sum = 0

    def step(self, value: int) -> Value | None:
        if len(self._window) == self._count:
            self._sum -= self._window[0]
        self._window.append(value)
        self._sum += value
        return exact(self._sum, self._count) if len(self._window) == self._count else None


class WeightedMean:
    """WMA: weights 1..n, the newest weighs n; the weighted sum moves by n * new - sum of the old window."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count)
        self._count = count
        self._sum = 0
        self._weighted = 0

    def step(self, value: int) -> Value | None:
        full = len(self._window) == self._count
        if full:
            self._weighted += self._count * value - self._sum
            self._sum += value - self._window[0]
        self._window.append(value)
        if not full:
            self._sum += value
            self._weighted += len(self._window) * value
        return exact(self._weighted, self._count * (self._count + 1) // 2) if len(self._window) == self._count else None


class ExponentialMean:
    """EMA: seeded with the mean of the first n values, then alpha = 2 / (n + 1)."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._alpha = 2.0 / (count + 1)
        self._seen = 0
        self._seed_sum = 0
        self._value = 0.0

    def step(self, value: int) -> Value | None:
        self._seen += 1
        if self._seen <= self._count:
            self._seed_sum += value
            if self._seen < self._count:
                return None
            self._value = self._seed_sum / self._count
        else:
            self._value += self._alpha * (value - self._value)
        return on_grid(self._value)


class Extreme:
    """Greatest (or least) of the last n values, by a queue that only keeps who can still win: O(1) amortised."""

    def __init__(self, count: int, *, sign: int) -> None:
        self._count = count
        self._sign = sign
        self._seen = 0
        self._candidates: deque[tuple[int, int]] = deque()

    def step(self, value: int) -> Value | None:
        self._seen += 1
        while self._candidates and (value - self._candidates[-1][1]) * self._sign >= 0:
            self._candidates.pop()
        self._candidates.append((self._seen, value))
        if self._candidates[0][0] <= self._seen - self._count:
            self._candidates.popleft()
        return self._candidates[0][1] if self._seen >= self._count else None


class RateOfChange:
    """ROC: change against the value n bars earlier, relative to that older value (as a fraction, 1% is 0.01)."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count + 1)
        self._count = count

    def step(self, value: int) -> Value | None:
        self._window.append(value)
        if len(self._window) <= self._count or self._window[0] == 0:
            return None
        return exact(value - self._window[0], self._window[0])


INDICATORS: dict[str, Callable[[int], Indicator]] = {
    "sma": Mean,
    "avg": Mean,
    "ema": ExponentialMean,
    "wma": WeightedMean,
    "highest": lambda count: Extreme(count, sign=1),
    "lowest": lambda count: Extreme(count, sign=-1),
    "roc": RateOfChange,
}
"""What computes each bar function of the table (engine.functions)."""


class Track:
    """The values of one indicator on one bar series: the present one and as many earlier ones as a rule reads."""

    def __init__(self, field: str, make: Callable[[], Indicator] | None) -> None:
        self._field = field
        self._make = make
        self._indicator = make() if make else None
        self._values: deque[Value | None] = deque(maxlen=1)
        self.seen = 0
        """Bars taken since the last reset."""

    def reach_back(self, bars: int) -> bool:
        """Keep at least `bars` earlier values; whether that is more than before."""
        if bars < (self._values.maxlen or 0):
            return False
        self._values = deque(self._values, maxlen=bars + 1)
        return True

    def step(self, bar: Bar) -> None:
        """Take one more closed bar."""
        self.seen += 1
        value: int = getattr(bar, self._field)
        self._values.append(self._indicator.step(value) if self._indicator else value)

    def reset(self) -> None:
        """Forget everything: a window that holds an unfilled gap is unknown (rules.md 4.3)."""
        self._indicator = self._make() if self._make else None
        self._values.clear()
        self.seen = 0

    def value(self, bars_back: int = 0) -> Value | None:
        """The value `bars_back` closed bars ago; None when unknown."""
        return self._values[-1 - bars_back] if bars_back < len(self._values) else None


def exact(numerator: int, denominator: int) -> Value:
    """The quotient, as an int when it is whole (an int compares many times faster than a Fraction)."""
    whole, rest = divmod(numerator, denominator)
    return Fraction(numerator, denominator) if rest else whole


def on_grid(value: float) -> Value:
    """`value` rounded half to even to the grid 10^(floor(log10 |value|) - 9): finer than 1e-9 of it."""
    if value == 0.0:
        return 0
    decade = math.floor(math.log10(abs(value))) - SIGNIFICANT_DECADES
    ratio = Fraction(value)  # a float is a binary fraction: nothing is lost before the one rounding
    return round(ratio / 10**decade) * 10**decade if decade >= 0 else Fraction(round(ratio * 10**-decade), 10**-decade)
