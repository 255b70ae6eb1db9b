"""What a rule state counts in time - `for`, `keep_firing_for`, reminders - and how a firing begins and ends in it."""

from __future__ import annotations

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import RuleState, State


def held_due_us(state: RuleState, rule: Rule) -> int:
    """When `for` is over, 0 while it does not count."""
    if state.state is not State.PENDING or not state.holding_us:
        return 0
    return state.holding_us + rule.for_s * US_PER_S - state.held_us


def clear_due_us(state: RuleState, rule: Rule) -> int:
    """When `keep_firing_for` is over, 0 while it does not count."""
    if state.state is not State.FIRING or not state.clearing_us:
        return 0
    return state.clearing_us + rule.keep_firing_for_s * US_PER_S - state.clear_held_us


def reminder_due_us(state: RuleState, rule: Rule) -> int:
    """When the next reminder is due, 0 when none is."""
    pauses_s = rule.repeat_s
    if not pauses_s or state.state is not State.FIRING or not state.was_told or state.acked:
        return 0
    return (state.reminded_us or state.told_us) + pauses_s[min(state.reminded, len(pauses_s) - 1)] * US_PER_S


def pause(state: RuleState, now_us: int, *, held: bool, clear: bool) -> bool:
    """Unknown pauses what is counted (rules.md 4.1): what has been held stays. Whether anything was counted."""
    counted = False
    if held and state.holding_us:
        state.held_us, state.holding_us, counted = state.held_us + now_us - state.holding_us, 0, True
    if clear and state.clearing_us:
        state.clear_held_us, state.clearing_us, counted = state.clear_held_us + now_us - state.clearing_us, 0, True
    return counted


def restart(state: RuleState) -> None:
    """What is counted is time known to hold, and begins anew after a gap, a roll or a session's end (rules.md 4.7)."""
    state.held_us = state.holding_us = state.clear_held_us = state.clearing_us = 0


def begin_firing(state: RuleState) -> None:
    """It fires from now on; nobody has been told yet."""
    restart(state)
    state.state, state.was_told, state.acked, state.untold = State.FIRING, False, False, False
    state.reminded = state.reminded_us = 0


def to_ok(state: RuleState) -> None:
    """It fires or waits no more; `since_us` is left for the transition that says so."""
    restart(state)
    state.state, state.untold = State.OK, False
