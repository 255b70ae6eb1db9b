"""The daemon's backfills: one at a time, begun and stopped through the API, taken up again after a restart.

A backfill goes on when whoever asked for it goes away; what it was asked for is remembered until it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
from msgspec.structs import replace

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TradeAssistError, TransientError, UnfitError
from tradeassistd.engine.events import Bars
from tradeassistd.engine.needs import needs_of
from tradeassistd.engine.rule import RuleSet
from tradeassistd.history.backfill import Asks, Backfill, Keeps, Progress
from tradeassistd.history.trading_days import Request, request_of
from tradeassistd.history.warm import read_fills, read_past
from tradeassistd.market.bar import ARCHIVE_INTERVAL
from tradeassistd.market.instrument import Instrument

MEMORY_KEY = "backfill"

log = structlog.get_logger(__name__)


class Memory(Keeps, Protocol):
    """What outlives the daemon (store.writer.Store)."""

    async def recall(self, key: str) -> str: ...
    async def remember(self, key: str, value: str) -> None: ...


class BusyError(PermanentError):
    """Another backfill is under way."""


class Backfiller:
    """Runs them; call `begin` once, then `run` is its loop."""

    def __init__(
        self, history: Asks | None, store: Memory, clock: Clock, rule_set: Callable[[], RuleSet],
        stored: Callable[[Sequence[str], str], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        """`history` is None where there is no Schwab to ask; `rule_set` gives the one in force.

        `stored` is told of which symbols there are more bars, and of what interval; it may raise TradeAssistError.
        """
        self.progress: Progress | None = None
        """Of the one under way, or of the last one."""
        self._history = history
        self._store = store
        self._clock = clock
        self._rule_set = rule_set
        self._stored = stored
        self._left: Request | None = None
        self._next: Backfill | None = None
        self._job: asyncio.Task[None] | None = None
        self._stopped_by = ""
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()
        """That the last one has ended is stored."""

    async def begin(self) -> None:
        """Recall what the last life of the daemon did not finish."""
        text = await self._store.recall(MEMORY_KEY)
        try:
            self._left = msgspec.json.decode(text, type=Request) if text else None
        except msgspec.DecodeError as error:
            log.warning("backfill.forgotten", reason=str(error))

    async def start(
        self, symbols: Sequence[str], interval: str, from_day: date | None, to_day: date | None, *, again: bool, by: str
    ) -> Progress:
        """Begin one (see trading_days.request_of); the same one that is under way is just watched.

        Raises UnfitError when it cannot be meant, BusyError while another one runs, TransientError.
        """
        now_us = self._clock.now_us()
        if not now_us:
            raise TransientError("the time of the market is not known yet", hint="try again once the feed is live")
        request = request_of(symbols, interval, from_day, to_day, again=again, by=by, now_us=now_us)
        for derived in self._rule_set().derived:
            if derived.symbol in request.symbols:
                hint = f"backfill what it is made of: {' '.join(derived.components)}"
                raise UnfitError(f"{derived.symbol} is made here, and Schwab has no history of it", hint=hint)
        return await self._begin(request)

    async def _begin(self, request: Request) -> Progress:
        if self._history is None:
            raise TransientError("there is no history where the data come from elsewhere than Schwab")
        if self._job is not None and self._job.done():
            await self._settled.wait()  # else it would forget what is remembered here
        if self.progress is not None and self.progress.state == "running":
            if replace(request, by=self.progress.request.by) == self.progress.request:
                return self.progress
            raise BusyError(f"a backfill of {_named(self.progress.request)} is under way",
                            hint="`tradeassist backfill` shows it, `--stop` ends it")  # fmt: skip
        before, backfill = self.progress, Backfill(
            request, self._history, self._store, self._clock, self._instrument_of
        )  # fmt: skip
        self.progress = backfill.progress  # at once: whoever asks during the next line is told that one is under way
        try:
            await self._store.remember(MEMORY_KEY, msgspec.json.encode(request).decode())
        except TradeAssistError:
            self.progress = before
            raise
        self._next = backfill
        self._wanted.set()
        return backfill.progress

    async def stop(self, by: str) -> Progress:
        """End the one under way; what it has stored stays. Raises PermanentError when there is none, TransientError."""
        progress, job = self.progress, self._job
        if progress is None or progress.state != "running" or job is None:
            raise PermanentError("no backfill is under way")
        self._stopped_by = by
        job.cancel()
        await self._settled.wait()
        return progress

    def status(self) -> dict[str, Any]:
        """For `status`; empty before the first one."""
        progress = self.progress
        if progress is None:
            return {}
        return {
            "state": progress.state, "what": _named(progress.request), "days": progress.days,
            "done": len(progress.answers), "waiting": progress.waiting, "error": progress.error, **progress.counts,
        }  # fmt: skip

    async def run(self) -> None:
        """Until cancelled: run what is wanted, one after the other."""
        if self._left is not None:
            await self._clock.sleep_until(1)  # before the first frame there is no market time
            await self._go_on(self._left)
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            backfill, self._next = self._next, None
            if backfill is not None:
                await self._run(backfill)

    async def _go_on(self, left: Request) -> None:
        try:
            await self._begin(left)
        except TradeAssistError as error:
            log.warning("backfill.not_taken_up", reason=str(error))

    async def _run(self, backfill: Backfill) -> None:
        self._settled.clear()
        job = self._job = asyncio.create_task(backfill.run(), name="backfill.job")
        try:
            await asyncio.wait({job})
        finally:  # a daemon that stops leaves the memory as it is: the next one goes on
            job.cancel()
            await asyncio.wait({job})
        await self._settle(backfill, job)
        self._job = None
        self._settled.set()

    async def _settle(self, backfill: Backfill, job: asyncio.Task[None]) -> None:
        progress = backfill.progress
        if not job.cancelled() and (error := job.exception()) is not None:
            # A fault of ours: quotes and alerts go on without history, so it is told and does not end the daemon.
            progress.state, progress.error = "failed", f"{type(error).__name__}: {error}"
            log.error("backfill.broke", error=progress.error, exc_info=error)
        try:
            if job.cancelled():
                await backfill.note("stopped", self._stopped_by)
            await self._store.remember(MEMORY_KEY, "")
            symbols = sorted({answer.symbol for answer in progress.answers if answer.outcome == "stored"})
            if self._stored is not None and symbols:
                await self._stored(symbols, progress.request.interval)
        except TradeAssistError as error:
            log.error("backfill.not_settled", reason=str(error))

    def _instrument_of(self, symbol: str) -> Instrument:
        return self._rule_set().instrument_of(symbol)


def into_windows(
    directory: Path, watched: Callable[[], Collection[str]], rule_set: Callable[[], RuleSet],
    fill: Callable[[Sequence[Bars]], None], from_us: int,
) -> Callable[[Sequence[str], str], Awaitable[None]]:  # fmt: skip
    """For `stored` above: hand to `fill`, bit by bit, what the windows of the rules in force need of what is stored
    now, and the minutes of holes from an instant on."""

    def read(symbols: Collection[str], interval: str) -> list[Bars]:
        rules = rule_set()
        needs = needs_of(rules.rules, rules.instrument_of)
        past = read_past(
            directory, {key: count for key, count in needs.items() if key.symbol in symbols}, rules.instrument_of
        )
        return [*past, *(read_fills(directory, symbols, from_us) if interval == ARCHIVE_INTERVAL else ())]

    async def stored(symbols: Sequence[str], interval: str) -> None:
        wanted = [symbol for symbol in symbols if symbol in watched()]
        for one in await asyncio.to_thread(read, wanted, interval):
            fill([one])
            await asyncio.sleep(0)  # ticks come on the same loop

    return stored


def _named(request: Request) -> str:
    """SPY QQQ and 3 more, 1m from 2026-11-02 to 2026-11-20."""
    symbols = " ".join(request.symbols[:3])
    more = f" and {len(request.symbols) - 3} more" if len(request.symbols) > 3 else ""
    return f"{symbols}{more}, {request.interval} from {request.from_day} to {request.to_day}"
