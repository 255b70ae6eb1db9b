"""`seq(E1, .., En, within=D)`: events that happen one after the other, from the first to the last within D."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

from tradeassistd.engine.conditions.kleene import Condition, Outcome
from tradeassistd.engine.conditions.leaves import Leaf, RememberingLeaf, Step
from tradeassistd.engine.language.functions import Value


class Seq(RememberingLeaf):
    """An event: En happens and E1 < .. < En happened before it, each strictly later than the last, En - E1 <= D.

    For each beginning E1..Ek of the sequence it keeps when the latest E1 was from which it was reached: later starts
    leave more time, so none of the older ones can matter. After it happened the chain starts over with nothing, also
    when the event that ended it is its own first. What was missed in a cut makes it missed: such events count with the
    time they were found at, in a chain of their own beside that of the live ones.
    """

    def __init__(
        self, text: str, shown: Leaf, events: tuple[Condition, ...], steps: tuple[Step, ...], within_us: int
    ) -> None:
        """`shown`: whose values stand for the whole; `steps`: everything nested, in the order it looks."""
        self._last = len(events) - 1
        super().__init__(text, shown.unit, 2 * self._last)
        self._shown = shown
        self._events = events
        self.steps = steps
        self.within_us = within_us
        self._reached_us = [0] * self.width
        """Per number of its memory, when it was set; 0 when that was before a restart. For descriptions."""
        self._at_us = 0
        self._before: tuple[int, ...] = ()
        """Its memory as it was before the instant `_at_us`: what happens now follows only what was earlier."""

    @property
    def reached(self) -> tuple[tuple[int, int], ...]:
        """Per event but the last, missed ones counted too: from which first event it was reached, and when (UTC us)."""
        first = self._first + self._last
        return tuple(zip(self._memory[first : first + self._last], self._reached_us[self._last :], strict=True))

    def look(self, now_us: int) -> None:
        """Take up what the events' own looks found; they come first."""
        self.left, self.right = self._shown.left, self._shown.right
        if now_us != self._at_us:
            self._at_us, self._before = now_us, tuple(self._memory[self._first : self._first + self.width])
        outcomes = [event.outcome() for event in self._events]
        live = self._advance(0, [outcome.live for outcome in outcomes], now_us)
        full = self._advance(self._last, [outcome.full for outcome in outcomes], now_us)
        self._outcome = Outcome(live, full)
        if full:
            self.forget()

    def forget(self) -> None:
        super().forget()
        self._before = (0,) * self.width

    def glimpse(self, now_us: int) -> Self:
        seen = deepcopy(self)  # values are read through plain functions, which a deep copy leaves as they are
        for step in seen.steps:
            step.look(now_us)
        seen.look(now_us)
        return seen

    def target(self) -> Value | None:
        return self._shown.target()

    def cut(self) -> None:
        """What happened stays so; the events' own leaves know what was missed."""

    def _advance(self, first: int, happened: list[bool | None], now_us: int) -> bool | None:
        """Move one chain; True when its last event happened, unknown when that may have been."""
        memory = self._first + first
        if happened[0]:
            self._memory[memory] = self._reached_us[first] = now_us
        for position, start_us in enumerate(self._before[first : first + self._last], 1):
            in_time = start_us > 0 and now_us - start_us <= self.within_us
            if in_time and position == self._last:
                return happened[position]
            if in_time and happened[position]:
                self._memory[memory + position], self._reached_us[first + position] = start_us, now_us
        return False
