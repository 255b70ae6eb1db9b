"""What the engine says: transitions of rule states, and the state itself as it is stored."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec


class State(StrEnum):
    """Where a rule stands for one symbol and level (rules.md 4.7)."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


class Kind(StrEnum):
    """What happened to it."""

    PENDING = "pending"
    """The condition holds, and `for` counts."""
    LAPSED = "lapsed"
    """It stopped holding before `for` was over."""
    FIRED = "fired"
    """The condition rose, or its event happened."""
    MISSED = "missed"
    """A crossing that happened while nobody watched (a gap, a restart, outside the session)."""
    TOLD = "told"
    """A firing that was suppressed is told now, because what suppressed it ended and it still fires."""
    CLEARED = "cleared"
    CLOSED = "closed"
    """It ended because the rule did: changed or removed."""


class Operand(msgspec.Struct, frozen=True):
    """One comparison at the moment of a transition: its text and the values of both sides (None: unknown)."""

    text: str
    left: float | None
    right: float | None


class Transition(msgspec.Struct, frozen=True):
    """One change of one rule's state for one symbol and level."""

    event_us: int
    rule_id: str
    symbol: str
    level: int
    """0 for a rule without a ladder."""
    fingerprint: str
    kind: Kind
    state: State
    """The state after it."""
    suppressed: str = ""
    """Why nobody was told: at_load, cooldown, mode, log; empty means told, or nothing to tell."""
    value: float | None = None
    """Left side of the first comparison that holds, in its own unit (percent as a fraction)."""
    unit: str = ""
    """price, ratio, volume, seconds or number."""
    price: int | None = None
    """Last trade of the symbol, scaled."""
    since_us: int = 0
    """When this firing began; for `missed` the last judging before the cut."""
    late: bool = False
    """It may have become true earlier: first judging after a cut."""
    operands: tuple[Operand, ...] = ()

    @property
    def is_alert(self) -> bool:
        """Whether it is stored as an alert (a clear is only a transition)."""
        return self.kind in (Kind.FIRED, Kind.MISSED, Kind.TOLD)

    @property
    def alert_id(self) -> str:
        """The same wherever the alert is computed: live, in a replay, after a crash."""
        key = "\n".join((self.rule_id, self.fingerprint, str(self.level), self.symbol, str(self.event_us)))
        return hashlib.sha256(key.encode()).hexdigest()[:20]


class RuleState(msgspec.Struct):
    """What must survive a restart for one (rule, symbol, level)."""

    rule_id: str
    symbol: str
    level: int
    fingerprint: str
    state: State = State.OK
    judged_us: int = 0
    """Event time of the last judging with a known result; 0 before the first."""
    since_us: int = 0
    """When the present firing (or pending) began; 0 in ok."""
    told_us: int = 0
    """Event time of the last alert that was told; 0 when none was."""
    untold: bool = False
    """Firing, and nobody was told yet because something suppresses it."""
    sides: list[int] = msgspec.field(default_factory=list)
    """Per crossing, in the order they are written: -1 below, 1 above, 0 none."""
    held_us: int = 0
    """Pending: how long the condition has been known to hold, up to `holding_us`."""
    holding_us: int = 0
    """Pending: since when it has held without a break; 0 while it is unknown."""
