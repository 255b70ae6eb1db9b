"""A backfill while Schwab is busy or away, over a disk that is full, and stopped at any moment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.feed.streams import settle
from tests.history.backfilled import NOW_US, WEEKS, Schwab, T, at, desk, until
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.feed.history import Answer
from tradeassistd.history.backfill import BARS_PER_TRANSACTION, GIVE_UP_AFTER_S, RETRY_FIRST_S, Backfill
from tradeassistd.history.gaps import trading_windows
from tradeassistd.history.trading_days import Request, calls, plan
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import ALWAYS
from tradeassistd.store.official import select_days
from tradeassistd.store.writer import Store


async def test_a_busy_schwab_is_waited_for_and_the_wait_is_shown(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.failures = [
            TransientError("HTTP 429", retry_after_s=7), TransientError("no answer"), TransientError("no answer"),
        ]  # fmt: skip
        backfill = at_desk.backfill()
        running = asyncio.create_task(backfill.run())
        for words, wait_s in (("429", 7.0), ("no answer", 2 * RETRY_FIRST_S), ("no answer", 4 * RETRY_FIRST_S)):
            await until(lambda: bool(at_desk.clock.pauses_s))
            assert words in backfill.progress.waiting and f"again in {wait_s:.0f} s" in backfill.progress.waiting
            at_desk.clock.pass_time(wait_s - 0.01)
            await settle()
            assert at_desk.clock.pauses_s and backfill.progress.answers == []
            at_desk.clock.pass_time(0.01)
            await until(lambda: not at_desk.clock.pauses_s or at_desk.clock.pauses_s[0] > at_desk.clock.elapsed_s())
        await running
        assert (backfill.progress.state, backfill.progress.waiting, backfill.progress.asked) == ("done", "", 4)
        assert len(at_desk.schwab.questions) == 7


async def test_a_schwab_that_stays_away_is_given_up_and_the_next_backfill_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        backfill = at_desk.backfill()
        at_desk.schwab.down_after = 2
        running = asyncio.create_task(backfill.run())
        while not running.done():
            if at_desk.clock.pauses_s:
                at_desk.clock.pass_time(at_desk.clock.pauses_s[0] - at_desk.clock.elapsed_s())
            await asyncio.sleep(0)
        await running
        progress = backfill.progress
        assert progress.state == "failed" and "given up after 60 minutes: down" in progress.error
        assert "the same command" in progress.error and len(progress.answers) == 10  # the first week came through
        assert at_desk.clock.elapsed_s() <= GIVE_UP_AFTER_S
        assert at_desk.audit() == ["begun", "failed"]
        at_desk.schwab.down_after = 2**31
        progress = await at_desk.run()
        assert (progress.state, progress.counts["there"], progress.counts["stored"]) == ("done", 10, 10)


class FullDisk:
    """A store that takes no more transactions after some."""

    def __init__(self, store: Store, after: int) -> None:
        self.store = store
        self.after = after

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.after -= 1
        if self.after < 0:
            raise TransientError("the disk is full")
        return await self.store.transaction(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self.store.read(work)


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_full_disk_is_told_and_nothing_is_half_stored(tmp_path: Path, after: int) -> None:
    async with desk(tmp_path) as at_desk:
        backfill = Backfill(WEEKS, at_desk.schwab, FullDisk(at_desk.store, after), at_desk.clock, instrument_of)
        await backfill.run()
        assert (backfill.progress.state, backfill.progress.error) == ("failed", "the disk is full")
        stored = await at_desk.store.read(lambda raw: select_days(raw, "SPY", "1m"))
        assert {one.day for one in backfill.progress.answers} == set(stored)
        assert len(stored) == {0: 0, 1: 0, 2: 5}[after]


async def test_a_transaction_is_short_and_holds_whole_days(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        sizes: list[int] = []

        class Counting(FullDisk):
            async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
                before = len(await at_desk.bars("/ES", "1m"))
                done = await self.store.transaction(work)
                sizes.append(len(await at_desk.bars("/ES", "1m")) - before)
                return done

        class Dense(Schwab):
            async def bars(self, symbol: str, interval: str, from_us: int, to_us: int) -> Answer:
                bars = tuple(
                    Bar(symbol, interval, ALWAYS, start_us, start_us + 60_000_000, 9, 9, 9, 9, 1, 0)
                    for window in trading_windows(instrument_of(symbol), from_us, to_us)
                    for start_us in range(window.open_us, window.close_us, 60_000_000)
                )
                return Answer("given", bars, "", to_us)

        request = Request(("/ES",), "1m", date(2026, 11, 16), date(2026, 11, 20))
        await Backfill(request, Dense(at_desk.clock), Counting(at_desk.store, 99), at_desk.clock, instrument_of).run()
        assert [size for size in sizes if size] == [1380] * 5
        assert max(sizes) <= BARS_PER_TRANSACTION


async def test_a_fault_of_the_store_that_is_none_of_disk_and_lock_is_told_too(tmp_path: Path) -> None:
    class Damaged(FullDisk):
        async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
            raise FatalError("main.db is damaged")

    async with desk(tmp_path) as at_desk:
        backfill = Backfill(WEEKS, at_desk.schwab, Damaged(at_desk.store, 0), at_desk.clock, instrument_of)
        await backfill.run()
        assert (backfill.progress.state, backfill.progress.error) == ("failed", "main.db is damaged")


@settings(max_examples=15)
@given(st.lists(st.integers(0, 5), max_size=5))
async def test_stopped_at_any_question_it_ends_complete_and_asks_for_nothing_twice(stops: list[int]) -> None:
    request = Request(("SPY", "/ES", "$VIX"), "1m", date(2026, 11, 9), date(2026, 11, 20))
    with TemporaryDirectory() as folder:
        async with desk(Path(folder)) as at_desk:
            whole = plan(request, instrument_of, NOW_US)
            answered: list[tuple[str, str, int, int]] = []
            for stop in stops:
                at_desk.schwab.questions.clear()
                at_desk.schwab.hold_at, at_desk.schwab.held = stop, asyncio.Event()
                running = asyncio.create_task(at_desk.backfill(request).run())
                held = asyncio.create_task(at_desk.schwab.held.wait())
                await asyncio.wait({running, held}, return_when=asyncio.FIRST_COMPLETED)
                for one in (running, held):
                    one.cancel()
                await asyncio.gather(running, held, return_exceptions=True)
                answered += at_desk.schwab.questions[: stop if stop < len(at_desk.schwab.questions) else None]
            at_desk.schwab.hold_at = -1
            progress = await at_desk.run(request)
            answered += at_desk.schwab.questions
            assert progress.state == "done" and len(progress.answers) == len(whole) == 30
            assert sorted(answered) == sorted(
                (group[0].symbol, "1m", group[0].from_us, group[-1].to_us) for group in calls(whole, "1m")
            )
            for symbol in request.symbols:
                told = await at_desk.schwab.bars(symbol, "1m", at("2026-11-06 18:00"), NOW_US)
                inside = [bar for bar in told.bars if any(
                    day.symbol == symbol and day.from_us <= bar.start_us < day.to_us for day in whole
                )]  # fmt: skip
                assert await at_desk.bars(symbol) == inside
