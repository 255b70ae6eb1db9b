"""Indicators of rules.md 5 from lists of values, oldest first, in exact fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import isqrt

Values = Sequence[Fraction]
Known = Sequence[Fraction | None]
_DIGITS_KEPT = 9


def mean(values: Values, n: int) -> Fraction | None:
    """`sma`, `avg`: the mean of the last n."""
    return sum(values[-n:], Fraction(0)) / n if len(values) >= n else None


def weighted_mean(values: Values, n: int) -> Fraction | None:
    """`wma`: weights 1..n, the newest the heaviest."""
    if len(values) < n:
        return None
    weighted = sum((weight * value for weight, value in enumerate(values[-n:], 1)), Fraction(0))
    return weighted / (n * (n + 1) // 2)


def greatest(values: Values, n: int) -> Fraction | None:
    """`highest`: the greatest of the last n."""
    return max(values[-n:]) if len(values) >= n else None


def least(values: Values, n: int) -> Fraction | None:
    """`lowest`: the least of the last n."""
    return min(values[-n:]) if len(values) >= n else None


def rate_of_change(values: Values, n: int) -> Fraction | None:
    """`roc`: the last value against the one n bars before it, as a fraction (1 % is 0.01); needs n + 1 values."""
    if len(values) <= n or values[-1 - n] == 0:
        return None
    return values[-1] / values[-1 - n] - 1


def variance(values: Values, n: int) -> Fraction | None:
    """Of the population of the last n."""
    middle = mean(values, n)
    return None if middle is None else sum(((value - middle) ** 2 for value in values[-n:]), Fraction(0)) / n


def deviation(values: Values, n: int) -> Fraction | None:
    """`stdev`, to ten digits."""
    squared = variance(values, n)
    return None if squared is None else rounded(root(squared))


def standard_score(values: Values, n: int) -> Fraction | None:
    """`zscore`: how many standard deviations the last value is from the mean; unknown where they do not differ."""
    middle, squared = mean(values, n), variance(values, n)
    if middle is None or not squared:
        return None
    off = values[-1] - middle
    size = root(off * off / squared)
    return rounded(size if off >= 0 else -size)


def band(values: Values, n: int, width: Fraction, line: str) -> Fraction | None:
    """`bollinger(...).upper|mid|lower`."""
    middle, squared = mean(values, n), variance(values, n)
    if middle is None or squared is None or line == "mid":
        return middle
    reach = width * root(squared)
    return rounded(middle + reach if line == "upper" else middle - reach)


def smoothed(values: Known, n: int, alpha: Fraction) -> list[Fraction | None]:
    """After each value: the mean of the first n known ones, then alpha of each new one; exact."""
    known: list[Fraction] = []
    found: list[Fraction | None] = []
    now: Fraction | None = None
    for value in values:
        if value is not None:
            known.append(value)
            if len(known) == n:
                now = sum(known, Fraction(0)) / n
            elif now is not None:
                now = alpha * value + (1 - alpha) * now
        found.append(now)
    return found


def exponential(values: Known, n: int) -> list[Fraction | None]:
    """`ema` after each value, exact."""
    return smoothed(values, n, Fraction(2, n + 1))


def exponential_means(values: Values, n: int) -> list[Fraction | None]:
    """`ema` after each value, rounded to read."""
    return [None if value is None else rounded(value) for value in exponential(values, n)]


def macd(values: Values, fast: int, slow: int, signal: int, line: str) -> Fraction | None:
    """The last `line`, `signal` or `hist`."""
    lines = [
        None if short is None or long is None else short - long
        for short, long in zip(exponential(values, fast), exponential(values, slow), strict=True)
    ]
    signals = exponential(lines, signal)
    last, smooth = (lines[-1], signals[-1]) if values else (None, None)
    if line == "hist":
        return None if last is None or smooth is None else rounded(last - smooth)
    found = last if line == "line" else smooth
    return None if found is None else rounded(found)


def strength(values: Values, n: int) -> Fraction | None:
    """`rsi` of Wilder; without any loss 100, without any move unknown: 0 / 0."""
    changes = [after - before for before, after in pairwise(values)]
    gains = smoothed([max(change, Fraction(0)) for change in changes], n, Fraction(1, n))
    losses = smoothed([max(-change, Fraction(0)) for change in changes], n, Fraction(1, n))
    if not changes or gains[-1] is None or losses[-1] is None:
        return None
    moved = gains[-1] + losses[-1]
    return rounded(100 * gains[-1] / moved) if moved else None


def true_range(highs: Values, lows: Values, closes: Values, n: int) -> Fraction | None:
    """`atr` of Wilder: the mean of the first n true ranges, the first bar having none."""
    ranges = [
        max(high, close) - min(low, close) for high, low, close in zip(highs[1:], lows[1:], closes[:-1], strict=True)
    ]
    means = smoothed(ranges, n, Fraction(1, n))
    return None if not means or means[-1] is None else rounded(means[-1])


def root(square: Fraction) -> Fraction:
    """A square root, exact where it is rational, else to thirty digits."""
    top, bottom = isqrt(square.numerator), isqrt(square.denominator)
    if top * top == square.numerator and bottom * bottom == square.denominator:
        return Fraction(top, bottom)
    scale = 10**30
    while square * scale**2 < 10**60:
        scale *= 10**10
    return Fraction(isqrt(int(square * scale**2)), scale)


def rounded(value: Fraction) -> Fraction:
    """A recursive indicator's value as rules see it: ten digits, half to even.

    Digits are the same in points as in units of 10^-8 of them, so the grid is 10^(floor(log10 |value|) - 9).
    """
    if value == 0:
        return Fraction(0)
    grid = Fraction(10) ** (_magnitude(abs(value)) - _DIGITS_KEPT)
    return round(value / grid) * grid


def _magnitude(positive: Fraction) -> int:
    """floor(log10): guessed from the bits, then put right by exact comparison."""
    magnitude = (positive.numerator.bit_length() - positive.denominator.bit_length()) * 30_103 // 100_000
    while Fraction(10) ** magnitude > positive:
        magnitude -= 1
    while Fraction(10) ** (magnitude + 1) <= positive:
        magnitude += 1
    return magnitude


WINDOWS: dict[str, Callable[[Values, int], Fraction | None]] = {
    "sma": mean,
    "avg": mean,
    "wma": weighted_mean,
    "highest": greatest,
    "lowest": least,
    "roc": rate_of_change,
    "stdev": deviation,
    "zscore": standard_score,
    "rsi": strength,
}
