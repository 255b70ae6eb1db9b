"""A backfill over a real store: what is kept, what is asked for again and what is not, however often it is stopped."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.feed.streams import settle
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.feed.history import NOT_PROVIDED, Answer
from tradeassistd.history.backfill import BARS_PER_TRANSACTION, GIVE_UP_AFTER_S, RETRY_FIRST_S, Backfill, Progress
from tradeassistd.history.gaps import trading_windows
from tradeassistd.history.trading_days import Request, calls, plan
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import ALWAYS, NEW_YORK
from tradeassistd.store import queries
from tradeassistd.store.official import Span, insert_official, insert_span, select_days, select_official, select_spans
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


async def test_every_day_is_stored_and_its_span_is_known(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "stored"): 10, ("/ES", "stored"): 10}
        assert (progress.state, progress.days, progress.asked) == ("done", 20, 4)
        assert progress.counts == {"stored": 20, "there": 0, "empty": 0, "refused": 0, "bars": 10 * 16 + 10 * 23}
        bars = await at_desk.bars()
        assert len(bars) == 160 and bars[0].start_us == at("2026-11-09 04:00")
        spans = await at_desk.spans()
        assert spans[0] == Span("SPY", at("2026-11-09 04:00"), at("2026-11-09 20:00")) and len(spans) == 10
        assert (await at_desk.spans("/ES"))[0].from_us == at("2026-11-08 18:00")
        assert at_desk.audit() == ["begun", "done"]


async def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        before = await at_desk.bars("/ES")
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "there"): 10, ("/ES", "there"): 10}
        assert at_desk.schwab.questions == []
        assert {(one.bars, one.whole) for one in progress.answers if one.symbol == "SPY"} == {(16, True)}
        assert await at_desk.bars("/ES") == before


async def test_again_asks_for_everything_and_takes_over_corrections(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        again = Request(("SPY",), "1m", WEEKS.from_day, WEEKS.to_day, again=True)
        assert outcomes(await at_desk.run(again)) == {("SPY", "there"): 10}
        assert len(at_desk.schwab.questions) == 2
        at_desk.schwab.price += 100
        assert outcomes(await at_desk.run(again)) == {("SPY", "stored"): 10}
        bars = await at_desk.bars()
        assert len(bars) == 160 and {bar.open for bar in bars} == {at_desk.schwab.price}


async def test_a_day_that_is_not_over_is_asked_for_again_and_grows(tmp_path: Path) -> None:
    today = Request(("SPY",), "1m", date(2026, 11, 19), date(2026, 11, 20))
    async with desk(tmp_path, at("2026-11-20 12:00")) as at_desk:
        progress = await at_desk.run(today)
        assert [(one.day, one.bars, one.whole, one.detail) for one in progress.answers] == [
            ("2026-11-19", 16, True, ""), ("2026-11-20", 8, False, "the day is not over"),
        ]  # fmt: skip
        assert (await at_desk.spans())[-1].to_us == at("2026-11-20 12:00")
        at_desk.clock.advance(NOW_US)
        progress = await at_desk.run(today)
        assert [(one.day, one.outcome, one.bars, one.whole) for one in progress.answers] == [
            ("2026-11-19", "there", 16, True), ("2026-11-20", "stored", 16, True),
        ]  # fmt: skip
        assert (await at_desk.spans())[-1] == Span("SPY", at("2026-11-20 04:00"), at("2026-11-20 20:00"))


async def test_days_that_were_filled_otherwise_are_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        told = (await at_desk.schwab.bars("SPY", "1m", at("2026-11-12 00:00"), at("2026-11-13 00:00"))).bars
        span = Span("SPY", at("2026-11-12 04:00"), at("2026-11-12 20:00"))

        def fill(raw: sqlite3.Connection) -> None:
            insert_official(raw, told, "chart", 1)
            insert_span(raw, span, "chart", 1)

        await at_desk.store.transaction(fill)
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 12), date(2026, 11, 13)))
        assert [(one.day, one.outcome) for one in progress.answers] == [
            ("2026-11-12", "there"),
            ("2026-11-13", "stored"),
        ]
        # The spans say nothing of other intervals.
        assert outcomes(await at_desk.run(Request(("SPY",), "5m", date(2026, 11, 12), date(2026, 11, 12)))) == {
            ("SPY", "stored"): 1
        }


async def test_days_whose_bars_were_pruned_are_asked_for_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        cut_us = at("2026-11-11 00:00")
        await at_desk.store.transaction(
            lambda raw: raw.execute("DELETE FROM official_bars WHERE symbol = 'SPY' AND start_us < ?", (cut_us,))
        )
        assert outcomes(await at_desk.run()) == {("SPY", "stored"): 2, ("SPY", "there"): 8, ("/ES", "there"): 10}
        assert len(await at_desk.bars()) == 160


async def test_closed_and_too_old_days_are_empty_and_nobody_is_asked(tmp_path: Path) -> None:
    async with desk(tmp_path, at("2026-12-01 22:00")) as at_desk:
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 26), date(2026, 11, 26)))
        assert [(one.outcome, one.detail) for one in progress.answers] == [("empty", "closed: Thanksgiving")]
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 6, 1), date(2026, 6, 5)))
        assert {(one.outcome, one.detail) for one in progress.answers} == {
            ("empty", "Schwab keeps candles of 1m for 48 days")
        }
        assert at_desk.schwab.questions == [] and progress.state == "done"


async def test_a_future_that_is_not_provided_is_refused_and_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: (
            Answer("refused", (), NOT_PROVIDED, to_us) if symbol == "/ES" else None
        )
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "stored"): 10, ("/ES", "refused"): 10}
        assert {one.detail for one in progress.answers if one.symbol == "/ES"} == {NOT_PROVIDED}
        assert progress.state == "done" and await at_desk.spans("/ES") == []
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: None
        assert outcomes(await at_desk.run()) == {("SPY", "there"): 10, ("/ES", "stored"): 10}


async def test_a_week_that_is_refused_for_one_of_its_days_is_asked_for_in_parts(tmp_path: Path) -> None:
    wednesday_us = at("2026-11-11 12:00")

    def refuse(symbol: str, from_us: int, to_us: int) -> Answer | None:
        said = Answer("empty", (), "Schwab says that no market was open", to_us, is_refusal=True)
        return said if from_us < wednesday_us < to_us else None

    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = refuse
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 9), date(2026, 11, 13)))
        assert {one.day: one.outcome for one in progress.answers} == {
            "2026-11-09": "stored", "2026-11-10": "stored", "2026-11-11": "empty", "2026-11-12": "stored",
            "2026-11-13": "stored",
        }  # fmt: skip
        assert len(at_desk.schwab.questions) == 5  # the week, its newer half, that one's halves, the older half


async def test_a_symbol_that_is_refused_is_not_asked_about_day_by_day_again_and_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: Answer(
            "refused", (), "Schwab answered HTTP 404: Not Found", to_us, is_refusal=True
        )
        progress = await at_desk.run(Request(("NOPE",), "1m", date(2026, 10, 5), date(2026, 11, 20)))
        assert outcomes(progress) == {("NOPE", "refused"): 35}
        assert len(at_desk.schwab.questions) <= 7 + 6  # a call a week, and the first week in parts
        assert len(await at_desk.bars("NOPE")) == 0


async def test_a_day_with_odd_candles_is_kept_but_not_taken_for_whole(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.odd_us = (at("2026-11-11 09:00"),)
        request = Request(("SPY",), "1m", date(2026, 11, 10), date(2026, 11, 11))
        progress = await at_desk.run(request)
        assert [(one.outcome, one.bars, one.whole, one.detail) for one in progress.answers] == [
            ("stored", 16, True, ""), ("stored", 15, False, "candles that made no sense: 1"),
        ]  # fmt: skip
        assert len(await at_desk.spans()) == 1
        at_desk.schwab.odd_us = ()
        assert outcomes(await at_desk.run(request)) == {("SPY", "there"): 1, ("SPY", "stored"): 1}
        assert len(await at_desk.spans()) == 2


async def test_what_schwab_repairs_overnight_is_asked_for_again_on_the_next_day(tmp_path: Path) -> None:
    request = Request(("$TICK",), "1m", date(2026, 11, 19), date(2026, 11, 20))
    async with desk(tmp_path, at("2026-11-20 18:00")) as at_desk:
        progress = await at_desk.run(request)
        assert [(one.day, one.whole) for one in progress.answers] == [("2026-11-19", True), ("2026-11-20", False)]
        at_desk.clock.advance(at("2026-11-21 18:00"))
        at_desk.schwab.price += 1
        progress = await at_desk.run(request)
        assert [(one.day, one.outcome, one.whole) for one in progress.answers] == [
            ("2026-11-19", "there", True), ("2026-11-20", "stored", True),
        ]  # fmt: skip


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
