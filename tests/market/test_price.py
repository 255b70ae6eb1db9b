"""Prices: exact integers from text and from JSON numbers, and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.market.price import PRICE_SCALE, price_from_float, price_from_text, price_text

PRICES = st.integers(-(10**7) * PRICE_SCALE, 10**7 * PRICE_SCALE)


@given(st.integers(-(10**18), 10**18), st.integers(0, 8))
def test_a_price_survives_its_text(price: int, places: int) -> None:
    text = price_text(price, places)
    assert price_from_text(text) == price
    assert Decimal(text) * PRICE_SCALE == price
    _, point, digits = text.partition(".")
    assert len(digits) >= places
    assert not point or len(digits) <= places or not digits.endswith("0")


@given(PRICES)
def test_a_json_number_is_the_exact_price_it_was_written_as(price: int) -> None:
    assert price_from_float(float(price_text(price))) == price


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_are_exact_however_large(points: int) -> None:
    assert price_from_float(points) == points * PRICE_SCALE


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("5180.25", 518_025_000_000),
        ("0", 0),
        ("-0.5", -50_000_000),
        ("-37.63", -3_763_000_000),
        ("0.00000001", 1),
        ("0.00390625", 390_625),
        ("+1", PRICE_SCALE),
        ("1.000000000", PRICE_SCALE),
    ],
)
def test_decimals_as_they_stand_in_files(text: str, price: int) -> None:
    assert price_from_text(text) == price


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a decimal number"),
        ("abc", "is not a decimal number"),
        ("5,200", "is not a decimal number"),
        ("1.2.3", "is not a decimal number"),
        ("$5", "is not a decimal number"),
        ("nan", "is not a decimal number"),
        ("Infinity", "is not a decimal number"),
        ("-Infinity", "is not a decimal number"),
        ("0.000000001", "has more than 8 decimal places"),
        ("1/3", "is not a decimal number"),
    ],
)
def test_what_is_no_price_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        price_from_text(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("price", "places", "text"),
    [
        (518_025_000_000, 0, "5180.25"),
        (518_020_000_000, 2, "5180.20"),
        (518_000_000_000, 0, "5180"),
        (518_000_000_000, 2, "5180.00"),
        (-1, 0, "-0.00000001"),
        (-150_000_000, 0, "-1.5"),
        (0, 0, "0"),
        (0, 2, "0.00"),
        (390_625, 2, "0.00390625"),
    ],
)
def test_a_price_reads_without_trailing_zeros_but_with_the_places_asked_for(price: int, places: int, text: str) -> None:
    assert price_text(price, places) == text
