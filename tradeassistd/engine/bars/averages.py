"""Averages, extremes and rate of change over the last n values of a bar series: exact, O(1) per bar.

Every class has `step(value)`, which takes one more closed bar's value, and `peek(value)`, which says what `step` would
give and changes nothing. Both give None while the window is not full.
"""

from __future__ import annotations

from collections import deque

from tradeassistd.engine.bars.rounding import exact
from tradeassistd.engine.language.functions import Value


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

    def peek(self, value: int) -> Value | None:
        have = len(self._window)
        if have + 1 < self._count:
            return None
        return exact(self._sum + value - (self._window[0] if have == self._count else 0), self._count)


class WeightedMean:
    """WMA: weights 1..n, the newest weighs n; the weighted sum moves by n * new - sum of the old window."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count)
        self._count = count
        self._weights = count * (count + 1) // 2
        self._sum = 0
        self._weighted = 0

    def step(self, value: int) -> Value | None:
        now = self._moved(value)
        if len(self._window) == self._count:
            self._sum -= self._window[0]
        self._window.append(value)
        self._sum += value
        self._weighted = now
        return exact(now, self._weights) if len(self._window) == self._count else None

    def peek(self, value: int) -> Value | None:
        return exact(self._moved(value), self._weights) if len(self._window) + 1 >= self._count else None

    def _moved(self, value: int) -> int:
        """The weighted sum with one more value."""
        have = len(self._window)
        if have == self._count:
            return self._weighted + self._count * value - self._sum
        return self._weighted + (have + 1) * value


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

    def peek(self, value: int) -> Value | None:
        if self._seen + 1 < self._count:
            return None
        for place, best in self._candidates:
            if place > self._seen + 1 - self._count:  # only the first candidate can fall out of the window
                return best if (best - value) * self._sign > 0 else value
        return value


class RateOfChange:
    """ROC: change against the value n bars earlier, relative to that older value (as a fraction, 1% is 0.01)."""

    def __init__(self, count: int) -> None:
        self._window: deque[int] = deque(maxlen=count)
        self._count = count

    def step(self, value: int) -> Value | None:
        now = self.peek(value)
        self._window.append(value)
        return now

    def peek(self, value: int) -> Value | None:
        if len(self._window) < self._count or self._window[0] == 0:
            return None
        return exact(value - self._window[0], self._window[0])
