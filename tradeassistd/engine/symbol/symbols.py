"""What the engine knows of one symbol right now: its quote, day values, bar series, and windows on ticks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.indicators import Track, exact
from tradeassistd.engine.bars.series import BAR_GRACE_US, BarSeries
from tradeassistd.engine.events import Bars, Facts
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.symbol.bars import SymbolBars
from tradeassistd.engine.symbol.day import DayValues
from tradeassistd.engine.symbol.extremes import TickExtreme
from tradeassistd.engine.symbol.opening_range import OpeningRange
from tradeassistd.engine.symbol.vwap import Vwap
from tradeassistd.engine.symbol.watch import AHEAD_MAX_US, Anchored, Sessions, Watch
from tradeassistd.engine.symbol.windows import LookBack
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import Window, series_session, session_words, trading_window_at
from tradeassistd.market.tick import Field, Tick

LOOK_BACK_KEPT_S = 1800
"""The price is looked back on this far whether or not a rule asks, so that a reloaded rule need not wait."""
BARS_MOVED = 1 << 16
"""Beside market.tick.Field: a bar series of the symbol closed a bar."""
SECOND_TURNED = 1 << 17
"""A whole second passed, which moves look-backs."""
FACTS_MOVED = 1 << 18
"""Schwab's slow values of the symbol's day moved."""
DAY_TURNED = 1 << 19
"""A session that a day value, vwap or opening range belongs to began or ended, or an opening range was over."""
HALTED = "Halted"
_IMAGE = int(Field.IMAGE)  # a plain number: an operator of IntFlag costs more than the rest of a row's checks
_MINUTE_US = 60 * US_PER_S
_NONE: dict[tuple[int, int], TickExtreme] = {}


class SymbolState:
    """Live values of one symbol. Every value is None (unknown) while its feed is not live."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.now_us = 0
        self.tick: Tick | None = None
        self.bars = SymbolBars(instrument)
        self.archive, self.series = self.bars.archive, self.bars.series
        self.stretches: list[Stretch] = []
        """What began or ended of the spans in which every trade is seen, for who stores it; the caller empties it."""
        self._stretch: Stretch | None = None
        self._lost_us = NEVER_US
        self._gap_until_us = 0
        self._watch = Watch()
        self._sessions = Sessions(instrument)
        self._day = DayValues(instrument, self._watch, self._sessions)
        self._status = self._contract = ""
        self._opening_ranges: dict[tuple[str, int], OpeningRange] = {}
        self._vwaps: dict[str, Vwap] = {}
        self._extremes: dict[str, dict[tuple[int, int], TickExtreme]] = {}
        self._look_backs: dict[str, LookBack] = {}
        self.look_back("price", LOOK_BACK_KEPT_S)
        self._window: Window | None = None
        self._closed_until_us = 0

    @property
    def live(self) -> bool:
        """Whether the feed tells of the symbol now."""
        return self._watch.live

    @property
    def row_us(self) -> int:
        """Event time of the last row, 0 before the first."""
        return self._watch.row_us

    @property
    def live_us(self) -> int:
        """Event time of the row since which the feed tells of it without a break, or did."""
        return self._watch.live_row_us

    @property
    def contract(self) -> str:
        """The contract a futures root stands for, empty until Schwab has said."""
        return self._contract

    def stale(self, now_us: int, after_us: int) -> bool:
        """Whether the symbol has had no row for that long (never had one: it has)."""
        return not self.row_us or now_us - self.row_us >= after_us

    def bar_series(self, interval: str, session: str = "") -> BarSeries:
        """The series of that interval over `session`, by default the instrument's own; shared by all who ask.

        A new one is warm: it goes on after what the store gave and the one-minute bars that are held.
        """
        return self.bars.of(interval, session, self.now_us)

    def track(
        self, series: BarSeries, field: str, function: str, counts: tuple[int | Fraction, ...], bars_back: int
    ) -> Track:
        """The values of a bar field or indicator, `bars_back` bars deep, warm as far as the bars held reach."""
        return self.bars.track(series, field, function, counts, bars_back, self.now_us)

    def take_bars(self, past: Bars) -> None:
        """Closed bars of the past. What has taken bars already goes on as it is; call `turn` after it.

        In the midst of a life windows that are unknown are as after `fill`.
        """
        if not self.archive.began:
            self._contract = self._contract or past.contract
            if past.interval == "1d":
                self._day.relive(past.session, past.bars, past.until_us)
        self.bars.take(past, self.now_us)

    def begin_at(self, from_us: int) -> None:
        """It was live at that instant, a whole minute: with the next tick it goes on from there, whenever that was."""
        self._gap_until_us = from_us
        self.bars.begin_at(from_us)

    def sessions_began_us(self, at_us: int) -> Iterator[int]:
        """When the latest session began, by that instant, of each word that something belongs to."""
        for span in self._sessions.spans:
            if (open_us := span.latest_open(at_us)) > 0:
                yield open_us

    def fill(self, past: Bars) -> None:
        """Schwab has told the minutes of a hole; call `refill` once there are no more of them.

        No bar that was seen is replaced. Of another contract than the present one nothing is taken.
        """
        if not past.contract or self._contract in ("", past.contract):
            self.archive.fill(past.bars, past.whole_from_us, past.until_us)

    def refill(self) -> None:
        """Windows that were unknown for a hole are whole again."""
        self.bars.refill(self.now_us)

    def relive_ranges(self) -> None:
        """After `take_bars` and `turn`: opening ranges of the present sessions that were over before this life."""
        for (session, _), opening in self._opening_ranges.items():
            self._relive(opening, session)

    def retain(self, used: set[Track], series: set[tuple[str, str]]) -> None:
        """After a reload: drop the series and tracks that no rule reads any more, and what it was warmed up with."""
        self.bars.retain(used, series)

    def end_watch(self, now_us: int) -> None:
        """Nobody asks for the symbol any more."""
        self._end_stretch(now_us - BAR_GRACE_US)

    def _relive(self, opening: OpeningRange, session: str) -> None:
        for past in self.bars.past_of(session):
            opening.relive(past)

    def look_back(self, quote: str, seconds: int) -> LookBack:
        """The look-back on `quote`, reaching at least `seconds`; shared by all who ask."""
        look_back = self._look_backs.get(quote)
        if look_back is None:
            look_back = self._look_backs[quote] = LookBack()
            if self.live:
                look_back.record(self.now_us, self._doubled(quote))
        look_back.reach_back(seconds)
        return look_back

    def extreme(self, quote: str, seconds: int, sign: int) -> TickExtreme:
        """`highest(quote, seconds)` (sign 1) or `lowest` (-1) over ticks, from the first time it is asked for."""
        of_quote = self._extremes.setdefault(quote, {})
        extreme = of_quote.get((seconds, sign))
        if extreme is None:
            extreme = of_quote[seconds, sign] = TickExtreme(seconds, sign, self.look_back(quote, seconds))
            if self.live:
                extreme.record(self.now_us, self._doubled(quote))
        return extreme

    def vwap(self, session: str = "") -> Vwap:
        """The average price of that session, by default the instrument's own. Raises ValueError for a word it lacks."""
        word = session or series_session(self.instrument)
        if word not in self._vwaps:
            vwap = self._vwaps[word] = Vwap(self._sessions.span(word, self.now_us), self._watch)
            vwap.span.join(vwap)
        return self._vwaps[word]

    def opening_range(self, seconds: int, session: str = "rth") -> OpeningRange:
        """The first seconds of that session. Raises ValueError for a word the instrument lacks."""
        key = (session, seconds)
        if key not in self._opening_ranges:
            span = self._sessions.span(session, self.now_us)
            opening = self._opening_ranges[key] = OpeningRange(span, self._watch, seconds)
            span.join(opening)
            self._relive(opening, session)
        return self._opening_ranges[key]

    def retain_watched(self, used: set[object]) -> None:
        """After a reload: drop the extremes, vwaps and opening ranges that no rule reads any more."""
        for quote, extremes in self._extremes.items():
            self._extremes[quote] = {key: one for key, one in extremes.items() if one in used}
        dropped: set[Anchored] = {one for one in self._vwaps.values() if one not in used}
        dropped.update(one for one in self._opening_ranges.values() if one not in used)
        self._vwaps = {key: one for key, one in self._vwaps.items() if one not in dropped}
        self._opening_ranges = {key: one for key, one in self._opening_ranges.items() if one not in dropped}
        for one in dropped:
            one.span.members.remove(one)

    def day_value(self, scope: str, part: str, before: bool = False) -> Value | None:
        """`part` (open high low close volume) of a scope: day, prev_day, rth, prev_rth, overnight, prev_week or year.

        `before`: a high or low as it was before the last row. Raises ValueError for what there is not.
        """
        return self._day.value(scope, part, before=before)

    def anchor(self, scope: str) -> int:
        """When (UTC microseconds) the session began that the values of a scope belong to, 0 while there is none.

        A scope of `day_value`, "opening_range" (of rth), "vwap" (of the own session), or a session word.
        """
        match scope:
            case "opening_range":
                scope = "rth"
            case "vwap":
                scope = series_session(self.instrument)
        if scope in session_words(self.instrument):
            return self._sessions.span(scope, self.now_us).open_us
        return self._day.anchor(scope)

    def flag(self, name: str) -> bool | None:
        """`halted`, None while the feed is not live or Schwab has not said. Raises ValueError for another name."""
        if name != "halted":
            raise ValueError(f"there is no flag {name!r}")
        return self._status == HALTED if self.live and self._status else None

    def value(self, quote: str) -> Value | None:
        """The present value of a quote name (engine.language.functions.QUOTES)."""
        tick = self.tick
        if tick is None or not self._watch.live:
            return self._day.settle if quote == "settle" else None  # of the past: known without a feed
        match quote:
            case "price":
                return tick.last
            case "bid":
                return tick.bid
            case "ask":
                return tick.ask
            case "mark":
                return _mark(tick)
            case "settle":
                return self._day.settle
            case "age":
                return exact(self.now_us - self.row_us, US_PER_S)
            case "minutes_to_close":
                span = self._day.day.span
                return None if span.over else exact((span.close_us - self.now_us // US_PER_S * US_PER_S), _MINUTE_US)
            case "net_change" | "net_pct":
                return self._net(tick.last, relative=quote == "net_pct")
        if tick.bid is None or tick.ask is None:
            return None
        match quote:
            case "mid":
                return exact(tick.bid + tick.ask, 2)
            case "spread":
                return tick.ask - tick.bid
            case "spread_pct":
                total = tick.bid + tick.ask
                return exact(2 * (tick.ask - tick.bid), total) if total else None
        raise ValueError(f"there is no quote value {quote!r}")

    def _net(self, price: int | None, *, relative: bool) -> Value | None:
        close = self._day.prev_close
        if price is None or close is None:
            return None
        if relative:
            return exact(price - close, close) if close else None
        return price - close

    def _doubled(self, quote: str) -> int | None:
        # Doubling keeps `mid` whole; pct_change is a ratio, and `change` halves it again.
        value = self.value(quote)
        return None if value is None else int(value * 2)

    def close_bars(self, tick: Tick) -> list[Bar]:
        """Close the bars whose end a trade has passed."""
        return [] if tick.size is None else self.bars.close_before(exchange_us(tick))

    def close_bars_by_clock(self, now_us: int) -> list[Bar]:
        """Close the bars that the clock has left behind."""
        return self.bars.close_by_clock(now_us)

    def apply(self, tick: Tick) -> int:
        """Take one tick whole; call `turn` and `close_bars` first. Gives what moved beside the tick's fields."""
        moved = False
        self.tick = tick
        watch = self._watch
        watch.row_us = tick.event_us
        begins = not watch.live
        if begins:
            self._begin(tick)
        if tick.changed & _IMAGE and not tick.is_trade and tick.volume and tick.trade_ms is not None:
            for series in self.series.values():
                series.missed_until(tick.trade_ms * US_PER_MS)
        if begins:
            self._resume(tick)
        if tick.size is not None and tick.last is not None:
            at_us = exchange_us(tick)
            for series in self.series.values():
                series.add(at_us, tick.last, tick.size)
            moved = self._trade(at_us, tick.last, tick)
        for quote, look_back in self._look_backs.items():
            value = self._doubled(quote)
            look_back.record(watch.row_us, value)
            for extreme in self._extremes.get(quote, _NONE).values():
                extreme.record(watch.row_us, value)
        return DAY_TURNED if moved else 0

    def take_facts(self, facts: Facts) -> bool:
        """Take Schwab's slow values; call `turn` first. Whether a futures root now stands for another contract.

        Then nothing that was seen of the old one means anything: windows and day values start over.
        """
        rolled = bool(self._contract and facts.contract and facts.contract != self._contract)
        if rolled:
            self.forget_look_backs()
            self._day.forget()
            self._sessions.forget()
            self.bars.forget(facts.event_us)
            self._end_stretch(facts.event_us)
            if self.live:
                self._watch.begin(self._watch.live_row_us, facts.event_us)
        self._contract = facts.contract or self._contract
        if self.live and (self._stretch is None or self._stretch.contract != self._contract):
            self._begin_stretch(facts.event_us if self._stretch is None else self._stretch.from_us)
        self._status = facts.status
        self._day.take_facts(facts)
        return rolled

    def turn(self, now_us: int) -> int:
        """Market time has reached `now_us`; gives DAY_TURNED when a session of day values began or ended, else 0.

        A new session also begins with nothing to look back on.
        """
        self.now_us = now_us
        window = self._window
        if window is None:
            if now_us >= self._closed_until_us:
                self._enter(now_us)
        elif not window.open_us <= now_us < window.close_us:
            self._enter(now_us)
        return DAY_TURNED if self._sessions.turn(now_us) else 0

    def cut(self, from_us: int, until_us: int) -> None:
        """A gap: nothing is known until the next image, and no window reaches across it.

        A gap outside their session takes nothing from windows of bars.

        Looking back at one instant is no window: a value held before the gap is still what was held then.
        """
        self._day.cut()
        self._watch.cut()
        for look_back in self._look_backs.values():
            look_back.lose(from_us)
        self._forget_extremes()
        # A trade of the last two seconds may still have been on its way.
        self._lost_us = min(self._lost_us, from_us - BAR_GRACE_US)
        self._gap_until_us = max(self._gap_until_us, until_us)
        self._end_stretch(self._lost_us)
        self.bars.pause(self._lost_us, until_us)

    def forget_look_backs(self) -> None:
        for look_back in self._look_backs.values():
            look_back.clear()
        self._forget_extremes()

    def _forget_extremes(self) -> None:
        for extremes in self._extremes.values():
            for extreme in extremes.values():
                extreme.clear()

    def _begin(self, tick: Tick) -> None:
        """The first row after a start or gap: what it reports was traded while nobody watched."""
        at_us = exchange_us(tick)
        self._watch.begin(tick.event_us, at_us - 1 if tick.is_trade else at_us)
        if tick.trade_ms is not None and not tick.is_trade:
            self._day.image(at_us, tick.last, tick.volume)

    def _resume(self, tick: Tick) -> None:
        """The bars go on; where no gap was told of, nobody watched before this row."""
        until_us = self._gap_until_us or tick.event_us
        self.bars.resume(until_us, self.now_us)
        self._lost_us, self._gap_until_us = NEVER_US, 0
        self._begin_stretch(max(self.archive.series.complete_from_us, until_us))

    def _begin_stretch(self, from_us: int) -> None:
        self._stretch = Stretch(self.instrument.symbol, from_us, 0, self._contract)
        self.stretches.append(self._stretch)

    def _end_stretch(self, to_us: int) -> None:
        """It ended by then; when that turns out to be earlier than it was said before, it is said again."""
        ended = self._stretch
        if ended is None or 0 < ended.to_us <= to_us:
            return
        self._stretch = ended._replace(to_us=max(to_us, ended.from_us))
        self.stretches.append(self._stretch)

    def _trade(self, at_us: int, price: int, tick: Tick) -> bool:
        """A trade, by exchange time; whether something turned or became known by it."""
        moved = tick.event_us < at_us <= tick.event_us + AHEAD_MAX_US and self._sessions.turn(at_us)
        self._watch.saw(at_us)
        self._day.trade(price)
        return self._sessions.trade(at_us, price, tick.size or 0, tick.volume) or moved

    def _enter(self, now_us: int) -> None:
        """Another trading session, or none: looked for each minute while there is none, for they open on the minute."""
        before, self._window = self._window, trading_window_at(self.instrument, now_us)
        self._closed_until_us = now_us // _MINUTE_US * _MINUTE_US + _MINUTE_US
        if self._window != before:
            self.forget_look_backs()


def exchange_us(tick: Tick) -> int:
    """When a trade happened at the exchange, UTC microseconds; its event time where Schwab sent none."""
    return tick.event_us if tick.trade_ms is None else tick.trade_ms * US_PER_MS


def _mark(tick: Tick) -> int | None:
    """The last trade held within bid and ask; the last trade alone without a quote."""
    if tick.last is None or tick.bid is None or tick.ask is None:
        return tick.last
    return min(max(tick.last, tick.bid), tick.ask)
