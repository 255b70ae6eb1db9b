"""Standard deviation, z-score and Bollinger bands over the last n values: exact sums, and one rounding of the root.

All are of the population (divided by n, not n - 1). With S the sum and Q the sum of squares of the window, the variance
is (n * Q - S^2) / n^2; no float takes part, so a long run drifts nowhere and a flat window deviates by exactly 0.
Each is `step(value)` for one more closed bar and `peek(value)` for what `step` would give, changing nothing.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.engine.bars.rounding import exact, root_on_grid
from tradeassistd.engine.language.functions import Value


class Moments(NamedTuple):
    """Sum of a full window and its `spread`, n * Q - S^2: the variance times n^2."""

    total: int
    spread: int


class MomentWindow:
    """The last n values with their sum and sum of squares."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count)
        self._count = count
        self._sum = 0
        self._squares = 0

    def step(self, value: int) -> Moments | None:
        now = self.peek(value)
        if len(self._window) == self._count:
            oldest = self._window[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        self._window.append(value)
        self._sum += value
        self._squares += value * value
        return now

    def peek(self, value: int) -> Moments | None:
        have = len(self._window)
        if have + 1 < self._count:
            return None
        oldest = self._window[0] if have == self._count else 0
        total = self._sum + value - oldest
        return Moments(total, self._count * (self._squares + value * value - oldest * oldest) - total * total)


class Deviation:
    """STDEV: the population standard deviation of the last n values."""

    def __init__(self, count: int) -> None:
        self._moments = MomentWindow(count)
        self._count = count

    def step(self, value: int) -> Value | None:
        return self._of(self._moments.step(value))

    def peek(self, value: int) -> Value | None:
        return self._of(self._moments.peek(value))

    def _of(self, moments: Moments | None) -> Value | None:
        return root_on_grid(0, moments.spread, self._count) if moments else None


class StandardScore:
    """Z-score: how many standard deviations the newest value lies from the mean; None where nothing deviates."""

    def __init__(self, count: int) -> None:
        self._moments = MomentWindow(count)
        self._count = count

    def step(self, value: int) -> Value | None:
        return self._of(value, self._moments.step(value))

    def peek(self, value: int) -> Value | None:
        return self._of(value, self._moments.peek(value))

    def _of(self, value: int, moments: Moments | None) -> Value | None:
        """(value - S / n) / (sqrt(spread) / n) = (n * value - S) / sqrt(spread), the spread brought under one root."""
        if moments is None or moments.spread == 0:
            return None
        off = self._count * value - moments.total
        return root_on_grid(0, off * off * moments.spread, moments.spread, sign=1 if off > 0 else -1)


class Bands(NamedTuple):
    """Bollinger bands at one bar."""

    upper: Value
    mid: Value
    lower: Value


class Bollinger:
    """Bollinger bands: the mean of the last n values (exact), and that many standard deviations above and below it.

    `width` is 0 or more and may be a fraction such as 5/2. Source: John Bollinger, Bollinger on Bollinger Bands (2001).
    """

    def __init__(self, count: int, width: Value) -> None:
        self._moments = MomentWindow(count)
        self._count = count
        self._width = Fraction(width)

    def step(self, value: int) -> Bands | None:
        return self._of(self._moments.step(value))

    def peek(self, value: int) -> Bands | None:
        return self._of(self._moments.peek(value))

    def _of(self, moments: Moments | None) -> Bands | None:
        """S / n +- (a / b) * sqrt(spread) / n = (b * S +- sqrt(a^2 * spread)) / (b * n)."""
        if moments is None:
            return None
        times, parts = self._width.numerator, self._width.denominator
        plain, square, divisor = parts * moments.total, times * times * moments.spread, parts * self._count
        return Bands(
            root_on_grid(plain, square, divisor),
            exact(moments.total, self._count),
            root_on_grid(plain, square, divisor, sign=-1),
        )
