"""What the engine knows of one symbol right now: its quote, its bar series, its look-backs."""

from __future__ import annotations

from collections import deque

from tradeassistd.base.instant import US_PER_MS
from tradeassistd.engine.functions import Value
from tradeassistd.engine.indicators import Track, exact
from tradeassistd.engine.series import BarSeries
from tradeassistd.engine.windows import LookBack
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, Window, series_session, trading_window_at
from tradeassistd.market.tick import Field, Tick

ARCHIVE_INTERVAL = "1m"
"""Every symbol's one-minute bars over all its trades are made and kept, whether or not a rule asks."""
RECENT_BARS_MAX = 3_000
"""One-minute bars kept per symbol (about two days) to warm up what a reload asks for."""
LOOK_BACK_KEPT_S = 1800
"""The price is looked back on this far whether or not a rule asks, so that a reloaded rule need not wait."""
BARS_MOVED = 1 << 16
"""Beside market.tick.Field: a bar series of the symbol closed a bar."""
SECOND_TURNED = 1 << 17
"""A whole second passed, which moves look-backs."""


class SymbolState:
    """Live values of one symbol. Every value is None (unknown) while its feed is not live."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.live = False
        self.now_us = 0
        self.tick: Tick | None = None
        self.archive = BarSeries(instrument, ARCHIVE_INTERVAL, ALWAYS)
        self.series: dict[tuple[str, str], BarSeries] = {(ARCHIVE_INTERVAL, ALWAYS): self.archive}
        self._recent: deque[Bar] = deque(maxlen=RECENT_BARS_MAX)
        self._look_backs: dict[str, LookBack] = {}
        self.look_back("price", LOOK_BACK_KEPT_S)
        self._window: Window | None = None

    def bar_series(self, interval: str, session: str = "") -> BarSeries:
        """The series of that interval over `session`, by default the instrument's own; shared by all who ask.

        A new one is warm: it is made from the one-minute bars since the last cut.
        """
        key = (interval, session or series_session(self.instrument))
        if key not in self.series:
            self.series[key], _ = self._from_recent(*key)
        return self.series[key]

    def track(self, series: BarSeries, field: str, function: str, count: int, bars_back: int) -> Track:
        """The values of a bar field or indicator, `bars_back` bars deep, warm as far as the recent bars reach."""
        is_new = not series.has(field, function, count)
        track = series.track(field, function, count)
        if track.reach_back(bars_back) or is_new:
            track.reset()
            for bar in self._from_recent(series.interval, series.session)[1]:
                track.step(bar)
        return track

    def retain(self, used: set[Track], series: set[tuple[str, str]]) -> None:
        """After a reload: drop the series and tracks that no rule reads any more."""
        for key, one in list(self.series.items()):
            if not one.retain(used) and key not in series and one is not self.archive:
                del self.series[key]

    def _from_recent(self, interval: str, session: str) -> tuple[BarSeries, list[Bar]]:
        """A series as it would be had it been there since the last cut, and the bars it has closed."""
        series = BarSeries(self.instrument, interval, session)
        series.begin_like(self.archive)
        forming = self.archive.forming
        minutes = (*self._recent, forming) if forming else self._recent
        closed = [*map(series.merge, minutes), series.close_by_clock(self.now_us)]
        return series, [bar for bar in closed if bar is not None]

    def look_back(self, quote: str, seconds: int) -> LookBack:
        """The look-back on `quote`, reaching at least `seconds`; shared by all who ask."""
        look_back = self._look_backs.setdefault(quote, LookBack())
        look_back.reach_back(seconds)
        return look_back

    def value(self, quote: str) -> Value | None:
        """The present value of a quote name (engine.functions.QUOTES)."""
        tick = self.tick
        if tick is None or not self.live:
            return None
        match quote:
            case "price":
                return tick.last
            case "bid":
                return tick.bid
            case "ask":
                return tick.ask
        if tick.bid is None or tick.ask is None:
            return None
        match quote:
            case "mid":
                return exact(tick.bid + tick.ask, 2)
            case "spread":
                return tick.ask - tick.bid
            case _:
                total = tick.bid + tick.ask
                return exact(2 * (tick.ask - tick.bid), total) if total else None

    def close_bars(self, tick: Tick) -> list[Bar]:
        """Close the bars whose end a trade has passed."""
        if tick.size is None:
            return []
        at_us = exchange_us(tick)
        return self._keep([bar for series in self.series.values() if (bar := series.close_before(at_us))])

    def close_bars_by_clock(self, now_us: int) -> list[Bar]:
        """Close the bars that the clock has left behind."""
        return self._keep([bar for series in self.series.values() if (bar := series.close_by_clock(now_us))])

    def apply(self, tick: Tick) -> None:
        """Take one tick whole; call `close_bars` first."""
        self.tick = tick
        self.live = True
        if tick.size is not None and tick.last is not None:
            at_us = exchange_us(tick)
            for series in self.series.values():
                series.add(at_us, tick.last, tick.size)
        elif tick.changed & Field.IMAGE and tick.volume and tick.trade_ms is not None:
            for series in self.series.values():
                series.missed_until(tick.trade_ms * US_PER_MS)
        for quote, look_back in self._look_backs.items():
            value = self.value(quote)
            # Doubling keeps `mid` whole; pct_change is a ratio, and `change` halves it again.
            look_back.record(tick.event_us, None if value is None else int(value * 2))

    def turn(self, now_us: int) -> None:
        """Market time has reached `now_us`: a new session begins with nothing to look back on."""
        self.now_us = now_us
        window = self._window
        if window is None or not window.open_us <= now_us < window.close_us:
            self._window = trading_window_at(self.instrument, now_us)
            if self._window != window:
                self.forget_look_backs()

    def cut(self, until_us: int) -> None:
        """A gap until `until_us`: nothing is known until the next image, and no window reaches across it."""
        self.live = False
        self._recent.clear()
        self.forget_look_backs()
        for series in self.series.values():
            series.cut(until_us)

    def _keep(self, closed: list[Bar]) -> list[Bar]:
        self._recent.extend(bar for bar in closed if (bar.interval, bar.session) == (ARCHIVE_INTERVAL, ALWAYS))
        return closed

    def forget_look_backs(self) -> None:
        for look_back in self._look_backs.values():
            look_back.clear()


def exchange_us(tick: Tick) -> int:
    """When a trade happened at the exchange, UTC microseconds; its event time where Schwab sent none."""
    return tick.event_us if tick.trade_ms is None else tick.trade_ms * US_PER_MS
