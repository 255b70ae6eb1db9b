"""Where engine and oracle did not agree until it was decided what is meant: the smallest market of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.oracle.expression import Arithmetic, Compare, Condition, Cross, Look, OfBars, Quote, number
from tests.oracle.market_text import Market, instant
from tests.oracle.rule import Distance, OracleRule
from tests.oracle.test_engine_agrees import engine_says, oracle_says

PRICE, BID = Quote("price"), Quote("bid")
OVER = Compare(PRICE, ">", number("100"))
Case = tuple[OracleRule, Market]


def made(when: Condition, **settings: Any) -> OracleRule:
    return OracleRule("r", when, "tick", 0, "fire", ("SPY",), **settings)


def market(price: str = "99", **quote: str) -> Market:
    return Market(instant("2026-11-16 10:00:00")).image("SPY", price=price, **quote)


def a_firing_that_waited_is_stored() -> Case:
    """It fires on the clock, the daemon restarts: nothing new happens, it is told once."""
    here = market().trade("SPY", "101").wait(3).restart().image("SPY", price="101").wait(3)
    return made(OVER, for_s=1), here


def a_changed_event_rule_has_missed_nothing() -> Case:
    """Side none: the first value after the swap only sets it."""
    rule = made(Cross(PRICE, "crosses", (number("100"),)), clear_when=Compare(PRICE, "<", number("98")))
    return rule, market().trade("SPY", "101").swap([replace(rule, rev="2")]).trade("SPY", "99")


def a_firing_that_goes_on_under_a_changed_condition_is_not_late() -> Case:
    """Nothing was unwatched between the swap and the next row."""
    rule = made(OVER)
    return rule, market().trade("SPY", "101").swap([replace(rule, rev="2")]).trade("SPY", "99")


def a_firing_ends_when_an_older_condition_returns() -> Case:
    """r fires under its second condition; the first comes back and is false: closed, rule_changed."""
    first, second = made(OVER), made(Compare(PRICE, ">", number("50")))
    return first, market().wait(1).swap([second]).trade("SPY", "99").wait(1).swap([first]).wait(1)


def away_and_back_rearms_though_the_rule_reads_only_the_bid() -> Case:
    """The price has been a point away from the told price."""
    here = market("100", bid="40").quote("SPY", bid="51").quote("SPY", bid="49")
    here.trade("SPY", "101").trade("SPY", "100").quote("SPY", bid="51").wait(2)
    return made(Compare(BID, ">", number("50")), rearm=Distance(Fraction(10))), here


def what_rearm_kept_quiet_is_told_when_the_price_has_been_away() -> Case:
    """The bid rule still fires when the price moves: it is told with that row, not with the next second."""
    here = market("100", bid="40").quote("SPY", bid="51").quote("SPY", bid="49").quote("SPY", bid="51")
    return made(Compare(BID, ">", number("50")), rearm=Distance(Fraction(10))), here.wait(2).trade("SPY", "101").wait(2)


def rsi_of_a_market_that_did_not_move() -> Case:
    """Both averages zero: neither gains nor losses to compare, so unknown."""
    here = market("100").trade("SPY", "100").wait(60).trade("SPY", "100").wait(63)
    return made(Compare(OfBars("rsi", "close", 1, "1m"), ">=", number("0"))), here


def the_highest_of_five_seconds_is_not_of_before_them() -> Case:
    """100 was left more than five seconds ago: the highest is the price itself."""
    return made(Compare(PRICE, "<", Look("highest", "price", 5))), market("100").trade("SPY", "99.5").wait(7)


def an_extreme_that_was_left_is_not_looked_back_on() -> Case:
    """Three below the highest of five seconds, which is over when nothing has come for five seconds."""
    here = market().wait(10).trade("SPY", "105").wait(2).trade("SPY", "100").wait(1).trade("SPY", "99.5").wait(8)
    return made(Compare(PRICE, "<", Arithmetic("-", Look("highest", "price", 5), number("3")))), here


DECIDED: tuple[Callable[[], Case], ...] = (
    a_firing_that_waited_is_stored,
    a_changed_event_rule_has_missed_nothing,
    a_firing_that_goes_on_under_a_changed_condition_is_not_late,
    a_firing_ends_when_an_older_condition_returns,
    away_and_back_rearms_though_the_rule_reads_only_the_bid,
    rsi_of_a_market_that_did_not_move,
    the_highest_of_five_seconds_is_not_of_before_them,
    an_extreme_that_was_left_is_not_looked_back_on,
    what_rearm_kept_quiet_is_told_when_the_price_has_been_away,
)


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.__name__)
def test_they_agree(case: Callable[[], Case]) -> None:
    rule, here = case()
    assert engine_says(here.events, [rule]) == oracle_says(here.events, [rule])
