"""What a reload keeps and what it ends (rules.md 6.6), by the field of the rule that changed."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.laws.samples import FEW_PRICES, LEVEL, condition, rises_and_falls, rule, run
from tests.engine.laws.test_one_clock import SETS, STEP, Daemon, Step, play
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Evaluate, Fire, Level, Move, Rule, Setup
from tradeassistd.engine.template import Template
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.market.active import ActiveWindow

TEXTS = ("price > 100", "price crosses 100", "price reaches any [100, 102]")
KEEPS: dict[str, Any] = {
    "severity": "critical", "cooldown_s": 7, "for_s": 9, "keep_firing_for_s": 9, "max_per_session": 3,
    "rearm": Move(Fraction(8), "t"), "repeat_s": (60,), "on_clear": "tell", "session": "rth",
    "active": (ActiveWindow(frozenset(range(7)), 60, 1_380),), "expires_us": MONDAY_RTH_US + 10**12,
    "stale_after_s": 3_600, "mode": "shadow", "at_load": "fire", "catch_up": "log", "notify": ("desk",),
    "values": {"SPY": {"r1": condition("price > 1")}}, "setup": Setup("fade"), "message": Template(("m",)),
    "title": Template(("t",)), "description": "d", "tags": ("a",), "file": "other.yaml", "line": 9,
    "id": "renamed", "was": "older", "symbols": ("SPY", "QQQ"),
}  # fmt: skip
"""Every field that is no part of the condition, with another value."""
ARMS: dict[str, Any] = {
    "when": condition("price > 101"), "clear_when": condition("price < 99"), "evaluate": Evaluate("1m"),
    "fire": Fire("once"), "rev": "2", "ladder": (Level(condition("price > 100")),),
    "facts": {"SPY": "another tick size"},
}  # fmt: skip
"""Every field that makes it another condition."""


def changed(one: Rule, field: str) -> Rule:
    values = {**KEEPS, **ARMS}
    also = {"was": one.id} if field == "id" else {}
    return replace(one, **{field: values[field], **also})


def state_of(market: Market) -> RuleState:
    return next(one.state for one in market.engine.machines if one.symbol == "SPY")


@given(st.lists(STEP, max_size=15), st.sets(st.integers(0, 15), min_size=1, max_size=4), st.booleans())
def test_a_reload_with_equal_rules_changes_nothing_at_any_moment(
    steps: list[Step], moments: set[int], more: bool
) -> None:
    plain, reloaded = Daemon(SETS[0]), Daemon(SETS[0])
    for market in (plain, reloaded):
        market.image("SPY", "100")
        for at, step in enumerate(steps):
            if at in moments and market is reloaded:
                added = (rule("price > 1", id="more", symbols=("DIA",)),) * more
                market.reload(*map(replace, market.sets[market.rules_hash][: len(market.rules)]), *added)
                market.rules = market.rules[: len(market.rules) - len(added)]
            elif at in moments:
                market.idle()
            play(market, [step])
    assert reloaded.all == plain.all


def test_every_field_of_a_rule_either_keeps_the_state_or_arms_it() -> None:
    assert {one.name for one in fields(Rule)} == {*KEEPS, *ARMS}


@pytest.mark.parametrize("field", sorted(KEEPS))
@given(before=FEW_PRICES, after=FEW_PRICES, text=st.sampled_from(TEXTS))
@settings(max_examples=15)
def test_a_change_beside_the_condition_keeps_the_state(
    before: list[int], after: list[int], field: str, text: str
) -> None:
    one = rule(text)
    market, plain = run(text, before), run(text, [*before, *after])
    old, count = replace_id(state_of(market), "r"), len(market.all)
    assert market.reload(changed(one, field)) == []
    assert replace_id(state_of(market), "r") == old
    for price in after:
        market.trade("SPY", str(price))
    if field not in ("for_s", "keep_firing_for_s", "session", "active"):  # these make it happen at another time
        happened = [one.kind for one in market.all[count:] if one.kind is not Kind.TOLD]
        assert happened == [one.kind for one in plain.all[count:]]


def replace_id(state: RuleState, name: str) -> RuleState:
    copy = RuleState(**{field: getattr(state, field) for field in state.__struct_fields__})
    copy.rule_id, copy.sides = name, list(state.sides)
    return copy


@pytest.mark.parametrize("field", sorted(ARMS))
@given(before=FEW_PRICES, after=FEW_PRICES, text=st.sampled_from(TEXTS))
@settings(max_examples=30)
def test_a_change_of_the_condition_arms_it_and_a_firing_is_judged_once(
    before: list[int], after: list[int], field: str, text: str
) -> None:
    market = run(text, before)
    was_firing = state_of(market).state is State.FIRING
    found = market.reload(changed(rule(text), field))
    holds = before[-1] > (101 if field == "when" else LEVEL)
    goes_on = was_firing and holds and field != "ladder"
    ended = [(Kind.CLOSED, "rule_changed")] * (was_firing and not goes_on)
    assert [(one.kind, one.suppressed) for one in found] == ended
    assert state_of(market).state is (State.FIRING if goes_on else State.OK)
    assert goes_on or state_of(market).judged_us == 0
    if text == "price crosses 100" and field in ("rev", "clear_when", "facts"):
        count = len(market.all)
        market.trade("SPY", str(after[0]))
        assert len(market.all) == count  # the first value only sets the side


@given(FEW_PRICES, FEW_PRICES, FEW_PRICES)
def test_a_rule_taken_away_ends_and_is_taken_up_where_it_was_when_it_comes_back(
    before: list[int], between: list[int], after: list[int]
) -> None:
    one, other = rule("price > 100"), rule("price > 0", id="other")
    market = run("price > 100", before)
    firing, count = before[-1] > LEVEL, len(market.all)
    ended = market.reload(other)
    assert [(end.kind, end.suppressed) for end in ended] == [(Kind.CLOSED, "rule_removed")] * firing
    for price in between:
        market.trade("SPY", str(price))
    market.reload(one, other)
    count = len(market.all)
    for price in after:
        market.trade("SPY", str(price))
    news = [found.kind.value for found in market.all[count:] if found.rule_id == "r"]
    assert news == rises_and_falls((price > LEVEL for price in after), holds=firing)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40))
def test_another_cooldown_counts_from_now_on(old_s: int, new_s: int, after_s: int) -> None:
    market = run("price > 100", [99, 101, 99], cooldown_s=old_s)
    told_us = market.all[0].event_us
    market.reload(rule("price > 100", cooldown_s=new_s))
    (fired,) = market.trade("SPY", "101", after_s=after_s)
    assert fired.suppressed == ("" if market.now_us - told_us >= new_s * US_PER_S else "cooldown")
