"""Which of the daemon's loops still turn: each says so every time round, and how long its next wait may take.

A loop that waits for the world outside (a back-off, a login, a full disk's retry, an answer from Slack) knows until
when, because every wait here has a limit; it says so, and is not late before that. One that is stuck says nothing more.
"""

from __future__ import annotations

from tradeassistd.base.clock import Clock

DISK_WITHIN_S = 120.0
"""How long a disk may take over one answer, as one that fails does; past that the writer counts as stuck."""
IDLE = float("inf")
"""Waits for work, which may never come: an event nobody sets is not a loop that is stuck."""


class Turn:
    """One loop's voice; call it at every turn. `next_within_s`: how many seconds the wait after it may take at most."""

    __slots__ = ("_clock", "name", "taken", "until_s")

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.taken = False
        """Whether the loop has turned since the last feed."""
        self.until_s = 0.0
        """Machine time until which it may be silent."""
        self._clock = clock

    def __call__(self, next_within_s: float = 0.0) -> None:
        self.taken = True
        self.until_s = self._clock.elapsed_s() + next_within_s if next_within_s else 0.0


class Turns:
    """The loops that have to turn for the daemon to be alive."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: dict[str, Turn] = {}

    def join(self, name: str) -> Turn:
        """A new loop, from now on waited for; one of the same name takes the place of the old."""
        turn = self._turns[name] = Turn(name, self._clock)
        return turn

    def leave(self, name: str) -> None:
        """A loop that has ended as it should is not waited for any more."""
        self._turns.pop(name, None)

    def late(self) -> tuple[str, ...]:
        """The loops that have not turned since the last `all_turned` that was true, and should have."""
        now_s = self._clock.elapsed_s()
        return tuple(turn.name for turn in self._turns.values() if not turn.taken and turn.until_s <= now_s)

    def all_turned(self) -> bool:
        """Whether no loop is late; if so, each has to turn again, or be within its limit, for the next time."""
        if self.late():
            return False
        for turn in self._turns.values():
            turn.taken = False
        return True
