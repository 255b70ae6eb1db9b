"""Day values: open, high, low, close and volume of a symbol's sessions, from its own trades and Schwab's slow facts.

Schwab's open, high and low count for the day only from its open on, and only once they differ from what stood there
before it (until its reset Schwab goes on sending the day before's); a zero after the close takes nothing away. What is
known is the union: the high is the greater of Schwab's and of the trades seen. Without either of Schwab's word and a
session watched from its open it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradeassistd.engine.events import Facts
from tradeassistd.engine.symbol.extremes import RunningExtremes
from tradeassistd.engine.symbol.session_values import SessionValues
from tradeassistd.engine.symbol.watch import Sessions, Span, Watch
from tradeassistd.engine.symbol.week import Weeks
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.market.session import series_session, trading_window_at

DAY, RTH, OVERNIGHT, WEEK, YEAR = "day", "rth", "overnight", "week", "year"
PREVIOUS = "prev_"
PARTS = ("open", "high", "low", "close", "volume")
FACT_PARTS = ("open", "high", "low")
EXTREMES = ("high", "low")


class Day(SessionValues):
    """The day session: own trades, and Schwab's open, high, low and total volume."""

    def __init__(self, span: Span, watch: Watch, instrument: Instrument) -> None:
        super().__init__(span, watch, has_volume=instrument.has_volume)
        self.weeks = Weeks(span)
        self._instrument = instrument
        self._facts: Facts | None = None
        self._carried: dict[str, int] = {}
        """Schwab's values from before the open: not the day's while they stand unchanged."""
        self._said_open: int | None = None
        self._said = RunningExtremes(watch)
        self._said_until_us = 0
        self._total: int | None = None
        self.said_prev_close: int | None = None
        """Schwab's close of the day before."""
        self.restated_us = 0
        """When Schwab last told another close of the day before."""
        self._last_prev_close: int | None = None

    def begin(self) -> None:
        super().begin()
        self.weeks.begin(self.span.open_us, self.previous)
        trading = trading_window_at(self._instrument, self.span.open_us)
        self._said_until_us = max(self.span.close_us, trading.close_us if trading else 0)
        self._unsay()
        if not self.watch.live:
            self.said_prev_close = None  # it was told on another day

    def forget(self) -> None:
        super().forget()
        self.weeks.forget()
        self._unsay()

    def cut(self) -> None:
        super().cut()
        if not self.span.over:
            self._said.clear()

    def relive(self, bar: Bar) -> None:
        super().relive(bar)
        self._size = None  # the day's volume is Schwab's total, which a bar does not hold

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        self._total = volume
        return super().trade(at_us, price, size, volume)

    def image(self, price: int | None, volume: int | None) -> None:
        super().image(price, volume)
        self._total = volume

    def take_facts(self, facts: Facts) -> None:
        """Schwab's slow values; they count from the open until the instrument's trading day is over."""
        self._facts = facts
        self._take_prev_close(facts)
        if facts.event_us < self.span.open_us:  # a trade ahead of our clock has opened the day already
            self._carry()
        if not self.span.open_us <= facts.event_us < self._said_until_us:
            return
        told_open, high, low = (self._told(facts, part) for part in FACT_PARTS)
        if self.span.over:  # a zero after the close is a reset, not a correction
            told_open = self._said_open if told_open is None else told_open
            high = self._said.high if high is None else high
            low = self._said.low if low is None else low
        self._said_open = told_open
        if (high, low) != (self._said.high, self._said.low):
            self._said.move(high, low)

    @property
    def open(self) -> int | None:
        """Schwab's open where it has said one, else the first trade of a day watched from its open."""
        return self._first if self._said_open is None else self._said_open

    @property
    def volume(self) -> int | None:
        """Schwab's total after the last trade of the session, or what was seen of a session watched whole."""
        return super().volume if self._total is None else self._total

    def extremes(self, *, before: bool) -> tuple[int | None, int | None]:
        """The union of what Schwab said and of what was seen."""
        seen, said, whole = self.seen.both(before=before), self._said.both(before=before), self.whole
        high = _known(max, seen[0], said[0]) if whole or said[0] is not None else None
        low = _known(min, seen[1], said[1]) if whole or said[1] is not None else None
        return high, low

    def _take_prev_close(self, facts: Facts) -> None:
        self.said_prev_close = told = facts.prev_close
        if told is not None and told != self._last_prev_close:
            if self._last_prev_close is not None:
                self.restated_us = facts.event_us
            self._last_prev_close = told

    def _told(self, facts: Facts, part: str) -> int | None:
        value: int | None = getattr(facts, part)
        if self._carried.get(part) == value and value is not None:
            return None
        self._carried.pop(part, None)
        return value

    def _unsay(self) -> None:
        """Nothing is said of this session yet: what stands in the facts is of another."""
        self._carry()
        self._said.clear()
        self._said_open = self._total = None

    def _carry(self) -> None:
        said = {part: getattr(self._facts, part) for part in FACT_PARTS} if self._facts else {}
        self._carried = {part: value for part, value in said.items() if value is not None}


