"""A store, a Schwab that knows bars of every trading hour, and backfills between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.history import Answer
from tradeassistd.history.backfill import Backfill, Progress
from tradeassistd.history.gaps import trading_windows
from tradeassistd.history.trading_days import Request
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import ALWAYS, NEW_YORK
from tradeassistd.store import queries
from tradeassistd.store.official import Span, select_official, select_spans
from tradeassistd.store.writer import Store

T = TypeVar("T")


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000


NOW_US = at("2026-11-20 22:00")
WEEKS = Request(("SPY", "/ES"), "1m", date(2026, 11, 9), date(2026, 11, 20))
APART_US = 3_600_000_000
"""The symbols of these tests trade in the first minute of an hour only."""


class Schwab:
    """Knows bars of every trading hour; answers as told before it does."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.questions: list[tuple[str, str, int, int]] = []
        self.failures: list[TransientError] = []
        self.refuses: Callable[[str, int, int], Answer | None] = lambda symbol, from_us, to_us: None
        self.price = 100_00000000
        self.odd_us: tuple[int, ...] = ()
        self.down_after = 2**31
        self.hold_at = -1
        self.held = asyncio.Event()

    async def bars(self, symbol: str, interval: str, from_us: int, to_us: int) -> Answer:
        self.questions.append((symbol, interval, from_us, to_us))
        if len(self.questions) - 1 == self.hold_at:
            self.held.set()
            await asyncio.Event().wait()
        if self.failures:
            raise self.failures.pop(0)
        if len(self.questions) > self.down_after:
            raise TransientError("down")
        refusal = self.refuses(symbol, from_us, to_us)
        if refusal is not None:
            return refusal
        until_us = min(to_us, self.clock.now_us())
        length_us = INTERVALS_S[interval] * 1_000_000
        bars = []
        for window in trading_windows(instrument_of(symbol), from_us, until_us):
            for start_us in range(window.open_us, window.close_us, APART_US):
                if start_us + length_us <= until_us and start_us not in self.odd_us:
                    prices = (self.price, self.price + 5, self.price - 5, self.price + 1)
                    bars.append(Bar(symbol, interval, ALWAYS, start_us, start_us + length_us, *prices, 7, 0))
        return Answer("given", tuple(bars), "", until_us, tuple(one for one in self.odd_us if from_us <= one < to_us))


class Desk:
    """A store, a Schwab, and backfills between them."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.schwab = Schwab(clock)

    def backfill(self, request: Request = WEEKS) -> Backfill:
        return Backfill(request, self.schwab, self.store, self.clock, instrument_of)

    async def run(self, request: Request = WEEKS) -> Progress:
        """One that is left alone until its end; what it asked is in `schwab.questions`."""
        self.schwab.questions.clear()
        backfill = self.backfill(request)
        await backfill.run()
        return backfill.progress

    async def bars(self, symbol: str = "SPY", interval: str = "1m") -> list[Bar]:
        return await self.store.read(lambda raw: list(select_official(raw, symbol, interval, 0, 2**62)))

    async def spans(self, symbol: str = "SPY") -> list[Span]:
        return await self.store.read(lambda raw: select_spans(raw, symbol))

    def audit(self) -> list[str]:
        return [
            body["state"] for _, kind, body in reversed(queries.audit(self.store.directory, 100)) if kind == "backfill"
        ]


@asynccontextmanager
async def desk(folder: Path, now_us: int = NOW_US) -> AsyncIterator[Desk]:
    clock = ManualClock(now_us)
    store = await Store.open(folder, clock=clock)
    try:
        yield Desk(store, clock)
    finally:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the others act until it holds; the store answers from a thread of its own."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody sets an event when a pause of the clock begins
            await asyncio.sleep(0)


def outcomes(progress: Progress) -> Counter[tuple[str, str]]:
    return Counter((one.symbol, one.outcome) for one in progress.answers)
