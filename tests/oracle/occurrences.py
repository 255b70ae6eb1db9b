"""Occurrences that are counted, and closes in a row."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.events import US_PER_S
from tests.oracle.expression import Count, Streak
from tests.oracle.outcome import ConditionState, Distance
from tests.oracle.world import Reader


class Counter:
    """`count(EVENT, D)`: when the event happened, and since when that has been watched."""

    def __init__(self, count: Count, symbol: str, distance: Distance) -> None:
        self._count = count
        self._event = ConditionState(count.event, symbol, distance)
        self._watch: tuple[object, ...] | None = None
        self._since_us: int | None = None
        self._happened: list[int] = []

    def judge(self, reader: Reader, watch: tuple[object, ...]) -> Fraction | None:
        """The count at this judging."""
        if watch != self._watch:
            self._watch, self._since_us, self._happened = watch, None, []
        happens = self._event.judge(reader, watch)[0]
        if happens is None:
            self._since_us, self._happened = None, []
            return None
        if self._since_us is None:
            self._since_us = reader.at_us
        if happens:
            self._happened.append(reader.at_us)
        return self.value(reader)

    def value(self, reader: Reader) -> Fraction | None:
        """The count of what has happened by now; nothing is judged."""
        from_us = (reader.at_us // US_PER_S - self._count.duration_s) * US_PER_S
        if self._since_us is None or self._since_us > from_us:
            return None
        return Fraction(sum(at_us > from_us for at_us in self._happened))

    def restart(self) -> None:
        """Nothing of it is stored."""
        self._event.restart()
        self._watch = None


class Run:
    """`streak(STATE, interval)`: at how many closes in a row the state was true."""

    def __init__(self, streak: Streak, symbol: str, distance: Distance) -> None:
        self.interval = streak.interval
        self._state = ConditionState(streak.state, symbol, distance)
        self._cuts: tuple[object, ...] | None = None
        self.length: Fraction | None = None
        self._broken = False  # by something unknown; until the next false

    def close(self, reader: Reader, watch: tuple[object, ...], cuts: tuple[object, ...]) -> None:
        """One more bar has closed."""
        if cuts != self._cuts:
            self.restart()
            self._cuts = cuts
        holds = self._state.judge(reader, watch)[0]
        if holds is None:
            self._broken = self._broken or self.length is not None
            self.length = None
        elif not holds:
            self.length, self._broken = Fraction(0), False
        elif not self._broken:
            self.length = (self.length or 0) + Fraction(1)

    def restart(self) -> None:
        """Nothing of it is stored."""
        self._cuts, self.length, self._broken = None, None, False
