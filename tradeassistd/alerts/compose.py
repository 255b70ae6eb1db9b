"""From what the engine says to what is stored and sent: transitions become alerts with their deliveries."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import Routing
from tradeassistd.alerts.text import DEFAULT_SEVERITY, severity_of, text_of, title_of
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.store.records import Alert, Decided, Delivery

NOTICE_RULE, NOTICE_SYMBOL = "!tradeassist", "-"
"""What a message of the daemon's own stands under; a rule id cannot begin with an exclamation mark."""


def decide(
    event_us: int,
    transitions: Sequence[Transition],
    rule_set: RuleSet,
    routing: Routing,
    recipients: Recipients | None = None,
    delayed: Collection[str] = (),
) -> Decided:
    """All that follows from one event's transitions; `delayed` are the symbols whose data Schwab says is delayed.

    A told alert gets the deliveries that `routing` has for it; a suppressed one is stored and sent nowhere. The end of
    a firing goes to the channels that `recipients` has for it.
    """
    rules = rule_set.by_id if any(transition.is_alert for transition in transitions) else {}
    recipients = recipients or Recipients()
    alerts: list[Alert] = []
    deliveries: list[Delivery] = []
    for transition in transitions:
        ended = transition.kind in (Kind.CLEARED, Kind.CLOSED)
        told = recipients.end(transition) if ended else ()
        if not transition.is_alert:
            continue
        rule = rules.get(transition.rule_id)
        alert = alert_of(transition, rule, rule_set.hash, sum(_same_id(one, transition) for one in alerts), delayed)
        alerts.append(alert)
        if transition.suppressed:
            continue
        if ended:
            deliveries += routing.end(alert, rule, told)
        else:
            sent = routing.deliveries(alert, rule, again=recipients.knows(transition))
            recipients.note(transition, sent)
            deliveries += sent
    return Decided(event_us, tuple(transitions), tuple(alerts), tuple(deliveries))


def notice(
    event_us: int, title: str, text: str, routing: Routing, severity: str = DEFAULT_SEVERITY,
    memory: Mapping[str, str] = MappingProxyType({}),
) -> Decided:  # fmt: skip
    """A message of the daemon's own, stored and delivered like an alert; no rule can have its id.

    `memory` is stored with it.
    """
    transition = Transition(event_us, NOTICE_RULE, NOTICE_SYMBOL, 0, "", Kind.FIRED, State.OK, since_us=event_us)
    alert = Alert(transition.alert_id, transition, severity, title, text, "")
    deliveries = tuple(routing.deliveries(alert, None))
    return Decided(event_us, (transition,), (alert,), deliveries, memory=tuple(memory.items()))


def alert_of(
    transition: Transition, rule: Rule | None, rules_hash: str, before: int = 0, delayed: Collection[str] = ()
) -> Alert:
    """The alert of a transition; `rule` is None when the rule set has it no more.

    `before`: how many alerts the same rule, symbol and level has had at this very event (told at last and over at
    once, say); each needs an id of its own, and gets the same one in a replay.
    """
    alert_id = transition.alert_id
    if before:
        alert_id = hashlib.sha256(f"{alert_id}\n{before}".encode()).hexdigest()[: len(alert_id)]
    return Alert(
        alert_id,
        transition,
        severity_of(transition, rule),
        title_of(transition),
        text_of(transition, rule, delayed),
        rules_hash,
        rule.description if rule else "",
    )


def _same_id(alert: Alert, transition: Transition) -> bool:
    return alert.transition.alert_id == transition.alert_id
