"""The meanings of rules.md 4 as laws: each holds for every market hypothesis can think of."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import Market, bars, crosses, either, every, number, price_is
from tradeassistd.base.clock import US_PER_S
from tradeassistd.engine.expression import Compare, Cross, Index, InRange, Name, Not, Other
from tradeassistd.engine.leaves import kleene_all, kleene_any
from tradeassistd.engine.rule import Evaluate, Rule
from tradeassistd.engine.transition import Kind, RuleState, State

LEVEL = 100
PRICES = st.lists(st.integers(97, 103), min_size=1, max_size=40)
TRUTHS = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6)


def rule(when: object, *, symbols: tuple[str, ...] = ("SPY",), **fields: object) -> Rule:
    return Rule("r", symbols, when, **{"cooldown_s": 0, **fields})  # type: ignore[arg-type]


def run(when: object, prices: list[int], **fields: object) -> Market:
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


@given(PRICES, st.integers(0, 40))
def test_an_unknown_result_never_fires_and_never_clears(prices: list[int], at: int) -> None:
    # While $VIX has no value the condition is unknown above the level and known false below it.
    vix = Compare(">", Other("$VIX", Name("price")), number("0"))
    market = Market((rule(every(price_is(">", str(LEVEL)), vix)),))
    market.image("SPY")
    results: list[bool | None] = []
    for index, price in enumerate(prices):
        if index == at:
            market.image("$VIX", "20")
            # Now the price before is judged too: for index 0 there is none.
            results += [price_before > LEVEL for price_before in prices[:index][-1:]]
        market.trade("SPY", str(price))
        results.append(False if price <= LEVEL else True if index >= at else None)
    known = [result for result in results if result is not None]
    expected = ["fired"] * bool(known and known[0])
    expected += ["fired" if now else "cleared" for before, now in pairwise(known) if now != before]
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


@given(PRICES, st.integers(1, 6))
def test_an_average_is_exact_and_holds_only_closed_bars(prices: list[int], count: int) -> None:
    market = Market((rule(Cross("crosses", Name("price"), (bars("sma", "close", str(count), "1m"),))),))
    market.image("SPY")
    machine = market.engine.machines[0]
    closes: list[int] = []
    for price in prices:
        market.trade("SPY", str(price), after_s=60.0)
        leaf = machine._leaves[0]
        known = len(closes) >= count
        # The bar this trade belongs to is still forming, so the window ends with the trade before it.
        expected = Fraction(sum(closes[-count:]), count) * 10**8 if known else None
        assert leaf.right == expected
        closes.append(price)


@given(st.lists(st.integers(1, 900), min_size=4, max_size=40), st.integers(1, 3))
def test_a_spike_is_compared_with_the_bars_before_it(volumes: list[int], count: int) -> None:
    average = Index(bars("avg", "volume", str(count), "1m"), 1)
    when = Compare(">", bars("volume", "1m"), average)
    market = Market((rule(when, evaluate=Evaluate("1m"), at_load="fire"),))
    market.image("SPY")
    for volume in volumes:
        market.trade("SPY", "100", volume, after_s=60.0)
    market.wait(63)
    holds = [volumes[i] * count > sum(volumes[i - count : i]) for i in range(count, len(volumes))]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))


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


@given(st.lists(st.integers(1, 200), min_size=2, max_size=30), st.integers(1, 5))
def test_pct_change_looks_back_on_whole_seconds(prices: list[int], seconds: int) -> None:
    when = Compare("<=", bars("pct_change", "price", f"{seconds}s"), number("0%"))
    market = Market((rule(when),))
    market.image("SPY")
    held: dict[int, int] = {}  # whole second -> price at its end
    for price in prices:
        market.wait(1)
        market.trade("SPY", str(price))
        now_s = market.now_us // US_PER_S
        held[now_s + 1] = price  # the trade lies inside second now_s, so it holds at the next whole one
        past = [held[s] for s in sorted(held) if s <= now_s - seconds]
        leaf = market.engine.machines[0]._leaves[0]
        assert leaf.left == (Fraction(price - past[-1], past[-1]) if past else None)
