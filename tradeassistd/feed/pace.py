"""How busy the feed is when it comes: what makes a silence of the whole feed suspect."""

from __future__ import annotations

from collections import deque

from tradeassistd.base.instant import US_PER_S

ROWS_PER_S = 1.0
PACE_SPAN_S = 120.0
"""Over how much market time before a silence the pace of the feed is taken."""
PACE_LEAST_S = 30.0
"""With less of it its pace is not known."""
PACE_AGE_MAX_US = 600 * US_PER_S
"""What is older says nothing of the market as it is now. Younger is good for the next connection too: one that is mute
from its first minute on is the usual kind."""
SILENT_US = 5 * US_PER_S
"""A silence of that length is none of the pace any more."""


class Pace:
    """How many rows a second the feed brings, silences and what lies between connections left out."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        self._seconds = 0.0
        self._rows = 0
        self._rows_before: int | None = None
        self._before_us = 0
        self._noted_us = 0

    def begin(self) -> None:
        """Another connection: what lies between them is none of its pace."""
        self._rows_before = None

    def note(self, rows: int, row_us: int, now_us: int) -> None:
        """`rows` came until now since the start, the last of them at `row_us`."""
        before, before_us = self._rows_before, self._before_us
        self._rows_before, self._before_us = rows, now_us
        if before is None or now_us <= before_us or now_us - row_us > SILENT_US:
            return
        seconds = (now_us - before_us) / US_PER_S
        if now_us - self._noted_us > PACE_AGE_MAX_US:
            self._looks.clear()
            self._seconds, self._rows = 0.0, 0
        self._noted_us = now_us
        self._looks.append((seconds, rows - before))
        self._seconds += seconds
        self._rows += rows - before
        while self._looks and self._seconds - self._looks[0][0] >= PACE_SPAN_S:
            seconds, count = self._looks.popleft()
            self._seconds -= seconds
            self._rows -= count

    def is_busy(self, now_us: int) -> bool:
        """Whether it usually brings a row every second."""
        if now_us - self._noted_us > PACE_AGE_MAX_US:
            return False
        return self._seconds >= PACE_LEAST_S and self._rows >= ROWS_PER_S * self._seconds
