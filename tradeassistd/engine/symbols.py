"""What the engine knows of one symbol right now: its quote, its bar series, its look-backs."""

from __future__ import annotations

from tradeassistd.base.clock import US_PER_MS
from tradeassistd.engine.functions import Value
from tradeassistd.engine.indicators import exact
from tradeassistd.engine.series import BarSeries
from tradeassistd.engine.windows import LookBack
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, Window, series_session, trading_window_at
from tradeassistd.market.tick import Field, Tick

ARCHIVE_INTERVAL = "1m"
"""Every symbol's one-minute bars over all its trades are made and kept, whether or not a rule asks."""
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
        self._look_backs: dict[str, LookBack] = {}
        self._window: Window | None = None

    def bar_series(self, interval: str, session: str = "") -> BarSeries:
        """The series of that interval over `session`, by default the instrument's own; shared by all who ask."""
        key = (interval, session or series_session(self.instrument))
        if key not in self.series:
            self.series[key] = BarSeries(self.instrument, *key)
        return self.series[key]

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
        return [bar for series in self.series.values() if (bar := series.close_before(at_us))]

    def close_bars_by_clock(self, now_us: int) -> list[Bar]:
        """Close the bars that the clock has left behind."""
        return [bar for series in self.series.values() if (bar := series.close_by_clock(now_us))]

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
        self.forget_look_backs()
        for series in self.series.values():
            series.cut(until_us)

    def forget_look_backs(self) -> None:
        for look_back in self._look_backs.values():
            look_back.clear()


def exchange_us(tick: Tick) -> int:
    """When a trade happened at the exchange, UTC microseconds; its event time where Schwab sent none."""
    return tick.event_us if tick.trade_ms is None else tick.trade_ms * US_PER_MS
