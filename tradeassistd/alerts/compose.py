"""From what the engine says to what is stored and sent: transitions become alerts with their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tradeassistd.alerts.message import (
    day_and_time,
    duration_text,
    likely_unit,
    operand_text,
    scaled_price_text,
    time_of_day,
)
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.store.records import Alert, Decided, Delivery

DEFAULT_SEVERITY = "warning"
NOTICE_RULE, NOTICE_SYMBOL = "!tradeassist", "-"
"""What a message of the daemon's own stands under; a rule id cannot begin with an exclamation mark."""
_MORE_THAN_A_DAY_S = 86_400


def decide(
    event_us: int,
    transitions: Sequence[Transition],
    rule_set: RuleSet,
    channels: Sequence[str],
    ttl_s: float,
    ttls_s: Mapping[str, float] | None = None,
) -> Decided:
    """All that follows from one event's transitions.

    A told alert gets one delivery per channel of its rule's `notify`, or else of `channels`; a suppressed one is
    stored and sent nowhere. `ttl_s`: market seconds after which a delivery is noise; 0 or less: never; `ttls_s` has
    the channels for which it is another time.
    """
    wanted = {transition.rule_id for transition in transitions if transition.is_alert}
    rules = {rule.id: rule for rule in rule_set.rules if rule.id in wanted} if wanted else {}
    alerts = tuple(
        alert_of(transition, rules.get(transition.rule_id), rule_set.hash)
        for transition in transitions
        if transition.is_alert
    )
    deliveries = tuple(
        Delivery(
            alert.id, channel, created_us=event_us, expires_us=_expiry_us(event_us, (ttls_s or {}).get(channel, ttl_s))
        )
        for alert in alerts
        if not alert.suppressed
        for channel in _channels_of(rules.get(alert.transition.rule_id), channels)
    )
    return Decided(event_us, tuple(transitions), alerts, deliveries)


def notice(
    event_us: int, title: str, text: str, channels: Sequence[str], ttl_s: float, ttls_s: Mapping[str, float]
) -> Decided:
    """A message of the daemon's own, stored and delivered like an alert; no rule can have its id."""
    transition = Transition(event_us, NOTICE_RULE, NOTICE_SYMBOL, 0, "", Kind.FIRED, State.OK, since_us=event_us)
    alert = Alert(transition.alert_id, transition, DEFAULT_SEVERITY, title, text, "")
    deliveries = tuple(
        Delivery(alert.id, channel, created_us=event_us, expires_us=_expiry_us(event_us, ttls_s.get(channel, ttl_s)))
        for channel in channels
    )
    return Decided(event_us, (transition,), (alert,), deliveries)


def _expiry_us(event_us: int, ttl_s: float) -> int:
    return event_us + round(ttl_s * US_PER_S) if ttl_s > 0 else 0


def alert_of(transition: Transition, rule: Rule | None, rules_hash: str) -> Alert:
    """The alert of a transition; `rule` is None when the rule set has it no more."""
    return Alert(
        transition.alert_id,
        transition,
        rule.severity if rule else DEFAULT_SEVERITY,
        title_of(transition),
        _text_of(transition, rule),
        rules_hash,
        rule.description if rule else "",
    )


def title_of(transition: Transition) -> str:
    """One line: symbol, last trade, rule, and whether it comes late."""
    price = "" if transition.price is None else f" {scaled_price_text(transition.price)}"
    remark = " (missed)" if transition.kind is Kind.MISSED else " (late)" if transition.late else ""
    return f"{transition.symbol}{price} - {transition.rule_id}{remark}"


def _text_of(transition: Transition, rule: Rule | None) -> str:
    lines = [_operand_line(transition, number) for number in range(len(transition.operands))]
    if (remark := _remark(transition)) is not None:
        lines.append(remark)
    lines.append(f"{rule.severity if rule else DEFAULT_SEVERITY} at {day_and_time(transition.event_us)}")
    if rule is not None and rule.description:
        lines.append(rule.description)
    return "\n".join(lines)


def _operand_line(transition: Transition, number: int) -> str:
    operand = transition.operands[number]
    # The transition's unit is that of the first comparison that holds, whose left side is its value.
    known = operand.left is not None and operand.left == transition.value and bool(transition.unit)
    return operand_text(operand, transition.unit if known else likely_unit(operand.text))


def _remark(transition: Transition) -> str | None:
    """What a reader must know about when it happened, in plain words."""
    if transition.kind is Kind.MISSED:
        until = time_of_day(transition.event_us)
        if not transition.since_us:
            return f"Missed: it happened before {until}, while nothing was received."
        long_ago = transition.event_us - transition.since_us >= _MORE_THAN_A_DAY_S * US_PER_S
        since = (day_and_time if long_ago else time_of_day)(transition.since_us)
        return f"Missed between {since} and {until}: nothing was received in that time."
    if transition.late:
        return "Late: it may have become true earlier, while nothing was received."
    if transition.kind is Kind.TOLD and transition.since_us:
        held_s = (transition.event_us - transition.since_us) // US_PER_S
        return f"Held back until now: true since {time_of_day(transition.since_us)}, for {duration_text(held_s)}."
    return None


def _channels_of(rule: Rule | None, channels: Sequence[str]) -> Sequence[str]:
    named = rule.notify if rule is not None and rule.notify else channels
    return tuple(dict.fromkeys(named))  # a channel named twice gets it once
