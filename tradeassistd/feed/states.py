"""The connection's states: which one it is in, why and since when, and how long it was in each."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from tradeassistd.base.clock import Clock

CHANGES_KEPT = 20
"""How many of the last changes are kept for status."""


class ConnectionChange:
    """The connection's state moved, in its place between the frames."""

    __slots__ = ("reason", "state")

    def __init__(self, state: str, reason: str = "") -> None:
        self.state = state
        self.reason = reason


class StateChange(NamedTuple):
    """The connection came into a state. `at_us`: market time, UTC microseconds (0: not known yet)."""

    at_us: int
    state: str
    reason: str


class StateHistory:
    """States in order. Durations are machine time: a connection waits on the computer's clock, not the market's."""

    def __init__(self, clock: Clock, state: str = "stopped") -> None:
        self._clock = clock
        self._began_s = clock.elapsed_s()
        self._spent_s: dict[str, float] = {}
        self.now = StateChange(clock.now_us(), state, "")
        self.changes: deque[StateChange] = deque(maxlen=CHANGES_KEPT)

    def enter(self, state: str, reason: str = "") -> None:
        """The connection is in `state` from now on."""
        now_s = self._clock.elapsed_s()
        self._spent_s[self.now.state] = self._spent_s.get(self.now.state, 0.0) + now_s - self._began_s
        self._began_s = now_s
        self.now = StateChange(self._clock.now_us(), state, reason)
        self.changes.append(self.now)

    @property
    def in_state_s(self) -> float:
        """Seconds in the present state."""
        return self._clock.elapsed_s() - self._began_s

    def spent_s(self) -> dict[str, float]:
        """Seconds spent in each state since the start, the present one included."""
        return self._spent_s | {self.now.state: self._spent_s.get(self.now.state, 0.0) + self.in_state_s}

    def status(self) -> dict[str, Any]:
        """For `status`: the present state, the time in each, the last changes (oldest first)."""
        return {
            "state": self.now.state,
            "reason": self.now.reason,
            "since_us": self.now.at_us,
            "in_state_s": round(self.in_state_s, 1),
            "spent_s": {state: round(seconds, 1) for state, seconds in self.spent_s().items()},
            "changes": [change._asdict() for change in self.changes],
        }
