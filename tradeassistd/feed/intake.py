"""Turns what the connection delivers into the engine's events: event times, clock seconds, merged ticks, gaps.

Order is everything here: the same frames give the same events with the same times, so a test or a replay can know them.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradeassistd.base.clock import Clock, EventClock, MarketClock
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.engine.events import ClockTurn, Connection, Event, Facts, Gap, Start
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import ConnectionChange
from tradeassistd.market.instrument import is_symbol
from tradeassistd.market.quote import DayFacts, Quote

TURNS_MAX = 4 * 86_400
"""A longer jump of market time passes without a clock event a second: only its last second is told."""
LIVE = "live"


class Intake:
    """The one maker of event times. Every method yields events in the order they enter the engine."""

    def __init__(self, clock: Clock, start: Start, *, last_us: int, last_known_us: int) -> None:
        """`last_us`: greatest event time stored; `last_known_us`: until when the stored tape knows the market."""
        self._clock = clock
        self._events = EventClock(clock, last_us)
        self._start: Start | None = start
        self._waiting: list[ConnectionChange] = []
        self._quotes: dict[str, Quote] = {}
        self._known_us = last_known_us
        self._gap_reason = "restart" if last_known_us else ""
        self._refused: set[str] = set()

    @property
    def begun(self) -> bool:
        """Whether the start has gone into the engine: before that nothing has a time."""
        return self._start is None

    def begin_with(self, rules_hash: str) -> None:
        """The rules changed before anything had a time: the start names the new ones."""
        if self._start is not None:
            self._start = Start(0, rules_hash, self._start.states)

    @property
    def last_us(self) -> int:
        """The last event time given out."""
        return self._events.last_us

    def frame(self, frame: Frame) -> Iterator[Event]:
        """One frame: market time moves, whole seconds pass, a gap ends, changes become ticks."""
        if isinstance(self._clock, MarketClock):
            self._clock.advance(frame.header_ms * US_PER_MS)
        if self._start is not None or self._clock.now_us() // US_PER_S > self._events.last_us // US_PER_S:
            yield from self.seconds()
        if self._start is not None:
            return  # no frame has said yet what time it is, and nothing may come before the start
        if frame.changes and self._gap_reason:
            yield self._gap()
        for change in frame.changes:
            quote = self._quote(change.symbol)
            if quote is None:
                continue
            # Slow values come before an image, for it is judged beside them, and before the first row of another
            # contract, which must not be taken for one of the old. Else after: a new high is one beside the old.
            first = quote.awaits_image or change.contract not in (None, quote.facts.contract)
            if first and quote.merge_facts(change):
                yield self._facts(change.symbol, quote.facts)
            yield quote.merge(self._events.next_us(), change)
            if not first and quote.merge_facts(change):
                yield self._facts(change.symbol, quote.facts)
        # A turn put in by the clock carries nothing: a mute line is not known to be quiet.
        if not self._gap_reason and (frame.header_ms or frame.changes):
            self._known_us = self._clock.now_us()

    def connection(self, change: ConnectionChange) -> Iterator[Event]:
        """The connection's state moved; leaving `live` opens a gap, and the next connection begins with images."""
        if not self._clock.now_us():
            self._waiting.append(change)  # market time is not known before the first frame
            return
        yield from self.seconds()
        yield from self._connection(change)

    def seconds(self) -> Iterator[Event]:
        """The clock events due by now; the very first call that knows the time begins with the start."""
        now_us = self._clock.now_us()
        if self._start is not None:
            if not now_us:
                return
            start, self._start = self._start, None
            yield Start(self._events.next_us(), start.rules_hash, start.states)
            for change in self._waiting:
                yield from self._connection(change)
            self._waiting.clear()
            return
        first, last = self._events.last_us // US_PER_S + 1, now_us // US_PER_S
        if last - first >= TURNS_MAX:
            first = last
        for second in range(first, last + 1):
            self._events.last_us = second * US_PER_S
            yield ClockTurn(second * US_PER_S)

    def now_us(self) -> int:
        """The event time of something that happens now and is no frame (the daemon stops, an operator acts)."""
        return self._events.next_us()

    def _connection(self, change: ConnectionChange) -> Iterator[Event]:
        if change.state != LIVE and self._quotes:
            self._quotes = {}
            self._gap_reason = change.reason or change.state
        yield Connection(self._events.next_us(), change.state, change.reason)

    def _gap(self) -> Gap:
        reason, self._gap_reason = self._gap_reason, ""
        now_us = self._clock.now_us()
        return Gap(self._events.next_us(), self._known_us, max(now_us, self._known_us), reason)

    def _facts(self, symbol: str, facts: DayFacts) -> Facts:
        return Facts(self._events.next_us(), symbol, facts.open, facts.high, facts.low, facts.prev_close,
                     facts.status, facts.contract, facts.year_high, facts.year_low)  # fmt: skip

    def _quote(self, symbol: str) -> Quote | None:
        quote = self._quotes.get(symbol)
        if quote is None and symbol not in self._refused:
            if is_symbol(symbol):
                quote = self._quotes[symbol] = Quote(symbol)
            else:
                self._refused.add(symbol)
        return quote
