"""Alerts, their deliveries, and acknowledgements."""

from __future__ import annotations

from typing import Literal

from tradeassistd.api.models.document import Document


class Operand(Document):
    """One comparison at the moment of an alert."""

    text: str
    left: float | None
    right: float | None


class Delivery(Document):
    """One alert for one channel."""

    channel: str
    state: str
    """pending, sending, sent, retrying, failed, expired, folded, withdrawn."""
    attempts: int
    error: str
    """What the last attempt ran into; of one that was withdrawn, why."""
    not_before: str | None
    """When it may be sent, ISO 8601 in UTC; null: at once."""
    why: str
    """quiet: held by quiet hours; escalation: sent when nobody acknowledges and it is not over by then; fallback:
    stands in for `instead_of`; empty: none of these."""
    instead_of: str
    """Of a fallback: the channel that failed or was too late."""
    folded_into: str
    """Of a folded one: the id of the alert whose message carries it."""
    carries: int
    """How many others its message carries."""


class Alert(Document):
    """A rule fired for a symbol, still fires (a reminder), or is over (where it says to tell that)."""

    id: str
    rule: str
    symbol: str
    kind: Literal["fired", "missed", "told", "reminded", "cleared"]
    """fired; missed: a crossing while nobody watched; told: an earlier firing, told now; reminded: it still fires, and
    nobody has acknowledged it; cleared: it is over."""
    level: int
    """Of a ladder, mildest first; 0 without one."""
    severity: str
    event_time: str
    """When, ISO 8601 in UTC."""
    event_us: int
    """The same in microseconds since the epoch."""
    value: float | None
    """Left side of the first comparison that holds, in `unit` (percent as a fraction)."""
    unit: str
    price: float | None
    """Last trade of the symbol."""
    suppressed: str
    """Why nobody was told (at_load, higher_level, mode, spent, rearm, cooldown, silence, log); empty: somebody was."""
    late: bool
    """It may have become true earlier, while nobody watched."""
    since: str
    """When this firing began."""
    title: str
    text: str
    message: str
    """The rule's own message, filled in; empty when it has none."""
    setup: dict[str, float | str | None]
    """What the rule would trade, as it stood then: type, entry, stop, target, confidence; null: unknown."""
    operands: list[Operand]
    deliveries: list[Delivery]


class AlertsPage(Document):
    """Alerts, newest first."""

    alerts: list[Alert]
    next: str | None
    """Put this into `before` for the next page; null: there are no more."""


class AckedFiring(Document):
    """A firing that gets no more reminders."""

    symbol: str
    level: int
    """Of a ladder, mildest first; 0 without one."""
    since: str | None
    """When it began, ISO 8601 in UTC."""


class Acked(Document):
    """What an acknowledgement did."""

    rule: str
    event_time: str
    """When, ISO 8601 in UTC."""
    firings: list[AckedFiring]
    """What was acknowledged, also what had been before; empty: nothing fires that anybody was told about."""
