"""A symbol's one-minute bars and the holes between them: what longer bars are put together from.

A bar of any interval and session is the bars of its minutes one after the other, for sessions begin and end on whole
minutes; a bar that holds a part of a hole is not made. A hole outside a session takes nothing from that session's
windows: a daemon that was down overnight has missed nothing of the regular hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from tradeassistd.engine.bars.series import BAR_GRACE_US, BarSeries
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS

RECENT_BARS_MAX = 3_000
"""One-minute bars kept in memory per symbol (about two days) beside what the store has."""


class Hole(NamedTuple):
    """Nobody watched from one instant to another."""

    from_us: int
    until_us: int


class Closed(NamedTuple):
    """Closed bars of a series, oldest first, and since which of them no hole lies within the session."""

    bars: list[Bar]
    run: int

    @property
    def whole(self) -> list[Bar]:
        """The bars of the present run."""
        return self.bars[self.run :]


def put_together(
    instrument: Instrument,
    interval: str,
    session: str,
    minutes: Iterable[Bar],
    holes: Iterable[Hole],
    *,
    begin_us: int = 0,
    until_us: int = 0,
) -> tuple[BarSeries, Closed]:
    """The series that would be there had it taken the trades of these minutes, and what it has closed by `until_us`.

    Before `begin_us` nobody watched. Minutes and holes come oldest first; a minute that touches a hole is left out.
    """
    series = BarSeries(instrument, interval, session)
    series.begin_from(begin_us)
    closed: list[Bar | None] = []
    waiting = deque(holes)
    for minute in minutes:
        while waiting and waiting[0].from_us < minute.end_us:
            closed.append(_pass(series, waiting.popleft()))
        closed.append(series.merge(minute))
    while waiting:
        closed.append(_pass(series, waiting.popleft()))
    closed.append(series.close_by_clock(until_us))
    bars = [bar for bar in closed if bar is not None]
    return series, Closed(bars, series.run_began)


def _pass(series: BarSeries, hole: Hole) -> Bar | None:
    closed = series.close_by_clock(hole.from_us + BAR_GRACE_US)  # a hole begins by that much before it was noticed
    series.pause(hole.from_us, hole.until_us)
    series.resume(hole.until_us)
    return closed


class Archive:
    """The one-minute bars of one symbol as far as memory reaches, with the holes between them."""

    def __init__(self, instrument: Instrument) -> None:
        self.series = BarSeries(instrument, ARCHIVE_INTERVAL, ALWAYS)
        self.begin_us = 0
        """Nothing from before it is held."""
        self.began = False
        """Whether the symbol was ever watched in this life."""
        self._instrument = instrument
        self._minutes: deque[Bar] = deque(maxlen=RECENT_BARS_MAX)
        self._holes: deque[Hole] = deque()
        self._lost_us: int | None = None

    def keep(self, minute: Bar) -> None:
        """One more closed minute."""
        minutes = self._minutes
        if len(minutes) == minutes.maxlen:
            self.begin_us = max(self.begin_us, minutes[0].end_us)
            while self._holes and self._holes[0].until_us <= self.begin_us:
                self._holes.popleft()
        minutes.append(minute)

    def pause(self, from_us: int) -> None:
        """Nobody watches from then on: a minute that was not over by then is not whole."""
        self._lost_us = from_us if self._lost_us is None else min(self._lost_us, from_us)
        while self._minutes and self._minutes[-1].end_us > from_us:
            self._minutes.pop()

    def resume(self, until_us: int) -> None:
        """Somebody watches again; what happened up to `until_us` is not known."""
        if not self.began:
            self.begin_us, self.began = max(self.begin_us, self.series.complete_from_us), True
        elif self._lost_us is not None:
            self._holes.append(Hole(self._lost_us, max(until_us, self.series.complete_from_us)))
        self._lost_us = None

    def clear(self, begin_us: int) -> None:
        """Another contract: nothing that was held means anything."""
        self._minutes.clear()
        self._holes.clear()
        self.begin_us = begin_us

    def stamp(self) -> tuple[int, int]:
        """Changes whenever what is held does."""
        return len(self._minutes), self.series.closed_count

    def together(self, interval: str, session: str, now_us: int) -> tuple[BarSeries, Closed]:
        """A series as it would be had it been there since `begin_us`, and the bars it has closed."""
        forming = self.series.forming
        minutes = (*self._minutes, forming) if forming else self._minutes
        holes: list[Hole] = [*self._holes]
        if self._lost_us is not None and self.began:
            holes.append(Hole(self._lost_us, self._lost_us))
        made = put_together(
            self._instrument, interval, session, minutes, holes, begin_us=self.begin_us, until_us=now_us
        )
        if self._lost_us is not None and self.began:
            made[0].pause(self._lost_us, self.series.complete_from_us)
        return made
