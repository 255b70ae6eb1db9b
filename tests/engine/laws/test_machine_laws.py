"""The state machine of one rule, symbol and level (rules.md 4.7)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import (
    DAY_US,
    FEW_PRICES,
    LEVEL,
    PRICES,
    condition,
    outcome_of,
    rises_and_falls,
    rule,
    run,
)
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Evaluate, Level, Rule
from tradeassistd.engine.transition import Kind, RuleState, State

HOUR_US = 3600 * US_PER_S
DAYS = st.lists(st.lists(st.integers(98, 102), min_size=1, max_size=5), min_size=1, max_size=4)
"""Prices of Monday and the days after it."""


@given(PRICES, st.integers(0, 29))
def test_a_restart_neither_loses_nor_repeats_a_firing(prices: list[int], at: int) -> None:
    at = min(at, len(prices))
    plain = run("price > 100", prices)
    market = run("price > 100", prices[:at])
    found = list(market.all)
    states: dict[tuple[str, str], RuleState] = {(s.rule_id, s.symbol): s for s in market.engine.take_states()}
    market = Market((rule("price > 100"),), now_us=market.now_us, states=tuple(states.values()))
    if prices[:at]:
        market.image("SPY", str(prices[at - 1]))
    else:
        market.image("SPY")
    for price in prices[at:]:
        market.trade("SPY", str(price))
    assert [one.kind for one in found + market.all] == [one.kind for one in plain.all]
    final = market.engine.machines[0].state.state
    assert final is (State.FIRING if prices[-1] > LEVEL else State.OK)


@given(st.sampled_from([State.OK, State.FIRING]), FEW_PRICES)
def test_what_a_restart_finds_changed_is_told_late_and_what_it_finds_the_same_is_nothing(
    stored: State, prices: list[int]
) -> None:
    one = rule("price > 100")
    state = RuleState("r", "SPY", 0, one.fingerprint("SPY"), stored, judged_us=5, since_us=4)
    market = Market((one,), states=(state,))
    market.image("SPY", str(prices[0]))
    for price in prices[1:]:
        market.trade("SPY", str(price))
    holds = [stored is State.FIRING, *(price > LEVEL for price in prices)]
    assert market.kinds() == rises_and_falls(holds[1:], holds=holds[0])
    assert [one.late for one in market.all] == [not at for at, (was, now) in enumerate(pairwise(holds)) if now != was]
    assert [one.suppressed for one in market.fired()] == [""] * len(market.fired())


@given(st.lists(st.tuples(st.integers(98, 102), st.integers(0, 9)), min_size=1, max_size=20), st.integers(1, 12))
def test_for_fires_exactly_when_it_has_held_without_a_break(path: list[tuple[int, int]], for_s: int) -> None:
    market = run("price > 100", [], for_s=for_s, at_load="fire")
    due_us: int | None = None  # when it fires if it holds until then; None once it has fired or while it does not hold
    holds, expected = False, 0
    for price, seconds in path:
        market.trade("SPY", str(price))
        if due_us is not None and market.now_us >= due_us:
            expected, due_us = expected + 1, None  # timers come before the row that would end it
        if price <= LEVEL:
            due_us = None
        elif not holds:
            due_us = market.now_us + for_s * US_PER_S
        holds = price > LEVEL
        market.wait(seconds)
        if due_us is not None and market.now_us >= due_us:
            expected, due_us = expected + 1, None
        assert len(market.fired()) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=15), st.integers(1, 12))
def test_unknown_pauses_for_and_the_time_known_before_it_counts(path: list[tuple[bool, int]], for_s: int) -> None:
    market = Market((rule("price > 100 and sym($VIX).price > 0", for_s=for_s, at_load="fire"),))
    market.image("SPY", "101")
    held_us, since_us = 0, None  # known to hold before the last pause, and since when it holds without a break
    for known, seconds in path:
        if since_us is not None and held_us + market.now_us + 1 - since_us >= for_s * US_PER_S:
            break
        if known:
            market.trade("$VIX", "20", 0)
            since_us = market.now_us if since_us is None else since_us
        else:
            market.none_yet("$VIX")
            held_us += market.now_us - since_us if since_us is not None else 0
            since_us = None
        market.wait(seconds)
    over_us = held_us + (market.now_us - since_us if since_us is not None else 0)
    assert len(market.fired()) == (over_us >= for_s * US_PER_S)


@given(st.integers(1, 9), st.integers(1, 20), st.sampled_from(["gap", "roll", "session"]))
def test_what_breaks_the_watch_makes_for_count_anew(before_s: int, after_s: int, how: str) -> None:
    market = Market((rule("price > bid", symbols=("/ES",), session="rth", for_s=10, at_load="fire"),))
    market.facts("/ES", contract="/ESZ26")
    market.image("/ES", "90", bid="100")
    market.now_us = MONDAY_RTH_US + 6 * HOUR_US - before_s * US_PER_S  # so long before the session's end
    market.trade("/ES", "101")
    if how == "session":
        market.wait(before_s)
        market.now_us += DAY_US - 6 * HOUR_US
        market.trade("/ES", "101")
    else:
        market.now_us -= HOUR_US
        market.trade("/ES", "90")
        market.trade("/ES", "101")
        market.wait(before_s)
        if how == "gap":
            market.gap("/ES")
        else:
            market.facts("/ES", contract="/ESH27")
        market.image("/ES", "101", bid="100")
    market.wait(after_s)
    assert len(market.fired()) == (after_s > 10)


THRESHOLDS = (98, 96, 94)


@given(st.lists(st.integers(92, 100), min_size=1, max_size=25), st.integers(0, 9))
def test_each_level_is_a_machine_of_its_own_and_of_those_that_rise_the_highest_is_told(
    prices: list[int], wait_s: int
) -> None:
    levels = tuple(Level(condition(f"price < {threshold}")) for threshold in THRESHOLDS)
    market = Market((Rule("r", ("SPY",), levels[0].when, ladder=levels, cooldown_s=0),))
    market.image("SPY", "100")
    for before, price in pairwise([100, *prices]):
        found = {one.level: (one.kind.value, one.suppressed) for one in market.trade("SPY", str(price))}
        risen = [level for level, below in enumerate(THRESHOLDS, 1) if price < below <= before]
        expected = {level: ("fired", "" if level == max(risen) else "higher_level") for level in risen}
        expected |= {level: ("cleared", "") for level, below in enumerate(THRESHOLDS, 1) if before < below <= price}
        assert found == expected
        assert market.wait(wait_s) == []


@given(DAYS)
def test_a_rule_on_day_values_ends_with_the_day_and_any_other_freezes(days: list[list[int]]) -> None:
    day = rule("price > prev_day.close", id="day", at_load="fire")
    plain = rule("price > 100", id="plain", at_load="fire")
    market = Market((day, plain))
    market.facts("SPY", prev_close=str(LEVEL))
    expected = list[tuple[str, str]]()
    for number, prices in enumerate(days):
        market.now_us = MONDAY_RTH_US + number * DAY_US
        for price in prices:
            market.image("SPY", str(price))
        expected += [(kind, "") for kind in rises_and_falls(price > LEVEL for price in prices)]
        market.now_us = MONDAY_RTH_US + number * DAY_US + 10 * HOUR_US - 1
        ended = market.wait(1)
        assert [(one.rule_id, one.is_alert) for one in ended] == [("day", False)] * (prices[-1] > LEVEL)
        expected += [("closed", "session_end")] * (prices[-1] > LEVEL)
    of_day = [(one.kind.value, one.suppressed) for one in market.all if one.rule_id == "day"]
    assert of_day == expected
    through = [price > LEVEL for prices in days for price in prices]
    assert [one.kind.value for one in market.all if one.rule_id == "plain"] == rises_and_falls(through)


MINUTES = st.lists(st.tuples(st.integers(-90, 90), st.integers(98, 102)), max_size=5)


@given(st.lists(MINUTES, min_size=1, max_size=4), st.integers(98, 102))
def test_at_is_judged_once_a_day_by_what_stood_at_its_time(days: list[list[tuple[int, int]]], first: int) -> None:
    market = run("price > 100", [], evaluate=Evaluate(at_minute=15 * 60 + 50), at_load="fire")
    market.image("SPY", str(first))
    last, results = first, list[bool]()
    for number, rows in enumerate(days):
        at_us = MONDAY_RTH_US + number * DAY_US + 5 * HOUR_US + 50 * 60 * US_PER_S
        judged = False
        for minutes, price in sorted(rows):
            market.now_us = max(market.now_us, at_us + minutes * 60 * US_PER_S)
            market.trade("SPY", str(price))
            if market.now_us >= at_us and not judged:
                results, judged = [*results, last > LEVEL], True
            last = price
            assert market.kinds() == rises_and_falls(results)


@given(PRICES, st.integers(1, 30))
def test_an_expired_rule_ends_and_is_not_judged_any_more(prices: list[int], at: int) -> None:
    market = run("price > 100", [], at_load="fire")
    expires_us = market.now_us + min(at, len(prices)) * US_PER_S
    market = run("price > 100", [], at_load="fire", expires_us=expires_us)
    for price in prices:
        market.trade("SPY", str(price), after_s=0.9)
    alive = [price > LEVEL for index, price in enumerate(prices) if (index + 1) * 900_001 < expires_us - MONDAY_RTH_US]
    over = len(alive) < len(prices) and alive[-1:] == [True]
    assert market.kinds() == rises_and_falls(alive) + ["closed"] * over
    assert [one.suppressed for one in market.all if one.kind is Kind.CLOSED] == ["expired"] * over


@given(st.integers(-3, 3))
def test_a_rule_without_a_session_is_watched_while_its_instrument_trades(minutes: int) -> None:
    # A rule without a session is watched whenever its instrument trades: 04:00 to 20:00.
    market = Market((rule("price > 100", at_load="fire"),), now_us=MONDAY_RTH_US + (10 * 60 + minutes) * 60 * US_PER_S)
    market.image("SPY", "101")
    assert market.kinds() == ["fired"] * (minutes < 0)
    assert outcome_of(market).live is True
