"""The daemon's backfills: one at a time, stopped when told, taken up again by the next daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.history.backfilled import NOW_US, Schwab, at, until
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import PermanentError, TransientError, UnfitError
from tradeassistd.engine.rule import RuleSet
from tradeassistd.history.backfill import Progress
from tradeassistd.history.backfills import MEMORY_KEY, Backfiller, BusyError
from tradeassistd.market.derived import read_formula
from tradeassistd.store import queries
from tradeassistd.store.writer import Store

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 20)


class Life:
    """A daemon's backfills, as long as it lives."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.schwab = Schwab(clock)
        self.rule_set = RuleSet()
        self.told: list[list[str]] = []
        self.backfiller = Backfiller(self.schwab, store, clock, lambda: self.rule_set, self.tell)

    async def tell(self, symbols: Sequence[str], interval: str) -> None:
        self.told.append([*symbols, *([interval] if interval != "1m" else [])])
        if "$VIX" in symbols:
            raise TransientError("the disk is busy")

    async def start(self, *symbols: str, **given: Any) -> Progress:
        wanted: dict[str, Any] = {"interval": "1m", "from_day": FIRST, "to_day": LAST, "again": False, "by": "anna"}
        wanted |= given
        return await self.backfiller.start(symbols or ("SPY",), **wanted)

    def hold(self) -> asyncio.Event:
        """The next question is never answered; gives what is set when it was asked."""
        self.schwab.hold_at, self.schwab.held = len(self.schwab.questions), asyncio.Event()
        return self.schwab.held

    def audit(self) -> list[tuple[str, str]]:
        rows = reversed(queries.audit(self.store.directory, 100))
        return [(body["state"], body["by"]) for _, kind, body in rows if kind == "backfill"]


@asynccontextmanager
async def life(folder: Path, now_us: int = NOW_US) -> AsyncIterator[Life]:
    clock = ManualClock(now_us)
    store = await Store.open(folder, clock=clock)
    one = Life(store, clock)
    try:
        await one.backfiller.begin()
        loop = asyncio.create_task(one.backfiller.run())
        yield one
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
    finally:
        await store.close()


def ended(progress: Progress) -> bool:
    return progress.state != "running"


async def over(progress: Progress) -> None:
    await until(lambda: ended(progress))


