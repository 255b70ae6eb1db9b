"""A bar series of one symbol, interval and session, made from trades, with the indicators that run on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.holes import NEVER_US, touches
from tradeassistd.engine.bars.indicators import INDICATORS, OUTLIVES_CUTS, Track, maker
from tradeassistd.engine.bars.relative_volume import SlotVolume
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, bar_bounds, next_open, window_at

BAR_GRACE_US = 2 * US_PER_S
"""How long after its end a bar waits on the clock for a late trade (design 4)."""
_DAY_US = INTERVALS_S["1d"] * US_PER_S

TrackKey = tuple[str, str, tuple[int | Fraction, ...]]
"""Field of the bar ("" for a function of whole bars), function ("" for the field itself), the function's numbers."""


class BarSeries:
    """Makes bars and moves its tracks; a bar closes at the first trade past its end, or at end + grace on the clock."""

    def __init__(self, instrument: Instrument, interval: str, session: str) -> None:
        self.symbol = instrument.symbol
        self.interval = interval
        self.session = session
        self.late_trades = 0
        self.closed_count = 0
        """Bars closed since the series began; a cut takes none back."""
        self.run_began = 0
        """How many of them had closed when the windows last began from nothing."""
        self.cut_us = 0
        """Until when the hole reached that the windows last lost their bars to; 0 for none."""
        self.past_from_us = 0
        """Since when the bars that the store gave are without a hole; 0 where it gave none."""
        self._instrument = instrument
        self._tracks: dict[TrackKey, Track] = {}
        self._complete_from_us = 0
        """A bar that starts earlier holds time nobody watched, so it is not made."""
        self._lost_us = NEVER_US
        """Since when nobody watches."""
        self._closed_until_us = 0
        self._start_us = self._end_us = 0
        self._open = self._high = self._low = self._close = 0
        self._volume = self._trades = 0
        self._slot_of_us = self._slot_us = -1
        """The bar whose slot was asked for last, and its slot: a forming bar is asked about with every trade."""

    def has(self, field: str, function: str = "", counts: tuple[int | Fraction, ...] = ()) -> bool:
        """Whether somebody has asked for that track before."""
        return (field, function, counts) in self._tracks

    def track(self, field: str, function: str = "", counts: tuple[int | Fraction, ...] = ()) -> Track:
        """The values of a bar's `field`, or of a function with its numbers; the same track for everybody who asks.

        `field` is "" for functions of whole bars (atr, rvol). Raises KeyError for a function that there is not.
        """
        key = (field, function, counts)
        if key not in self._tracks:
            make = maker(function, field, counts) if function else None
            self._tracks[key] = Track(
                self._reader(field, function), make, forming=self._forming_bar,
                outlives_cuts=function in OUTLIVES_CUTS, reads_volume=_reads_volume(field, function),
            )  # fmt: skip
        return self._tracks[key]

    @property
    def tracks(self) -> Iterator[Track]:
        """Everything that runs on it."""
        return iter(self._tracks.values())

    def retain(self, tracks: set[Track]) -> bool:
        """Drop the tracks nobody reads any more; whether any are left."""
        self._tracks = {key: track for key, track in self._tracks.items() if track in tracks}
        return bool(self._tracks)

    def merge(self, bar: Bar) -> Bar | None:
        """Take a shorter bar as if it were its trades; gives the bar that it closed."""
        closed = self.close_before(bar.start_us)
        forming = self._trades
        self.add(bar.start_us, bar.open, bar.volume)
        if self._trades > forming:
            self._high, self._low, self._close = max(self._high, bar.high), min(self._low, bar.low), bar.close
            self._trades = forming + max(bar.trades, 1)  # of an official bar nobody has counted them
        return closed

    @property
    def forming(self) -> Bar | None:
        """The bar that is not closed yet."""
        return self._forming_bar()

    @property
    def closed_until_us(self) -> int:
        """Where the last closed bar ended, 0 before the first."""
        return self._closed_until_us

    @property
    def complete_from_us(self) -> int:
        """A bar that starts earlier is not made."""
        return self._complete_from_us

    def begin_from(self, from_us: int) -> None:
        """Nobody watched before that."""
        self._complete_from_us = max(self._complete_from_us, from_us)

    def go_on_after(self, bars: Sequence[Bar], until_us: int) -> None:
        """These bars have closed before the series began, and up to `until_us` no trade was missed after them."""
        if bars:
            self._closed_until_us = max(self._closed_until_us, bars[-1].end_us)
        self._lost_us = min(self._lost_us, until_us)

    def earliest_us(self, count: int, now_us: int) -> int:
        """When so many further bars (1 or more) can have closed, if each has a trade; 0 when it is not known."""
        at_us = now_us
        while True:
            bounds = bar_bounds(self._instrument, self.session, self.interval, at_us)
            if bounds is None:
                try:
                    at_us = next_open(self._instrument, self.session, at_us)
                except LookupError:
                    return 0
                continue
            at_us = bounds[1]
            if bounds[0] >= self._complete_from_us:
                count -= 1
                if count <= 0:
                    return at_us

    def close_before(self, exchange_us: int) -> Bar | None:
        """Close the forming bar if a trade at `exchange_us` lies past its end."""
        return self._close_bar() if self._trades and exchange_us >= self._end_us else None

    def close_by_clock(self, now_us: int) -> Bar | None:
        """Close the forming bar if its end and the grace have passed on the clock."""
        return self._close_bar() if self._trades and now_us >= self._end_us + BAR_GRACE_US else None

    def add(self, exchange_us: int, price: int, size: int) -> None:
        """Put one trade into the forming bar; call `close_before` first."""
        if not self._trades:
            bounds = bar_bounds(self._instrument, self.session, self.interval, exchange_us)
            if bounds is None:
                return
            if bounds[0] < self._closed_until_us:
                self.late_trades += 1
                return
            if bounds[0] < self._complete_from_us:
                return
            self._start_us, self._end_us = bounds
            self._open = self._high = self._low = price
            self._volume = 0
        elif exchange_us < self._start_us:
            self.late_trades += 1
            return
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self._close = price
        self._volume += size
        self._trades += 1

    def cut(self, until_us: int) -> None:
        """All that came before `until_us` is void: drop the forming bar and every window, begin with a whole bar."""
        self._trades = 0
        self._complete_from_us = max(self._complete_from_us, until_us)
        self._forget(until_us)

    def go_on_as(self, other: BarSeries) -> None:
        """A hole was filled: `other` is what this would be had it never been there. Tracks are not touched."""
        self._complete_from_us, self.cut_us = other._complete_from_us, other.cut_us
        # A bar whose grace has just ended may still wait here for the next turn of the clock.
        closed_us = min(other._closed_until_us, self._start_us) if self._trades else other._closed_until_us
        self._closed_until_us = max(self._closed_until_us, closed_us)
        if other._trades and not self._trades and other._start_us >= self._closed_until_us:
            self._start_us, self._end_us = other._start_us, other._end_us
            self._open, self._high, self._low, self._close = other._open, other._high, other._low, other._close
            self._volume, self._trades = other._volume, other._trades

    def pause(self, from_us: int, until_us: int = 0) -> None:
        """Nobody watches from `from_us` on, and (as far as it is known) until `until_us`.

        The forming bar is dropped; the windows are where the hole touches the session, for they would reach across it.
        """
        self._trades = 0
        self._lost_us = min(self._lost_us, from_us)
        self._complete_from_us = max(self._complete_from_us, until_us)
        self._lose(max(self._lost_us, until_us))

    def resume(self, until_us: int) -> None:
        """Somebody watches again; what was traded before `until_us` was missed."""
        if self._lost_us < NEVER_US:
            if self._lost_us < until_us:  # else nothing was missed: what is relived goes on right behind the bars
                self._lose(max(until_us, self._complete_from_us))
            self._lost_us = NEVER_US

    def _lose(self, until_us: int) -> None:
        if touches(self._instrument, self.session, self._lost_us, until_us):
            self._forget(until_us)

    def _forget(self, until_us: int) -> None:
        self.run_began, self.cut_us = self.closed_count, max(self.cut_us, until_us)
        for track in self._tracks.values():
            track.reset()

    def missed_until(self, last_trade_us: int) -> None:
        """The first image says when the last trade was: the bar that holds it is not whole, all later ones are."""
        bounds = bar_bounds(self._instrument, self.session, self.interval, last_trade_us)
        self._complete_from_us = max(self._complete_from_us, bounds[1] if bounds else last_trade_us)

    def _reader(self, field: str, function: str) -> Callable[[Bar], Any]:
        """What a track reads of each bar; a user's function takes its series out of them itself."""
        if function == "rvol":
            return self._slot_volume
        return attrgetter(field) if field and (not function or function in INDICATORS) else _whole

    def _slot_volume(self, bar: Bar) -> SlotVolume:
        """How long after its session's opening the bar began, for `always` after midnight UTC; and its volume."""
        if bar.start_us != self._slot_of_us:
            window = None if self.session == ALWAYS else window_at(self._instrument, self.session, bar.start_us)
            self._slot_us = bar.start_us - window.open_us if window else bar.start_us % _DAY_US
            self._slot_of_us = bar.start_us
        return SlotVolume(self._slot_us, bar.volume)

    def _forming_bar(self) -> Bar | None:
        return self._bar() if self._trades else None

    def _bar(self) -> Bar:
        return Bar(self.symbol, self.interval, self.session, self._start_us, self._end_us, self._open, self._high,
                   self._low, self._close, self._volume, self._trades)  # fmt: skip

    def _close_bar(self) -> Bar:
        bar = self._bar()
        self._trades = 0
        self.closed_count += 1
        self._closed_until_us = self._end_us
        for track in self._tracks.values():
            track.step(bar)
        return bar


def _reads_volume(field: str, function: str) -> bool:
    """A user's function of whole bars may read everything."""
    return field == "volume" or function == "rvol" or (not field and function not in INDICATORS)


def _whole(bar: Bar) -> Bar:
    return bar
