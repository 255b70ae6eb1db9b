"""A symbol's one-minute bars and the holes between them: what longer bars are put together from.

A bar of any interval and session is the bars of its minutes one after the other, for sessions begin and end on whole
minutes; a bar that holds a part of a hole is not made. A hole outside a session takes nothing from that session's
windows: a daemon that was down overnight has missed nothing of the regular hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.minutes import Minutes
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


def _without(hole: Hole, from_us: int, until_us: int) -> Iterator[Hole]:
    """What is left of a hole when a span is known."""
    if hole.until_us <= from_us or hole.from_us >= until_us:
        yield hole
        return
    if hole.from_us < from_us:
        yield Hole(hole.from_us, from_us)
    if hole.until_us > until_us:
        yield Hole(until_us, hole.until_us)


class Archive:
    """The one-minute bars of one symbol as far as memory reaches, with the holes between them."""

    def __init__(self, instrument: Instrument) -> None:
        self.series = BarSeries(instrument, ARCHIVE_INTERVAL, ALWAYS)
        self.begin_us = 0
        """Nothing from before it is held."""
        self.began = False
        """Whether the symbol was ever watched in this life."""
        self._instrument = instrument
        self._minutes = Minutes(instrument.symbol, RECENT_BARS_MAX)
        self._holes: deque[Hole] = deque()
        self._lost_us: int | None = None
        self._first_us = 0
        """When it was first watched in this life, or from when on it was filled."""

    def keep(self, minute: Bar) -> None:
        """One more closed minute."""
        minutes = self._minutes
        if minutes.is_full:
            self.begin_us = max(self.begin_us, minutes.first_end_us)
            while self._holes and self._holes[0].until_us <= self.begin_us:
                self._holes.popleft()
        minutes.append(minute)

    def pause(self, from_us: int) -> None:
        """Nobody watches from then on: a minute that was not over by then is not whole."""
        self._lost_us = from_us if self._lost_us is None else min(self._lost_us, from_us)
        while self._minutes.last_end_us > from_us:
            self._minutes.drop_last()

    def resume(self, until_us: int) -> None:
        """Somebody watches again; what happened up to `until_us` is not known."""
        if not self.began:
            self.begin_us, self.began = max(self.begin_us, self.series.complete_from_us), True
            self._first_us = until_us
        elif self._lost_us is not None:
            self._holes.append(Hole(self._lost_us, max(until_us, self.series.complete_from_us)))
        self._lost_us = None

    def fill(self, minutes: Iterable[Bar], from_us: int, until_us: int) -> bool:
        """Every minute of a span is known now, both ends whole minutes; whether anything more is than before.

        Minutes that are held stay as they are: rules have seen them. A span that ends before what is held is ignored.
        """
        first_us = max(self.begin_us, self._first_us)
        if not self.began or not from_us < until_us >= first_us:
            return False
        if self._lost_us is not None and from_us <= self._lost_us < until_us:
            self._lost_us = until_us
        left = [part for hole in self._holes for part in _without(hole, from_us, until_us)]
        if left == [*self._holes] and from_us >= first_us:
            return False
        if from_us < first_us:
            self.begin_us = self._first_us = from_us
        held = {minute.start_us for minute in self._minutes}
        end_us = self.series.forming.start_us if self.series.forming else NEVER_US
        fresh = (one for one in minutes if from_us <= one.start_us < end_us and one.start_us not in held)
        kept = sorted([*self._minutes, *fresh], key=attrgetter("start_us"))
        if len(kept) > RECENT_BARS_MAX:
            self.begin_us = kept[-RECENT_BARS_MAX - 1].end_us
        self._minutes.replace(kept)
        self.series.go_on_after(kept, NEVER_US)
        self._holes = deque(hole for hole in left if hole.until_us > self.begin_us)
        return True

    def clear(self, begin_us: int) -> None:
        """Another contract: nothing that was held means anything."""
        self._minutes.clear()
        self._holes.clear()
        self.begin_us = begin_us

    def stamp(self) -> tuple[int, int]:
        """Changes whenever what is held does."""
        return len(self._minutes), self.series.closed_count

    def together(
        self, interval: str, session: str, now_us: int, told: Iterable[tuple[int, int]] = ()
    ) -> tuple[BarSeries, Closed]:
        """A series as it would be had it been there since `begin_us`, and the bars it has closed.

        `told` are spans of whole bars that the caller has from elsewhere: where a hole touches one it takes nothing
        from the windows, and no bar of it is made.
        """
        forming = self.series.forming
        minutes: Iterable[Bar] = (*self._minutes, forming) if forming else self._minutes
        holes: list[Hole] = [*self._holes]
        if self._lost_us is not None and self.began:
            holes.append(Hole(self._lost_us, self._lost_us))
        for from_us, until_us in told:
            if any(hole.from_us < until_us and from_us < hole.until_us for hole in holes):
                holes = [part for hole in holes for part in _without(hole, from_us, until_us)]
                minutes = [one for one in minutes if not from_us <= one.start_us < until_us]
        made = put_together(
            self._instrument, interval, session, minutes, holes, begin_us=self.begin_us, until_us=now_us
        )
        if self._lost_us is not None and self.began:
            made[0].pause(self._lost_us, self.series.complete_from_us)
        return made