async def test_one_runs_and_the_next_may_follow(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        assert one.backfiller.progress is None
        for symbol in ("SPY", "QQQ"):
            progress = await one.start(symbol)
            assert one.backfiller.progress is progress
            await over(progress)
            assert (progress.state, progress.counts["stored"]) == ("done", 10)
            async with asyncio.timeout(60):
                while await one.store.recall(MEMORY_KEY):
                    assert one.backfiller.progress is progress
        assert one.audit() == [("begun", "anna"), ("done", "anna")] * 2


async def test_who_wants_bars_is_told_of_new_ones(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        for symbols, interval in ((("SPY", "/ES"), "1m"), (("QQQ", "SPY"), "1m"), (("SPY",), "1m"), (("SPY",), "5m")):
            progress = await one.start(*symbols, interval=interval)
            await over(progress)
        progress = await one.start("$VIX")  # that the listener fails does not matter to the next one
        await over(progress)
        progress = await one.start("IWM")
        await until(lambda: len(one.told) == 5)
        assert one.told == [["/ES", "SPY"], ["QQQ"], ["SPY", "5m"], ["$VIX"], ["IWM"]]


async def test_another_one_is_refused_while_one_runs_and_the_same_one_is_watched(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        held = one.hold()
        progress = await one.start("SPY", "/ES")
        with pytest.raises(BusyError, match="SPY /ES, 1m from 2026-11-09 to 2026-11-20 is under way"):
            await one.start("QQQ")  # at once, before the loop has taken up the first
        await held.wait()
        for given in ({"interval": "5m"}, {"from_day": date(2026, 11, 10)}, {"again": True}):
            with pytest.raises(BusyError):
                await one.start("SPY", "/ES", **given)
        assert await one.start("SPY", "/ES", by="bert") is progress
        assert progress.request.by == "anna"


async def test_it_is_stopped_when_told_and_that_is_in_the_audit(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        with pytest.raises(PermanentError, match="no backfill is under way"):
            await one.backfiller.stop("anna")
        one.schwab.hold_at = 1
        progress = await one.start()
        await one.schwab.held.wait()
        assert await one.backfiller.stop("bert") is progress
        assert (progress.state, progress.counts["stored"]) == ("stopped", 5)
        with pytest.raises(PermanentError, match="no backfill is under way"):
            await one.backfiller.stop("bert")
        assert one.audit() == [("begun", "anna"), ("stopped", "bert")]
        assert await one.store.recall(MEMORY_KEY) == ""
        one.schwab.hold_at = -1
        progress = await one.start()
        await over(progress)
        assert (progress.counts["there"], progress.counts["stored"]) == (5, 5)


async def test_the_next_daemon_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        one.schwab.hold_at = 3
        await one.start("SPY", "/ES", again=True)
        await one.schwab.held.wait()
    async with life(tmp_path, now_us=0) as two:
        assert two.backfiller.progress is None  # there is no market time before the first frame
        two.clock.advance(NOW_US)
        await until(lambda: two.backfiller.progress is not None and ended(two.backfiller.progress))
        progress = two.backfiller.progress
        assert progress is not None and (progress.state, len(progress.answers)) == ("done", 20)
        assert progress.request.by == "anna" and len(two.schwab.questions) == 4
    async with life(tmp_path) as three:
        await three.start("$VIX")  # which also shows that the loop runs and has taken up nothing
        await until(lambda: three.backfiller.progress is not None and ended(three.backfiller.progress))
        assert {symbol for symbol, *_ in three.schwab.questions} == {"$VIX"}


@pytest.mark.parametrize("memory", ["{", '{"symbols": 5}', '{"symbols": ["SPY"], "interval": "1m"}'])
async def test_a_memory_that_cannot_be_read_is_left_behind(tmp_path: Path, memory: str) -> None:
    async with life(tmp_path) as one:
        await one.store.remember(MEMORY_KEY, memory)
    async with life(tmp_path) as two:
        progress = await two.start()
        await over(progress)
        assert progress.state == "done"


async def test_a_fault_of_ours_ends_the_backfill_and_not_the_daemon(tmp_path: Path) -> None:
    async with life(tmp_path) as one:

        def broken(symbol: str, from_us: int, to_us: int) -> None:
            raise ZeroDivisionError("ours")

        one.schwab.refuses = broken
        progress = await one.start()
        await until(lambda: progress.state == "failed")
        assert progress.error == "ZeroDivisionError: ours"
        one.schwab.refuses = lambda symbol, from_us, to_us: None
        await until(lambda: one.backfiller.progress is progress)
        progress = await one.start()
        await over(progress)
        assert progress.state == "done"


async def test_what_cannot_be_fetched_is_said_at_once(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        with pytest.raises(UnfitError, match="'spy' is not a symbol"):
            await one.start("spy")
        one.rule_set = RuleSet(derived=(read_formula("$NET", "$ADVN - $DECN"),))
        with pytest.raises(UnfitError, match=r"made here.*backfill what it is made of: [$]ADVN [$]DECN"):
            await one.start("$NET")
        assert one.backfiller.progress is None
        elsewhere = Backfiller(None, one.store, one.clock, RuleSet)
        with pytest.raises(TransientError, match="no history"):
            await elsewhere.start(("SPY",), "1m", FIRST, LAST, again=False, by="")
    async with life(tmp_path, now_us=0) as early:
        with pytest.raises(TransientError, match="time of the market is not known"):
            await early.start()


async def test_days_that_are_not_named_end_with_the_trading_day_of_now(tmp_path: Path) -> None:
    async with life(tmp_path, at("2026-11-20 12:00")) as one:
        progress = await one.start("SPY", from_day=None, to_day=None, interval="1d")
        await over(progress)
        assert (progress.request.from_day, progress.request.to_day) == (date(2021, 11, 21), date(2026, 11, 20))
        assert max(answer.day for answer in progress.answers) == "2026-11-19"
