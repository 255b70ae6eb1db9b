"""How a firing ends: by its condition, by `clear_when`, after `keep_firing_for`, with the day, or as it expires."""

from __future__ import annotations

from typing import Any

from tests.engine.market import MONDAY_RTH_US, Market
from tests.engine.test_telling import market, rise, rule, said
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Evaluate, Rule
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.market.active import ActiveWindow

# --- clear_when and keep_firing_for ----------------------------------------------------------------------------------


def test_clear_when_is_asked_only_while_firing_and_nothing_else_ends_it() -> None:
    here = market(rule(clear_when="price < 95"))
    assert rise(here) == [("fired", "")]
    assert said(here.trade("SPY", "97")) == []
    assert said(here.trade("SPY", "101")) == []
    assert said(here.trade("SPY", "94")) == [("cleared", "")]
    assert said(here.trade("SPY", "93")) == []
    assert said(here.trade("SPY", "101")) == [("fired", "")]


def test_after_a_clear_it_must_be_seen_not_true_before_it_rises() -> None:
    here = market(rule("price > 100", clear_when="price > 110"))
    assert rise(here) == [("fired", "")]
    assert said(here.trade("SPY", "111")) == [("cleared", "")]
    assert said(here.trade("SPY", "105")) == []
    assert said(here.trade("SPY", "99")) == []
    assert said(here.trade("SPY", "105")) == [("fired", "")]


def test_clear_when_latches_an_event() -> None:
    here = market(rule("price crosses 100", clear_when="price < 90"))
    assert rise(here) == [("fired", "")]
    assert here.engine.machines[0].state.state is State.FIRING
    assert rise(here) == []
    assert said(here.trade("SPY", "89")) == [("cleared", "")]
    assert said(here.trade("SPY", "101")) == [("fired", "")]


def test_keep_firing_for_asks_the_clear_condition_to_hold_without_interruption() -> None:
    here = market(rule(keep_firing_for_s=10))
    rise(here)
    here.trade("SPY", "99")
    assert said(here.wait(9)) == []
    here.trade("SPY", "101")
    here.trade("SPY", "99")
    assert said(here.wait(9)) == []
    assert said(here.wait(2)) == [("cleared", "")]


def test_unknown_pauses_keep_firing_for_and_a_gap_restarts_it() -> None:
    here = market(rule(keep_firing_for_s=10))
    rise(here)
    here.trade("SPY", "99")
    here.wait(6)
    here.none_yet("SPY")
    assert said(here.wait(60)) == []
    here.trade("SPY", "99")
    assert said(here.wait(3)) == []
    assert said(here.wait(2)) == [("cleared", "")]
    rise(here)
    here.trade("SPY", "99")
    here.wait(6)
    here.drop()
    here.resume()
    here.image("SPY", "99")
    assert said(here.wait(9)) == []
    assert said(here.wait(2)) == [("cleared", "")]


# --- the day's end, expiry, active windows ---------------------------------------------------------------------------


def test_a_rule_that_reads_a_day_value_closes_with_the_day_and_rises_again_the_next() -> None:
    here = market(rule("price > day.open"))
    here.facts("SPY", open="100")
    assert said(here.trade("SPY", "101")) == [("fired", "")]
    assert said(here.until("19:59:59")) == []
    (end,) = here.until("20:00:00")
    assert (end.kind, end.suppressed, end.is_alert) == (Kind.CLOSED, "session_end", False)
    here.now_us += 13 * 3600 * US_PER_S + 1800 * US_PER_S
    here.facts("SPY", open="103")
    here.trade("SPY", "102")
    assert said(here.trade("SPY", "104")) == [("fired", "")]


def test_the_day_that_ended_while_the_daemon_was_down_closes_at_the_start() -> None:
    one = rule("price > day.open")
    stored = RuleState("r", "SPY", 0, one.fingerprint("SPY"), State.FIRING, judged_us=MONDAY_RTH_US, since_us=5)
    here = Market((one,), now_us=MONDAY_RTH_US + 24 * 3600 * US_PER_S, states=(stored,))
    assert said(here.image("SPY", "100")) == [("closed", "session_end")]


