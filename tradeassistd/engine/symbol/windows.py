"""Looking back on live values: what a quote was a given time ago, on a one-second grid."""

from __future__ import annotations

from bisect import bisect_right

from tradeassistd.base.instant import US_PER_S

_PRUNE_ABOVE = 4_096


class LookBack:
    """The value held at each whole second, for as long back as a rule asks.

    The value *held at* second S is the latest one set by an event at or before S. One entry per second that changed
    anything, so memory is bounded by the longest look-back in seconds.
    """

    def __init__(self) -> None:
        self._from_s: list[int] = []
        self._values: list[int | None] = []
        self._keep_s = 0

    def reach_back(self, seconds: int) -> None:
        """Keep values for at least `seconds`."""
        self._keep_s = max(self._keep_s, seconds)

    def record(self, event_us: int, value: int | None) -> None:
        """`value` holds from this event on: at the first whole second not before it."""
        second = -(-event_us // US_PER_S)
        if self._from_s and self._from_s[-1] == second:
            self._values[-1] = value
            return
        self._from_s.append(second)
        self._values.append(value)
        if len(self._from_s) > _PRUNE_ABOVE:
            self._prune(second)

    @property
    def first_s(self) -> int | None:
        """The first whole second it knows a value for, None while there is none."""
        return self._from_s[0] if self._from_s else None

    def lose(self, from_us: int) -> None:
        """Nothing is known from then on until the next value: what was held before stays known."""
        second = -(-from_us // US_PER_S)
        while self._from_s and self._from_s[-1] >= second:
            self._from_s.pop()
            self._values.pop()
        if self._from_s:
            self.record(from_us, None)

    def clear(self) -> None:
        """Forget everything: a new session or contract."""
        self._from_s.clear()
        self._values.clear()

    def held(self, event_us: int, seconds: int) -> int | None:
        """The value held at the last whole second not after event_us - seconds; None when unknown."""
        second = event_us // US_PER_S - seconds
        index = bisect_right(self._from_s, second) - 1
        return self._values[index] if index >= 0 else None

    def _prune(self, second: int) -> None:
        # The newest entry older than the reach is still the value held there, so it stays.
        first = max(bisect_right(self._from_s, second - self._keep_s - 1) - 1, 0)
        del self._from_s[:first], self._values[:first]
