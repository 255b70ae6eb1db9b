"""Indicators: the recorded reference values, brute force, and what the newest values forget."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorded
from tradeassistd.engine.functions import FUNCTIONS, Value
from tradeassistd.engine.indicators import INDICATORS, Track, exact, on_grid
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import PRICE_SCALE, price_from_text

EXCEL, SKENDER = "reference/spy502_excel.csv.gz", "reference/spy502_skender_baseline.csv.gz"
TALIB_1, TALIB_2 = (
    "reference/talib_ES_ESZ13_20131006_20131011_1m.csv.gz",
    "reference/talib_ES_20200413_20200414_tda_chart_history_1m.csv.gz",
)
TOLERANCE = Fraction(1, 10**9)
VALUES = st.lists(st.integers(-50, 50), min_size=1, max_size=60)
COUNTS = st.integers(1, 12)


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(recorded(name), "rt", newline="") as text:
        return list(csv.DictReader(text))


def run(function: str, count: int, values: Sequence[int]) -> list[Value | None]:
    indicator = INDICATORS[function](count)
    return [indicator.step(value) for value in values]


@pytest.mark.parametrize(
    ("name", "column", "function", "count"),
    [
        (EXCEL, "sma20", "sma", 20),
        (EXCEL, "sma20", "avg", 20),
        (EXCEL, "ema20", "ema", 20),
        (EXCEL, "ema12", "ema", 12),
        (EXCEL, "ema26", "ema", 26),
        (EXCEL, "roc20", "roc", 20),
        (SKENDER, "sma20", "sma", 20),
        (SKENDER, "ema20", "ema", 20),
        (SKENDER, "roc14", "roc", 14),
        (SKENDER, "wma14", "wma", 14),
        (TALIB_1, "sma20", "sma", 20),
        (TALIB_1, "ema20", "ema", 20),
        (TALIB_1, "roc10", "roc", 10),
        (TALIB_2, "sma20", "sma", 20),
        (TALIB_2, "ema20", "ema", 20),
        (TALIB_2, "roc10", "roc", 10),
    ],
)
def test_every_row_of_the_reference_is_met_within_a_billionth(
    name: str, column: str, function: str, count: int
) -> None:
    table = rows(name)
    found = run(function, count, [price_from_text(row["close"]) for row in table])
    compared = 0
    for row, value in zip(table, found, strict=True):
        if row[column] == "":
            assert value is None
            continue
        assert value is not None
        expected = Fraction(row[column])
        mine = Fraction(value) * 100 if function == "roc" else Fraction(value, PRICE_SCALE)
        assert abs(mine - expected) <= TOLERANCE * abs(expected)
        compared += 1
    assert compared == len(table) - count + (function != "roc")


@pytest.mark.parametrize(
    ("column", "function", "field"), [("donch20_upper", "highest", "high"), ("donch20_lower", "lowest", "low")]
)
def test_channels_of_the_reference_are_the_extremes_of_the_twenty_bars_before(
    column: str, function: str, field: str
) -> None:
    found = run(function, 20, [price_from_text(row[field]) for row in rows("reference/spy502_bars.csv.gz")])
    expected = [row[column] for row in rows(SKENDER)]
    assert expected[20]
    for before, text in zip(found[:-1], expected[1:], strict=True):
        assert (Fraction(before, PRICE_SCALE) if before is not None else None) == (Fraction(text) if text else None)


@pytest.mark.parametrize(
    ("name", "function", "count"), [("nt_sma_15", "sma", 15), ("sc_sma_10", "sma", 10), ("sc_ema_10", "ema", 10)]
)
def test_short_vectors_of_other_platforms_agree_to_their_last_place(name: str, function: str, count: int) -> None:
    table = rows(f"reference/pyalgotrade_{name}.csv.gz")
    found = run(function, count, [price_from_text(row["input"]) for row in table])
    for row, value in zip(table, found, strict=True):
        if row["expected"]:
            assert value is not None
            last_place = Fraction(1, 10 ** len(row["expected"].partition(".")[2]))  # one platform rounds, one cuts
            assert abs(Fraction(value, PRICE_SCALE) - Fraction(row["expected"])) <= max(last_place, TOLERANCE)


@given(VALUES, COUNTS)
def test_means_are_the_exact_means_of_the_last_values(values: list[int], count: int) -> None:
    plain, weighted = run("sma", count, values), run("wma", count, values)
    for end in range(1, len(values) + 1):
        window = values[end - count : end] if end >= count else None
        assert plain[end - 1] == (Fraction(sum(window), count) if window else None)
        weights = range(1, count + 1)
        expected = window and Fraction(sum(w * v for w, v in zip(weights, window, strict=True)), sum(weights))
        assert weighted[end - 1] == (expected if window else None)


@given(VALUES, COUNTS)
def test_extremes_are_those_of_the_last_values_by_brute_force(values: list[int], count: int) -> None:
    for function, pick in (("highest", max), ("lowest", min)):
        expected = [pick(values[end - count : end]) if end >= count else None for end in range(1, len(values) + 1)]
        assert run(function, count, values) == expected


@given(VALUES, COUNTS)
def test_rate_of_change_is_unknown_when_the_older_value_is_zero(values: list[int], count: int) -> None:
    for index, found in enumerate(run("roc", count, values)):
        older = values[index - count] if index >= count else 0
        assert found == (Fraction(values[index] - older, older) if older else None)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=40), COUNTS)
def test_the_exponential_mean_is_the_exact_one_rounded_to_ten_digits(values: list[int], count: int) -> None:
    alpha, mean = Fraction(2, count + 1), Fraction(0)
    for index, found in enumerate(run("ema", count, values)):
        if index < count - 1:
            assert found is None
            continue
        seed = Fraction(sum(values[:count]), count)
        mean = seed if index == count - 1 else mean + alpha * (values[index] - mean)
        assert found is not None
        assert abs(found - mean) <= mean * TOLERANCE


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


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_a_whole_quotient_is_an_int_and_every_quotient_is_exact(numerator: int, denominator: int) -> None:
    quotient = exact(numerator, denominator)
    assert quotient == Fraction(numerator, denominator)
    assert isinstance(quotient, int) == (numerator % denominator == 0)


def test_every_bar_function_of_the_table_has_something_that_computes_it() -> None:
    assert {name for name, function in FUNCTIONS.items() if function.reads_bars} == set(INDICATORS)


# --- tracks ----------------------------------------------------------------------------------------------------------


def bar(close: int) -> Bar:
    return Bar("SPY", "1m", "rth", 0, 60, close, close, close, close, 1, 1)


@given(VALUES, st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(0, 60), COUNTS)
def test_a_track_gives_the_value_n_bars_ago_also_when_a_rule_reaches_further_back_later(
    values: list[int], reaches: list[int], later: int, count: int
) -> None:
    track = Track("close", lambda: INDICATORS["sma"](count))
    track.reach_back(reaches[0])
    stepped = 0
    for index, value in enumerate(values):
        if index == later:
            for reach in reaches:
                track.reach_back(reach)
        track.step(bar(value))
        stepped = index + 1
    expected = run("sma", count, values)
    # What was dropped before a rule asked for it is unknown, never another bar's value.
    kept_since = later - reaches[0] - 1 if later < stepped else 0
    for back in range(max(reaches) + 1 if later < stepped else reaches[0] + 1):
        index = stepped - 1 - back
        known = index >= max(0, kept_since)
        assert track.value(back) == (expected[index] if known else None)


def test_a_plain_track_reads_its_field_and_a_reset_one_starts_from_nothing() -> None:
    plain, mean = Track("volume", None), Track("close", lambda: INDICATORS["sma"](2))
    for one in (plain, mean):
        one.reach_back(1)
        assert one.value() is None
        one.step(bar(10))
        one.step(bar(20))
    assert (plain.value(), plain.value(1), plain.value(2)) == (1, 1, None)
    assert mean.value() == 15
    mean.reset()
    assert mean.value() is None
    mean.step(bar(30))
    assert mean.value() is None
    mean.step(bar(50))
    assert (mean.value(), mean.value(1)) == (40, None)