class DayValues:
    """All day values of one symbol, by scope: day, rth, overnight, their `prev_…`, prev_week and year."""

    def __init__(self, instrument: Instrument, watch: Watch, sessions: Sessions) -> None:
        self._watch = watch
        self._is_future = instrument.kind is InstrumentClass.FUTURE
        self.day = Day(sessions.span(series_session(instrument), 0), watch, instrument)
        self._tracked: dict[str, SessionValues] = {DAY: self.day}
        if self._is_future:
            for word in (RTH, OVERNIGHT):
                span = sessions.span(word, 0)
                self._tracked[word] = SessionValues(span, watch, has_volume=instrument.has_volume)
        for values in self._tracked.values():
            values.span.join(values)
        self._year_seen = RunningExtremes(watch)
        self._year_said = RunningExtremes(watch)

    def value(self, scope: str, part: str, *, before: bool) -> int | None:
        """A value now; `before`: a high or low as before the last row. Raises ValueError for an unknown scope or part.

        Nothing of the present is known while the feed is not live; past sessions stay known.
        """
        if part not in PARTS:
            raise ValueError(f"{scope} has no {part!r}")
        if scope.startswith(PREVIOUS):
            return self._past(scope.removeprefix(PREVIOUS), part)
        watch = self._watch
        if not watch.live or (before and part in EXTREMES and watch.live_row_us == watch.row_us):
            return None
        if scope == YEAR:
            return self._year(part, before=before)
        return self._of(scope).value(part, before=before)

    def anchor(self, scope: str) -> int:
        """When the session began that the scope's values belong to, 0 for none; prev_day also moves when Schwab states
        another close, for then the level jumps without a trade."""
        if scope == YEAR:
            return 0
        base = scope.removeprefix(PREVIOUS)
        if base == WEEK:
            return self.day.weeks.began_us
        values = self._of(base)
        restated_us = self.day.restated_us if base != scope and values is self.day else 0
        return max(values.span.open_us, restated_us)

    @property
    def prev_close(self) -> int | None:
        """Schwab's close of the day before; without one the last trade of that day, if its end was watched."""
        said = self.day.said_prev_close
        return self.day.previous.close if said is None else said

    @property
    def settle(self) -> int | None:
        """The settlement of the day before, futures only."""
        return self.day.said_prev_close if self._is_future else None

    def trade(self, price: int) -> None:
        """A trade of whatever session."""
        self._year_seen.take(price)

    def image(self, at_us: int, price: int | None, volume: int | None) -> None:
        """The first row after a start or gap: its last trade was at `at_us`."""
        for values in self._tracked.values():
            if values.span.holds(at_us):
                values.image(price, volume)

    def take_facts(self, facts: Facts) -> None:
        """Schwab's slow values of the symbol, merged."""
        self.day.take_facts(facts)
        if (facts.year_high, facts.year_low) != (self._year_said.high, self._year_said.low):
            self._year_said.move(facts.year_high, facts.year_low)

    def relive(self, session: str, bars: Sequence[Bar], until_us: int) -> None:
        """Sessions of one word that were over by `until_us`, before this life; the bars are of those watched whole."""
        by_open = {bar.start_us: bar for bar in bars}
        for values in self._tracked.values():
            if values.span.word == session and bars:
                for window in values.span.since(bars[0].start_us, until_us):
                    if values.span.relive(window) and window.open_us in by_open:
                        values.relive(by_open[window.open_us])

    def cut(self) -> None:
        """A gap."""
        for values in self._tracked.values():
            values.cut()

    def forget(self) -> None:
        """Another contract; the sessions tell their members themselves."""
        self._year_seen.clear()

    def _of(self, scope: str) -> SessionValues:
        """For equities and indices the regular session is the day."""
        values = self._tracked.get(DAY if scope == RTH and not self._is_future else scope)
        if values is None:
            raise ValueError(f"there are no values of {scope!r}")
        return values

    def _past(self, scope: str, part: str) -> int | None:
        if scope == WEEK:
            past = self.day.weeks.past
        else:
            values = self._of(scope)
            if values is self.day and part == "close":
                return self.prev_close
            past = values.previous
        value: int | None = getattr(past, part)
        return value

    def _year(self, part: str, *, before: bool) -> int | None:
        """Schwab's 52 weeks, raised by the trades seen."""
        if part not in EXTREMES:
            raise ValueError(f"a year has no {part!r}")
        at = EXTREMES.index(part)
        said, seen = self._year_said.both(before=before)[at], self._year_seen.both(before=before)[at]
        return None if said is None else _known(max if part == "high" else min, said, seen)


def _known(pick: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return pick(one, other)
