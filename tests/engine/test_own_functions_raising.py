"""A function of a user's own that raises, or gives no number, isolates the rules that read it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.market import Market
from tests.engine.own_functions import broken, minutes, of_bars, of_values, rule
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.failing import DISABLED_S
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.template import Slot, Template
from tradeassistd.engine.transition import Kind
from tradeassistd.rules.grammar import parse


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    put_in_table(())


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
