"""The meanings of rules.md 4 as laws: each holds for every market hypothesis can think of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import Market, crosses, either, every, number, price_is
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.expression import Compare, Cross, InRange, Name, Not, Other
from tradeassistd.engine.kleene import kleene_all, kleene_any
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import Kind, RuleState, State

LEVEL = 100
PRICES = st.lists(st.integers(97, 103), min_size=1, max_size=40)
TRUTHS = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6)


def rule(when: Any, *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule("r", symbols, when, **{"cooldown_s": 0, **fields})


def run(when: Any, prices: list[int], **fields: Any) -> Market:
    market = Market((rule(when, **fields),))
    market.image("SPY")
    for price in prices:
        market.trade("SPY", str(price))
    return market


@given(TRUTHS)
def test_kleene_logic_is_the_strongest_that_unknown_allows(values: list[bool | None]) -> None:
    # A result is known exactly when it is the same however the unknowns turn out.
    outcomes = [[]]  # type: list[list[bool]]
    for value in values:
        outcomes = [[*one, choice] for one in outcomes for choice in ([value] if value is not None else [True, False])]
    for combine, plain in ((kleene_all, all), (kleene_any, any)):
        possible = {plain(one) for one in outcomes}
        assert combine(values) == (possible.pop() if len(possible) == 1 else None)


@given(PRICES)
def test_a_state_fires_once_per_rise_and_clears_once_per_fall(prices: list[int]) -> None:
    market = run(price_is(">", str(LEVEL)), prices)
    holds = [price > LEVEL for price in prices]
    expected = []
    for before, now in pairwise([None, *holds]):
        if now and before is not True:
            expected.append("fired")
        elif not now and before is True:
            expected.append("cleared")
    assert market.kinds() == expected
    quiet = [one.suppressed for one in market.all if one.kind is Kind.FIRED]
    assert quiet == ["at_load" if holds[0] and not index else "" for index in range(len(quiet))]


@given(PRICES, st.sampled_from(["crosses", "crosses_above", "crosses_below"]))
def test_a_crossing_needs_both_sides_and_equal_keeps_the_side(prices: list[int], op: str) -> None:
    market = run(crosses(op, str(LEVEL)), prices)
    sides = [price > LEVEL for price in prices if price != LEVEL]
    wanted = {"crosses": (True, False), "crosses_above": (True,), "crosses_below": (False,)}[op]
    assert len(market.all) == sum(now != before and now in wanted for before, now in pairwise(sides))


@given(PRICES, st.lists(st.integers(98, 102), min_size=1, max_size=4, unique=True))
def test_crossing_any_of_several_levels_is_crossing_one_of_them(prices: list[int], levels: list[int]) -> None:
    market = run(crosses("crosses", *map(str, levels)), prices)
    moments = set()
    for level in levels:
        single = run(crosses("crosses", str(level)), prices)
        moments |= {one.event_us for one in single.all}
    assert {one.event_us for one in market.all} == moments


@given(PRICES)
def test_entering_and_leaving_a_range_take_turns(prices: list[int]) -> None:
    inside = [99 <= price <= 101 for price in prices]
    bounds = (Name("price"), number("99"), number("101"))
    entered, left = run(InRange("enters", *bounds), prices), run(InRange("exits", *bounds), prices)
    assert len(entered.all) == sum(now and not before for before, now in pairwise(inside))
    assert len(left.all) == sum(before and not now for before, now in pairwise(inside))


@given(st.lists(st.tuples(st.integers(97, 103), st.booleans()), min_size=1, max_size=40))
def test_an_unknown_result_never_fires_and_never_clears(path: list[tuple[int, bool]]) -> None:
    # While $VIX has no value the condition is unknown above the level and known false below it.
    vix = Compare(">", Other("$VIX", Name("price")), number("0"))
    market = Market((rule(every(price_is(">", str(LEVEL)), vix)),))
    market.image("SPY")
    results: list[bool | None] = []

    def judged(price: int, known: bool) -> None:
        results.append(False if price <= LEVEL else True if known else None)

    vix_known, last_price = False, LEVEL
    for price, known in path:
        if known is not vix_known:
            vix_known = known
            if known:
                market.trade("$VIX", "20", 0)
            else:
                market.none_yet("$VIX")
            if results:
                judged(last_price, known)
        market.trade("SPY", str(price))
        judged(price, known)
        last_price = price
    known_results = [result for result in results if result is not None]
    expected = ["fired"] * bool(known_results and known_results[0])
    expected += ["fired" if now else "cleared" for before, now in pairwise(known_results) if now != before]
    assert market.kinds() == expected


@given(PRICES, PRICES, st.sampled_from(["gap", "restart"]))
def test_a_cut_keeps_the_side_and_a_change_across_it_is_missed(before: list[int], after: list[int], how: str) -> None:
    when = crosses("crosses", str(LEVEL))
    market = run(when, before)
    live_before = len(market.all)
    if how == "gap":
        market.drop()
        market.resume()
    else:
        states = tuple(market.engine.take_states())
        market = Market((rule(when),), now_us=market.now_us + 60 * US_PER_S, states=states)
        live_before = 0
    market.image("SPY", str(after[0]))
    for price in after[1:]:
        market.trade("SPY", str(price))
    side = next((price > LEVEL for price in reversed(before) if price != LEVEL), None)
    news = market.all[live_before:]
    first_side = after[0] > LEVEL if after[0] != LEVEL else None
    missed = [one for one in news if one.kind is Kind.MISSED]
    assert len(missed) == (side is not None and first_side is not None and side != first_side)
    assert all(one.late for one in missed)
    sides = [now for now in [side, *(price > LEVEL for price in after if price != LEVEL)] if now is not None]
    assert len(news) == sum(now != was for was, now in pairwise(sides))


@given(PRICES, st.integers(0, 40), st.lists(st.sampled_from([0.1, 1.0, 7.0]), min_size=40, max_size=40))
def test_cooldown_keeps_told_alerts_apart_and_loses_no_rise(
    prices: list[int], cooldown_s: int, waits: list[float]
) -> None:
    market = Market((rule(price_is(">", str(LEVEL)), cooldown_s=cooldown_s, at_load="fire"),))
    market.image("SPY")
    for price, wait in zip(prices, waits, strict=False):
        market.trade("SPY", str(price), after_s=wait)
    told = [one.event_us for one in market.all if one.is_alert and not one.suppressed]
    assert all(later - earlier >= cooldown_s * US_PER_S for earlier, later in pairwise(told))
    holds = [price > LEVEL for price in prices]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))
    # What still fires when the cooldown ends is told then.
    market.wait(cooldown_s + 1)
    if holds[-1]:
        last = [one for one in market.all if one.is_alert and not one.suppressed][-1]
        assert last.event_us >= market.fired()[-1].event_us


@given(PRICES)
def test_the_same_events_give_the_same_transitions(prices: list[int]) -> None:
    when = either(every(price_is(">", "100"), Not(price_is(">", "102"))), price_is("<", "98"))
    assert run(when, prices).all == run(when, prices).all


@given(PRICES, st.integers(0, 39))
def test_a_restart_neither_loses_nor_repeats_a_firing(prices: list[int], at: int) -> None:
    when, at = price_is(">", str(LEVEL)), min(at, len(prices))
    plain = run(when, prices)
    market = run(when, prices[:at])
    found = list(market.all)
    states: dict[tuple[str, str], RuleState] = {(s.rule_id, s.symbol): s for s in market.engine.take_states()}
    market = Market((rule(when),), now_us=market.now_us, states=tuple(states.values()))
    if prices[:at]:
        market.image("SPY", str(prices[at - 1]))
    else:
        market.image("SPY")
    for price in prices[at:]:
        market.trade("SPY", str(price))
    assert [one.kind for one in found + market.all] == [one.kind for one in plain.all]
    final = market.engine.machines[0].state.state
    assert final is (State.FIRING if prices[-1] > LEVEL else State.OK)


@given(st.lists(st.tuples(st.integers(98, 102), st.integers(0, 9)), min_size=1, max_size=25), st.integers(1, 12))
def test_for_fires_exactly_when_it_has_held_without_a_break(path: list[tuple[int, int]], for_s: int) -> None:
    when = price_is(">", str(LEVEL))
    market = Market((rule(when, for_s=for_s, at_load="fire"),))
    market.image("SPY")
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


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_gap_makes_for_count_anew(before_s: int, after_s: int) -> None:
    market = Market((rule(price_is(">", str(LEVEL)), for_s=10, at_load="fire"),))
    market.image("SPY", "90")
    market.trade("SPY", "101")
    market.wait(min(before_s, 9))
    market.drop()
    market.resume()
    market.image("SPY", "101")
    market.wait(after_s)
    assert len(market.fired()) == (after_s > 10)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=15), st.integers(1, 12))
def test_unknown_pauses_for_and_the_time_known_before_it_counts(path: list[tuple[bool, int]], for_s: int) -> None:
    when = every(price_is(">", str(LEVEL)), Compare(">", Other("$VIX", Name("price")), number("0")))
    market = Market((rule(when, for_s=for_s, at_load="fire"),))
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


@given(st.integers(1, 90), st.integers(-3, 3))
def test_a_rise_is_told_from_the_very_microsecond_on_at_which_the_cooldown_is_over(
    cooldown_s: int, off_us: int
) -> None:
    market = Market((rule(price_is(">", str(LEVEL)), cooldown_s=cooldown_s),))
    market.image("SPY", "99")
    market.trade("SPY", "101")
    told_us = market.now_us
    market.trade("SPY", "99")
    market.now_us = told_us + cooldown_s * US_PER_S + off_us - 1
    (fired,) = market.trade("SPY", "101")
    assert fired.suppressed == ("cooldown" if off_us < 0 else "")


@given(PRICES, st.integers(1, 30))
def test_what_is_due_is_told_before_the_row_that_would_end_it(prices: list[int], late_us: int) -> None:
    market = Market((rule(price_is(">", str(LEVEL)), cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    market.now_us = market.all[0].event_us + 60 * US_PER_S + late_us
    found = market.trade("SPY", str(prices[0]))
    assert [one.kind for one in found] == [Kind.TOLD] + [Kind.CLEARED] * (prices[0] <= LEVEL)
    assert found[0].value == 102.0


@given(PRICES, PRICES, st.sampled_from(["SPY", "QQQ"]))
def test_a_gap_of_one_symbol_is_no_gap_of_another(before: list[int], after: list[int], cut: str) -> None:
    market = Market((rule(crosses("crosses", str(LEVEL)), symbols=("SPY", "QQQ")),))
    for symbol in ("SPY", "QQQ"):
        market.image(symbol, str(before[0]))
        for price in before[1:]:
            market.trade(symbol, str(price))
    market.gap(cut)
    for symbol in ("SPY", "QQQ"):
        for price in after:
            market.trade(symbol, str(price))
    kept = [one for one in market.all if one.symbol != cut]
    assert all(one.kind is Kind.FIRED for one in kept)
    broken = [one.kind for one in market.all if one.symbol == cut]
    assert len(broken) == len(kept)
    side = next((price > LEVEL for price in reversed(before) if price != LEVEL), None)
    missed = side is not None and after[0] != LEVEL and (after[0] > LEVEL) != side
    assert broken.count(Kind.MISSED) == missed


@given(PRICES, PRICES)
def test_while_cut_off_nothing_is_known_and_a_state_found_changed_is_late(before: list[int], after: list[int]) -> None:
    market = run(price_is(">", str(LEVEL)), before, at_load="fire")
    count = len(market.all)
    market.drop()
    market.engine.machines[0]._leaves[0].look(market.now_us)
    assert market.engine.machines[0]._leaves[0].outcome() == (None, None)
    market.resume()
    assert len(market.all) == count
    market.image("SPY", str(after[0]))
    for price in after[1:]:
        market.trade("SPY", str(price))
    news = market.all[count:]
    changed = (after[0] > LEVEL) != (before[-1] > LEVEL)
    assert [one.late for one in news] == [changed and not index for index in range(len(news))]


@given(PRICES, PRICES)
def test_outside_its_session_nobody_watches_and_a_change_across_it_is_missed(
    before: list[int], after: list[int]
) -> None:
    market = run(crosses("crosses", str(LEVEL)), before, session="rth")
    count = len(market.all)
    market.now_us += 6 * 3600 * US_PER_S  # 16:00 of the same day
    for price in (90, 110, 90, 110):
        market.trade("SPY", str(price))
    assert len(market.all) == count
    market.now_us += 18 * 3600 * US_PER_S
    for price in after:
        market.trade("SPY", str(price))
    side = next((price > LEVEL for price in reversed(before) if price != LEVEL), None)
    missed = side is not None and after[0] != LEVEL and (after[0] > LEVEL) != side
    assert [one.kind for one in market.all[count:]].count(Kind.MISSED) == missed


@given(PRICES, st.integers(0, 3))
def test_an_event_never_fires_while_part_of_its_condition_is_unknown(prices: list[int], known: int) -> None:
    when = every(crosses("crosses", str(LEVEL)), Compare(">", Other("$VIX", Name("price")), number("20")))
    market = Market((rule(when),))
    market.image("SPY")
    if known:
        market.image("$VIX", str(19 + known))
    for price in prices:
        market.trade("SPY", str(price))
    plain = run(crosses("crosses", str(LEVEL)), prices)
    assert len(market.all) == (len(plain.all) if known >= 2 else 0)


@given(PRICES)
def test_a_crossing_is_not_known_while_one_of_its_levels_is_unknown(prices: list[int]) -> None:
    # $VIX has no value: beside the known level it may have been crossed or not, so `not happened` is not known either.
    cross = Cross("crosses", Name("price"), (number(str(LEVEL)), Other("$VIX", Name("price"))))
    market = Market((rule(cross),))
    market.image("SPY")
    for price in prices:
        count = len(market.all)
        market.trade("SPY", str(price))
        fired = len(market.all) > count
        assert market.engine.machines[0]._leaves[0].outcome().live is (True if fired else None)
    assert len(market.all) == len(run(crosses("crosses", str(LEVEL)), prices).all)
