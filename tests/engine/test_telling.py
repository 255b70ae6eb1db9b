"""State and telling are two things: which gate refuses, what a told alert uses up, and what is told later."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Fire, Level, Move, Rule
from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.rules.grammar import parse


def rule(text: str = "price > 100", *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    clear = fields.pop("clear_when", None)
    when_clear = parse(clear) if clear else None
    return Rule("r", symbols, parse(text), clear_when=when_clear, **{"cooldown_s": 0, **fields})


def market(*rules: Rule, price: str = "99") -> Market:
    made = Market(rules)
    made.image("SPY", price)
    return made


def said(transitions: list[Transition]) -> list[tuple[str, str]]:
    """(kind, why nobody was told)."""
    return [(one.kind.value, one.suppressed) for one in transitions]


def rise(here: Market, price: str = "101") -> list[tuple[str, str]]:
    """One rise after a fall, a second apart."""
    here.trade("SPY", "99", after_s=1)
    return said(here.trade("SPY", price, after_s=1))


# --- gates, in their order -------------------------------------------------------------------------------------------


def test_once_is_told_once_and_then_spent_whatever_happens_later() -> None:
    here = market(rule(fire=Fire("once")))
    assert rise(here) == [("fired", "")]
    assert [rise(here) for _ in range(3)] == [[("fired", "spent")]] * 3
    here.wait(3600)
    assert rise(here) == [("fired", "spent")]


def test_a_firing_that_nobody_was_told_of_does_not_spend_once() -> None:
    here = market(rule(fire=Fire("once"), mode="shadow"))
    assert rise(here) == [("fired", "mode")]
    here.trade("SPY", "99")
    here.reload(rule(fire=Fire("once")))
    assert rise(here) == [("fired", "")]


def test_once_per_bar_is_told_again_in_the_next_bar() -> None:
    here = market(rule(fire=Fire("once_per_bar", "5m")))
    assert rise(here) == [("fired", "")]
    assert rise(here) == [("fired", "spent")]
    assert said(here.until("10:04:59")) == []
    # The suppression ends with the bar, and it still fires: it is told then, with its start.
    told = here.until("10:05:00")
    assert said(told) == [("told", "")]
    assert told[0].since_us < told[0].event_us
    assert rise(here) == [("fired", "spent")]


def test_no_more_than_so_many_in_a_session_and_the_next_begins_anew() -> None:
    here = market(rule(max_per_session=2, session="rth"))
    assert [rise(here) for _ in range(3)] == [[("fired", "")], [("fired", "")], [("fired", "spent")]]
    here.trade("SPY", "99")
    here.now_us += 24 * 3600 * US_PER_S
    assert rise(here) == [("fired", "")]


def test_what_the_budget_of_a_session_kept_back_is_told_in_the_next() -> None:
    here = market(rule(max_per_session=1, session="rth"))
    rise(here)
    assert rise(here) == [("fired", "spent")]
    here.now_us += 24 * 3600 * US_PER_S
    assert said(here.trade("SPY", "102")) == [("told", "")]


@pytest.mark.parametrize(
    ("move", "told", "near", "far"), [("1%", "101", "101.99", "102.01"), ("8t", "100.05", "100.12", "100.13")]
)
def test_rearm_asks_for_a_move_from_the_last_told_price(move: str, told: str, near: str, far: str) -> None:
    here = market(rule(rearm=Move(Fraction(move[:-1]), move[-1])))
    assert rise(here, told) == [("fired", "")]
    here.trade("SPY", "100")
    assert said(here.trade("SPY", near)) == [("fired", "rearm")]
    # It still fires, and now it has moved: told, with its start.
    assert said(here.trade("SPY", far)) == [("told", "")]


def test_rearm_asks_that_the_price_has_been_away_not_that_it_still_is() -> None:
    here = market(rule("price crosses 100", rearm=Move(Fraction(8), "t")))
    assert rise(here, "100.01") == [("fired", "")]
    assert said(here.trade("SPY", "99.99")) == [("fired", "rearm")]
    here.trade("SPY", "99")
    assert said(here.trade("SPY", "100.01")) == [("fired", "")]


def test_the_first_gate_that_refuses_is_the_reason() -> None:
    far = Move(Fraction(50), "%")
    gates: list[tuple[str, dict[str, Any]]] = [
        ("mode", {"mode": "shadow", "fire": Fire("once"), "rearm": far, "cooldown_s": 600}),
        ("spent", {"fire": Fire("once"), "rearm": far, "cooldown_s": 600}),
        ("rearm", {"rearm": far, "cooldown_s": 600}),
        ("cooldown", {"cooldown_s": 600}),
    ]
    for reason, fields in gates:
        here = market(rule(**{**fields, "mode": "live"}))
        assert rise(here) == [("fired", "")]
        here.trade("SPY", "99")
        here.reload(rule(**fields))
        assert rise(here) == [("fired", reason)]


def test_a_refused_alert_starts_no_cooldown() -> None:
    here = market(rule(cooldown_s=10))
    assert rise(here) == [("fired", "")]
    for _ in range(3):
        assert rise(here) == [("fired", "cooldown")]
    here.trade("SPY", "99")
    here.wait(4)
    assert rise(here) == [("fired", "")]


# --- each bar, reminders, the end ------------------------------------------------------------------------------------


def test_each_bar_fires_again_at_every_close_while_it_holds() -> None:
    here = market(rule(fire=Fire("each_bar", "1m")))
    rise(here)
    began = here.all[-1].event_us
    here.until("10:01:01")
    found = here.trade("SPY", "102")
    assert said(found) == [("fired", "")] and found[0].since_us == began
    assert said(here.until("10:02:02")) == [("fired", "")]
    here.trade("SPY", "99")
    assert said(here.until("10:05:00")) == []


def test_reminders_come_after_the_written_pauses_until_it_clears() -> None:
    here = market(rule(repeat_s=(300, 900, 3600), cooldown_s=60))
    rise(here)
    began = here.all[-1].event_us
    found = here.wait(3 * 3600)
    assert {one.kind for one in found} == {Kind.REMINDED}
    # At the first event that is not before the due time: whole seconds here.
    assert [(one.event_us - began) // US_PER_S for one in found] == [300, 1200, 4800, 8400]
    here.trade("SPY", "99")
    assert here.wait(7200) == []


def test_an_acknowledged_firing_is_not_reminded_of_and_the_next_one_is() -> None:
    here = market(rule(repeat_s=(60,)))
    rise(here)
    assert said(here.wait(61)) == [("reminded", "")]
    here.acknowledge("r", "SPY")
    assert here.wait(600) == []
    rise(here)
    assert said(here.wait(61)) == [("reminded", "")]
    here.acknowledge("another")
    here.acknowledge("r", "QQQ")
    assert said(here.wait(60)) == [("reminded", "")]
    here.acknowledge("r")
    assert here.wait(600) == []


def test_a_firing_nobody_was_told_of_is_not_reminded_of() -> None:
    here = market(rule(repeat_s=(60,), mode="shadow"))
    rise(here)
    assert here.wait(600) == []


def test_the_end_is_told_only_where_the_rule_says_so_and_the_alert_was() -> None:
    cases: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"on_clear": "tell"}, True),
        ({}, False),
        ({"on_clear": "tell", "mode": "shadow"}, False),
    )
    for fields, tell in cases:
        here = market(rule(**fields))
        rise(here)
        (end,) = here.trade("SPY", "99")
        assert (end.kind, end.tell, end.is_alert) == (Kind.CLEARED, tell, tell)


# --- levels ----------------------------------------------------------------------------------------------------------


def ladder(*levels: tuple[str, str, str], **fields: Any) -> Rule:
    """(severity, when, clear_when or "")"""
    made = tuple(Level(parse(when), parse(clear) if clear else None, severity) for severity, when, clear in levels)
    return Rule("r", ("SPY",), made[0].when, ladder=made, **{"cooldown_s": 0, **fields})


STEPS = (("notice", "price < 98", ""), ("warning", "price < 96", ""), ("critical", "price < 94", "price > 95"))


def levels(transitions: list[Transition]) -> list[tuple[int, str, str]]:
    return [(one.level, one.kind.value, one.suppressed) for one in transitions]


def test_of_several_levels_that_rise_at_once_the_highest_is_told() -> None:
    here = market(ladder(*STEPS), price="100")
    assert levels(here.trade("SPY", "93")) == [
        (3, "fired", ""),
        (2, "fired", "higher_level"),
        (1, "fired", "higher_level"),
    ]
    assert here.wait(600) == []


def test_each_level_is_its_own_state_machine() -> None:
    here = market(ladder(*STEPS), price="100")
    assert levels(here.trade("SPY", "97")) == [(1, "fired", "")]
    assert levels(here.trade("SPY", "95")) == [(2, "fired", "")]
    assert levels(here.trade("SPY", "93.50")) == [(3, "fired", "")]
    assert levels(here.trade("SPY", "95")) == []
    assert levels(here.trade("SPY", "95.50")) == [(3, "cleared", "")]
    assert levels(here.trade("SPY", "99")) == [(2, "cleared", ""), (1, "cleared", "")]


def test_the_higher_level_is_the_one_told_also_when_a_gate_refuses_it() -> None:
    here = market(ladder(*STEPS[:2], cooldown_s=60), price="100")
    here.trade("SPY", "95")
    here.trade("SPY", "100")
    assert levels(here.trade("SPY", "95")) == [(2, "fired", "cooldown"), (1, "fired", "higher_level")]


def test_a_level_that_is_taken_away_ends_as_changed_and_the_others_go_on() -> None:
    here = market(ladder(*STEPS), price="100")
    here.trade("SPY", "93")
    assert levels(here.reload(ladder(*STEPS[:2]))) == [(3, "closed", "rule_changed")]
    assert levels(here.trade("SPY", "97")) == [(2, "cleared", "")]


# --- the rule's own words --------------------------------------------------------------------------------------------


def test_evidence_of_a_firing_told_later_is_that_of_when_it_last_held() -> None:
    here = market(rule(cooldown_s=5))
    rise(here)
    here.trade("SPY", "99")
    here.trade("SPY", "103")
    here.drop()
    here.wait(3)
    here.resume(after_s=3)
    (told,) = [one for one in here.all if one.kind is Kind.TOLD]
    assert told.value == 103.0
