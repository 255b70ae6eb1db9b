"""Turns what the connection delivers into the engine's events: event times, clock seconds, merged ticks, gaps.

Order is everything here: the same frames give the same events with the same times, so a test or a replay can know them.
Ticks of derived symbols are made here too, right behind those of their components: on the tape they are like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec.structs import replace

from tradeassistd.base.clock import Clock, EventClock, MarketClock
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.base.steady import SteadyClock
from tradeassistd.engine.events import ON_LINE, ClockTurn, Connection, Event, Facts, Gap, Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.quality import Quality, Quarantine, SymbolQuality
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.derived import DerivedTicks
from tradeassistd.market.instrument import Instrument, is_symbol
from tradeassistd.market.price import price_text
from tradeassistd.market.quote import Change, DayFacts, Quote

TURNS_MAX = 4 * 86_400
"""A longer jump of market time passes without a clock event a second: only its last second is told."""


log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Line:
    """What comes of one symbol on this connection."""

    quote: Quote
    quarantine: Quarantine
    quality: SymbolQuality

    def use(self, instrument: Instrument) -> None:
        """Other facts of the symbol hold from now on."""
        self.quote = self.quote.as_of(instrument)
        self.quarantine.use(instrument)


class Intake:
    """The one maker of event times. Every method yields events in the order they enter the engine."""

    def __init__(
        self, clock: Clock, start: Start, *, last_us: int, last_known_us: int, rule_set: RuleSet | None = None,
        contracts: Mapping[str, str] | None = None, lost: Mapping[str, int] | None = None,
        delayed_is_unknown: bool = False,
    ) -> None:  # fmt: skip
        """`last_us`: greatest event time stored; `last_known_us`: until when the stored tape knows the market, and
        `lost` the symbols of which it knows nothing since another time.

        `rule_set` says what is known of the symbols, and which are derived; without one the built-in facts hold.
        `contracts`: by futures root the contract it stood for when the store last heard of it.
        `delayed_is_unknown`: prices that Schwab marks as delayed are unknown to the rules.
        """
        self._clock = clock
        self._events = EventClock(clock, last_us)
        self._start: Start | None = start
        self._waiting: list[ConnectionChange] = []
        self.quality = Quality()
        self._lines: dict[str, _Line] = {}
        self._holding: set[str] = set()
        """Symbols with a trade in quarantine."""
        self._losing: list[tuple[str, int, str]] = []
        self._lost = {symbol: (since_us, "restart") for symbol, since_us in (lost or {}).items()}
        """Symbols of which nothing is known: since when, and why."""
        self._contracts = dict(contracts or {})
        self._delayed_is_unknown = delayed_is_unknown
        self._doubtful = False
        """The feed is believed to be mute, whatever heartbeats still come."""
        self._known_us = last_known_us
        self._gap_reason = "restart" if last_known_us else ""
        self._refused: set[str] = set()
        self._rule_set = rule_set or RuleSet()
        self._derived = DerivedTicks(self._rule_set.derived, self._rule_set.instrument_of)
        self.doubted: dict[str, int] = {}
        """By symbol how many values were left out since the start because they are not plausible."""

    @property
    def begun(self) -> bool:
        """Whether the start has gone into the engine: before that nothing has a time."""
        return self._start is None

    def begin_with(self, rule_set: RuleSet) -> None:
        """The rules changed before anything had a time: the start names the new ones."""
        if self._start is not None:
            self._start = replace(self._start, rules_hash=rule_set.hash)
            self._rule_set = rule_set
            self._derived = DerivedTicks(rule_set.derived, rule_set.instrument_of)

    @property
    def last_us(self) -> int:
        """The last event time given out."""
        return self._events.last_us

    def frame(self, frame: Frame) -> Iterator[Event]:
        """One frame: market time moves, whole seconds pass, a gap ends, changes become ticks."""
        if isinstance(self._clock, MarketClock):
            self._clock.advance(frame.header_ms * US_PER_MS)
        elif isinstance(self._clock, SteadyClock) and frame.header_ms:
            self._clock.hear(frame.header_ms * US_PER_MS)
        if self._start is not None or self._clock.now_us() // US_PER_S > self._events.last_us // US_PER_S:
            yield from self.seconds()
        if self._start is not None:
            return  # no frame has said yet what time it is, and nothing may come before the start
        if frame.changes and self._gap_reason:
            yield self._gap()
        if self._losing:
            yield from self._lose()
        if self._holding:
            yield from self._release()
        for change in frame.changes:
            line = self._line(change.symbol)
            if line is None:
                continue
            if change.symbol in self._lost:
                since_us, reason = self._lost.pop(change.symbol)
                yield self._gap_of(change.symbol, since_us, self._clock.now_us(), reason)
            for row in self._screened(line, change):
                yield from self._row(line, row)
        # A turn put in by the clock carries nothing: a mute line is not known to be quiet.
        if not (self._gap_reason or self._doubtful) and (frame.header_ms or frame.changes):
            self._known_us = self._clock.now_us()

    def connection(self, change: ConnectionChange) -> Iterator[Event]:
        """The connection's state moved; leaving the line opens a gap, and the next connection begins with images."""
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
            yield replace(start, event_us=self._events.next_us())
            for change in self._waiting:
                yield from self._connection(change)
            self._waiting.clear()
            return
        if isinstance(self._clock, SteadyClock) and (jump := self._clock.take_jump()) is not None:
            yield Gap(self._events.next_us(), *jump, "the computer's clock was set forth")
        first, last = self._events.last_us // US_PER_S + 1, now_us // US_PER_S
        if last - first >= TURNS_MAX:
            first = last
        for second in range(first, last + 1):
            self._events.last_us = second * US_PER_S
            yield ClockTurn(second * US_PER_S)

    def use(self, rule_set: RuleSet, streamed: Collection[str] = ()) -> Iterator[Event]:
        """Another rule set is in force: symbols with other facts or formulas are told anew as they stand.

        Those of `streamed`, which the connection was subscribed to until now, have a quote to go on from.
        """
        before, self._rule_set = self._rule_set, rule_set
        if (before.instruments, before.derived) == (rule_set.instruments, rule_set.derived):
            return
        self._derived = DerivedTicks(rule_set.derived, rule_set.instrument_of)
        for symbol, line in self._lines.items():
            old = line.quote
            line.use(rule_set.instrument_of(symbol))
            quote = line.quote
            if symbol not in streamed:
                continue
            began_anew = quote.instrument.hours != old.instrument.hours
            if began_anew or quote.facts != old.facts or quote.image(0) != old.image(0):
                yield self._facts(symbol, quote.told_facts)
                yield quote.image(self._events.next_us())
            yield from self._derived.follow(quote.image(0), self._events.next_us)

    @property
    def delayed(self) -> frozenset[str]:
        """The symbols whose data Schwab says is delayed, and what is made of them."""
        marked = self.quality.delayed()
        return marked.union(*map(self._derived.made_of, marked))

    def lose(self, symbols: Iterable[str], reason: str) -> None:
        """Nothing is known of `symbols` any more since their last rows: with the next turn that is a gap of each."""
        for symbol in symbols:
            quality = self.quality.symbol(symbol)
            self._losing.append((symbol, quality.seen_us or self._known_us, reason))

    def forget(self, symbol: str) -> None:
        """It is not subscribed any more: when it is again, it begins with an image."""
        self._lines.pop(symbol, None)
        self._holding.discard(symbol)
        self._lost.pop(symbol, None)
        self._derived.forget(symbol)

    def doubt(self, since_us: int) -> None:
        """The whole feed is mute since then: when the connection is given up, that is where the gap begins."""
        self._known_us, self._doubtful = min(self._known_us, since_us), True

    def documents(self, symbols: Iterable[str]) -> dict[str, Any]:
        """The quality of the data of those symbols, for `status`."""
        for symbol, line in self._lines.items():
            line.quality.unknown = line.quote.unknown
            line.quality.implausible = self.doubted.get(symbol, 0)
        now_us = self._clock.now_us()
        return {symbol: self.quality.symbol(symbol).document(now_us) for symbol in symbols}

    def now_us(self) -> int:
        """The event time of something that happens now and is no frame (the daemon stops, an operator acts)."""
        return self._events.next_us()

    def _connection(self, change: ConnectionChange) -> Iterator[Event]:
        if change.state not in ON_LINE:
            self._doubtful = False
            self._holding.clear()
            self.quality.begin()
        if change.state not in ON_LINE and self._lines:
            self._lines = {}
            self._derived.forget()
            self._gap_reason = change.reason or change.state
        open_since_us = self._known_us if self._gap_reason else 0
        yield Connection(self._events.next_us(), change.state, change.reason, open_since_us)

    def _gap(self) -> Gap:
        reason, self._gap_reason = self._gap_reason, ""
        now_us = self._clock.now_us()
        return Gap(self._events.next_us(), self._known_us, max(now_us, self._known_us), reason)

    def _facts(self, symbol: str, facts: DayFacts) -> Facts:
        return Facts(self._events.next_us(), symbol, facts.open, facts.high, facts.low, facts.prev_close,
                     facts.status, facts.contract, facts.year_high, facts.year_low)  # fmt: skip

    def _row(self, line: _Line, change: Change) -> Iterator[Event]:
        """What a row is to the engine."""
        quote, symbol = line.quote, change.symbol
        # Slow values come before an image, for it is judged beside them, and before the first row of another
        # contract, which must not be taken for one of the old. Else after: a new high is one beside the old.
        first = quote.awaits_image or change.contract not in (None, quote.facts.contract)
        if symbol in self._contracts and change.contract is not None:
            yield from self._contract_before(change.contract, symbol)
        if first and quote.merge_facts(change):
            yield self._facts(symbol, quote.told_facts)
        tick = quote.merge(self._events.next_us(), change)
        yield tick
        if not first and quote.merge_facts(change):
            yield self._facts(symbol, quote.told_facts)
        if symbol in self._derived.of:
            yield from self._derived.follow(tick, self._events.next_us)
        if quote.doubted:
            self._note_doubts(quote)

    def _contract_before(self, contract: str, symbol: str) -> Iterator[Event]:
        """The contract may have changed while the daemon was down: then the engine is told the old one first."""
        before = self._contracts.pop(symbol)
        if before != contract:
            yield Facts(self._events.next_us(), symbol, contract=before)

    def _screened(self, line: _Line, change: Change) -> Iterable[Change]:
        """The rows to go on with in place of `change`: a trade that jumps waits until it is confirmed."""
        now_us, quarantine = self._clock.now_us(), line.quarantine
        line.quality.row(now_us, change.trade_ms)
        self.quality.rows += 1
        self.quality.row_us = now_us
        if change.delayed is not None:
            line.quality.delayed = change.delayed
        rows = quarantine.take(change, line.quote, now_us)
        if rows is None and change.symbol not in self._holding:
            return (change,)  # nearly always
        if quarantine.bad_prints:
            self._note_bad_print(line)
        line.quality.quarantined += quarantine.held
        quarantine.held = 0
        (self._holding.add if quarantine.holds else self._holding.discard)(change.symbol)
        return (change,) if rows is None else rows

    def _release(self) -> Iterator[Event]:
        """Believe trades that nothing has confirmed or refuted in time."""
        for symbol in sorted(self._holding):
            line = self._lines[symbol]
            held = line.quarantine.due(self._clock.now_us())
            if held is not None:
                self._holding.discard(symbol)
                yield from self._row(line, held)

    def _lose(self) -> Iterator[Event]:
        """Cut what was said to be lost; it begins anew with an image."""
        losing, self._losing = self._losing, []
        for symbol, since_us, reason in losing:
            self._lines.pop(symbol, None)
            self._holding.discard(symbol)
            self.quality.symbol(symbol).row_us = 0
            now_us = self._clock.now_us()
            self._lost[symbol] = (now_us, reason)
            yield self._gap_of(symbol, since_us, now_us, reason)
            self._derived.forget(symbol)

    def _gap_of(self, symbol: str, from_us: int, to_us: int, reason: str) -> Gap:
        """A gap of one symbol and of what is made of it."""
        named = (symbol, *self._derived.made_of(symbol))
        return Gap(self._events.next_us(), from_us, max(from_us, to_us), reason, named)

    def _line(self, symbol: str) -> _Line | None:
        line = self._lines.get(symbol)
        if line is None and symbol not in self._refused:
            if is_symbol(symbol):
                instrument = self._rule_set.instrument_of(symbol)
                quote = Quote(symbol, instrument, delayed_is_unknown=self._delayed_is_unknown)
                line = self._lines[symbol] = _Line(quote, Quarantine(instrument), self.quality.symbol(symbol))
            else:
                self._refused.add(symbol)
        return line

    def _note_bad_print(self, line: _Line) -> None:
        """Count a trade that was refuted, and say so the first time."""
        quality, quarantine = line.quality, line.quarantine
        if not quality.bad_prints:
            log.warning("quote.bad_print", symbol=quality.symbol, value=quarantine.last_bad)
        quality.bad_prints += quarantine.bad_prints
        quarantine.bad_prints = 0

    def _note_doubts(self, quote: Quote) -> None:
        """Count what was left out, and say so the first time."""
        instrument, values = quote.instrument, quote.doubted
        if instrument.symbol not in self.doubted and instrument.plausible:
            log.warning("quote.not_plausible", symbol=instrument.symbol, value=values[0],
                        plausible=[price_text(bound) for bound in instrument.plausible])  # fmt: skip
        self.doubted[instrument.symbol] = self.doubted.get(instrument.symbol, 0) + len(values)
        values.clear()
