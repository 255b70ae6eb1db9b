"""What the engine says: transitions of rule states, and the state itself as it is stored."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from tradeassistd.base.instant import US_PER_S

STATE_KEPT_US = 90 * 86_400 * US_PER_S
"""The state of a rule that is gone waits this long, since it was last judged, for it to come back (rules.md 6.6)."""


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
    REMINDED = "reminded"
    """It still fires, was told, and nobody has acknowledged it (`repeat`)."""
    CLOSED = "closed"
    """It ended for another reason than its condition: rule changed or removed, day over, rule expired."""


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
    """Why nobody was told: at_load, higher_level, mode, spent, rearm, cooldown, log; empty: told, or nothing to tell.
    For `closed`, why it ended: rule_changed, rule_removed, session_end, expired."""
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
    tell: bool = False
    """Of `cleared`: the rule says to tell the end (`on_clear: tell`), and the firing had been told."""
    title: str = ""
    message: str = ""
    """The rule's own texts, templates filled in; empty when it has none."""
    setup: tuple[tuple[str, float | str | None], ...] = ()
    """What the rule would trade: (type, …), (entry, …), … in natural units; None: unknown at that moment."""

    @property
    def is_alert(self) -> bool:
        """Whether it is stored as an alert (a clear is only a transition, unless the rule tells it)."""
        return self.tell or self.kind in (Kind.FIRED, Kind.MISSED, Kind.TOLD, Kind.REMINDED)

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
    armed: bool = True
    """It may rise: `when` has been seen not true since the last clear."""
    clear_held_us: int = 0
    """Firing: how long the clear condition has been known to hold, up to `clearing_us`."""
    clearing_us: int = 0
    """Firing: since when the clear condition has held without a break; 0 while it does not, or is unknown."""
    was_told: bool = False
    """This firing was told."""
    acked: bool = False
    """Somebody acknowledged this firing: no reminders."""
    reminded: int = 0
    """How many reminders of this firing there were."""
    reminded_us: int = 0
    """Event time of the last reminder; 0 before the first."""
    told_price: int | None = None
    """Last trade, scaled, when it was last told."""
    moved: bool = False
    """Since then the price has been as far away as `rearm` asks."""
    told_count: int = 0
    """How often it was told since it was armed anew."""
    session_count: int = 0
    """How often it was told in the session that began at `session_us`."""
    session_us: int = 0
