"""Indicators of rules.md 5 from a list of values, oldest first, in exact fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

Values = Sequence[Fraction]
_PRICE_UNITS = 10**8  # one price in units of the store's scaled integers
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


def exponential_means(values: Values, n: int) -> list[Fraction | None]:
    """`ema` after each value: seed the mean of the first n, then alpha 2/(n+1); exact inside, rounded to read."""
    alpha = Fraction(2, n + 1)
    exact: Fraction | None = None
    means: list[Fraction | None] = []
    for count, value in enumerate(values, 1):
        if count == n:
            exact = sum(values[:n], Fraction(0)) / n
        elif exact is not None:
            exact = alpha * value + (1 - alpha) * exact
        means.append(None if exact is None else rounded(exact))
    return means


def rounded(value: Fraction) -> Fraction:
    """A recursive indicator's value as rules see it: nine digits after the first, half to even.

    The grid is 10^(floor(log10 |x|) - 9) in units of 10^-8 of a price, x being the value in those units.
    """
    scaled = abs(value * _PRICE_UNITS)
    if scaled == 0:
        return Fraction(0)
    grid = Fraction(10) ** (_magnitude(scaled) - _DIGITS_KEPT)
    return round(value * _PRICE_UNITS / grid) * grid / _PRICE_UNITS


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
}
