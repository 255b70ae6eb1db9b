"""Which channels an alert goes to, when, and what follows: the plan that routes make of it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import NOTICE_RULE, decide, notice
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import Routing
from tradeassistd.engine.language.expression import Number
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.rules.routes_file import read_routes_file
from tradeassistd.store.records import Delivery, Why

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
NIGHT_US = FRIDAY_US + 13 * HOUR_US
"""Friday 22:30 New York."""
MORNING_US = NIGHT_US + 7 * HOUR_US + 30 * MINUTE_US
"""Saturday 06:00."""
QUIET = "quiet: {hours: ['mon-sun 22:00-06:00'], channels: [log]}"


def planned(routes: str, transition: Transition, **rule: object) -> dict[str, Delivery]:
    """The deliveries of an alert by channel."""
    fields: dict[str, object] = {"id": "es-levels", "symbols": ("/ES",), "when": Number(Fraction(1))} | rule
    routing = Routing(("desk",), {"phone": 60.0}, 600.0, read_routes_file("_routes.yaml", f"version: 1\n{routes}", ""))
    decided = decide(transition.event_us, [transition], RuleSet((Rule(**fields),)), routing)  # type: ignore[arg-type]
    assert len({one.channel for one in decided.deliveries}) == len(decided.deliveries)
    return {one.channel: one for one in decided.deliveries}


@pytest.mark.parametrize(
    ("match", "rule", "fits"),
    [
        ("{severity: critical}", {"severity": "critical"}, True),
        ("{severity: critical}", {}, False),
        ("{severity: [info, warning]}", {}, True),
        ("{severity: '>= notice'}", {}, True),
        ("{severity: '>=critical'}", {}, False),
        ("{tag: over*}", {"tags": ("levels", "overnight")}, True),
        ("{tag: over*}", {}, False),
        ("{rule: es-*}", {}, True),
        ("{rule: [nq-*, '*-levels']}", {}, True),
        ("{rule: ES-*}", {}, False),
        ("{symbol: '/[EN]S'}", {}, True),
        ("{symbol: '$*'}", {}, False),
        ("{severity: warning, rule: es-*, symbol: /NQ}", {}, False),
    ],
)
def test_every_key_of_a_match_has_to_fit(match: str, rule: dict[str, object], fits: bool) -> None:
    found = planned(f"routes: [{{match: {match}, channels: [phone]}}]", a_transition(FRIDAY_US), **rule)
    assert list(found) == (["phone"] if fits else ["desk"])


def test_the_first_that_fits_has_it_unless_it_says_continue() -> None:
    both = (
        "routes: [{channels: [a], continue: true}, {match: {rule: x}, channels: [b]}, {channels: [c]}, {channels: [d]}]"
    )
    assert list(planned(both, a_transition(FRIDAY_US))) == ["a", "c"]
    assert list(planned(both.replace(", continue: true", ""), a_transition(FRIDAY_US))) == ["a"]


def test_the_default_is_for_what_no_route_fits_and_a_rules_own_notify_comes_first() -> None:
    routes = "routes: [{match: {severity: info}, channels: [a]}]\ndefault: {channels: [b], fallback: [c]}"
    assert list(planned(routes, a_transition(FRIDAY_US))) == ["b"]
    own = planned(routes, a_transition(FRIDAY_US), notify=("own", "own"))
    assert {name: one.fallback for name, one in own.items()} == {"own": ("c",)}
    assert list(planned("default: {fallback: [c]}", a_transition(FRIDAY_US))) == ["desk"]


def test_quiet_hours_hold_all_but_their_own_channels_and_life_counts_from_their_end() -> None:
    found = planned(f"routes: [{{channels: [slack, phone], {QUIET}}}]", a_transition(NIGHT_US))
    assert {name: (one.not_before_us, one.why) for name, one in found.items()} == {
        "slack": (MORNING_US, Why.QUIET), "phone": (MORNING_US, Why.QUIET), "log": (0, Why.DIRECT),
    }  # fmt: skip
    assert found["phone"].expires_us == MORNING_US + 60_000_000
    assert found["log"].expires_us == NIGHT_US + 600_000_000
    by_day = planned(f"routes: [{{channels: [slack], {QUIET}}}]", a_transition(FRIDAY_US))
    assert {name: one.not_before_us for name, one in by_day.items()} == {"slack": 0}
    at_the_end = planned(f"routes: [{{channels: [slack], {QUIET}}}]", a_transition(MORNING_US))
    assert {name: one.not_before_us for name, one in at_the_end.items()} == {"slack": 0}


@pytest.mark.parametrize(
    ("match", "held"), [("{severity: '>= info'}", False), ("{severity: critical}", True),
                        ("{severity: [warning, critical]}", True), ("{rule: '*'}", False)],
)  # fmt: skip
def test_what_is_critical_is_held_only_where_critical_is_named(match: str, held: bool) -> None:
    routes = f"routes: [{{match: {match}, channels: [slack], {QUIET}}}]"
    assert bool(planned(routes, a_transition(NIGHT_US), severity="critical")["slack"].not_before_us) is held


def test_a_channel_of_two_routes_goes_as_early_as_either_says_with_the_fallbacks_of_both() -> None:
    routes = (
        f"routes: [{{channels: [slack], fallback: [a], continue: true, {QUIET}}}, {{channels: [slack], fallback: [b]}}]"
    )
    slack = planned(routes, a_transition(NIGHT_US))["slack"]
    assert (slack.not_before_us, slack.fallback) == (0, ("a", "b"))


def test_an_escalation_is_due_after_the_alert_was_told_and_not_in_quiet_hours() -> None:
    routes = (
        f"routes: [{{channels: [slack], escalate: {{after: 5m, channels: [boss, log]}}, fallback: [boss], {QUIET}}}]"
    )
    day = planned(routes, a_transition(FRIDAY_US))["boss"]
    due_us = FRIDAY_US + 5 * MINUTE_US
    assert (day.not_before_us, day.why, day.expires_us) == (due_us, Why.ESCALATION, due_us + 600_000_000)
    assert day.fallback == ()  # a channel does not stand in for itself
    night = planned(routes, a_transition(NIGHT_US))
    assert night["boss"].not_before_us == MORNING_US + 5 * MINUTE_US
    assert night["log"].why is Why.DIRECT  # it was told at once
    evening_us = NIGHT_US - 32 * MINUTE_US
    assert planned(routes, a_transition(evening_us))["boss"].not_before_us == MORNING_US


@pytest.mark.parametrize(("kind", "escalates"), [(Kind.FIRED, True), (Kind.MISSED, True), (Kind.TOLD, True),
                                                 (Kind.REMINDED, False)])  # fmt: skip
def test_what_escalates_is_an_alert_and_no_reminder(kind: Kind, escalates: bool) -> None:
    routes = "routes: [{escalate: {after: 5m, channels: [boss]}}]"
    assert ("boss" in planned(routes, a_transition(FRIDAY_US, kind=kind))) is escalates


def test_a_firing_escalates_once_and_its_end_goes_to_who_was_told_by_then() -> None:
    routing = Routing(("slack",), routes=read_routes_file(
        "_routes.yaml", "version: 1\ndefault: {escalate: {after: 5m, channels: [boss]}}", ""))  # fmt: skip
    rules, recipients = RuleSet((Rule("es-levels", ("/ES",), Number(Fraction(1))),)), Recipients()

    def sent(after_us: int, **changes: object) -> list[str]:
        transition = a_transition(FRIDAY_US + after_us, since_us=FRIDAY_US, **changes)  # type: ignore[arg-type]
        return [one.channel for one in decide(transition.event_us, [transition], rules, routing, recipients).deliveries]

    over = {"kind": Kind.CLEARED, "state": State.OK, "tell": True}
    assert sent(0) == ["slack", "boss"]
    assert sent(MINUTE_US) == ["slack"]  # each_bar: still the same firing
    assert sent(4 * MINUTE_US, **over) == ["slack"]
    assert sent(0) == ["slack", "boss"]
    assert sent(6 * MINUTE_US, **over) == ["slack", "boss"]
    assert sent(0) == ["slack", "boss"]
    recipients.acknowledge("es-levels", "/ES", FRIDAY_US + MINUTE_US)
    assert sent(6 * MINUTE_US, **over) == ["slack"]
    fired = a_transition(FRIDAY_US)
    assert sent(0) == ["slack", "boss"]
    recipients.note_fallback(fired, "mail")
    assert sent(MINUTE_US, **over) == ["slack", "mail"]


def test_the_end_of_a_firing_is_held_by_quiet_hours_and_goes_to_no_channel_that_heard_nothing() -> None:
    routing = Routing(("x",), routes=read_routes_file(
        "_routes.yaml", f"version: 1\nroutes: [{{channels: [slack], {QUIET}}}]", ""))  # fmt: skip
    recipients = Recipients({("es-levels", "/ES", 0): {"slack": 0}})
    end = a_transition(NIGHT_US, kind=Kind.CLEARED, state=State.OK, tell=True, since_us=FRIDAY_US)
    (slack,) = decide(NIGHT_US, [end], RuleSet(), routing, recipients).deliveries
    assert (slack.channel, slack.not_before_us) == ("slack", MORNING_US)


def test_the_daemons_own_messages_are_routed_too() -> None:
    text = f"version: 1\nroutes: [{{match: {{severity: warning, rule: '{NOTICE_RULE}'}}, channels: [ops]}}]"
    routing = Routing(("slack",), routes=read_routes_file("_routes.yaml", text, ""))
    assert [one.channel for one in notice(FRIDAY_US, "title", "text", routing).deliveries] == ["ops"]
