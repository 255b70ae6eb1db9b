"""Market time that outlives a computer whose clock is set: by hand, by NTP after a boot, by a host below.

The computer's clock is followed as long as it keeps pace with machine time. When it is *set* (it moves by more than
STEP_US against machine time) market time first goes on as before, and the feed decides: its frames carry Schwab's time.
What is nearer to that is right. Without frames the new time is believed after BELIEVED_AFTER_US.

A clock that was set forth rightly makes a jump, which is a gap: nobody watched the time in between. One that was set
back rightly does not take market time back, for events have one order: market time then goes at half the pace until it
has been caught up, so that holds, cooldowns and bars go on, if more slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tradeassistd.base.clock import WallClock, computer_us, machine_us
from tradeassistd.base.errors import FatalError
from tradeassistd.base.instant import US_PER_S, iso

STEP_US = 5 * US_PER_S
"""Less than that is slewed by NTP, and followed."""
BELIEVED_AFTER_US = 60 * US_PER_S
WRONG_US = 60 * US_PER_S
WRONG_FOR_US = 60 * US_PER_S
"""Frames may be late after a stall; a clock that is wrong stays wrong."""
ANOTHER_MARKET_US = 26 * 3_600 * US_PER_S
"""Further from the computer's time than that is a market of another day: a simulator's."""
AHEAD_MAX_US = 26 * 3_600 * US_PER_S
"""How far ahead of the computer's clock the last event of a store may be."""
NOTICES_MAX = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of the computer's clock: `kind` is set (and what is made of it), wrong or right."""

    kind: str
    by_us: int
    """How far it was set, or is off; forth is positive."""
    believed: bool = True
    """Of one that was set: whether market time follows."""


class SteadyClock(WallClock):
    """The daemon's clock where market time is the computer's."""

    def __init__(
        self, computer: Callable[[], int] = lambda: computer_us(), machine: Callable[[], int] = lambda: machine_us()
    ) -> None:
        """`computer` is what may be set, `machine` what never is; both in microseconds."""
        self._computer, self._machine = computer, machine
        at_us = machine()
        self._seen_us = self._followed_us = computer() - at_us
        """What the computer's clock is ahead of machine time, as it was last seen, and as market time has it."""
        self._doubted_at_us: int | None = None
        self._refuted = False
        self._given_us, self._given_at_us = 0, at_us
        self._jump: tuple[int, int] | None = None
        self._off_since_us: int | None = None
        self._told_wrong = False
        self._notices: list[Notice] = []

    def begin_after(self, last_us: int) -> None:
        """The store has events up to that time; to be called before the first event.

        Raises FatalError when that is too far in the future: the clock was wrong then, or is wrong now.
        """
        now_us = self.now_us()
        if last_us - now_us > AHEAD_MAX_US:
            raise FatalError(
                f"the store has events up to {iso(last_us)}, and this computer's clock says {iso(now_us)}",
                hint="Set the clock right; or `tradeassist db restore` a backup from before it was wrong",
            )
        self._given_us, self._given_at_us = max(now_us, last_us), self._machine()

    def now_us(self) -> int:
        at_us = self._machine()
        ahead_us = self._computer() - at_us
        if abs(ahead_us - self._seen_us) > STEP_US:
            self._set(ahead_us, at_us)
        elif self._doubted_at_us is None:
            self._followed_us = ahead_us
        self._seen_us = ahead_us
        if self._doubted_at_us is not None and not self._refuted and at_us - self._doubted_at_us > BELIEVED_AFTER_US:
            self._believe()
        return self._forward(at_us + self._followed_us, at_us)

    def hear(self, server_us: int) -> None:
        """A frame says what time it is at Schwab."""
        now_us = self.now_us()
        if self._doubted_at_us is not None:
            is_nearer = abs(server_us - self._computer()) < abs(server_us - now_us)
            if is_nearer:
                self._believe()
            elif not self._refuted:
                self._refuted = self._told_wrong = True
                self._note(Notice("set", self._seen_us - self._followed_us, believed=False))
        self._compare(server_us)

    def take_jump(self) -> tuple[int, int] | None:
        """(from, to) when market time made a jump since the last call."""
        jump, self._jump = self._jump, None
        return jump

    def take_notices(self) -> list[Notice]:
        """What became of the computer's clock since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def _set(self, ahead_us: int, at_us: int) -> None:
        if self._doubted_at_us is not None and abs(ahead_us - self._followed_us) <= STEP_US:
            self._doubted_at_us, self._refuted = None, False  # it was set back to where it had been
            self._followed_us = ahead_us
        else:
            self._doubted_at_us, self._refuted = at_us, False

    def _believe(self) -> None:
        by_us = self._seen_us - self._followed_us
        before_us = self._machine() + self._followed_us
        self._doubted_at_us, self._followed_us = None, self._seen_us
        if by_us > 0:
            self._jump = (before_us, before_us + by_us)
        self._note(Notice("set", by_us))

    def _forward(self, true_us: int, at_us: int) -> int:
        """Never back: what is ahead of the true time waits for it at half the pace."""
        if true_us >= self._given_us:
            self._given_us, self._given_at_us = true_us, at_us
        elif (half_us := (at_us - self._given_at_us) // 2) > 0:
            self._given_us += half_us
            self._given_at_us += 2 * half_us
        return self._given_us

    def _compare(self, server_us: int) -> None:
        """Notice a computer whose clock is wrong all the time."""
        off_us, at_us = self._computer() - server_us, self._machine()
        if not WRONG_US < abs(off_us) < ANOTHER_MARKET_US:
            self._off_since_us = None
            if self._told_wrong and abs(off_us) <= WRONG_US:
                self._told_wrong = False
                self._note(Notice("right", off_us))
            return
        self._off_since_us = at_us if self._off_since_us is None else self._off_since_us
        if not self._told_wrong and at_us - self._off_since_us >= WRONG_FOR_US:
            self._told_wrong = True
            self._note(Notice("wrong", off_us))

    def _note(self, notice: Notice) -> None:
        if len(self._notices) < NOTICES_MAX:
            self._notices.append(notice)
