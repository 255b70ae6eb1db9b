"""Values of bars, and what an indicator makes of them step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tradeassistd.engine.bars.indicators import INDICATORS
from tradeassistd.engine.language.functions import Value
from tradeassistd.market.bar import Bar

TOLERANCE = Fraction(1, 10**9)
SMALL = st.integers(-50, 50)
PRICES = st.integers(0, 10**12)
# Many equal values and zeros: flat stretches are where a wrong seed, a division by zero or a tie shows.
VALUES = st.lists(st.one_of(SMALL, st.sampled_from([0, 7]), PRICES), min_size=1, max_size=60)
COUNTS = st.integers(1, 12)
WIDTHS = st.sampled_from([Fraction(0), Fraction(2), Fraction(5, 2), Fraction(1, 3)])


def run(function: str, counts: Sequence[Value], values: Sequence[Any]) -> list[Any]:
    indicator = INDICATORS[function](*counts)
    return [indicator.step(value) for value in values]


def windows(values: Sequence[int], count: int) -> list[list[int]]:
    """The last `count` values at each place; empty while there are fewer."""
    return [list(values[end - count : end]) if end >= count else [] for end in range(1, len(values) + 1)]


def near(found: Value | None, expected: Fraction | None, magnitude: int = 0) -> bool:
    """Within a billionth of it, or within the noise that float64 has where numbers of that magnitude are subtracted."""
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= max(TOLERANCE * abs(expected), Fraction(40 * math.ulp(float(magnitude))))


def bar(*prices: int, volume: int = 1) -> Bar:
    return Bar("SPY", "1m", "rth", 0, 60, prices[0], max(prices), min(prices), prices[-1], volume, len(prices))
