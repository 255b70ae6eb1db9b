"""Indicators against plain recomputation, and the values of a forming bar."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.bar_values import COUNTS, TOLERANCE, VALUES, WIDTHS, bar, near, run, windows
from tradeassistd.engine.bars.indicators import INDICATORS, Indicator
from tradeassistd.engine.bars.recursive import MacdLines
from tradeassistd.engine.bars.relative_volume import SlotVolume
from tradeassistd.engine.bars.spread import Bands
from tradeassistd.engine.language.functions import FUNCTIONS, Value

# --- windows, exactly ------------------------------------------------------------------------------------------------


@given(VALUES, COUNTS)
def test_means_are_the_exact_means_of_the_last_values(values: list[int], count: int) -> None:
    weights = range(1, count + 1)
    for window, plain, also, weighted in zip(
        windows(values, count), run("sma", [count], values), run("avg", [count], values), run("wma", [count], values),
        strict=True,
    ):  # fmt: skip
        assert plain == also == (Fraction(sum(window), count) if window else None)
        expected = window and Fraction(sum(w * v for w, v in zip(weights, window, strict=True)), sum(weights))
        assert weighted == (expected if window else None)


@given(VALUES, COUNTS)
def test_extremes_are_those_of_the_last_values_by_brute_force(values: list[int], count: int) -> None:
    for function, pick in (("highest", max), ("lowest", min)):
        assert run(function, [count], values) == [pick(w) if w else None for w in windows(values, count)]


@given(VALUES, COUNTS)
def test_rate_of_change_is_unknown_when_the_older_value_is_zero(values: list[int], count: int) -> None:
    for index, found in enumerate(run("roc", [count], values)):
        older = values[index - count] if index >= count else 0
        assert found == (Fraction(values[index] - older, older) if older else None)


# --- deviation: each value is the nearest point of its grid, shown with squares and no root -------------------------


def variance_of(window: list[int]) -> Fraction:
    mean = Fraction(sum(window), len(window))
    return sum(((value - mean) ** 2 for value in window), Fraction(0)) / len(window)


def is_rounded_root(found: Value, squared: Fraction) -> bool:
    """Whether `found`, which is not negative, is sqrt(squared), or the nearest point of its grid to it."""
    if found * found == squared:
        return True
    half = Fraction(10) ** (len(str(int(found * 10**30))) - 31 - 9) / 2
    return found > 0 and (found / (2 * half)).denominator == 1 and (found - half) ** 2 <= squared <= (found + half) ** 2


@given(VALUES, COUNTS)
def test_standard_deviation_is_the_root_of_the_exact_variance_rounded_once(values: list[int], count: int) -> None:
    for window, found in zip(windows(values, count), run("stdev", [count], values), strict=True):
        assert (found is None) == (not window)
        if window:
            assert is_rounded_root(found, variance_of(window))


@given(VALUES, COUNTS)
def test_z_score_is_the_distance_in_deviations_and_unknown_where_nothing_deviates(
    values: list[int], count: int
) -> None:
    for window, found in zip(windows(values, count), run("zscore", [count], values), strict=True):
        variance = variance_of(window) if window else Fraction(0)
        assert (found is None) == (variance == 0)
        if found is not None:
            off = window[-1] - Fraction(sum(window), count)
            assert (found > 0) == (off > 0) and is_rounded_root(abs(found), off * off / variance)


@given(VALUES, COUNTS, WIDTHS)
def test_bands_lie_that_many_deviations_from_the_exact_mean(values: list[int], count: int, width: Fraction) -> None:
    for window, found in zip(windows(values, count), run("bollinger", [count, width], values), strict=True):
        assert (found is None) == (not window)
        if window:
            mid, squared = Fraction(sum(window), count), width * width * variance_of(window)
            assert isinstance(found, Bands) and found.mid == mid
            assert found.lower <= mid <= found.upper
            for band in (found.upper, found.lower):
                slack = abs(Fraction(band)) * TOLERANCE / 2  # the grid: ten digits of the band
                away = abs(band - mid)
                assert max(away - slack, Fraction(0)) ** 2 <= squared <= (away + slack) ** 2


def test_bands_of_a_flat_market_are_the_price_itself() -> None:
    price = 103_00390625  # eleven digits: more than the grid keeps
    assert run("bollinger", [3, Fraction(5, 2)], [price] * 3)[-1] == Bands(price, price, price)
    assert run("stdev", [3], [price] * 3)[-1] == 0


# --- recursive ones --------------------------------------------------------------------------------------------------


def smoothed(values: Sequence[Fraction | int], count: int, alpha: Fraction) -> list[Fraction | None]:
    """Seed: the mean of the first n; then moved by alpha of the distance."""
    found: list[Fraction | None] = [None] * min(count - 1, len(values))
    mean = Fraction(sum(values[:count])) / count
    for index in range(count - 1, len(values)):
        mean = mean if index == count - 1 else mean + alpha * (values[index] - mean)
        found.append(mean)
    return found


def ema_of(values: Sequence[Fraction | int], count: int) -> list[Fraction | None]:
    return smoothed(values, count, Fraction(2, count + 1))


@given(VALUES, COUNTS)
def test_the_exponential_mean_is_the_exact_one_rounded(values: list[int], count: int) -> None:
    largest = max(map(abs, values))
    for found, expected in zip(run("ema", [count], values), ema_of(values, count), strict=True):
        assert near(found, expected, largest)


@given(VALUES, COUNTS)
def test_rsi_is_the_gains_share_of_all_moves_by_wilders_means(values: list[int], count: int) -> None:
    moves = [after - before for before, after in pairwise(values)]
    gains = smoothed([max(move, 0) for move in moves], count, Fraction(1, count))
    losses = smoothed([max(-move, 0) for move in moves], count, Fraction(1, count))
    found = run("rsi", [count], values)
    assert found[0] is None
    for value, gain, loss in zip(found[1:], gains, losses, strict=True):
        if gain is None or loss is None or not gain + loss:
            assert value is None
        else:
            assert near(value, 100 * gain / (gain + loss))


def test_rsi_is_100_without_a_loss_0_without_a_gain_and_unknown_without_any_move() -> None:
    assert run("rsi", [2], [1, 2, 3, 3]) == [None, None, 100, 100]
    assert run("rsi", [2], [3, 2, 1, 1]) == [None, None, 0, 0]
    assert run("rsi", [2], [5, 5, 5, 5]) == [None, None, None, None]


BARS = st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=4), min_size=1, max_size=40)


@given(BARS, COUNTS)
def test_atr_smooths_true_ranges_from_the_second_bar_on(paths: list[list[int]], count: int) -> None:
    ranges = [
        max(max(path) - min(path), abs(max(path) - before[-1]), abs(min(path) - before[-1]))
        for before, path in pairwise(paths)
    ]
    found = run("atr", [count], [bar(*path) for path in paths])
    assert found[0] is None
    for value, expected in zip(found[1:], smoothed(ranges, count, Fraction(1, count)), strict=True):
        assert near(value, expected)


@given(VALUES, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_macd_seeds_each_average_with_its_own_mean(values: list[int], fast: int, more: int, signal: int) -> None:
    slow, largest = fast + more, max(map(abs, values))
    pairs = zip(ema_of(values, fast), ema_of(values, slow), strict=True)
    lines = [quick - slower for quick, slower in pairs if quick is not None and slower is not None]
    signals = ema_of(lines, signal) if lines else []
    found = run("macd", [fast, slow, signal], values)
    assert found[: slow - 1] == [None] * min(slow - 1, len(values))
    for value, line, its_signal in zip(found[slow - 1 :], lines, signals, strict=True):
        assert isinstance(value, MacdLines)
        assert near(value.line, line, largest)
        assert near(value.signal, its_signal, largest)
        assert near(value.hist, None if its_signal is None else line - its_signal, largest)


# --- relative volume -------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=90))
def test_relative_volume_compares_with_the_mean_of_the_twenty_before_in_its_slot(trades: list[tuple[int, int]]) -> None:
    before: dict[int, list[int]] = {}
    indicator = INDICATORS["rvol"]()
    for slot, volume in trades:
        held = before.setdefault(slot, [])[-20:]
        known = len(held) >= 5 and sum(held) > 0
        assert indicator.step(SlotVolume(slot, volume)) == (Fraction(volume * len(held), sum(held)) if known else None)
        before[slot].append(volume)


def test_relative_volume_is_unknown_where_usually_nothing_is_traded() -> None:
    assert run("rvol", [], [SlotVolume(0, volume) for volume in (0, 0, 0, 0, 0, 7, 7)])[5:] == [None, 6]


# --- the forming bar -------------------------------------------------------------------------------------------------

MADE: list[tuple[str, Callable[[], Indicator[Any]]]] = [
    *((f"{name} {n}", lambda name=name, n=n: INDICATORS[name](n)) for n in (1, 2, 5) for name in FUNCTIONS
      if name in INDICATORS and name not in ("macd", "bollinger", "rvol")),
    ("macd", lambda: INDICATORS["macd"](2, 4, 3)),
    ("bollinger", lambda: INDICATORS["bollinger"](3, Fraction(5, 2))),
    ("rvol", INDICATORS["rvol"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make"), MADE, ids=[name for name, _ in MADE])
@given(VALUES, st.lists(st.integers(-50, 50), min_size=60, max_size=60))
def test_a_peek_is_what_a_step_would_give_and_changes_nothing(
    name: str, make: Callable[[], Indicator[Any]], values: list[int], others: list[int]
) -> None:
    def taken(value: int) -> object:
        if name == "rvol":
            return SlotVolume(value % 2, abs(value))
        return bar(value, value + 3, value - 1) if name.startswith("atr") else value

    plain, peeked = make(), make()
    for value, other in zip(values, others, strict=False):
        copied = copy.deepcopy(peeked)
        assert peeked.peek(taken(other)) == copied.step(taken(other))
        assert peeked.step(taken(value)) == plain.step(taken(value))


def test_every_bar_function_of_the_table_has_something_that_computes_it() -> None:
    assert {name for name, function in FUNCTIONS.items() if function.reads_bars} == set(INDICATORS)
