"""The bar series of one symbol: of this life, of the past that the store knows, and of holes that Schwab has told."""

from __future__ import annotations

from fractions import Fraction
from operator import attrgetter

from tradeassistd.engine.bars.archive import Archive, Closed
from tradeassistd.engine.bars.holes import NEVER_US, touches
from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.bars.series import BarSeries
from tradeassistd.engine.events import Bars
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, series_session

SeriesOf = tuple[str, str]
"""Interval and session."""


class SymbolBars:
    """`series` get every trade; who asks for one that is not there gets it warm. `now_us`: the symbol's time."""

    def __init__(self, instrument: Instrument) -> None:
        self.archive = Archive(instrument)
        self.series: dict[SeriesOf, BarSeries] = {(ARCHIVE_INTERVAL, ALWAYS): self.archive.series}
        self._instrument = instrument
        self._past: dict[SeriesOf, Bars] = {}
        """Closed bars from before this life that the store gave, until a reload has used them."""
        self._past_bars: dict[SeriesOf, tuple[tuple[int, ...], Closed]] = {}
        self._first_live_us = 0

    def of(self, interval: str, session: str, now_us: int) -> BarSeries:
        """The series of that interval over `session`, by default the instrument's own; shared by all who ask.

        A new one goes on after what the store gave and the one-minute bars that are held.
        """
        key = (interval, session or series_session(self._instrument))
        if key not in self.series:
            made, _ = self.archive.together(*key, now_us)
            past = self._past.get(key)
            if past is not None and not self.archive.began:
                made.go_on_after(past.bars, past.until_us)
            if past is not None and past.rows:
                made.past_from_us = past.whole_from_us
            self.series[key] = made
        return self.series[key]

    def track(
        self, series: BarSeries, field: str, function: str, counts: tuple[int | Fraction, ...], bars_back: int,
        now_us: int,
    ) -> Track:  # fmt: skip
        """The values of a bar field or indicator, `bars_back` bars deep, warm as far as the bars held reach."""
        is_new = not series.has(field, function, counts)
        track = series.track(field, function, counts)
        if track.reach_back(bars_back) or is_new:
            _warm(track, self._closed_by(series, now_us))
        return track

    def take(self, past: Bars, now_us: int) -> None:
        """Closed bars of the past. What has taken bars already goes on as it is.

        In the midst of a life windows that are unknown are as after `refill`.
        """
        key = (past.interval, past.session)
        self._past[key] = past
        series = self.series.get(key)
        if series is not None and past.rows:
            series.past_from_us = past.whole_from_us
        if not self.archive.began and series is not None and not series.closed_count:
            series.go_on_after(past.bars, past.until_us)
            closed = Closed([*past.bars], past.run)
            for track in series.tracks:
                if not track.seen:
                    _warm(track, closed)
        self._past_bars.clear()
        if self.archive.began and series is not None:
            self._refill_tracks(series, now_us)

    def past_of(self, session: str) -> list[Bars]:
        """What the store gave of that session."""
        return [past for (_, of), past in self._past.items() if of == session]

    def begin_at(self, from_us: int) -> None:
        """The symbol was live at that instant, a whole minute."""
        for series in self.series.values():
            series.begin_from(from_us)

    def refill(self, now_us: int) -> None:
        """More of the past is known, of this life or from the store: windows that were unknown for a hole are whole
        again. What is known goes on as it is (Track.warm)."""
        self._past_bars.clear()
        for (interval, session), series in self.series.items():
            if series is not self.archive.series:
                made, _ = self.archive.together(interval, session, now_us)
                series.go_on_as(made)
            self._refill_tracks(series, now_us)

    def retain(self, used: set[Track], series: set[SeriesOf]) -> None:
        """Drop the series and tracks that no rule reads any more, and what they were warmed up with."""
        self._past_bars.clear()
        self._past.clear()
        for key, one in list(self.series.items()):
            if not one.retain(used) and key not in series and one is not self.archive.series:
                del self.series[key]

    def forget(self, now_us: int) -> None:
        """Another contract: nothing that was seen of the old one means anything."""
        self._past.clear()
        self.archive.clear(now_us)
        for series in self.series.values():
            series.cut(now_us)

    def pause(self, lost_us: int, until_us: int) -> None:
        """Nothing is seen from `lost_us` on."""
        self.archive.pause(lost_us)
        for series in self.series.values():
            series.pause(lost_us, until_us)

    def resume(self, until_us: int, now_us: int) -> None:
        """Everything is seen from `until_us` on."""
        for series in self.series.values():
            series.resume(until_us)
        if not self.archive.began:
            self._first_live_us = until_us
        self.archive.resume(until_us)
        self._past_bars.clear()
        for key, one in self.series.items():
            if self._days_told(key):  # they may lie in the hole
                self._refill_tracks(one, now_us)

    def close_before(self, at_us: int) -> list[Bar]:
        """Close the bars whose end a trade at that instant has passed."""
        return self._keep([bar for series in self.series.values() if (bar := series.close_before(at_us))])

    def close_by_clock(self, now_us: int) -> list[Bar]:
        """Close the bars that the clock has left behind."""
        return self._keep([bar for series in self.series.values() if (bar := series.close_by_clock(now_us))])

    def _keep(self, closed: list[Bar]) -> list[Bar]:
        for bar in closed:
            if bar.interval == ARCHIVE_INTERVAL and bar.session == ALWAYS:
                self.archive.keep(bar)
        return closed

    def _refill_tracks(self, series: BarSeries, now_us: int) -> None:
        closed = self._closed_by(series, now_us)
        for track in series.tracks:
            track.refill(closed.bars if track.outlives_cuts else closed.whole)

    def _closed_by(self, series: BarSeries, now_us: int) -> Closed:
        """What `series` has closed, as far as the bars held and stored reach; made once for all tracks of a reload."""
        key, stamp = (series.interval, series.session), (now_us, series.closed_count, *self.archive.stamp())
        known, closed = self._past_bars.get(key, (None, Closed([], 0)))
        if known != stamp:
            told = [(bar.start_us, bar.end_us) for bar in self._days_told(key)]
            made, closed = self.archive.together(*key, now_us, told)
            # A bar whose grace has just ended may still wait in the series for the next turn of the clock.
            bars = [bar for bar in closed.bars if bar.end_us <= series.closed_until_us]
            closed = self._after_past(key, made, Closed(bars, min(closed.run, len(bars))))
            self._past_bars[key] = stamp, closed
        return closed

    def _days_told(self, key: SeriesOf) -> list[Bar]:
        """The days of a series that are Schwab's own: nobody has counted their trades."""
        past = self._past.get(key)
        return [bar for bar in past.bars if not bar.trades] if past is not None and key[0] == "1d" else []

    def _after_past(self, key: tuple[str, str], made: BarSeries, closed: Closed) -> Closed:
        """What the store gave, and then the bars of this life where it does not have them."""
        past = self._past.get(key)
        if past is None:
            return closed
        first_us = closed.bars[0].start_us if closed.bars else made.forming.start_us if made.forming else NEVER_US
        before = [bar for bar in past.bars if bar.end_us <= first_us]
        bars = [*before, *closed.bars]
        own = {bar.start_us for bar in closed.bars}
        if since := [bar for bar in self._days_told(key) if bar.end_us > first_us and bar.start_us not in own]:
            bars = sorted([*bars, *since], key=attrgetter("start_us"))
        if closed.run or made.cut_us > past.whole_from_us:
            lost = sum(bar.start_us < made.cut_us for bar in since)
            return Closed(bars, len(before) + closed.run + lost)
        if self.archive.began:  # is there a hole between what the store knows and what we have seen ourselves?
            begin_us = max(self.archive.begin_us, self._first_live_us)
            if past.until_us < begin_us and touches(self._instrument, key[1], past.until_us, begin_us):
                return Closed(bars, len(before))
        return Closed(bars, min(past.run, len(before)))


def _warm(track: Track, closed: Closed) -> None:
    track.warm(closed.bars if track.outlives_cuts else closed.whole)
