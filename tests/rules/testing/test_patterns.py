"""Series of values, times and instants of test files."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.yaml12 import ValueProblem
from tradeassistd.rules.testing.patterns import VALUES_MAX, instant_us, offset_s, offset_text, values


def numbers(text: str) -> list[float | None]:
    return [None if value is None else float(value) for value in values(text)]


def test_a_series_as_the_rule_language_writes_it() -> None:
    assert numbers("6000x2 5980-10x3 5940+5x2 _x2 1 _") == [
        6000, 6000, 5980, 5970, 5960, 5940, 5945, None, None, 1, None
    ]  # fmt: skip
    assert numbers("-800-100x2 -5+10x2 10k 1.5M 0.00390625") == [-800, -900, -5, 5, 10_000, 1_500_000, 0.00390625]


def test_steps_are_exact() -> None:
    assert values("0.1+0.1x3") == (Decimal("0.1"), Decimal("0.2"), Decimal("0.3"))


@pytest.mark.parametrize(
    "text", ["", "abc", "5+1", "5x0", "_x0", "5,200", "1e5", "5 x3", "--5", "5x3x2", f"1x{VALUES_MAX + 1}", "1x900000"]
)
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(ValueProblem):
        values(text)


@given(st.integers(0, 14 * 24 * 3600))
def test_an_offset_reads_as_it_is_written(seconds: int) -> None:
    assert offset_s(offset_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5d", "1m1h", "-5s", "5 m", "400h"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueProblem):
        offset_s(text)


def test_an_instant_needs_a_zone_and_whole_seconds() -> None:
    assert instant_us("2026-11-16T10:00:00-05:00") == instant_us("2026-11-16T15:00:00+00:00") == 1_794_841_200_000_000
    for text in ("2026-11-16T10:00:00", "2026-11-16T10:00:00.5-05:00", "soon"):
        with pytest.raises(ValueProblem):
            instant_us(text)
