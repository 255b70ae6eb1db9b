"""What a reload keeps and what it ends (rules.md 6), as laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import Market, bars, crosses, price_is
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Relived, Start
from tradeassistd.engine.language.expression import Compare, Cross, Name, Other
from tradeassistd.engine.reliving import relive
from tradeassistd.engine.rule import Evaluate, Fire, Rule, RuleSet, Setup
from tradeassistd.engine.template import Slot, Template
from tradeassistd.engine.transition import Kind, State

PRICES = st.lists(st.integers(97, 103), min_size=1, max_size=40)
WAITS = st.lists(st.sampled_from([0, 1, 61]), min_size=40, max_size=40)
OTHER = Rule("other", ("QQQ",), price_is(">", "1"))
CONDITIONS = [
    price_is(">", "100"),
    crosses("crosses", "100"),
    Cross("crosses", Name("price"), (bars("sma", "close", "2", "1m"),)),
    Compare("<", bars("pct_change", "price", "5s"), bars("roc", "close", "1", "1m")),
]


def rule(when: Any, *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule("r", symbols, when, **{"cooldown_s": 0, **fields})


def walk(market: Market, prices: list[int], waits: list[int], reload_at: set[int], *sets: tuple[Rule, ...]) -> None:
    for index, (price, wait) in enumerate(zip(prices, waits, strict=False)):
        if index in reload_at:
            for rules in sets:
                market.reload(*rules)
        market.trade("SPY", str(price))
        market.wait(wait)


@given(PRICES, WAITS, st.sets(st.integers(0, 39)), st.sampled_from(CONDITIONS), st.sampled_from([0, 30]))
def test_a_reload_with_the_same_rules_changes_nothing_whatever_the_moment(
    prices: list[int], waits: list[int], moments: set[int], when: object, cooldown_s: int
) -> None:
    rules = (rule(when, cooldown_s=cooldown_s, for_s=0),)
    plain, reloaded = Market(rules), Market(rules)
    for market, at in ((plain, set[int]()), (reloaded, moments)):
        market.image("SPY")
        walk(market, prices, waits, at, (OTHER, *rules) if len(prices) % 2 else rules)
    seen = [(one.kind, one.suppressed, one.value, one.rule_id) for one in reloaded.all]
    assert seen == [(one.kind, one.suppressed, one.value, one.rule_id) for one in plain.all]


@given(PRICES, WAITS, st.integers(0, 39), st.integers(1, 4), st.sampled_from(["1m", "2m", "5m"]))
def test_what_a_reload_asks_for_is_as_warm_as_if_it_had_been_there(
    prices: list[int], waits: list[int], at: int, count: int, interval: str
) -> None:
    late = rule(Cross("crosses", Name("price"), (bars("sma", "close", str(count), interval),)))
    early, market = Market((late,)), Market((OTHER,))
    for one, moments in ((early, set[int]()), (market, {min(at, len(prices) - 1)})):
        one.image("SPY")
        walk(one, prices, waits, moments, (late,))
    tracks = [one.engine.machines[0].tracks[0] for one in (early, market)]
    assert tracks[0].value() == tracks[1].value()


@given(PRICES, PRICES, st.sampled_from(CONDITIONS[:2]))
def test_a_rule_that_goes_and_comes_back_neither_forgets_nor_fires_again(
    before: list[int], after: list[int], when: object
) -> None:
    market = Market((rule(when),))
    market.image("SPY")
    walk(market, before, [0] * 40, set())
    state = market.engine.machines[0].state
    was, sides, fired = state.state, list(state.sides), len(market.fired())
    closed = market.reload(OTHER)
    assert [one.suppressed for one in closed] == ["rule_removed"] * (was is State.FIRING)
    market.reload(rule(when), OTHER)
    back = market.engine.machines[0].state
    assert (back.state, back.sides) == (was, sides)
    market.trade("SPY", str(before[-1]))
    assert len(market.fired()) == fired  # the price is where it was: nothing new happened
    walk(market, after, [0] * 40, set())


@given(PRICES)
def test_a_changed_condition_is_armed_anew_and_a_firing_ends_or_goes_on(prices: list[int]) -> None:
    market = Market((rule(price_is(">", "100")),))
    market.image("SPY")
    walk(market, prices, [0] * 40, set())
    firing = market.engine.machines[0].state.state is State.FIRING
    ended = market.reload(rule(price_is(">", "101")))
    goes_on = firing and prices[-1] > 101
    assert [one.suppressed for one in ended] == ["rule_changed"] * (firing and not goes_on)
    assert (market.engine.machines[0].state.state is State.FIRING) == goes_on


@given(PRICES, st.integers(1, 30))
def test_a_changed_cooldown_counts_from_now_on(prices: list[int], cooldown_s: int) -> None:
    market = Market((rule(crosses("crosses", "100"), cooldown_s=3600),))
    market.image("SPY")
    walk(market, prices, [0] * 40, set())
    told = [one for one in market.all if not one.suppressed]
    assert len(told) <= 1
    market.wait(cooldown_s + 1)
    market.reload(rule(crosses("crosses", "100"), cooldown_s=cooldown_s))
    found = market.trade("SPY", "90") + market.trade("SPY", "110")
    assert not found[0].suppressed


def test_a_rule_turned_off_is_a_rule_removed() -> None:
    rules = rule(price_is(">", "100"), at_load="fire")
    market = Market((rules,))
    market.image("SPY", "101")
    assert [one.suppressed for one in market.reload(replace(rules, mode="off"))] == ["rule_removed"]
    assert not market.trade("SPY", "90")


def test_bar_series_that_no_rule_reads_any_more_are_let_go() -> None:
    market = Market(
        (rule(Compare(">", bars("close", "5m"), bars("sma", "close", "3", "15m")), evaluate=Evaluate("2m")),)
    )
    assert {interval for interval, _ in market.engine.symbols["SPY"].series} == {"1m", "2m", "5m", "15m"}
    market.reload(rule(price_is(">", "1")))
    assert {interval for interval, _ in market.engine.symbols["SPY"].series} == {"1m"}


def test_closing_is_a_transition_and_no_alert() -> None:
    market = Market((rule(price_is(">", "100"), at_load="fire"),))
    market.image("SPY", "101")
    closed = market.reload(OTHER)
    assert [(one.kind, one.state, one.is_alert) for one in closed] == [(Kind.CLOSED, State.OK, False)]


def test_what_only_another_message_reads_goes_on_being_computed() -> None:
    when, average = crosses("crosses", "100"), Slot(expression=bars("sma", "close", "1", "1m"))
    market = Market((rule(when),))
    market.image("SPY", "99")
    market.reload(rule(when, message=Template((average,))))
    market.trade("SPY", "98")
    market.wait(130)  # the bar of 98 closes
    assert [one.message for one in market.trade("SPY", "101")] == ["98.00"]


def test_what_a_rule_was_told_last_is_saved_also_when_it_goes_at_once() -> None:
    market = Market((rule(price_is(">", "100"), at_load="fire"),))
    market.image("SPY", "101")
    market.reload(OTHER)
    saved = [state for state in market.engine.take_states() if state.rule_id == "r"]
    assert [(state.state, state.told_us > 0) for state in saved] == [
        (State.FIRING, True)
    ]  # as it was: it may come back


def test_a_cooldown_that_goes_on_under_another_condition_is_saved_before_that_is_judged() -> None:
    market = Market((rule(price_is(">", "100"), at_load="fire", cooldown_s=3600),))
    market.image("SPY", "101")
    (told,) = market.fired()
    market.image("SPY", "99")
    market.engine.take_states()
    market.reload(rule(price_is(">", "102"), cooldown_s=3600))
    (saved,) = [one for one in market.engine.take_states() if one.fingerprint != told.fingerprint]
    assert saved.told_us == told.event_us


def test_after_a_kill_a_rule_with_another_condition_is_judged_first_by_whatever_comes_first() -> None:
    market = Market((rule(price_is(">", "100"), at_load="fire", cooldown_s=3600),))
    market.image("SPY", "101")
    market.image("SPY", "99")
    market.reload(rule(price_is(">", "98"), at_load="fire", cooldown_s=3600))
    states, saved_us = tuple(market.engine.take_states()), market.now_us
    found = market.quote("SPY", bid="98")  # no price, but the first row
    assert [(one.kind, one.suppressed) for one in found] == [(Kind.FIRED, "cooldown")]
    begin_us, rules = market.events[0].event_us, RuleSet(market.rules, "reload 1")
    start = Start(
        market.now_us + 1, rules.hash, states, relived=Relived(begin_us, begin_us, begin_us, saved_us, "", (), ())
    )
    assert [one.transitions for one in relive(Engine(rules), start, market.events)] == [found]


def test_a_bar_closes_in_a_gap_and_nothing_known_fires_again() -> None:
    each = rule(price_is(">", "100"), at_load="fire", fire=Fire("each_bar", "1m"))
    market = Market((each,))
    market.image("SPY", "101")
    market.trade("SPY", "102")
    market.drop()
    assert not market.wait(130)


def test_symbols_that_only_a_text_reads_are_watched_too_and_let_go_with_it() -> None:
    when = price_is(">", "100")
    text = Template(("VIX at ", Slot("", Other("$VIX", Name("price")))))
    said = rule(when, title=text, setup=Setup(parts=(("target", Other("/ES", Name("price"))),)))
    market = Market((said,))
    watched = [market.engine.wanted]
    for symbol, price in (("$VIX", "17.5"), ("/ES", "6900"), ("SPY", "99")):
        market.image(symbol, price)
    (fired,) = market.trade("SPY", "101")
    assert (fired.title, fired.setup) == ("VIX at 17.50", (("target", 6900.0),))
    for one in (rule(when), said):
        market.reload(one)
        watched.append(market.engine.wanted)
    assert watched == [("$VIX", "/ES", "SPY"), ("SPY",), ("$VIX", "/ES", "SPY")]
