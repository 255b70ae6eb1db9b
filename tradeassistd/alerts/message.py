"""What a trader reads: values in words, times in New York, one short message per delivery."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.transition import Operand
from tradeassistd.market.price import price_text
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store.records import Alert, Delivery, Why

DELAY_TOLD_S = 60
"""From this delay on a message says how late it is."""
CARRIED_SHOWN_MAX = 30
"""Lines of a message that carries several alerts; the others are counted."""
UNKNOWN = "n/a"

_WORDS = {
    "crosses_above": "crossed above", "crosses_below": "crossed below", "crosses": "crossed",
    "enters": "entered", "exits": "left", "inside": "is inside", "outside": "is outside",
}  # fmt: skip
_OPERATOR = re.compile(rf"\b({'|'.join(_WORDS)})\b")
_LITERAL_RIGHT = re.compile(r"(crosses_above|crosses_below|crosses|[<>=!]=?) -?[0-9.]+[%kMBxsmh]?$")
_STARTS_LIKE = (
    (re.compile(r"(price|mark|mid|bid|ask|spread)\b(?!_)"), "price"),
    (re.compile(r"(volume|day\.volume)\b"), "volume"),
    (re.compile(r".*\d%$"), "ratio"),
)


class Message(msgspec.Struct, frozen=True):
    """One delivery as a channel sends it."""

    title: str
    body: str
    severity: str
    key: str
    """The alert's id: the same for every repeat, so that a reader can tell a repeat from a second alert."""


def message_for(
    alert: Alert, delivery: Delivery, now_us: int, carried: Sequence[Alert] = (), carried_count: int = 0
) -> Message:
    """The message of one attempt; it says when it is late, may be a repeat, escalates or stands in for another channel.

    `carried`: alerts that were folded into it, the first of `carried_count`; each gets a line.
    """
    if carried_count:
        what = "while it was quiet" if delivery.why is Why.QUIET else f"that {delivery.instead_of} did not get"
        title = f"{1 + carried_count} alerts {what}"
        lines = _digest_lines([alert, *carried], 1 + carried_count)
    else:
        title = f"{alert.title} (escalated)" if delivery.why is Why.ESCALATION else alert.title
        lines = [alert.text]
    lines += _remarks(alert, delivery, now_us)
    lines.append(f"id {alert.id}")
    return Message(title, "\n".join(lines), alert.severity, alert.id)


def _digest_lines(alerts: Sequence[Alert], count: int) -> list[str]:
    lines = [
        f"{day_and_time(one.transition.event_us)}, {one.severity}: {one.title}" for one in alerts[:CARRIED_SHOWN_MAX]
    ]
    if count > len(lines):
        lines.append(f"and {count - len(lines)} more: tradeassist alerts --limit {count}")
    return lines


def _remarks(alert: Alert, delivery: Delivery, now_us: int) -> Iterator[str]:
    """What a reader must know of this delivery, beside what the alert says."""
    match delivery.why:
        case Why.ESCALATION:
            transition = alert.transition
            begin_us = transition.since_us or transition.event_us
            lasted = duration_text((now_us - begin_us) // US_PER_S)
            command = shlex.join(("tradeassist", "ack", transition.rule_id, transition.symbol))
            yield f"Escalated: since {time_of_day(begin_us)}, for {lasted}, nobody has acknowledged it: {command}"
        case Why.FALLBACK:
            yield f"Sent here because it could not be delivered to {delivery.instead_of}."
        case Why.QUIET:
            yield f"Held for quiet hours until {time_of_day(delivery.not_before_us)}."
    waited = delivery.why in (Why.QUIET, Why.ESCALATION)
    delay_s = (now_us - (delivery.not_before_us if waited else delivery.created_us)) // US_PER_S
    if delay_s >= DELAY_TOLD_S:
        after = "it was due" if waited else "it happened"
        yield f"Sent {duration_text(delay_s)} after {after}."
    if delivery.maybe_repeat:
        yield "May be a repeat: an earlier attempt may have arrived."


def value_text(value: float | None, unit: str) -> str:
    """A value as a trader writes it. `unit` is that of a transition: price, ratio, volume, seconds or number."""
    if value is None:
        return UNKNOWN
    match unit:
        case "price":
            return _trimmed(f"{value:,.4f}", places=2)
        case "ratio":
            return f"{value:.2%}"
        case "volume":
            return f"{value:,.0f}"
        case "seconds":
            return duration_text(round(value))
        case _:
            return _trimmed(f"{value:,.4f}", places=0)


def scaled_price_text(price: int) -> str:
    """A scaled price, exactly, with separators: 5,200.25."""
    whole, _, part = price_text(abs(price), 2).partition(".")
    return f"{'-' if price < 0 else ''}{int(whole):,}.{part}"


def operand_text(operand: Operand, unit: str) -> str:
    """One comparison in words with its values: `price crossed above 5200 (now 5,200.25)`."""
    words = _OPERATOR.sub(lambda match: _WORDS[match.group()], operand.text)
    values = f"now {value_text(operand.left, unit)}"
    if operand.right is not None and not _LITERAL_RIGHT.search(operand.text):
        values += f" against {value_text(operand.right, unit)}"
    return f"{words} ({values})"


def likely_unit(text: str) -> str:
    """The unit of a comparison, where the transition does not tell it, from how it is written."""
    return next((unit for pattern, unit in _STARTS_LIKE if pattern.match(text)), "number")


def day_and_time(us: int) -> str:
    """New York date and time: Fri 2026-11-20 09:30:00 New York."""
    return f"{_new_york(us):%a %Y-%m-%d %H:%M:%S} New York"


def time_of_day(us: int) -> str:
    """New York time: 09:30:00."""
    return f"{_new_york(us):%H:%M:%S}"


def duration_text(seconds: int) -> str:
    """4 s, 3 m 20 s, 12 m, 2 h 5 m."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m")) if hours else ((minutes, "m"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _new_york(us: int) -> datetime:
    return datetime.fromtimestamp(us // US_PER_S, NEW_YORK)


def _trimmed(text: str, places: int) -> str:
    """`text` without trailing zeros after its decimal point, but with at least `places` decimals."""
    whole, _, part = text.partition(".")
    part = part.rstrip("0").ljust(places, "0")
    return f"{whole}.{part}" if part else whole
