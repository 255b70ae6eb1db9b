"""Fills what is missing by itself: after the start, after a gap, and when other symbols are watched.

Who was away asks Schwab what happened meanwhile. The minutes it tells go into the store beside those made of trades,
the span counts as known from then on, and the engine gets what its windows need as `Bars`, so that those that the hole
had emptied are whole again. A minute that Schwab tells by itself on the stream (CHART_*) fills a hole sooner. REST is
asked patiently, and only for what nobody knows; what it refuses is named in the status and asked again later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.events import BarRow, Bars
from tradeassistd.engine.needs import needs_of
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.history import LATE_S, Answer
from tradeassistd.history.gaps import MINUTE_US, asked_together
from tradeassistd.history.holes import Holes, read_holes
from tradeassistd.history.official import Official
from tradeassistd.history.warm import read_past
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar, Stretch
from tradeassistd.market.session import ALWAYS, trading_window_at
from tradeassistd.store.official import Source, Span
from tradeassistd.store.writer import Store

STORED_WITHIN_S = 1.5
"""The store learns once a second what is watched; who needs to know waits so long for it."""
RETRY_FIRST_S = 30.0
RETRY_MAX_S = 900.0
REFUSED_AGAIN_S = 6 * 3600.0
"""Symbols whose past Schwab does not tell are asked about again after that long."""
EMPTY_AGAIN_S = 900.0
"""Those of which it has nothing yet: before its first trade of the day a stock has no candle."""
ASK_WITHIN_S = 900.0
"""How long the answer to one question may take at most, its turn among other patient questions included."""
CHARTS_WAITING_MAX = 100_000

log = structlog.get_logger(__name__)


class Asks(Protocol):
    """Who is asked for minutes (feed.history.History)."""

    async def minutes(self, symbol: str, from_us: int, to_us: int) -> Answer:
        """Raises TransientError when it may be asked again."""


@dataclass(slots=True)
class Filled:
    """What was done since the start, for status."""

    spans: int = 0
    bars: int = 0
    """Official bars that the store did not have, or had otherwise."""
    questions: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """By symbol why Schwab does not tell its past."""
    failing: str = ""
    """Why the last question was not answered; empty when it was."""


class Filler:
    """Looks for holes and fills them, one question after the other. `note` and `take` may be called at any time."""

    def __init__(
        self, store: Store, asks: Asks | None, symbols: Callable[[], Collection[str]], rule_set: Callable[[], RuleSet],
        tell: Callable[[Sequence[Bars]], None], clock: Clock, turns: Turns | None = None, *, days: int,
    ) -> None:  # fmt: skip
        """`symbols` are those the feed is subscribed to, `rule_set` is the one in force; `tell` hands bars to the
        engine between two events.

        `asks` None: there is no REST, and only what the stream tells is used. `days`: how many trading days back.
        """
        self.done = Filled()
        self.official = Official(store)
        self._store = store
        self._asks = asks
        self._symbols = symbols
        self._rule_set = rule_set
        self._tell = tell
        self._clock = clock
        self._days = days
        self._turn = (turns or Turns(clock)).join("history")
        self._woken = asyncio.Event()
        self._look_now = False
        self._look_us = 0
        """The end of the minute in which watching began last: then that minute is looked for, too. 0: no more."""
        self._charts: deque[Bar] = deque(maxlen=CHARTS_WAITING_MAX)
        self._missing: Holes = Holes(0, {}, {})
        self._again_s: dict[str, float] = {}
        """Symbols that are left alone until then, machine time."""
        self._failures = 0
        self._retry_s = 0.0

    def note(self, stretches: Sequence[Stretch]) -> None:
        """What is watched has changed, and the store knows it (House.watch_listeners): before it may lie a hole."""
        begun = [one.from_us for one in stretches if not one.to_us]
        if begun:
            self._look_now = True
            self._look_us = max(self._look_us, -(-max(begun) // MINUTE_US) * MINUTE_US)
            self._woken.set()

    def take(self, bars: Iterable[Bar]) -> None:
        """Minutes that Schwab told on the stream."""
        self._charts.extend(bars)
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        busy = ""
        while True:
            self._turn(IDLE)
            await self._wait()
            self._woken.clear()
            try:
                await self.turn()
                if not self._look_now:  # it has looked: the disk takes and gives again
                    busy = ""
            except TransientError as error:  # the disk is busy: what waits, waits on
                if str(error) != busy:  # it is tried each time, and told once
                    busy = str(error)
                    log.warning("history.store_busy", reason=busy)
                self._look_now = True
                self._retry_s = self._clock.elapsed_s() + RETRY_FIRST_S

    async def turn(self) -> None:
        """Store what the stream told, compare it with ours, and look for holes when there may be some."""
        self._turn(DISK_WITHIN_S)
        if self._charts:
            await self._keep_charts()
        if self._is_due():
            await self._look()
        await self.official.compare()

    def status(self) -> dict[str, Any]:
        """For `status`."""
        done = self.done
        return {
            "missing": [
                {"symbol": span.symbol, "from": iso(span.from_us), "to": iso(span.to_us)}
                for spans in self._missing.spans.values() for span in spans
            ],
            "filled": done.spans, "bars": done.bars, "questions": done.questions, "refused": dict(done.refused),
            "failing": done.failing, "differences": self.official.document(),
        }  # fmt: skip

    def _is_due(self) -> bool:
        if self._clock.elapsed_s() < self._retry_s:
            return False
        return self._look_now or self._clock.now_us() >= self._due_us()

    def _due_us(self) -> int:
        """Market time at which the next missing minute can be asked for; NEVER_US when none is."""
        left_alone = self._left_alone()
        ends = [spans[0].to_us for symbol, spans in self._missing.spans.items() if symbol not in left_alone]
        ends += [self._look_us] if self._look_us else []
        return min(ends) + LATE_S * US_PER_S if ends and self._asks is not None else NEVER_US

    def _left_alone(self) -> set[str]:
        now_s = self._clock.elapsed_s()
        return {symbol for symbol, until_s in self._again_s.items() if now_s < until_s}

    async def _wait(self) -> None:
        """Until something is heard or told, a missing minute is old enough, or it is time to try again."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._woken.wait())]
        left_s = self._retry_s - self._clock.elapsed_s()
        if left_s > 0:
            waits.append(asyncio.ensure_future(self._clock.pause(left_s)))
        elif (due_us := self._due_us()) < NEVER_US:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(due_us)))
        if again := [until_s for until_s in self._again_s.values() if until_s > self._clock.elapsed_s()]:
            waits.append(asyncio.ensure_future(self._clock.pause(min(again) - self._clock.elapsed_s())))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _look(self) -> None:
        """Find what is missing, and ask for it."""
        self._look_now = False
        instruments = [self._rule_set().instrument_of(symbol) for symbol in self._symbols()]
        self._missing = await asyncio.to_thread(read_holes, self._store.directory, instruments, self._days)
        if self._clock.now_us() >= self._look_us + LATE_S * US_PER_S:
            if self._missing.until_us >= self._look_us:
                self._look_us = 0
            else:  # the store does not know that minute yet
                self._retry_s = self._clock.elapsed_s() + STORED_WITHIN_S
        self.done.refused = {symbol: why for symbol, why in self.done.refused.items() if symbol in self._missing.spans}
        left_alone = self._left_alone()
        for symbol in [one for one in self._missing.spans if one not in left_alone]:
            if not await self._fill(symbol):
                return

    async def _fill(self, symbol: str) -> bool:
        """Ask for what is missing of a symbol, the newest first; whether it is of use to go on with others now."""
        if self._asks is None:
            return False
        settled_us = self._clock.now_us() - LATE_S * US_PER_S
        told: list[tuple[Span, Sequence[Bar]]] = []
        try:
            for group in reversed(asked_together(self._missing.spans[symbol])):
                whole = Span(symbol, group[0].from_us, group[-1].to_us)
                if whole.from_us + MINUTE_US > settled_us:
                    continue
                self.done.questions += 1
                self._turn(ASK_WITHIN_S)
                answer = await self._asks.minutes(symbol, whole.from_us, whole.to_us)
                self._failures, self.done.failing = 0, ""
                if answer.outcome != "given" or answer.odd:
                    self._leave_alone(symbol, answer)
                    break
                whole = whole._replace(to_us=min(whole.to_us, answer.until_us))
                told += await self._keep(answer.bars, whole, group, "rest")
        except TransientError as error:
            self._put_off(error)
            return False
        finally:
            if told:
                await self._hand_over(symbol, told, "rest")
        return True

    async def _keep(
        self, bars: Sequence[Bar], whole: Span, holes: Sequence[Span], source: Source
    ) -> list[tuple[Span, Sequence[Bar]]]:
        """Store what is known now of a span; gives the holes that are filled, with the bars around them."""
        self._turn(DISK_WITHIN_S)
        if whole.to_us <= whole.from_us:
            return []
        self.done.bars += await self.official.keep(bars, source, self._clock.now_us(), whole)
        filled = [hole._replace(to_us=min(hole.to_us, whole.to_us)) for hole in holes if hole.from_us < whole.to_us]
        self.done.spans += len(filled)
        self.done.refused.pop(whole.symbol, None)
        self._forget(whole)
        return [(hole, bars) for hole in filled]

    async def _hand_over(self, symbol: str, told: Sequence[tuple[Span, Sequence[Bar]]], source: Source) -> None:
        """Give the engine what its windows need of the past, and the minutes of the session under way."""
        log.info("history.filled", symbol=symbol, source=source, minutes=_minutes(span for span, _ in told))
        rule_set = self._rule_set()

        def read() -> list[Bars]:
            needs = needs_of(rule_set.rules, rule_set.instrument_of)
            mine = {key: count for key, count in needs.items() if key.symbol == symbol}
            return read_past(self._store.directory, mine, rule_set.instrument_of)

        past = await asyncio.to_thread(read)
        window = trading_window_at(rule_set.instrument_of(symbol), self._clock.now_us())
        for span, bars in sorted(told, key=lambda one: -one[0].from_us):
            contract = self._missing.contract_of(span)
            if contract is not None and window is not None and span.to_us > window.open_us:
                of_session = span._replace(from_us=max(span.from_us, window.open_us))
                past.append(_minutes_of(of_session, bars, source, contract))
        for one in past:
            self._tell([one])
            await asyncio.sleep(0)  # ticks in between

    def _forget(self, whole: Span) -> None:
        """It is missing no more."""
        left = []
        for span in self._missing.spans.get(whole.symbol, []):
            left += [one for one in (span._replace(to_us=min(span.to_us, whole.from_us)),
                                     span._replace(from_us=max(span.from_us, whole.to_us)))
                     if one.to_us > one.from_us]  # fmt: skip
        if left:
            self._missing.spans[whole.symbol] = left
        else:
            self._missing.spans.pop(whole.symbol, None)

    async def _keep_charts(self) -> None:
        """Store the minutes that the stream told, and fill with them what they can."""
        told = [self._charts.popleft() for _ in range(len(self._charts))]
        try:
            self.done.bars += await self.official.keep(told, "chart", self._clock.now_us())
        except TransientError:
            self._charts.extendleft(reversed(told))
            raise
        for symbol in {bar.symbol for bar in told} & self._missing.spans.keys():
            for span in list(self._missing.spans[symbol]):
                bars = await self.official.whole(span)
                if bars is not None:
                    await self._hand_over(symbol, await self._keep(bars, span, [span], "chart"), "chart")

    def _leave_alone(self, symbol: str, answer: Answer) -> None:
        """Schwab does not tell it: say so, and ask again much later."""
        if self.done.refused.get(symbol) != answer.detail:
            log.warning("history.not_given", symbol=symbol, reason=answer.detail)
        self.done.refused[symbol] = answer.detail
        again_s = EMPTY_AGAIN_S if answer.outcome == "empty" else REFUSED_AGAIN_S
        self._again_s[symbol] = self._clock.elapsed_s() + again_s

    def _put_off(self, error: TransientError) -> None:
        """Schwab does not answer now: go on later where this was left."""
        wait_s = max(error.retry_after_s or 0.0, min(RETRY_FIRST_S * 2**self._failures, RETRY_MAX_S))
        self._failures = min(self._failures + 1, 10)
        self._retry_s = self._clock.elapsed_s() + wait_s
        self._look_now = True
        self.done.failing = str(error)
        log.warning("history.not_filled", reason=str(error), next_try_s=round(wait_s, 1))


def _minutes_of(span: Span, bars: Sequence[Bar], source: Source, contract: str) -> Bars:
    """The minutes of a hole for the engine."""
    rows = tuple(
        BarRow(bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)
        for bar in bars
        if span.from_us <= bar.start_us and bar.end_us <= span.to_us
    )
    return Bars(0, span.symbol, ARCHIVE_INTERVAL, ALWAYS, rows, span.from_us, span.to_us, source, contract)


def _minutes(spans: Iterable[Span]) -> int:
    return sum(span.to_us - span.from_us for span in spans) // MINUTE_US
