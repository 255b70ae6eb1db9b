"""Rounding: the grid that indicators lie on, exact quotients and roots."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.engine.bars.rounding import exact, nearest, on_grid, root_on_grid


@given(st.floats(min_value=-1e15, max_value=1e15, allow_nan=False).filter(lambda value: abs(value) > 1e-6))
def test_the_grid_is_finer_than_a_billionth_and_keeps_what_lies_on_it(value: float) -> None:
    rounded = on_grid(value)
    assert abs(rounded - Fraction(value)) <= abs(Fraction(value)) / 10**9
    assert on_grid(float(rounded)) == rounded
    assert on_grid(-value) == -rounded


def test_zero_and_round_figures_lie_on_the_grid() -> None:
    assert on_grid(0.0) == 0
    assert on_grid(1e9) == 10**9
    assert on_grid(123_456_789_012_345.0) == 123_456_789_000_000
    assert on_grid(0.1) == Fraction(1, 10)
    assert isinstance(on_grid(50.0), int)


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_a_whole_quotient_is_an_int_and_every_quotient_is_exact(numerator: int, denominator: int) -> None:
    quotient = exact(numerator, denominator)
    assert quotient == Fraction(numerator, denominator)
    assert isinstance(quotient, int) == (numerator % denominator == 0)


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**26), st.integers(1, 10**5), st.sampled_from([1, -1]))
def test_a_root_is_rounded_right_also_where_it_nearly_cancels(plain: int, square: int, divisor: int, sign: int) -> None:
    found = root_on_grid(plain, square, divisor, sign=sign)
    if math.isqrt(square) ** 2 == square:
        assert found == Fraction(plain + sign * math.isqrt(square), divisor)
        return
    bits = 400
    root = Fraction(math.isqrt(square << 2 * bits), 1 << bits)
    expected = (plain + sign * root) / divisor
    half = Fraction(10) ** (len(str(int(abs(expected) * 10**30))) - 31 - 9) / 2
    assert abs(found - expected) <= half + Fraction(1, 1 << bits // 2)
    assert (found / (2 * half)).denominator == 1


@given(st.integers(-100, 100), st.integers(1, 10))
def test_a_half_is_rounded_to_the_even_one(numerator: int, denominator: int) -> None:
    assert nearest(numerator, denominator) == round(Fraction(numerator, denominator))
    assert nearest(2 * numerator + 1, 2) == round(Fraction(2 * numerator + 1, 2))
