"""What is stored and sent: alerts, their deliveries, and the states a delivery goes through."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Transition


class DeliveryState(StrEnum):
    """Life of a delivery (design 5)."""

    PENDING = "pending"
    SENDING = "sending"
    """Handed to the channel; after a crash nobody knows whether it arrived, so it is sent again and says so."""
    SENT = "sent"
    RETRYING = "retrying"
    FAILED = "failed"
    EXPIRED = "expired"
    FOLDED = "folded"
    """Another delivery of the channel carries it in its own message (`folded_into`)."""
    WITHDRAWN = "withdrawn"
    """An escalation that nobody needs any more: acknowledged, or over (`error` says which)."""


class Why(StrEnum):
    """What sets a delivery apart from one that goes at once to a channel of its route."""

    DIRECT = ""
    QUIET = "quiet"
    """Held until quiet hours end; those that are due together go as one message."""
    ESCALATION = "escalation"
    """Goes when the alert is neither acknowledged nor over by then."""
    FALLBACK = "fallback"
    """Stands in for the channel `instead_of`, which failed or was too late."""


OPEN_STATES = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRYING)


class Alert(msgspec.Struct, frozen=True):
    """A rule fired for a symbol. `suppressed` says why nobody was told; empty means it was."""

    id: str
    transition: Transition
    severity: str
    title: str
    text: str
    rules_hash: str
    description: str = ""

    @property
    def suppressed(self) -> str:
        return self.transition.suppressed


class Delivery(msgspec.Struct):
    """One alert for one channel; (alert id, channel) is its key everywhere."""

    alert_id: str
    channel: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    created_us: int = 0
    """Event time of the alert."""
    settled_us: int = 0
    """Market time at which it was sent, failed or expired; 0 before."""
    expires_us: int = 0
    """Market time after which it is noise and is not sent any more; counts from when it may be sent."""
    error: str = ""
    """What the last attempt ran into, without secrets; why it was withdrawn."""
    maybe_repeat: bool = False
    """An earlier attempt may have arrived (the daemon died while sending)."""
    not_before_us: int = 0
    """Market time before which it is not sent; 0: at once."""
    why: Why = Why.DIRECT
    instead_of: str = ""
    """Of a fallback: the channel that failed."""
    folded_into: str = ""
    """Of a folded one: the alert whose delivery to the same channel carries it."""
    carries: int = 0
    """How many others are folded into it."""
    fallback: tuple[str, ...] = ()
    """Channels that are told when it fails or expires."""


class Decided(msgspec.Struct, frozen=True):
    """All the engine decided at one event: stored in one transaction before anything is sent."""

    event_us: int
    transitions: tuple[Transition, ...]
    alerts: tuple[Alert, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    acked: tuple[tuple[str, str], ...] = ()
    """(rule, symbol) that somebody acknowledged, an empty symbol for all: their escalations are withdrawn, as are
    those of the firings that end in `transitions`."""
    silences: tuple[Silence | SilenceEnd, ...] = ()
    """What somebody said to the daemon at it."""
    memory: tuple[tuple[str, str], ...] = ()
    """(key, value) that a part of the daemon remembers over restarts together with what it said."""