def test_an_expired_rule_is_closed_and_not_judged_any_more() -> None:
    here = market(rule(expires_us=MONDAY_RTH_US + 60 * US_PER_S))
    assert rise(here) == [("fired", "")]
    assert said(here.wait(60)) == [("closed", "expired")]
    assert rise(here) == []


def test_outside_its_active_window_a_rule_does_not_look_and_coming_back_is_a_cut() -> None:
    window = ActiveWindow(frozenset(range(5)), 9 * 60 + 45, 10 * 60 + 1)
    later = ActiveWindow(frozenset(range(5)), 10 * 60 + 5, 11 * 60)
    here = market(rule("price crosses_above 100", active=(window, later)))
    assert rise(here) == [("fired", "")]
    here.trade("SPY", "99")
    here.until("10:01:00")
    assert said(here.trade("SPY", "101")) == []
    here.until("10:05:00")
    assert said(here.trade("SPY", "101")) == [("missed", "")]


# --- once a day ------------------------------------------------------------------------------------------------------


def test_at_judges_once_a_day_at_its_time() -> None:
    here = market(rule(evaluate=Evaluate(at_minute=15 * 60 + 50), at_load="fire"))
    here.trade("SPY", "101")
    assert said(here.until("15:49:59")) == []
    (fired,) = here.until("15:50:00")
    assert (fired.kind, fired.late) == (Kind.FIRED, False)
    here.trade("SPY", "99")
    assert said(here.until("19:00:00")) == []
    here.now_us += 15 * 3600 * US_PER_S
    here.trade("SPY", "98")
    assert said(here.until("15:50:00")) == [("cleared", "")]


def test_at_is_late_on_no_day_on_which_it_is_in_time() -> None:
    here = market(rule("price crosses 100", evaluate=Evaluate(at_minute=15 * 60 + 50)))
    for price, expected in (("99", []), ("101", [("fired", "", False)]), ("99", [("fired", "", False)])):
        here.trade("SPY", price)
        # Compared with the same time of the day before: what the price did in between is of no interest.
        found = here.until("15:50:00")
        assert [(one.kind.value, one.suppressed, one.late) for one in found] == expected
        here.now_us += 18 * 3600 * US_PER_S


def test_at_is_late_when_the_daemon_was_down_and_waits_while_it_is_unknown() -> None:
    one = rule(evaluate=Evaluate(at_minute=10 * 60 + 30), at_load="fire")
    judged = RuleState("r", "SPY", 0, one.fingerprint("SPY"), judged_us=MONDAY_RTH_US - 23 * 3600 * US_PER_S)
    here = Market((one,), now_us=MONDAY_RTH_US + 3600 * US_PER_S, states=(judged,))
    assert said(here.wait(5)) == []
    here.image("SPY", "101")
    (fired,) = here.wait(1)
    assert (fired.kind, fired.late) == (Kind.FIRED, True)
    here.trade("SPY", "99")
    assert said(here.wait(600)) == []


# --- reloads ---------------------------------------------------------------------------------------------------------


def renamed(one: Rule, name: str, **fields: Any) -> Rule:
    from dataclasses import replace

    return replace(one, id=name, **fields)


def test_was_carries_the_state_over_a_rename() -> None:
    one = rule(cooldown_s=600)
    here = market(one)
    rise(here)
    assert said(here.reload(renamed(one, "better", was="r"))) == []
    assert here.engine.machines[0].state.rule_id == "better"
    assert said(here.trade("SPY", "99")) == [("cleared", "")]
    assert said(here.trade("SPY", "101")) == [("fired", "cooldown")]


def test_was_finds_the_stored_state_at_a_start() -> None:
    one = rule()
    stored = RuleState("r", "SPY", 0, one.fingerprint("SPY"), State.FIRING, judged_us=5, since_us=4)
    here = Market((renamed(one, "better", was="r"),), states=(stored,))
    assert said(here.image("SPY", "101")) == []
    assert said(here.trade("SPY", "99")) == [("cleared", "")]


def test_raising_rev_arms_anew() -> None:
    from dataclasses import replace

    from tradeassistd.engine.rule import Fire

    one = rule(fire=Fire("once"))
    here = market(one)
    rise(here)
    assert rise(here) == [("fired", "spent")]
    here.trade("SPY", "99")
    here.reload(replace(one, rev="2"))
    assert rise(here) == [("fired", "")]
