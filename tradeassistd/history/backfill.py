"""Fetches trading days of symbols from Schwab into the store, however often it is interrupted.

What came of a day is stored with its bars in one transaction, so a kill loses at most the answer under way, and the
next backfill of the same days asks only for what has no answer yet. Bars are keyed by their start: none is there twice.
Schwab being busy or broken is waited for; what it refuses is told, day by day.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, Protocol, TypeVar

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TradeAssistError, TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.feed.history import Answer, oldest_us, too_old
from tradeassistd.history.trading_days import Day, Request, calls, plan
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.store.journal import insert_audit
from tradeassistd.store.official import (
    DayAnswer,
    Span,
    count_official,
    insert_official,
    insert_span,
    select_days,
    select_spans,
    upsert_day,
)

RETRY_FIRST_S = 2.0
RETRY_MAX_S = 60.0
GIVE_UP_AFTER_S = 3_600.0
"""So long one answer is waited for, however often it is asked for."""
REPAIRED_AFTER_S = 86_400
"""Breadth figures are often wrong on their own day and repaired later (schwab_protocol 5.3), and a day of which there
is nothing may come. So long after its end such a day is asked for again."""
BARS_PER_TRANSACTION = 1_500
"""A day of minutes, or more days of fewer bars: the commit of an alert waits for it."""
AUDIT = "backfill"
_COUNTED = ("stored", "there", "empty", "refused", "bars")

T = TypeVar("T")
State = Literal["running", "done", "failed", "stopped"]

log = structlog.get_logger(__name__)


class Asks(Protocol):
    """Where candles come from (feed.history.History)."""

    async def bars(self, symbol: str, interval: str, from_us: int, to_us: int) -> Answer: ...


class Keeps(Protocol):
    """Where they are kept (store.writer.Store)."""

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T: ...
    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


@dataclass(slots=True)
class Progress:
    """How far a backfill is; for whoever watches."""

    request: Request
    begun_us: int
    state: State = "running"
    days: int = 0
    """Days of symbols in all; 0 until they are counted."""
    asked: int = 0
    """Questions that Schwab answered."""
    waiting: str = ""
    """Why nothing is asked just now, and for how long; empty while something is."""
    error: str = ""
    """Why it failed."""
    answers: list[DayAnswer] = field(default_factory=list)
    """Of the days that are done, in the order they were; use `add`."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    """Days by outcome, and the bars of the days that were stored."""

    def add(self, answers: Iterable[DayAnswer]) -> None:
        """More days are done."""
        for answer in answers:
            self.answers.append(answer)
            self.counts[answer.outcome] += 1
            self.counts["bars"] += answer.bars if answer.outcome == "stored" else 0


class Backfill:
    """One backfill. `run` ends when every day has an answer, or none can be had."""

    def __init__(
        self, request: Request, history: Asks, store: Keeps, clock: Clock, instrument_of: Callable[[str], Instrument]
    ) -> None:
        """Nothing is asked before `run`."""
        self.progress = Progress(request, clock.now_us())
        self._request = request
        self._history = history
        self._store = store
        self._clock = clock
        self._instrument_of = instrument_of
        self._refusals: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Ask and store. What keeps it from that is told in `progress`; what is cancelled is not in the audit yet."""
        progress = self.progress
        log.info("backfill.begun", symbols=len(self._request.symbols), interval=self._request.interval)
        try:
            await self.note("begun")
            await self._fetch()
            await self.note("done")
            progress.state = "done"
        except asyncio.CancelledError:
            progress.state = "stopped"
            raise
        except TradeAssistError as error:
            progress.state, progress.error = "failed", str(error)
            await self._note_failure()
        finally:
            progress.waiting = ""
            log.info("backfill.ended", state=progress.state, error=progress.error, asked=progress.asked,
                     **progress.counts)  # fmt: skip

    async def note(self, state: str, by: str = "") -> None:
        """Put it into the audit; `by` did that, where it was not who asked. Raises TransientError, FatalError."""
        request, now_us = self._request, self._clock.now_us()
        body: dict[str, Any] = {
            "state": state, "symbols": request.symbols, "interval": request.interval, "by": by or request.by,
            "from": request.from_day.isoformat(), "to": request.to_day.isoformat(), "again": request.again,
        }  # fmt: skip
        if state != "begun":
            body |= {"asked": self.progress.asked, "error": self.progress.error, **self.progress.counts}
        await self._store.transaction(lambda raw: insert_audit(raw, now_us, AUDIT, body))

    async def _note_failure(self) -> None:
        try:
            await self.note("failed")
        except TradeAssistError as error:  # the store may be what failed
            log.error("backfill.not_noted", reason=str(error))

    async def _fetch(self) -> None:
        request, progress = self._request, self.progress
        # Decades of trading days take a moment: not on the loop that has ticks to bring.
        days = await asyncio.to_thread(plan, request, self._instrument_of, self._clock.now_us())
        progress.days = len(days)
        missing: list[Day] = []
        for _, of_symbol in groupby(days, key=lambda day: day.symbol):
            missing += await self._unknown(list(of_symbol))
        for group in calls(missing, request.interval):
            await self._ask_for(group)

    async def _unknown(self, days: Sequence[Day]) -> list[Day]:
        """The days of one symbol that have to be asked for; the others are answered."""
        request = self._request
        use_spans = request.interval == ARCHIVE_INTERVAL and not self._is_repaired(days[0].symbol)
        known = {} if request.again else await self._store.read(
            lambda raw: _known(raw, request.interval, days, use_spans=use_spans)
        )  # fmt: skip
        for day in days:
            if day.why_not:
                known[day.day] = DayAnswer(day.symbol, request.interval, day.day, "empty", day.why_not, 0, whole=True)
        self.progress.add(known.values())
        return [day for day in days if day.day not in known]

    async def _ask_for(self, group: Sequence[Day]) -> None:
        """Ask for days of one symbol at once; where Schwab says no to that, for the newer half and the older one.

        A symbol of which it has refused a single day is not asked about in parts again: what it refuses is the symbol.
        """
        answer = await self._answer(group)
        refusal = (group[0].symbol, answer.detail)
        if answer.is_refusal and len(group) > 1 and refusal not in self._refusals:
            half = len(group) // 2
            await self._ask_for(group[half:])
            await self._ask_for(group[:half])
            return
        if answer.outcome == "refused":
            self._refusals.add(refusal)
        await self._keep(group, answer)

    async def _answer(self, group: Sequence[Day]) -> Answer:
        """What Schwab says, however long that takes. Raises TransientError after GIVE_UP_AFTER_S."""
        began_s, pause_s, progress = self._clock.elapsed_s(), RETRY_FIRST_S, self.progress
        while True:
            try:
                answer = await self._history.bars(
                    group[0].symbol, self._request.interval, group[0].from_us, group[-1].to_us
                )
                progress.asked += 1
                return answer
            except TransientError as error:
                wait_s = error.retry_after_s or pause_s
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                if self._clock.elapsed_s() - began_s + wait_s > GIVE_UP_AFTER_S:
                    hint = "run the same command again: it goes on where it ended"
                    raise TransientError(f"given up after {GIVE_UP_AFTER_S / 60:.0f} minutes: {error.message}",
                                         hint=hint) from error  # fmt: skip
                progress.waiting = f"{error.message}; again in {wait_s:.0f} s"
                log.info("backfill.waits", reason=error.message, for_s=round(wait_s, 1))
                await self._clock.pause(wait_s)
                progress.waiting = ""

    async def _keep(self, group: Sequence[Day], answer: Answer) -> None:
        """Store what was said of some days, in transactions of a size for which no alert has to wait long."""
        now_us, left = self._clock.now_us(), list(group)
        starts_us = [bar.start_us for bar in answer.bars]

        def bars_of(day: Day) -> tuple[Bar, ...]:
            return answer.bars[bisect_left(starts_us, day.from_us) : bisect_left(starts_us, day.to_us)]

        def keep(raw: sqlite3.Connection) -> list[DayAnswer]:
            kept: list[DayAnswer] = []
            count = 0
            while left and (not kept or count + len(bars_of(left[0])) <= BARS_PER_TRANSACTION):
                kept.append(self._keep_day(raw, left[0], bars_of(left[0]), answer, now_us))
                count += kept[-1].bars
                del left[0]
            return kept

        while left:
            self.progress.add(await self._store.transaction(keep))

    def _keep_day(
        self, raw: sqlite3.Connection, day: Day, bars: Sequence[Bar], answer: Answer, now_us: int
    ) -> DayAnswer:
        interval = self._request.interval
        until_us = min(day.to_us, answer.until_us)
        odd = sum(day.from_us <= start_us < day.to_us for start_us in answer.odd)
        new = insert_official(raw, bars, "rest", now_us)
        if interval == ARCHIVE_INTERVAL and bars and not odd:
            insert_span(raw, Span(day.symbol, day.from_us, until_us), "rest", now_us)
        kept = DayAnswer(
            day.symbol, interval, day.day,
            ("stored" if new else "there") if bars else "refused" if answer.outcome == "refused" else "empty",
            self._detail(day, answer, bars, odd, now_us), len(bars),
            whole=until_us == day.to_us and not odd and answer.outcome != "refused"
            and not (self._is_soon(day, now_us) and (not bars or self._is_repaired(day.symbol))),
        )  # fmt: skip
        upsert_day(raw, kept, now_us)
        return kept

    def _detail(self, day: Day, answer: Answer, bars: Sequence[Bar], odd: int, now_us: int) -> str:
        if odd:
            return f"candles that made no sense: {odd}"
        if bars:
            return "" if answer.until_us >= day.to_us else "the day is not over"
        if day.to_us <= oldest_us(self._request.interval, now_us):
            return too_old(self._request.interval)
        return answer.detail or "Schwab has no candles of that day"

    def _is_soon(self, day: Day, now_us: int) -> bool:
        """Whether Schwab may still add to the day."""
        return now_us < day.to_us + REPAIRED_AFTER_S * US_PER_S

    def _is_repaired(self, symbol: str) -> bool:
        return self._instrument_of(symbol).kind is InstrumentClass.INTERNAL


def _known(raw: sqlite3.Connection, interval: str, days: Sequence[Day], *, use_spans: bool) -> dict[str, DayAnswer]:
    """By day what the store says of it, where nobody needs to ask again; `days` of one symbol, one at least.

    `use_spans`: a day without an answer of its own is known, too, when somebody else has filled it.
    """
    symbol = days[0].symbol
    answered = select_days(raw, symbol, interval)
    spans = select_spans(raw, symbol) if use_spans else []
    known: dict[str, DayAnswer] = {}
    for day in days:
        before = answered.get(day.day)
        if before is not None and before.whole and before.outcome == "empty":
            known[day.day] = before
        elif before.whole if before is not None else any(
            span.from_us <= day.from_us and day.to_us <= span.to_us for span in spans
        ):  # fmt: skip
            bars = count_official(raw, symbol, interval, day.from_us, day.to_us)
            if bars:  # else they have been pruned since
                known[day.day] = DayAnswer(symbol, interval, day.day, "there", "", bars, whole=True)
    return known
