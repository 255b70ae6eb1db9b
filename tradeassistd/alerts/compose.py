"""From what the engine says to what is stored and sent: transitions become alerts with their deliveries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.text import DEFAULT_SEVERITY, severity_of, text_of, title_of
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.store.records import Alert, Decided, Delivery

NOTICE_RULE, NOTICE_SYMBOL = "!tradeassist", "-"
"""What a message of the daemon's own stands under; a rule id cannot begin with an exclamation mark."""


def decide(
    event_us: int,
    transitions: Sequence[Transition],
    rule_set: RuleSet,
    channels: Sequence[str],
    ttl_s: float,
    ttls_s: Mapping[str, float] | None = None,
    recipients: Recipients | None = None,
) -> Decided:
    """All that follows from one event's transitions.

    A told alert gets one delivery per channel of its rule's `notify`, or else of `channels`; a suppressed one is
    stored and sent nowhere. The end of a firing goes to the channels that `recipients` has for it. `ttl_s`: market
    seconds after which a delivery is noise; 0 or less: never; `ttls_s` has the channels for which it is another time.
    """
    rules = rule_set.by_id if any(transition.is_alert for transition in transitions) else {}
    recipients = recipients or Recipients()
    alerts: list[Alert] = []
    deliveries: list[Delivery] = []
    for transition in transitions:
        rule = rules.get(transition.rule_id)
        route = recipients.of(transition, rule.notify if rule is not None and rule.notify else channels)
        if not transition.is_alert:
            continue
        alert = alert_of(transition, rule, rule_set.hash, sum(_same_id(one, transition) for one in alerts))
        alerts.append(alert)
        deliveries += _deliveries(alert, event_us, route, ttl_s, ttls_s or {})
    return Decided(event_us, tuple(transitions), tuple(alerts), tuple(deliveries))


def notice(
    event_us: int, title: str, text: str, channels: Sequence[str], ttl_s: float, ttls_s: Mapping[str, float]
) -> Decided:
    """A message of the daemon's own, stored and delivered like an alert; no rule can have its id."""
    transition = Transition(event_us, NOTICE_RULE, NOTICE_SYMBOL, 0, "", Kind.FIRED, State.OK, since_us=event_us)
    alert = Alert(transition.alert_id, transition, DEFAULT_SEVERITY, title, text, "")
    return Decided(event_us, (transition,), (alert,), tuple(_deliveries(alert, event_us, channels, ttl_s, ttls_s)))


def alert_of(transition: Transition, rule: Rule | None, rules_hash: str, before: int = 0) -> Alert:
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
        text_of(transition, rule),
        rules_hash,
        rule.description if rule else "",
    )


def _same_id(alert: Alert, transition: Transition) -> bool:
    return alert.transition.alert_id == transition.alert_id


def _deliveries(
    alert: Alert, event_us: int, channels: Sequence[str], ttl_s: float, ttls_s: Mapping[str, float]
) -> list[Delivery]:
    return [
        Delivery(alert.id, channel, created_us=event_us, expires_us=_expiry_us(event_us, ttls_s.get(channel, ttl_s)))
        for channel in channels
    ]


def _expiry_us(event_us: int, ttl_s: float) -> int:
    return event_us + round(ttl_s * US_PER_S) if ttl_s > 0 else 0
