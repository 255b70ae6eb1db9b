"""Functions of a user's own: one call per bar for all rules, checked like built-in ones, isolated when they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from statistics import fmean
from typing import Any

import pytest

from tests.engine.market import Market
from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.engine import DISABLED_S
from tradeassistd.engine.language.functions import FUNCTIONS
from tradeassistd.engine.language.kinds import ExpressionError, check, unit_of
from tradeassistd.engine.language.own import in_table, put_in_table
from tradeassistd.engine.rule import Evaluate, Rule
from tradeassistd.engine.template import Slot, Template
from tradeassistd.engine.transition import Kind
from tradeassistd.functions import Bars, UserFunction
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

BAR_ARGS: Any = {"series": "series", "count": "count", "interval": "interval"}


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    put_in_table(())


def of_bars(compute: Callable[..., Any], **fields: Any) -> UserFunction:
    """A function of bars that is in the table, by default `mine(series, count, interval)`."""
    function = UserFunction(**{"name": "mine", "args": BAR_ARGS, "gives": "same", "compute": compute, "version": "1",
                               "doc": "Mine.", **fields})  # fmt: skip
    put_in_table((*in_table().values(), function))
    return function


def of_values(compute: Callable[..., Any], **fields: Any) -> UserFunction:
    return of_bars(compute, **{"args": {"one": "value", "other": "value"}, **fields})


def mean(values: tuple[float, ...], count: int) -> float:
    return sum(values) / count


def rule(name: str, text: str, *, close: str = "", symbol: str = "SPY", **fields: Any) -> Rule:
    fields = {"cooldown_s": 0, "at_load": "fire", **fields}
    return Rule(name, (symbol,), parse(text), evaluate=Evaluate(close), **fields)


def minutes(market: Market, *prices: str, symbol: str = "SPY") -> None:
    """Whole minutes, each with one trade in it and closed by the clock."""
    if symbol not in market.engine.symbols or market.engine.symbols[symbol].tick is None:
        market.image(symbol, prices[0])
        market.until("10:01:00")
    for price in prices:
        market.trade(symbol, price, 10)
        market.wait(63)


def values_of(text: str, *prices: str) -> list[float | None]:
    """What a value was after each of these minutes."""
    market = Market((rule("r", f"{text} > 1000000"),))
    seen = []
    for price in prices:
        minutes(market, price)
        seen.append(describe(market.engine, "r")[0].condition.left)
    return seen


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


# --- what raises -----------------------------------------------------------------------------------------------------


def broken(values: tuple[float, ...], count: int) -> float:
    if values[-1] > 105:
        raise ZeroDivisionError("nothing to divide by")
    return values[-1]


def test_a_raise_isolates_the_rules_that_read_it_and_is_one_call() -> None:
    calls: list[object] = []

    def compute(values: tuple[float, ...], count: int) -> float:
        calls.append(values)
        return broken(values, count)

    of_bars(compute)
    market = Market((rule("bad", "price > mine(close, 1, 1m)"), rule("too", "price < mine(close, 1, 1m)"),
                     rule("good", "price > 107")))  # fmt: skip
    minutes(market, "100", "106")
    calls.clear()
    for price in ("107", "108", "109"):
        market.trade("SPY", price)
    assert [one.rule_id for one in market.fired() if one.rule_id == "good"] == ["good"]
    assert calls == []
    faults = market.engine.take_faults()
    assert {one.rule_id for one in faults} == {"bad", "too"}
    assert {str(one.error) for one in faults} == {"mine raised ZeroDivisionError: nothing to divide by"}
    assert DISABLED_S[0] in {one.disabled_s for one in faults}
    assert describe(market.engine, "bad")[0].condition.why == "mine raised ZeroDivisionError: nothing to divide by"


def test_a_crossing_while_a_rule_is_left_out_is_missed_and_not_live() -> None:
    def shaky(one: float, other: float) -> float:
        return 1 / (one - 195)

    of_values(shaky, gives="number")
    market = Market((rule("r", "mine(price, 1) > -1 and price crosses_above 200"),))
    market.image("SPY", "190")
    for price in ("190", "195", "195", "195"):
        market.trade("SPY", price)
    assert [one.disabled_s for one in market.engine.take_faults()] == [0, 0, DISABLED_S[0]]
    market.trade("SPY", "210")
    assert market.all == []
    market.wait(DISABLED_S[0] + 1)
    assert [one.kind for one in market.trade("SPY", "211")] == [Kind.MISSED]
    market.trade("SPY", "199")
    assert [one.kind for one in market.trade("SPY", "201")] == [Kind.FIRED]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (float("nan"), "mine gave nan (give None where it is unknown)"),
        (float("-inf"), "mine gave -inf (give None where it is unknown)"),
        (10**400, "mine gave inf (give None where it is unknown)"),
        ("5", "mine gave '5', not a number (give a float, or None for unknown)"),
        (True, "mine gave True, not a number (give a float, or None for unknown)"),
        ((1.0, 2.0), "mine gave (1.0, 2.0), not a number (give a float, or None for unknown)"),
    ],
)
def test_what_is_no_number_is_a_fault(result: object, said: str) -> None:
    of_bars(lambda values, count: result)
    market = Market((rule("r", "price > mine(close, 1, 1m)"),))
    minutes(market, "100")
    market.trade("SPY", "100")
    assert {str(one.error) for one in market.engine.take_faults()} == {said}


def test_lines_must_come_as_a_tuple_of_as_many() -> None:
    of_bars(lambda values, count: (1.0,), lines={"top": "Highest.", "low": "Lowest."})
    market = Market((rule("r", "price > mine(close, 1, 1m).low"),))
    minutes(market, "100")
    market.trade("SPY", "100")
    assert {str(one.error) for one in market.engine.take_faults()} == {"mine gave (1.0,), not a tuple of 2 values"}


def test_a_raise_in_a_message_does_not_delay_the_alert_and_counts_as_a_fault() -> None:
    of_bars(broken)
    message = Template(("mean ", Slot(expression=parse("mine(close, 1, 1m)"))))
    market = Market((rule("r", "price > 100", message=message),))
    minutes(market, "99", "106")
    market.all.clear()
    market.trade("SPY", "99")
    found = market.trade("SPY", "107")
    assert [(one.kind, one.message) for one in found] == [(Kind.FIRED, "mean n/a")]
    (fault,) = market.engine.take_faults()[-1:]
    assert (fault.rule_id, fault.disabled_s) == ("r", 0) and "ZeroDivisionError" in str(fault.error)


def test_a_raise_inside_a_streak_is_a_fault_of_the_rule_until_the_next_bar() -> None:
    of_bars(broken)
    market = Market((rule("r", "streak(close(1m) >= mine(close, 1, 1m), 1m) >= 2"),))
    minutes(market, "100", "106")
    market.trade("SPY", "101")
    assert [one.rule_id for one in market.engine.take_faults()]
    market.wait(60 + DISABLED_S[0])
    minutes(market, "101", "102")
    assert [one.kind for one in market.all if one.kind is Kind.FIRED] == []  # broken until a close that is false
    market.engine.take_faults()
    market.trade("SPY", "103")
    assert market.engine.take_faults() == []


def test_a_raise_while_a_reloaded_rule_is_judged_once_ends_the_firing_and_nothing_else() -> None:
    of_bars(broken)
    market = Market((rule("r", "price > 100"), rule("other", "price > 104")))
    minutes(market, "99", "106")
    found = market.reload(rule("r", "price > mine(close, 1, 1m) - 50"), rule("other", "price > 104"))
    assert [(one.rule_id, one.kind) for one in found] == [("r", Kind.CLOSED)]
    market.trade("SPY", "107")
    assert {one.rule_id for one in market.engine.take_faults()} == {"r"}


# --- state over restarts ---------------------------------------------------------------------------------------------


def test_name_and_version_are_part_of_the_fingerprint() -> None:
    one = rule("r", "price > mine(close, 3, 1m)")
    of_bars(mean)
    first = one.fingerprint("SPY")
    of_bars(mean, name="another")
    assert one.fingerprint("SPY") == first
    put_in_table(())
    of_bars(mean, version="2")
    assert one.fingerprint("SPY") != first
    plain = rule("r", "price > sma(close, 3, 1m)")
    with_it = plain.fingerprint("SPY")
    put_in_table(())
    assert plain.fingerprint("SPY") == with_it


def test_the_table_takes_no_name_twice_and_forgets_what_is_taken_out() -> None:
    function = of_bars(mean)
    with pytest.raises(ValueError, match="already"):
        put_in_table((function, function))
    with pytest.raises(ValueError, match="already"):
        of_bars(mean, name="sma")
    assert in_table() == {"mine": function} and FUNCTIONS["sma"].own is None
    put_in_table((), {"mine": "it broke"})
    with pytest.raises(ExpressionError, match=r"function 'mine' is installed and cannot be used: it broke"):
        check(parse("mine(close, 3, 1m) > 1"), instrument_of("SPY"))


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine(close, 3) > 1", "mine takes 3 arguments, not 2 (there are no default arguments: write mine(series,"),
        ("mine(price, 3, 1m) > 1", "price is not a bar series"),
        ("mine(close, 2, 1m) > 1", "mine: three or more"),
        ("mine(close, 900, 1m) > 1", "mine asks for 9000 bars (at least 1 and at most 5,000)"),
        ("mine(close, 7, 1m) > 1", "mine cannot say how many bars it needs: KeyError(7) (mend its bars=)"),
        ("mine(close, 3, 1m).top > 1", "has no part 'top'"),
        ("mine > 1", "`mine` alone is not a value (write mine(series, count, interval))"),
        ("minee(close, 3, 1m) > 1", "unknown function 'minee' (did you mean mine?)"),
        ("mine(close, 3, 1m) > 1%", "compares a price with a ratio"),
        ("worth(price, 1%) > 1", "worth takes a price here, and 1% is a ratio (write worth(entry, stop))"),
        ("worth(volume(1m), 5) > 1", "worth takes a price here, and volume(1m) is a volume"),
        ("worth(price) > 1", "worth takes 2 arguments, not 1"),
        ("worth(price, 100)[1] > 1", "has no bars to go back on"),
        ("worth(price, 100, live) > 1", "worth takes no `live`"),
        ("sized(1m) > 1", "$VIX has no volume"),
    ],
)
def test_the_checker_knows_it_like_any_other(text: str, said: str) -> None:
    def bars(count: int) -> int:
        if count < 3:
            raise ValueError("three or more")
        return {3: 3, 900: 9000}[count]

    of_bars(mean, bars=bars)
    of_values(lambda entry, stop: entry, name="worth", args={"entry": "price", "stop": "price"}, gives="number")
    of_bars(lambda bars: 1.0, name="sized", args={"interval": "interval"}, bars=3, gives="number", needs_volume=True)
    symbol = "$VIX" if "sized" in text else "SPY"
    with pytest.raises(ExpressionError) as error:
        check(parse(text), instrument_of(symbol))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "my-mean"}, "'my-mean' is not a name"),
        ({"version": 1}, "version is not a text"),
        ({"doc": ""}, "doc is not a text"),
        ({"gives": "points"}, "gives='points' is not known (one of same price volume ratio number)"),
        ({"args": {}}, "args names no argument"),
        ({"args": {"series": "closes", "interval": "interval"}}, "argument series='closes' is not known"),
        ({"args": {"interval": "interval", "count": "count"}}, "the interval is not its last argument"),
        ({"args": {"series": "series", "count": "count"}}, "a series or a count needs an interval"),
        ({"args": {**BAR_ARGS, "interval": "interval", "level": "price"}}, "the interval is not its last argument"),
        ({"args": {"level": "price", "count": "count", "interval": "interval"}}, "takes bars and a present price"),
        ({"args": {"count": "count", "series": "series", "interval": "interval"}}, "a series is the first argument"),
        ({"args": {"times": "number"}, "gives": "number"}, "nothing it takes can change"),
        ({"args": {"count": "count", "interval": "interval"}}, "gives='same' needs a series or a value"),
        ({"args": {"series": "series", "interval": "interval"}}, "does not say how many bars it needs"),
        ({"bars": 0}, "bars=0 is no number of bars"),
        ({"bars": True}, "bars=True is no number of bars"),
        ({"bars": lambda: 3}, "bars cannot be called with what it gets"),
        ({"compute": lambda values: 1.0}, "compute cannot be called with what it gets: too many positional"),
        ({"compute": 5}, "compute is not a function (compute takes values, count)"),
        ({"lines": {"top line": "Highest."}}, "lines are not names"),
        ({"args": {"one": "value"}, "compute": abs, "lines": {"top": "Highest."}}, "only a function of bars has lines"),
        ({"args": {"one": "value"}, "compute": abs, "bars": 5}, "bars= is for functions of bars"),
    ],
)
def test_what_does_not_fit_together_is_told_at_once(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        of_bars(fields.pop("compute", mean), **fields)
    assert said in str(error.value)
    assert in_table() == {}
