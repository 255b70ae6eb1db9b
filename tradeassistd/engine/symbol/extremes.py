"""Greatest and least prices while they run: of a session, and of the last minutes; each also as before the last row."""

from __future__ import annotations

from collections import deque

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.indicators import exact
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.symbol.watch import Watch
from tradeassistd.engine.symbol.windows import LookBack


class RunningExtremes:
    """The greatest and least price so far."""

    def __init__(self, watch: Watch) -> None:
        self.high: int | None = None
        self.low: int | None = None
        self._watch = watch
        self._before: tuple[int | None, int | None] = (None, None)
        self._moved_at_us = -1
        """Event time of the last row when they last moved."""

    def both(self, *, before: bool) -> tuple[int | None, int | None]:
        """(high, low) now, or as they were before the last row was applied."""
        return self._before if before and self._moved_at_us == self._watch.row_us else (self.high, self.low)

    def move(self, high: int | None, low: int | None) -> None:
        """Set both."""
        if self._moved_at_us != self._watch.row_us:
            self._before, self._moved_at_us = (self.high, self.low), self._watch.row_us
        self.high, self.low = high, low

    def take(self, price: int) -> None:
        """One more price."""
        if self.high is None or self.low is None:
            self.move(price, price)
        elif price > self.high:
            self.move(price, self.low)
        elif price < self.low:
            self.move(self.high, price)

    def clear(self) -> None:
        """Nothing is known, nor was before."""
        self.high = self.low = None
        self._before, self._moved_at_us = (None, None), -1


class TickExtreme:
    """`highest(price, 5m)` and `lowest`: the greatest (sign 1) or least (-1) value of a quote over the last seconds.

    The window holds the value that stood at second floor(now) - seconds and every value set after it. It is known when
    the look-back knows the value that stood there. A queue keeps who can still win, each until when it stood, so that a
    row costs O(1) amortised and one that changes nothing two comparisons.
    """

    def __init__(self, seconds: int, sign: int, look_back: LookBack) -> None:
        self._seconds = seconds
        self._sign = sign
        self._look_back = look_back
        self._stood: deque[tuple[int, int]] = deque()
        """(until when it stood, UTC microseconds; doubled value), the next winner first."""
        self._first_us: int | None = None
        self._row_us = 0
        self._now: int | None = None
        self._before: int | None = None

    def record(self, event_us: int, value: int | None) -> None:
        """A row: the quote is `value` (doubled, so that `mid` stays whole) from now on; None is unknown."""
        self._row_us = event_us
        old = self._before = self._now
        if value == old:
            return
        self._now = value
        if self._first_us is None:
            self._first_us = event_us
        if old is not None:
            stood = self._stood
            while stood and (old - stood[-1][1]) * self._sign >= 0:
                stood.pop()
            stood.append((event_us, old))
            self._expire(event_us)

    def value(self, now_us: int, before: bool = False) -> Value | None:
        """The extreme now (`now_us` must not fall); None when unknown.

        `before`: as if the last row had not come, for as long as it came within the window. What has stood through all
        of the window is no news in it any more.
        """
        since_us = self._expire(now_us)
        present = self._before if before and self._row_us > since_us else self._now
        if self._first_us is None or self._first_us > since_us:
            return None
        if self._look_back.held(now_us, self._seconds) is None:
            return None
        if self._stood:
            best = self._stood[0][1]
            if present is None or (best - present) * self._sign > 0:
                present = best
        return None if present is None else exact(present, 2)

    def clear(self) -> None:
        """Forget everything: a new session, contract or gap."""
        self._stood.clear()
        self._first_us = self._now = self._before = None

    def _expire(self, now_us: int) -> int:
        """Drop what no longer stood where the window begins; gives that instant."""
        since_us = (now_us // US_PER_S - self._seconds) * US_PER_S
        stood = self._stood
        while stood and stood[0][0] <= since_us:
            stood.popleft()
        return since_us
