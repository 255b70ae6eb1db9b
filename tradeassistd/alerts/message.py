"""What a trader reads: values in words, times in New York, one short message per delivery."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.transition import Operand
from tradeassistd.market.price import price_text
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store.records import Alert, Delivery

DELAY_TOLD_S = 60
"""From this delay on a message says how late it is."""
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


def message_for(alert: Alert, delivery: Delivery, now_us: int) -> Message:
    """The message of one attempt; it says when it is late and when it may be a repeat."""
    lines = [alert.text]
    delay_s = (now_us - delivery.created_us) // US_PER_S
    if delay_s >= DELAY_TOLD_S:
        lines.append(f"Sent {duration_text(delay_s)} after it happened.")
    if delivery.maybe_repeat:
        lines.append("May be a repeat: an earlier attempt may have arrived.")
    lines.append(f"id {alert.id}")
    return Message(alert.title, "\n".join(lines), alert.severity, alert.id)


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
