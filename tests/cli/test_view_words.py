"""Numbers and times as they stand on the screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.snapshots import MONDAY_US
from tradeassistd.cli.view import words
from tradeassistd.market.price import PRICE_SCALE, price_from_text


@pytest.mark.parametrize(
    ("value", "tick_size", "text"),
    [
        ("6882.25", "0.25", "6,882.25"), ("6882.5", "0.25", "6,882.50"), ("-921", "1", "-921"),
        ("4108.1", "0.1", "4,108.1"),
        ("118.015625", "0.015625", "118.015625"), ("0.00390625", "0.01", "0.00"), ("0.995", "0.01", "1.00"),
        ("1234567.8", "1", "1,234,568"), ("-0.005", "0.01", "-0.01"),
    ],
)  # fmt: skip
def test_a_price_has_the_decimals_of_its_tick(value: str, tick_size: str, text: str) -> None:
    assert words.price(price_from_text(value), price_from_text(tick_size)) == text


def test_an_unknown_price_is_a_dash() -> None:
    assert words.price(None, PRICE_SCALE) == "-"


@given(st.integers(-(10**16), 10**16), st.sampled_from(["0.01", "0.25", "1", "0.1", "0.015625"]))
def test_a_price_on_its_grid_is_shown_exactly(steps: int, tick: str) -> None:
    tick_size = price_from_text(tick)
    assert price_from_text(words.price(steps * tick_size, tick_size).replace(",", "")) == steps * tick_size


@pytest.mark.parametrize(
    ("last", "reference", "text"),
    [
        (101, 100, "+1.00%"), (100, 100, "+0.00%"), (9_999, 10_000, "-0.01%"), (5, None, ""), (None, 5, ""), (5, 0, ""),
        (-90, -100, "+10.00%"), (2_000, 100, "+1,900%"), (10**9, 1, "+99B%"),
    ],
)  # fmt: skip
def test_a_change_is_against_its_reference(last: int | None, reference: int | None, text: str) -> None:
    assert words.change(last, reference) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (812, "812"), (999, "999"), (1_000, "1.0K"), (9_999, "9.9K"), (10_000, "10K"), (999_999, "999K"),
     (1_234_567, "1.2M"), (9.7e9, "9.7B"), (12e12, "12T")],
)  # fmt: skip
def test_a_count_is_short(value: float, text: str) -> None:
    assert words.count(value) == text


@given(st.integers(0, 10**15))
def test_a_count_never_needs_more_than_five_columns_and_never_shows_too_much(value: int) -> None:
    text = words.count(value)
    assert len(text) <= 5
    number = float(text.rstrip("KMBT")) * {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1)
    assert 0.9 * value <= number <= value


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (-1, "0.0 s"), (0.26, "0.3 s"), (48, "48 s"), (600, "10 min"), (9_000, "2 h"), (400_000, "5 d")],
)
def test_an_age_is_rough(seconds: float, text: str) -> None:
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.4, "<1 ms"), (7.6, "8 ms"), (412.0, "412 ms"), (1_900.0, "1.9 s")]
)
def test_a_latency_has_its_unit(value: float | None, text: str) -> None:
    assert words.milliseconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(12, "12 B"), (1_536, "1.5 kB"), (14_200_000, "14 MB")])
def test_bytes_are_rounded(value: int, text: str) -> None:
    assert words.size(value) == text


def test_times_are_new_yorks() -> None:
    assert words.day(MONDAY_US) == "Mon 16 Nov 2026"
    assert words.short_day(MONDAY_US) == "Mon 16 Nov"
    assert words.time_of_day(MONDAY_US) == "10:09:37"
    assert words.day(10**30) == words.time_of_day(10**30) == "-"
