"""Functions of a user's own: what they are given, what they give, and one call per bar for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from statistics import fmean

import pytest

from tests.engine.market import Market
from tests.engine.own_functions import mean, minutes, of_bars, of_values, rule, values_of
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.language.kinds import ExpressionError, check, unit_of
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.transition import Kind
from tradeassistd.functions import Bars
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    put_in_table(())


# --- values ----------------------------------------------------------------------------------------------------------


def test_it_gets_the_last_closed_bars_oldest_first_and_its_numbers_and_is_known_after_as_many() -> None:
    seen: list[tuple[object, ...]] = []

    def compute(*given: object) -> float:
        seen.append(given)
        return 1.0

    of_bars(compute, args={"series": "series", "count": "count", "width": "number", "interval": "interval"})
    found = values_of("mine(close, 3, 2.5, 1m)", "100", "101.25", "102", "99")
    assert found == [None, None, 1.0, 1.0]
    assert seen == [((100.0, 101.25, 102.0), 3, 2.5), ((101.25, 102.0, 99.0), 3, 2.5)]
    assert [type(one) for one in seen[0]] == [tuple, int, float]


def test_without_a_series_it_gets_whole_bars() -> None:
    seen: list[Bars] = []

    def compute(bars: Bars) -> float:
        seen.append(bars)
        return bars.high[-1] - bars.low[-1]

    of_bars(compute, args={"interval": "interval"}, gives="price", bars=2)
    market = Market((rule("r", "mine(1m) > 0.5"),))
    minutes(market, "100")
    market.trade("SPY", "100.5", 3)
    market.trade("SPY", "99.75", 4, after_s=1)
    market.wait(63)
    assert describe(market.engine, "r")[0].condition.left == 0.75
    assert seen == [Bars((100.0, 100.5), (100.0, 100.5), (100.0, 99.75), (100.0, 99.75), (10.0, 7.0))]


def test_the_same_formula_gives_what_the_built_in_function_gives_and_equal_is_equal() -> None:
    of_bars(mean)
    prices = [f"{100 + step * 7 % 5}.{step * 37 % 100:02}" for step in range(12)]
    for back in ("", "[1]", "[3]"):
        ours, built_in = (values_of(f"{name}(close, 5, 1m){back}", *prices) for name in ("mine", "sma"))
        assert [one is None for one in ours] == [one is None for one in built_in]
        known = [one for one in built_in if one is not None]
        assert len(known) > 4 and [one for one in ours if one is not None] == pytest.approx(known, rel=1e-9)
    market = Market((rule("r", "price == mine(close, 3, 1m)"),))
    minutes(market, "0.1", "0.2", "0.3")
    assert sum((0.1, 0.2, 0.3)) / 3 != 0.2  # in floats they are not equal
    assert [one.kind for one in market.trade("SPY", "0.2")] == [Kind.FIRED]


def test_live_takes_the_forming_bar_as_the_newest() -> None:
    of_bars(mean)
    market = Market((rule("r", "mine(close, 2, 1m, live) > 1000"), rule("s", "mine(close, 2, 1m, live)[1] > 1000")))
    minutes(market, "100", "102")
    for price, now in (("104", 103.0), ("106", 104.0)):
        market.trade("SPY", price)
        assert [describe(market.engine, name)[0].condition.left for name in "rs"] == [now, 101.0]


def test_several_lines_are_computed_at_once() -> None:
    calls: list[object] = []

    def compute(values: tuple[float, ...], count: int) -> tuple[float, float | None]:
        calls.append(values)
        return max(values), None if values[0] == values[1] else min(values)

    of_bars(compute, lines={"top": "Highest.", "low": "Lowest."})
    market = Market((rule("r", "mine(close, 2, 1m).top > 1000 or mine(close, 2, 1m).low > 1000"),))
    minutes(market, "100", "102")
    assert [leg.left for leg in describe(market.engine, "r")[0].condition.items] == [102.0, 100.0]
    minutes(market, "102")
    assert [leg.left for leg in describe(market.engine, "r")[0].condition.items] == [102.0, None]
    assert "mine says it is unknown" in describe(market.engine, "r")[0].why
    assert len(calls) == 2


def test_the_unit_of_a_result_is_exact() -> None:
    of_bars(lambda values, count: values[-1] / 3, name="same_of")
    of_bars(lambda values, count: 0.01, gives="ratio", name="ratio_of")
    of_bars(lambda values, count: 70, gives="number", name="number_of")
    of_bars(lambda values, count: Fraction(1, 4), gives="price", name="price_of")
    market = Market((
        rule("a", "same_of(volume, 1, 1m) * 3 >= volume(1m)"),
        rule("b", "ratio_of(close, 1, 1m) >= 1% and ratio_of(close, 1, 1m) <= 1%"),
        rule("c", "number_of(close, 1, 1m) >= 70 and number_of(close, 1, 1m) <= 70"),
        rule("d", "price_of(volume, 1, 1m) == 0.25"),
    ))  # fmt: skip
    minutes(market, "100")
    assert [one.rule_id for one in market.fired()] == ["b", "c", "d"]  # a third, rounded, is less than a third
    assert str(unit_of(parse("same_of(volume, 1, 1m)"), instrument_of("SPY"))) == "volume"


# --- present values --------------------------------------------------------------------------------------------------


def test_a_function_of_present_values_gets_natural_units_and_is_called_when_one_has_moved() -> None:
    seen: list[tuple[object, ...]] = []

    def compute(*given: float) -> float:
        seen.append(given)
        return given[0] - given[1]

    args = {"entry": "price", "stop": "value", "times": "number"}
    of_values(compute, args=args, gives="price")
    market = Market((rule("r", "mine(price, 100 - 4t, 2) > 1"), rule("s", "mine(net_pct * price, 1%, 2) > 1")))
    market.image("SPY", "100")
    market.trade("SPY", "101")
    market.trade("SPY", "101")
    assert [one.rule_id for one in market.fired()] == ["r"]
    assert seen == [(100.0, 99.96, 2.0), (101.0, 99.96, 2.0)]  # net_pct is unknown without a close


def test_a_running_high_beside_a_quote_in_a_function_is_that_of_before_the_row() -> None:
    of_values(lambda one, other: max(one, other))
    market = Market((rule("r", "mine(price, 1) > highest(high, 2, 1m, live)"),))
    minutes(market, "100", "100")
    market.trade("SPY", "100")
    assert [one.kind for one in market.trade("SPY", "100.5")] == [Kind.FIRED]


def test_nothing_in_a_function_of_literals_can_change() -> None:
    of_values(lambda one, other: one)
    with pytest.raises(ExpressionError, match="can change"):
        check(parse("mine(1, 2) > 5"), instrument_of("SPY"))


# --- one call for all ------------------------------------------------------------------------------------------------


def test_a_hundred_rules_on_one_function_are_one_call_per_bar() -> None:
    calls: list[tuple[float, ...]] = []

    def compute(values: tuple[float, ...], count: int) -> float:
        calls.append(values)
        return fmean(values)

    of_bars(compute)
    market = Market(tuple(rule(f"r{number}", f"price > mine(close, 5, 1m) + {number}") for number in range(1, 101)))
    minutes(market, *(f"{price}" for price in range(100, 110)))
    for _ in range(5):
        market.trade("SPY", "110")
    assert len(calls) == 6 and len(set(calls)) == 6  # ten bars, the first four fill the window
    calls.clear()
    market.reload(*market.rules, rule("late", "price > mine(close, 6, 1m)"))
    market.trade("SPY", "111")
    assert len(calls) == 1  # filled in from ten bars: one result is read


def test_live_is_one_call_per_change_of_the_bar() -> None:
    calls: list[object] = []

    def compute(values: tuple[float, ...], count: int) -> float:
        calls.append(values)
        return fmean(values)

    of_bars(compute)
    market = Market(tuple(rule(f"r{number}", f"mine(close, 2, 1m, live) > {number}") for number in range(1, 51)))
    minutes(market, "100")
    calls.clear()
    for price in ("101", "102", "102"):
        market.trade("SPY", price)
    assert len(calls) == 2
