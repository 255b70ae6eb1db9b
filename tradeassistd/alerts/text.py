"""What an alert says: its title and its lines, from a transition and the rule it belongs to."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator

from tradeassistd.alerts.message import (
    UNKNOWN,
    day_and_time,
    duration_text,
    likely_unit,
    operand_text,
    scaled_price_text,
    time_of_day,
    value_text,
)
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule, symbols_of
from tradeassistd.engine.transition import Kind, State, Transition

DEFAULT_SEVERITY = "warning"
_MORE_THAN_A_DAY_S = 86_400
_TITLE_REMARKS = {Kind.MISSED: "missed", Kind.REMINDED: "still firing", Kind.CLEARED: "over"}
_SETUP_UNITS = {"entry": "price", "stop": "price", "target": "price"}


def severity_of(transition: Transition, rule: Rule | None) -> str:
    """The severity of the level that fired; `rule` is None when the rule set has it no more."""
    return rule.severity_of(transition.level) if rule else DEFAULT_SEVERITY


def title_of(transition: Transition) -> str:
    """One line: the rule's own title, or symbol, last trade and rule; and whether it is late, a reminder or the end."""
    said = transition.title
    if not said:
        price = "" if transition.price is None else f" {scaled_price_text(transition.price)}"
        said = f"{transition.symbol}{price} - {transition.rule_id}"
    remark = remark_of(transition)
    return f"{said} ({remark})" if remark else said


def remark_of(transition: Transition) -> str:
    """In a word or two what sets it apart from an alert as it happens: missed, late, still firing, over; or empty."""
    return _TITLE_REMARKS.get(transition.kind) or ("late" if transition.late else "")


def text_of(transition: Transition, rule: Rule | None, delayed: Collection[str] = ()) -> str:
    """All lines: what happened, what a reader must know about when, what to trade, how bad, and what the rule is for.

    The rule's own message stands in the place of its comparisons; the rest stays. An end says so first. Of `delayed`,
    the symbols whose data Schwab says is delayed, those that the rule reads are named.
    """
    lines = [*said_of(transition), *_when(transition, rule)]
    if transition.kind is Kind.CLEARED:
        lines = [*_when(transition, rule), *said_of(transition)]
    elif transition.setup:
        lines.append(setup_text(transition.setup))
    if late := sorted(_read_by(transition, rule) & set(delayed)):
        lines.append(f"Delayed data: what Schwab sends of {' '.join(late)} is not of this moment.")
    severity = severity_of(transition, rule)
    level = f", {level_text(transition.level, rule)}," if transition.level else ""
    lines.append(f"{severity}{level} at {day_and_time(transition.event_us)}")
    if rule is not None and rule.description:
        lines.append(rule.description)
    return "\n".join(lines)


def _read_by(transition: Transition, rule: Rule | None) -> set[str]:
    """The symbols that the alert depends on."""
    trees = [level.when for level in rule.levels] if rule is not None else []
    return {transition.symbol}.union(*map(symbols_of, trees))


def said_of(transition: Transition) -> list[str]:
    """The rule's own message, or else one line per comparison."""
    if transition.message:
        return transition.message.splitlines()
    return [_operand_line(transition, number) for number in range(len(transition.operands))]


def level_text(level: int, rule: Rule | None) -> str:
    """level 2 of 3; level 2 when the rule has no such ladder any more."""
    steps = len(rule.ladder) if rule is not None else 0
    return f"level {level} of {steps}" if level <= steps else f"level {level}"


def setup_text(setup: tuple[tuple[str, float | str | None], ...]) -> str:
    """What the rule would trade: `mean-reversion: entry 5,200.25, stop 5,190.00, target n/a, confidence 60%`."""
    parts = dict(setup)
    kind = parts.pop("type", None)
    said = ", ".join(f"{name} {_setup_value(name, value)}" for name, value in parts.items())
    return ": ".join(filter(None, (str(kind or "setup"), said)))


def _setup_value(name: str, value: float | str | None) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if name == "confidence":
        return f"{value * 100:.2f}".rstrip("0").rstrip(".") + "%"
    return value_text(value, _SETUP_UNITS.get(name, "number"))


def _operand_line(transition: Transition, number: int) -> str:
    operand = transition.operands[number]
    # The transition's unit is that of the first comparison that holds, whose left side is its value.
    known = operand.left is not None and operand.left == transition.value and bool(transition.unit)
    return operand_text(operand, transition.unit if known else likely_unit(operand.text))


def _when(transition: Transition, rule: Rule | None) -> Iterator[str]:
    """What a reader must know about when it happened, in plain words."""
    since, lasted = _since_text(transition), _lasted_text(transition)
    match transition.kind:
        case Kind.MISSED if since:
            yield f"Missed between {since} and {time_of_day(transition.event_us)}: nothing was received in that time."
        case Kind.MISSED:
            yield f"Missed: it happened before {time_of_day(transition.event_us)}, while nothing was received."
        case Kind.CLEARED:
            yield f"Over at {time_of_day(transition.event_us)}{f', after {lasted}' if since else ''}."
            if transition.late:
                yield "It may have been over earlier, while nothing was received."
        case Kind.REMINDED:
            command = shlex.join(("tradeassist", "ack", transition.rule_id, transition.symbol))
            yield f"Still firing since {since}, for {lasted}. Acknowledge: {command}"
        case _:
            if transition.late:
                yield "Late: it may have become true earlier, while nothing was received."
            if transition.kind is Kind.TOLD and since:
                yield f"Held back until now: true since {since}, for {lasted}."
            elif _is_again(transition, rule):
                yield f"True since {since}, for {lasted}."


def _is_again(transition: Transition, rule: Rule | None) -> bool:
    """Whether it is one of the alerts that `fire: each_bar` gives while a firing goes on."""
    goes_on = transition.state is State.FIRING and 0 < transition.since_us < transition.event_us
    return goes_on and rule is not None and rule.fire.mode == "each_bar"


def _since_text(transition: Transition) -> str:
    """When it began, with the day when that was more than a day ago; empty when it is not known."""
    if not transition.since_us:
        return ""
    long_ago = transition.event_us - transition.since_us >= _MORE_THAN_A_DAY_S * US_PER_S
    return (day_and_time if long_ago else time_of_day)(transition.since_us)


def _lasted_text(transition: Transition) -> str:
    return duration_text((transition.event_us - transition.since_us) // US_PER_S)
