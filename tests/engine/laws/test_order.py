"""One instant, one order: bars, timers, close rules, the row; rules as they stand in their files (rules.md 4.6)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import FEW_PRICES, LEVEL, PRICES, rises_and_falls, rule, run
from tests.engine.market import Market, bars
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Evaluate, Level, Rule
from tradeassistd.engine.template import Slot, Template
from tradeassistd.engine.transition import Kind

SYMBOLS = ("SPY", "QQQ", "DIA")
LISTED = st.lists(st.tuples(st.permutations(SYMBOLS), st.integers(0, 3)), min_size=1, max_size=4)
"""Per rule its symbols as listed, and how many levels it has (0: no ladder)."""


def rules_of(listed: list[tuple[list[str], int]], text: str, **fields: Any) -> tuple[Rule, ...]:
    found = []
    for number, (symbols, levels) in enumerate(listed):
        one = rule(text, id=f"r{number}", symbols=tuple(symbols), at_load="fire", **fields)
        ladder = tuple(Level(one.when) for _ in range(levels))
        found.append(Rule(one.id, one.symbols, one.when, ladder=ladder, cooldown_s=0, at_load="fire",
                          evaluate=one.evaluate, for_s=one.for_s))  # fmt: skip
    return tuple(found)


@given(LISTED, st.sampled_from(["row", "timer", "close"]))
def test_rules_are_judged_as_they_stand_and_the_highest_level_first(
    listed: list[tuple[list[str], int]], how: str
) -> None:
    if how == "close":
        market = Market(rules_of(listed, "close(1m) > 100", evaluate=Evaluate("1m")))
        for symbol in SYMBOLS:
            market.image(symbol)
        for symbol in SYMBOLS:
            market.trade(symbol, "101")
        market.wait(62)
    else:
        market = Market(rules_of(listed, "sym($VIX).price > 100", for_s=5 if how == "timer" else 0))
        for symbol in SYMBOLS:
            market.image(symbol, "1")
        market.image("$VIX", "99")
        market.trade("$VIX", "101", 0)
        market.wait(6)
    expected = [
        (f"r{number}", symbol, level)
        for number, (symbols, levels) in enumerate(listed)
        for symbol in symbols
        for level in (range(levels, 0, -1) if levels else (0,))
    ]
    assert [(one.rule_id, one.symbol, one.level) for one in market.fired()] == expected


@given(FEW_PRICES, st.integers(1, 30))
def test_what_is_due_is_told_before_the_row_that_would_end_it(prices: list[int], late_us: int) -> None:
    market = Market((rule("price > 100", cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    market.now_us = market.all[0].event_us + 60 * US_PER_S + late_us
    found = market.trade("SPY", str(prices[0]))
    assert [one.kind for one in found] == [Kind.TOLD] + [Kind.CLEARED] * (prices[0] <= LEVEL)
    assert found[0].value == 102.0


@given(PRICES)
def test_close_rules_see_the_quote_as_it_was_before_the_row_that_closed_their_bar(prices: list[int]) -> None:
    market = run("price > 100", [], evaluate=Evaluate("1m"), at_load="fire")
    for price in prices:
        market.trade("SPY", str(price), after_s=60)
    assert market.kinds() == rises_and_falls(price > LEVEL for price in prices[:-1])


@given(PRICES)
def test_a_rule_on_bars_alone_is_judged_when_they_close(prices: list[int]) -> None:
    market = run("close(1m) > 100", [], at_load="fire")
    for price in prices:
        market.trade("SPY", str(price), after_s=60)
    holds = [price > LEVEL for price in prices[:-1]]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))


@given(FEW_PRICES, st.sampled_from([0, 30]))
def test_timers_run_before_the_close_rules_of_the_same_instant(prices: list[int], second: int) -> None:
    # A minute after each other bars close, by a trade or by the clock, and so long `for` of the rule takes.
    market = run("close(1m) > 100", [], evaluate=Evaluate("1m"), for_s=60, at_load="fire")
    market.wait(second)
    for price in prices:
        market.trade("SPY", str(price))
        market.wait(60)
    market.wait(2)  # the last bar closes by the clock in either case
    expected, state = list[str](), "ok"
    for price in prices:
        if state == "pending":
            state = "firing"
            expected.append("fired")
        if (price > LEVEL) != (state == "firing"):
            expected.append("pending" if price > LEVEL else "cleared")
            state = "pending" if price > LEVEL else "ok"
    assert market.kinds() == expected


@given(FEW_PRICES, st.integers(101, 103))
def test_bars_close_before_the_timers_of_the_same_second(prices: list[int], last: int) -> None:
    words = Template((Slot(expression=bars("close", "1m")),))
    market = run("price > 100", prices, for_s=61, at_load="fire", message=words)
    market.trade("SPY", str(last))
    market.wait(62)
    (fired,) = market.fired()
    assert (fired.event_us // US_PER_S % 60, fired.message) == (2, f"{last}.00")


@given(st.lists(st.tuples(st.integers(98, 102), st.booleans()), max_size=25))
def test_every_leg_looks_at_every_judging(path: list[tuple[int, bool]]) -> None:
    # The side of the crossing moves also while the leg before it is false.
    market = run("sym($VIX).price > 20 and price crosses 100", [])
    market.image("$VIX", "19")
    expected, side = 0, None
    for price, fear in path:
        market.trade("$VIX", "21" if fear else "19", 0)
        market.trade("SPY", str(price))
        if price != LEVEL:
            expected += fear and side is not None and side != (price > LEVEL)
            side = price > LEVEL
    assert len(market.all) == expected


@given(
    st.sampled_from(["price > 1", "bid > 1", "sym(QQQ).price > 1", "price > sym(QQQ).bid"]),
    st.lists(st.tuples(st.sampled_from(["SPY", "QQQ"]), st.sampled_from(["price", "bid"])), max_size=20),
)
def test_a_rule_is_judged_by_every_row_that_moves_what_it_reads_and_by_no_other(
    text: str, path: list[tuple[str, str]]
) -> None:
    market = Market((rule(text),))
    for symbol in ("QQQ", "SPY"):
        market.image(symbol, "100", bid="99", ask="101")
    judged_us = market.now_us if text != "sym(QQQ).price > 1" else market.now_us - 1
    reads = {"price > 1": [("SPY", "price")], "bid > 1": [("SPY", "bid")], "sym(QQQ).price > 1": [("QQQ", "price")],
             "price > sym(QQQ).bid": [("SPY", "price"), ("QQQ", "bid")]}[text]  # fmt: skip
    for symbol, what in path:
        if what == "price":
            market.trade(symbol, "100")
        else:
            market.quote(symbol, bid="99")
        judged_us = market.now_us if (symbol, what) in reads else judged_us
        assert market.engine.machines[0].state.judged_us == judged_us
