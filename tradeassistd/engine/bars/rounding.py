"""Rounding: quotients kept exact, and the decimal grid that everything with a root or a float in it lies on.

The grid is 10^(floor(log10 |value|) - 9): ten digits of the value are kept, so it is finer than 1e-9 of it (rules.md
5). Whatever lies on a grid compares exactly, and two machines find the same value.
"""

from __future__ import annotations

import math
from fractions import Fraction

from tradeassistd.engine.language.functions import Value

SIGNIFICANT_DECADES = 9
"""This many decades below its leading digit are kept of a value."""
_ROOT_DIGITS = 12


def exact(numerator: int, denominator: int) -> Value:
    """The quotient, as an int when it is whole (an int compares many times faster than a Fraction)."""
    whole, rest = divmod(numerator, denominator)
    return Fraction(numerator, denominator) if rest else whole


def nearest(numerator: int, denominator: int) -> int:
    """The integer nearest to the quotient (its denominator above zero), a half to the even one."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + 1 if twice > denominator or (twice == denominator and whole & 1) else whole


def on_grid(value: float) -> Value:
    """`value` rounded half to even to its grid."""
    if value == 0.0:
        return 0
    decade = math.floor(math.log10(abs(value))) - SIGNIFICANT_DECADES
    numerator, denominator = value.as_integer_ratio()  # exact: nothing is lost before the one rounding
    step: int = 10 ** abs(decade)
    if decade >= 0:
        return nearest(numerator, denominator * step) * step
    return exact(nearest(numerator * step, denominator), step)


def root_on_grid(plain: int, square: int, divisor: int, *, sign: int = 1) -> Value:
    """(plain + sign * sqrt(square)) / divisor: exact when the root is whole, else rounded once to the value's grid.

    All in integers: no float takes part. `square` at or above zero, `divisor` above it, `sign` 1 or -1.
    """
    root = math.isqrt(square)
    if root * root == square:
        return exact(plain + sign * root, divisor)
    shift = _ROOT_DIGITS  # irrational from here on: never zero, never half way between two points of the grid
    while (digits := len(str(abs(_floored(plain, square, divisor, sign, shift))))) < _ROOT_DIGITS:
        shift += _ROOT_DIGITS
    kept = SIGNIFICANT_DECADES - (digits - 1 - shift)
    # Rounding is floor(v + 1/2), and (p + r) / d + 1/2 = (2 * p + d + 2 * r) / (2 * d).
    step: int = 10 ** abs(kept)
    if kept < 0:
        return _floored(2 * plain + divisor * step, 4 * square, 2 * divisor * step, sign, 0) * step
    return exact(_floored(2 * plain * step + divisor, 4 * square * step * step, 2 * divisor, sign, 0), step)


def _floored(plain: int, square: int, divisor: int, sign: int, shift: int) -> int:
    """Floor of (plain + sign * sqrt(square)) / divisor * 10^shift, for a `square` that is none of an integer."""
    scale: int = 10**shift
    root = math.isqrt(square * scale * scale)
    return (plain * scale + (root if sign > 0 else -root - 1)) // divisor
