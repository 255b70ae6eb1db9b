"""One rule for one symbol: its first judging, its gates, and how long its condition must hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.rules.grammar import parse


def rule(text: str, *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule("r", symbols, parse(text), **{"cooldown_s": 0, **fields})


def at(text: str) -> int:
    """`2026-11-16 09:30` New York (standard time) in microseconds."""
    return int(datetime.fromisoformat(f"{text}-05:00").timestamp()) * US_PER_S


def story(market: Market) -> list[tuple[str, str, bool]]:
    """(kind, why nobody was told, late) of every transition so far."""
    return [(one.kind.value, one.suppressed, one.late) for one in market.all]


def state_of(market: Market) -> RuleState:
    return market.engine.machines[0].state


# --- the first judging -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_load", "suppressed"), [("quiet", "at_load"), ("fire", "")])
def test_a_state_that_is_true_at_its_first_judging_is_told_only_when_the_rule_says_so(
    at_load: str, suppressed: str
) -> None:
    market = Market((rule("price > 100", at_load=at_load),))
    market.image("SPY", "101")
    assert story(market) == [("fired", suppressed, False)]
    market.trade("SPY", "99")
    market.trade("SPY", "101")
    assert story(market)[1:] == [("cleared", "", False), ("fired", "", False)]


def test_with_a_stored_state_the_first_judging_is_a_rise_like_any_other_and_late() -> None:
    stored = RuleState("r", "SPY", 0, rule("price > 100").fingerprint("SPY"), judged_us=5)
    market = Market((rule("price > 100"),), states=(stored,))
    market.image("SPY", "101")
    assert story(market) == [("fired", "", True)]


@pytest.mark.parametrize(
    ("first", "then"),
    [("99", [("cleared", "", True)]), ("101", [])],
)
def test_a_stored_firing_goes_on_or_is_cleared_late(first: str, then: list[tuple[str, str, bool]]) -> None:
    stored = RuleState(
        "r", "SPY", 0, rule("price > 100").fingerprint("SPY"), State.FIRING, judged_us=5, since_us=4, told_us=4
    )
    market = Market((rule("price > 100"),), states=(stored,))
    market.image("SPY", first)
    assert story(market) == then


@pytest.mark.parametrize(
    "stored",
    [
        RuleState("r", "SPY", 0, "another condition", State.FIRING, judged_us=5),
        RuleState("r", "QQQ", 0, rule("price > 100").fingerprint("SPY"), State.FIRING, judged_us=5),
        RuleState("other", "SPY", 0, rule("price > 100").fingerprint("SPY"), State.FIRING, judged_us=5),
        RuleState("r", "SPY", 1, rule("price > 100").fingerprint("SPY"), State.FIRING, judged_us=5),
        RuleState("r", "SPY", 0, rule("price > 100").fingerprint("SPY"), State.FIRING, judged_us=5, sides=[1]),
    ],
)
def test_a_stored_state_of_something_else_means_nothing(stored: RuleState) -> None:
    market = Market((rule("price > 100"),), states=(stored,))
    market.image("SPY", "99")
    assert story(market) == []
    assert state_of(market).state is State.OK


def test_the_engine_leaves_the_states_of_the_start_event_as_they_are_on_the_tape() -> None:
    fingerprint = rule("price crosses 100").fingerprint("SPY")
    stored = RuleState("r", "SPY", 0, fingerprint, judged_us=5, sides=[-1])
    market = Market((rule("price crosses 100"),), states=(stored,))
    market.image("SPY", "101")
    assert market.kinds() == ["missed"]
    assert stored == RuleState("r", "SPY", 0, fingerprint, judged_us=5, sides=[-1])


# --- gates -----------------------------------------------------------------------------------------------------------


def test_a_rule_in_shadow_is_stored_and_never_told_whatever_else_holds() -> None:
    market = Market((rule("price > 100", mode="shadow", cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "101"):
        market.trade("SPY", price)
    market.wait(120)
    assert story(market) == [("fired", "mode", False), ("cleared", "", False), ("fired", "mode", False)]
    assert state_of(market).told_us == 0


def test_a_rule_that_is_off_is_no_machine_at_all() -> None:
    assert Market((rule("price > 100", mode="off"),)).engine.machines == []


def test_a_rise_in_cooldown_is_told_when_it_ends_with_its_start_and_the_values_of_then() -> None:
    market = Market((rule("price > 100", cooldown_s=60),))
    market.image("SPY", "99")
    (first,) = market.trade("SPY", "101")
    market.trade("SPY", "99", after_s=10)
    (second,) = market.trade("SPY", "102", after_s=10)
    market.trade("SPY", "103", after_s=10)
    assert (second.suppressed, second.since_us) == ("cooldown", second.event_us)
    assert market.wait(20) == []
    due_us = first.event_us + 60 * US_PER_S
    (told,) = market.wait(60)
    assert (told.kind, told.suppressed, told.since_us) == (Kind.TOLD, "", second.event_us)
    assert told.event_us - due_us in range(0, US_PER_S)
    assert told.value == 103.0
    assert [(one.text, one.left, one.right) for one in told.operands] == [("price > 100", 103.0, 100.0)]
    assert state_of(market).told_us == told.event_us
    assert not state_of(market).untold


def test_what_has_cleared_before_the_cooldown_ended_is_not_told_later() -> None:
    market = Market((rule("price > 100", cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "102", "99"):
        market.trade("SPY", price)
    market.wait(120)
    assert [kind for kind, _, _ in story(market)] == ["fired", "cleared", "fired", "cleared"]


def test_what_is_told_later_starts_the_next_cooldown() -> None:
    market = Market((rule("price > 100", cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "101"):
        market.trade("SPY", price)
    market.wait(61)
    market.trade("SPY", "99")
    market.trade("SPY", "101")
    assert [(kind, why) for kind, why, _ in story(market)] == [
        ("fired", ""), ("cleared", ""), ("fired", "cooldown"), ("told", ""), ("cleared", ""), ("fired", "cooldown"),
    ]  # fmt: skip


def test_a_firing_that_was_quiet_at_load_is_never_told_later() -> None:
    market = Market((rule("price > 100", cooldown_s=5),))
    market.image("SPY", "101")
    market.wait(30)
    assert story(market) == [("fired", "at_load", False)]


def test_an_untold_firing_is_told_in_a_gap_too_with_the_values_it_last_held_by() -> None:
    market = Market((rule("price > 100", cooldown_s=60),))
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    market.drop()
    (told,) = market.wait(61)
    assert (told.kind, told.value) == (Kind.TOLD, 102.0)


def test_an_untold_firing_survives_a_restart_and_is_told_when_its_cooldown_ends() -> None:
    when = rule("price > 100", cooldown_s=60)
    market = Market((when,))
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    told_us = market.all[0].event_us
    market = Market((when,), now_us=market.now_us, states=tuple(market.engine.take_states()))
    market.image("SPY", "103")
    (told,) = market.wait(90)
    assert told.kind is Kind.TOLD
    assert told.event_us - (told_us + 60 * US_PER_S) in range(0, US_PER_S)


def test_a_firing_frozen_by_the_session_s_end_is_told_when_the_next_one_opens() -> None:
    market = Market((rule("price > 100", cooldown_s=120, session="rth"),), now_us=at("2026-11-16 15:59"))
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    assert market.wait(600) == []
    market.now_us = at("2026-11-17 09:29") + 58 * US_PER_S
    (told,) = market.wait(5)
    assert (told.kind, told.event_us) == (Kind.TOLD, at("2026-11-17 09:30"))


def test_an_event_in_cooldown_is_stored_with_its_reason_and_not_told_later() -> None:
    market = Market((rule("price crosses 100", cooldown_s=60),))
    market.image("SPY", "99")
    market.trade("SPY", "101")
    market.trade("SPY", "99", after_s=59)
    market.trade("SPY", "101", after_s=1)
    market.wait(120)
    assert story(market) == [("fired", "", False), ("fired", "cooldown", False), ("fired", "", False)]
    assert all(one.state is State.OK for one in market.all), "an event is over at once"


# --- for -------------------------------------------------------------------------------------------------------------


def test_a_condition_that_must_hold_is_pending_first_and_fires_on_the_clock_with_its_start() -> None:
    market = Market((rule("price > 100", for_s=10),))
    market.image("SPY", "99")
    (pending,) = market.trade("SPY", "101")
    market.trade("SPY", "102")
    assert market.wait(10) == []
    (fired,) = market.wait(1)
    assert (pending.kind, pending.state) == (Kind.PENDING, State.PENDING)
    assert (fired.kind, fired.state, fired.suppressed) == (Kind.FIRED, State.FIRING, "")
    assert (fired.since_us, fired.value) == (pending.event_us, 102.0)
    assert state_of(market).told_us == fired.event_us


def test_a_condition_that_lapses_in_time_tells_nobody_and_begins_anew() -> None:
    market = Market((rule("price > 100", for_s=10),))
    market.image("SPY", "99")
    for price in ("101", "99", "101"):
        market.trade("SPY", price)
        market.wait(9)
    assert market.kinds() == ["pending", "lapsed", "pending"]
    market.wait(2)
    assert market.kinds()[3:] == ["fired"]


def test_what_is_true_at_load_is_quiet_at_once_and_not_pending_first() -> None:
    market = Market((rule("price > 100", for_s=10),))
    market.image("SPY", "101")
    market.wait(20)
    assert story(market) == [("fired", "at_load", False)]


@pytest.mark.parametrize("how", ["restart", "gap", "session"])
def test_after_a_cut_the_time_is_counted_from_the_first_judging_on(how: str) -> None:
    when = rule("price > 100", for_s=10, session="rth")
    begin_us = at("2026-11-16 15:59") + 50 * US_PER_S if how == "session" else at("2026-11-16 12:00")
    market = Market((when,), now_us=begin_us)
    market.image("SPY", "99")
    market.trade("SPY", "101")
    market.wait(9)
    match how:
        case "restart":
            market = Market((when,), now_us=market.now_us, states=tuple(market.engine.take_states()))
        case "gap":
            market.drop()
            market.resume(after_s=5)
        case "session":
            market.now_us = at("2026-11-17 09:30")
    begun = len(market.all)
    market.image("SPY", "101")
    assert market.wait(10) == []
    assert [one.kind for one in market.wait(1)] == [Kind.FIRED]
    assert len(market.all) == begun + 1


def test_a_firing_that_waited_for_its_time_may_still_be_in_cooldown() -> None:
    market = Market((rule("price > 100", for_s=5, cooldown_s=60),))
    market.image("SPY", "99")
    market.trade("SPY", "101")
    market.wait(6)
    market.trade("SPY", "99")
    market.trade("SPY", "101")
    market.wait(6)
    market.wait(60)
    assert [(kind, why) for kind, why, _ in story(market)] == [
        ("pending", ""), ("fired", ""), ("cleared", ""), ("pending", ""), ("fired", "cooldown"), ("told", ""),
    ]  # fmt: skip
