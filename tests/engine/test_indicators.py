"""Indicators against plain recomputation, the values of a forming bar, and what tracks keep and forget."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.engine.bars.indicators import INDICATORS, Indicator, Track
from tradeassistd.engine.bars.recursive import MacdLines
from tradeassistd.engine.bars.relative_volume import SlotVolume
from tradeassistd.engine.bars.rounding import exact, nearest, on_grid, root_on_grid
from tradeassistd.engine.bars.spread import Bands
from tradeassistd.engine.language.functions import FUNCTIONS, Value
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


def bar(*prices: int, volume: int = 1) -> Bar:
    return Bar("SPY", "1m", "rth", 0, 60, prices[0], max(prices), min(prices), prices[-1], volume, len(prices))


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


# --- rounding --------------------------------------------------------------------------------------------------------


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


def test_every_bar_function_of_the_table_has_something_that_computes_it() -> None:
    assert {name for name, function in FUNCTIONS.items() if function.reads_bars} == set(INDICATORS)


# --- tracks ----------------------------------------------------------------------------------------------------------


def mean_track(count: int) -> Track:
    return Track(attrgetter("close"), lambda: INDICATORS["sma"](count))


@given(VALUES, st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(0, 60), COUNTS)
def test_a_track_gives_the_value_n_bars_ago_also_when_a_rule_reaches_further_back_later(
    values: list[int], reaches: list[int], later: int, count: int
) -> None:
    track = mean_track(count)
    track.reach_back(reaches[0])
    for index, value in enumerate(values):
        if index == later:
            for reach in reaches:
                track.reach_back(reach)
        track.step(bar(value))
    expected = run("sma", [count], values)
    # What was dropped before a rule asked for it is unknown, never another bar's value.
    reached = later < len(values)
    kept_since = later - reaches[0] - 1 if reached else 0
    for back in range(max(reaches) + 1 if reached else reaches[0] + 1):
        index = len(values) - 1 - back
        assert track.value(back) == (expected[index] if index >= max(0, kept_since) else None)


def test_a_plain_track_reads_its_field_and_a_reset_one_starts_from_nothing() -> None:
    plain, mean = Track(attrgetter("volume")), mean_track(2)
    for one in (plain, mean):
        one.reach_back(1)
        assert one.value() is None
        one.step(bar(10))
        one.step(bar(20))
    assert (plain.value(), plain.value(1), plain.value(2)) == (1, 1, None)
    assert (mean.value(), mean.seen) == (15, 2)
    mean.reset()
    assert (mean.value(), mean.seen) == (None, 0)
    mean.step(bar(30))
    assert mean.value() is None
    mean.step(bar(50))
    assert (mean.value(), mean.value(1)) == (40, None)


@given(VALUES, st.integers(0, 60), st.integers(0, 60), st.integers(0, 8))
def test_a_warmed_track_is_the_one_that_was_there_all_along(values: list[int], since: int, at: int, reach: int) -> None:
    past = [bar(value) for value in values[:at]]
    there = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    there.reach_back(reach)
    for one in past:
        there.step(one)
    late = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    late.reach_back(reach)
    late.warm(past)
    deepened = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    for one in past:
        deepened.step(one)
    deepened.reach_back(reach)
    deepened.warm(past)
    for value in [None, *values[at:]]:
        if value is not None:
            for track in (there, late, deepened):
                track.step(bar(value))
        for back in range(reach + 2):
            assert there.value(back) == late.value(back) == deepened.value(back)
        assert there.seen == late.seen == deepened.seen


def test_to_reach_further_back_does_not_seed_a_running_average_anew() -> None:
    track = Track(attrgetter("close"), lambda: INDICATORS["ema"](2))
    for value in (1000, 10, 20, 30):
        track.step(bar(value))
    before = track.value()
    assert track.reach_back(1)
    track.warm([bar(20), bar(30)])  # the recent bars no longer hold the spike that the average remembers
    assert track.value() == before


def test_parts_share_one_track_and_must_be_named() -> None:
    track = Track(attrgetter("close"), lambda: INDICATORS["macd"](1, 2, 2))
    for value in (10, 20):
        track.step(bar(value))
    assert (track.value(part="line"), track.value(part="signal"), track.value(part="hist")) == (5, None, None)
    with pytest.raises(AttributeError):
        track.value()
    with pytest.raises(AttributeError):
        track.value(part="upper")
