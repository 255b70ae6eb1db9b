"""What is stored and sent: alerts, their deliveries, and the states a delivery goes through."""

from __future__ import annotations

from enum import StrEnum

import msgspec

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
    """Market time after which it is noise and is not sent any more."""
    error: str = ""
    """What the last attempt ran into, without secrets."""
    maybe_repeat: bool = False
    """An earlier attempt may have arrived (the daemon died while sending)."""


class Decided(msgspec.Struct, frozen=True):
    """All the engine decided at one event: stored in one transaction before anything is sent."""

    event_us: int
    transitions: tuple[Transition, ...]
    alerts: tuple[Alert, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
