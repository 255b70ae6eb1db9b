"""Recursive indicators: EMA, RSI, ATR and MACD, in float64 and rounded to the grid of engine.rounding.

Each is `step(value)` for one more closed bar and `peek(value)` for what `step` would give, changing nothing.
RSI and ATR: J. Welles Wilder, New Concepts in Technical Trading Systems (1978). MACD: Gerald Appel, with each average
seeded by its own simple mean, as Stock.Indicators and StockCharts have it. TA-Lib starts both averages of the line at
the bar where the slow one is first known, which gives other values until the seeds have faded.
"""

from __future__ import annotations

from typing import NamedTuple

from tradeassistd.engine.bars.rounding import on_grid
from tradeassistd.engine.language.functions import Value
from tradeassistd.market.bar import Bar


class Smoothing:
    """The mean of the first n values, then moved by `alpha` of the distance to each new value."""

    def __init__(self, count: int, alpha: float) -> None:
        self._count = count
        self._alpha = alpha
        self._seen = 0
        self._seed_sum: float = 0  # stays an int, and so exact, as long as ints come in
        self._value = 0.0

    def step(self, value: float) -> float | None:
        now = self.peek(value)
        self._seen += 1
        if now is None:
            self._seed_sum += value
        else:
            self._value = now
        return now

    def peek(self, value: float) -> float | None:
        if self._seen >= self._count:
            return self._value + self._alpha * (value - self._value)
        return (self._seed_sum + value) / self._count if self._seen + 1 == self._count else None


def exponential(count: int) -> Smoothing:
    """The smoothing of an EMA: alpha 2 / (n + 1)."""
    return Smoothing(count, 2.0 / (count + 1))


def wilder(count: int) -> Smoothing:
    """Wilder's smoothing: alpha 1 / n."""
    return Smoothing(count, 1.0 / count)


class ExponentialMean:
    """EMA: seeded with the mean of the first n values, then alpha = 2 / (n + 1)."""

    def __init__(self, count: int) -> None:
        self._smoothing = exponential(count)

    def step(self, value: int) -> Value | None:
        return _rounded(self._smoothing.step(value))

    def peek(self, value: int) -> Value | None:
        return _rounded(self._smoothing.peek(value))


class RelativeStrength:
    """RSI, a number from 0 to 100, known after n + 1 bars.

    Without a loss it is 100. Where nothing has moved at all there is neither gain nor loss to compare: unknown.
    """

    def __init__(self, count: int) -> None:
        self._gain, self._loss = wilder(count), wilder(count)
        self._before: int | None = None

    def step(self, value: int) -> Value | None:
        before, self._before = self._before, value
        if before is None:
            return None
        return _strength(self._gain.step(max(value - before, 0)), self._loss.step(max(before - value, 0)))

    def peek(self, value: int) -> Value | None:
        before = self._before
        if before is None:
            return None
        return _strength(self._gain.peek(max(value - before, 0)), self._loss.peek(max(before - value, 0)))


class AverageTrueRange:
    """ATR over whole bars, known after n + 1: the first bar has no close before it and so no true range."""

    def __init__(self, count: int) -> None:
        self._smoothing = wilder(count)
        self._close: int | None = None

    def step(self, bar: Bar) -> Value | None:
        before, self._close = self._close, bar.close
        return None if before is None else _rounded(self._smoothing.step(_true_range(bar, before)))

    def peek(self, bar: Bar) -> Value | None:
        return None if self._close is None else _rounded(self._smoothing.peek(_true_range(bar, self._close)))


class MacdLines(NamedTuple):
    """MACD at one bar: the signal, and with it the histogram, is known later than the line."""

    line: Value
    signal: Value | None
    hist: Value | None


class Macd:
    """MACD: line = EMA(fast) - EMA(slow); signal = EMA of the line, seeded with its first n; hist = line - signal.

    The line is known after `slow` bars (the longer of the two), signal and hist after signal - 1 more.
    """

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        self._fast, self._slow, self._signal = exponential(fast), exponential(slow), exponential(signal)

    def step(self, value: int) -> MacdLines | None:
        fast, slow = self._fast.step(value), self._slow.step(value)
        if fast is None or slow is None:
            return None
        return _macd_lines(fast - slow, self._signal.step(fast - slow))

    def peek(self, value: int) -> MacdLines | None:
        fast, slow = self._fast.peek(value), self._slow.peek(value)
        if fast is None or slow is None:
            return None
        return _macd_lines(fast - slow, self._signal.peek(fast - slow))


def _rounded(value: float | None) -> Value | None:
    return None if value is None else on_grid(value)


def _strength(gain: float | None, loss: float | None) -> Value | None:
    if gain is None or loss is None:
        return None
    moved = gain + loss
    return on_grid(100.0 * (gain / moved)) if moved else None


def _true_range(bar: Bar, close_before: int) -> int:
    return max(bar.high, close_before) - min(bar.low, close_before)


def _macd_lines(line: float, signal: float | None) -> MacdLines:
    if signal is None:
        return MacdLines(on_grid(line), None, None)
    return MacdLines(on_grid(line), on_grid(signal), on_grid(line - signal))
