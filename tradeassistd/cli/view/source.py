"""Where the live view gets its snapshots from: what a source is, and how it counts pace and age."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from tradeassistd.cli.view.snapshot import Snapshot

PACE_OVER_S = 5.0
"""Ticks per second are counted over this span of machine time."""
SAMPLES_MAX = 100


class Source(Protocol):
    """Gives the present snapshot each time it is asked; asked from one thread at a time, and may take a moment."""

    def look(self) -> Snapshot:
        """Raises TradeAssistError while there is nothing to see: the caller asks again."""
        ...


class Pace:
    """How many a second, from a counter that is read now and then."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def per_s(self, elapsed_s: float, count: int) -> float | None:
        """Take a reading; the pace over the last PACE_OVER_S, None before there are two different instants."""
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()  # it counts from its start, and it started again
        if not self._samples or count != self._samples[-1][1] or elapsed_s - self._samples[-1][0] >= 1.0:
            self._samples.append((elapsed_s, count))
        while len(self._samples) > 2 and elapsed_s - self._samples[1][0] >= PACE_OVER_S:
            self._samples.popleft()
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None


class Age:
    """How long ago something that carries a market time last came, in machine time.

    Market time and machine time need not run alike (a replayed day), so what is measured is since when nothing newer
    has been seen.
    """

    def __init__(self) -> None:
        self._newest_us = 0
        self._seen_s: float | None = None

    def seconds(self, elapsed_s: float, newest_us: int, *, at_first_s: float = 0.0) -> float | None:
        """Take a reading; None before anything came. `at_first_s`: how old the first reading already is."""
        if newest_us > self._newest_us:
            first = self._seen_s is None
            self._newest_us, self._seen_s = newest_us, elapsed_s - (max(at_first_s, 0.0) if first else 0.0)
        return None if self._seen_s is None else elapsed_s - self._seen_s


class Fresh:
    """Which of the things seen came only a moment ago; what is there at the first look is old."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._first_s: dict[str, float] = {}
        self._looked = False

    def of(self, elapsed_s: float, ids: Iterable[str]) -> frozenset[str]:
        """Take all that there is now; those first seen within the last `for_s`."""
        old_s = elapsed_s if self._looked else float("-inf")
        self._looked = True
        self._first_s = {one: self._first_s.get(one, old_s) for one in ids}
        return frozenset(one for one, first_s in self._first_s.items() if elapsed_s - first_s < self._for_s)
