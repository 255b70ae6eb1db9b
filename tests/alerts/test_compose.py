"""Transitions become alerts and deliveries: to whom, with which id and severity, and until when."""

from __future__ import annotations

import pytest

from tests.alerts.composed import decided, rules
from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import Routing
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.store.records import Delivery


def test_a_told_alert_goes_to_the_default_channels_and_expires() -> None:
    told = a_transition(FRIDAY_US)
    result = decided(told)
    assert result.transitions == (told,)
    assert result.deliveries == tuple(
        Delivery(told.alert_id, channel, created_us=FRIDAY_US, expires_us=FRIDAY_US + 600_000_000)
        for channel in ("slack", "phone")
    )
    (alert,) = result.alerts
    assert (alert.id, alert.severity, alert.rules_hash) == (told.alert_id, "warning", "sethash")


def test_a_rule_with_notify_goes_there_only_and_once() -> None:
    result = decided(a_transition(FRIDAY_US), rule_set=rules(notify=("desk", "desk"), severity="critical"))
    assert [delivery.channel for delivery in result.deliveries] == ["desk"]
    assert result.alerts[0].severity == "critical"


def test_a_suppressed_alert_is_stored_and_sent_nowhere() -> None:
    result = decided(a_transition(FRIDAY_US, suppressed="cooldown"))
    assert (len(result.alerts), result.deliveries) == (1, ())


@pytest.mark.parametrize("kind", [Kind.CLEARED, Kind.CLOSED])
def test_an_end_is_a_transition_only(kind: Kind) -> None:
    result = decided(a_transition(FRIDAY_US, kind=kind, state=State.OK))
    assert (len(result.transitions), result.alerts, result.deliveries) == (1, (), ())


def test_without_a_time_to_live_nothing_expires() -> None:
    assert {delivery.expires_us for delivery in decided(a_transition(FRIDAY_US), ttl_s=0).deliveries} == {0}


def test_a_rule_that_is_gone_still_tells() -> None:
    result = decided(a_transition(FRIDAY_US, "removed"))
    assert [delivery.channel for delivery in result.deliveries] == ["slack", "phone"]


def test_two_alerts_of_one_rule_at_one_event_have_ids_of_their_own_the_same_ones_each_time() -> None:
    told = a_transition(FRIDAY_US, kind=Kind.TOLD)
    ended = a_transition(FRIDAY_US, kind=Kind.CLEARED, state=State.OK, tell=True)
    other = a_transition(FRIDAY_US, "other")
    first, again = decided(told, ended, other), decided(told, ended, other)
    assert first == again
    ids = [alert.id for alert in first.alerts]
    assert ids[0] == told.alert_id and ids[2] == other.alert_id
    assert len(set(ids)) == 3 and {len(one) for one in ids} == {len(told.alert_id)}
    assert {(one.alert_id, one.channel) for one in first.deliveries} == {
        (one, channel) for one in ids for channel in ("slack", "phone")
    }


# --- whom an end is told ----------------------------------------------------------------------------------------------


def an_end(**changes: object) -> Transition:
    return a_transition(FRIDAY_US, **{"kind": Kind.CLEARED, "state": State.OK, "tell": True, **changes})  # type: ignore[arg-type]


def channels_of(recipients: Recipients, rule_set: RuleSet, *transitions: Transition) -> list[str]:
    result = decide(FRIDAY_US, transitions, rule_set, Routing(("slack", "phone")), recipients)
    return [delivery.channel for delivery in result.deliveries]


def test_an_end_goes_where_its_alerts_went_though_the_rule_names_others_by_then() -> None:
    recipients = Recipients()
    assert channels_of(recipients, rules(notify=("desk",)), a_transition(FRIDAY_US)) == ["desk"]
    assert channels_of(recipients, rules(notify=("pager",)), a_transition(FRIDAY_US, kind=Kind.REMINDED)) == ["pager"]
    assert channels_of(recipients, rules(), a_transition(FRIDAY_US, symbol="/NQ")) == ["slack", "phone"]
    assert channels_of(recipients, rules(), an_end()) == ["desk", "pager"]
    assert channels_of(recipients, rules(notify=("pager",)), an_end(symbol="/NQ")) == ["slack", "phone"]


def test_a_suppressed_alert_and_an_earlier_firing_do_not_count() -> None:
    recipients = Recipients()
    channels_of(recipients, rules(notify=("old",)), a_transition(FRIDAY_US))
    channels_of(recipients, rules(), an_end(tell=False))  # it ended without a word
    channels_of(recipients, rules(notify=("unheard",)), a_transition(FRIDAY_US, suppressed="cooldown"))
    channels_of(recipients, rules(notify=("desk",)), a_transition(FRIDAY_US, kind=Kind.TOLD))
    assert channels_of(recipients, rules(), an_end()) == ["desk"]
    channels_of(recipients, rules(notify=("old",)), a_transition(FRIDAY_US))
    closed = an_end(kind=Kind.CLOSED, tell=False, suppressed="session_end")
    assert channels_of(recipients, rules(), closed) == []
    channels_of(recipients, rules(notify=("event",)), a_transition(FRIDAY_US, state=State.OK))  # over at once
    assert channels_of(recipients, rules(notify=("now",)), an_end()) == ["now"]


def test_after_a_restart_the_store_says_who_was_told() -> None:
    recipients = Recipients({("es-levels", "/ES", 0): {"desk": 0}, ("es-levels", "/ES", 2): {}})
    assert channels_of(recipients, rules(), an_end()) == ["desk"]
    assert channels_of(recipients, rules(), an_end(level=2)) == ["slack", "phone"]
