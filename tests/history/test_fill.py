"""Holes are found and filled by themselves: a real store, Schwab's answers by hand, time moved by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
from structlog.testing import capture_logs

from tests.engine.test_machine import rule
from tests.engine.test_series import MINUTE_US, OPEN_US
from tests.history.test_warm import minute, minutes
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Bars
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.history import LATE_S, NOT_PROVIDED, Answer
from tradeassistd.history.fill import EMPTY_AGAIN_S, REFUSED_AGAIN_S, RETRY_FIRST_S, Filler
from tradeassistd.history.minutes import select_known_minutes
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.store.official import Span, select_official, select_spans
from tradeassistd.store.writer import Store

RULES = RuleSet((rule("price > sma(close, 5, 1m)", symbols=("SPY",)),))
LATER_S = 3_600


class Schwab:
    """Tells minutes, or fails as often as it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, int, int]] = []
        self.failures = 0
        self.refusal = ""
        self.outcome: Literal["empty", "refused"] = "refused"
        self.odd: tuple[int, ...] = ()
        self.quiet: set[int] = set()
        """Minutes after the opening in which nothing was traded."""

    async def minutes(self, symbol: str, from_us: int, to_us: int) -> Answer:
        self.asked.append((symbol, (from_us - OPEN_US) // MINUTE_US, (to_us - OPEN_US) // MINUTE_US))
        if self.failures:
            self.failures -= 1
            raise TransientError("Schwab's REST failed: HTTP 503", retry_after_s=5.0)
        if self.refusal:
            return Answer(self.outcome, (), self.refusal, to_us)
        until_us = min(to_us, (self.clock.now_us() - LATE_S * US_PER_S) // MINUTE_US * MINUTE_US)
        bars = tuple(
            minute(at, 700, symbol=symbol)
            for at in range(from_us, until_us, MINUTE_US)
            if (at - OPEN_US) // MINUTE_US not in self.quiet
        )
        return Answer("given", bars, "", until_us, self.odd)


class Desk:
    """A filler over a store of which the test says what was watched."""

    def __init__(self, store: Store, clock: ManualClock, days: int = 1) -> None:
        self.store, self.clock = store, clock
        self.schwab = Schwab(clock)
        self.told: list[Bars] = []
        self.symbols = ["SPY"]
        self.filler = Filler(store, self.schwab, lambda: self.symbols, lambda: RULES, self.told.extend, clock,
                             days=days)  # fmt: skip

    async def watched(self, *spans: tuple[float, float], until: float, bars: list[Bar] | None = None,
                      symbol: str = "SPY") -> None:  # fmt: skip
        """What is stored and said of watching; a span whose end is 0 goes on. Minutes after the opening."""
        stretches = [Stretch(symbol, us(a), us(b) if b else 0) for a, b in spans]
        await self.store.save_bars(bars or [], stretches, us(until))
        self.clock.advance(us(until) + 2 * US_PER_S)
        self.filler.note(stretches)

    async def known(self, symbol: str = "SPY") -> list[tuple[float, float]]:
        spans = await self.store.read(lambda raw: select_spans(raw, symbol))
        return [((one.from_us - OPEN_US) / MINUTE_US, (one.to_us - OPEN_US) / MINUTE_US) for one in spans]

    async def stored(self, begin: int, end: int) -> list[int]:
        """The opening prices of the minutes known between two."""
        return [bar.open for bar in await self.store.read(
            lambda raw: list(select_known_minutes(raw, "SPY", us(begin), us(end))))]  # fmt: skip


def us(minutes_after: float) -> int:
    return OPEN_US + round(minutes_after * MINUTE_US)


BEFORE = (-1440 * 3, 10.25)
"""Watched from long ago until 09:40:15."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock(OPEN_US)
    store = await Store.open(tmp_path, clock=clock)
    try:
        yield Desk(store, clock)
    finally:
        await store.close()


@asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.filler.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - every turn of the loop may change it
            await asyncio.sleep(0)


async def test_a_hole_is_asked_for_and_the_engine_gets_it(desk: Desk) -> None:
    await desk.watched(BEFORE, (14.5, 0), until=20, bars=[*minutes(10), minute(us(16))])
    await desk.filler.turn()
    assert desk.schwab.asked == [("SPY", 10, 15)]
    assert await desk.known() == [(10, 15)]
    assert await desk.stored(8, 17) == [108, 109, 700, 700, 700, 700, 700, 100]
    past, fill = desk.told
    assert (past.source, fill.source, fill.whole_from_us, fill.until_us) == ("store", "rest", us(10), us(15))
    assert [row.start_us for row in fill.rows] == [us(number) for number in range(10, 15)]
    assert past.interval == "1m" and [row.open for row in past.rows] == [700, 700, 700, 700, 100]
    assert desk.filler.status()["missing"] == []
    await desk.filler.turn()
    assert len(desk.schwab.asked) == 1, "what is known is not asked for again"


async def test_a_minute_that_is_not_old_enough_is_asked_for_when_it_is(desk: Desk) -> None:
    async with at_work(desk):
        await desk.watched(BEFORE, (12.9, 0), until=13)
        await until(lambda: bool(desk.told))
        assert desk.schwab.asked == [("SPY", 10, 13)]
        assert await desk.known() == [(10, 12)]
        desk.told.clear()
        desk.clock.advance(us(13) + LATE_S * US_PER_S)
        await until(lambda: bool(desk.told))
        assert desk.schwab.asked[1:] == [("SPY", 12, 13)]
        assert await desk.known() == [(10, 13)]


async def test_the_minute_in_which_watching_began_is_looked_for_when_it_is_over(desk: Desk) -> None:
    async with at_work(desk):
        await desk.watched(BEFORE, until=10.2)
        await desk.watched((12.5, 0), until=12.6)
        await until(lambda: bool(desk.told))
        assert desk.schwab.asked == [("SPY", 10, 12)]
        await desk.store.save_bars([], [], us(13.6))
        desk.clock.advance(us(13) + LATE_S * US_PER_S)
        await until(lambda: len(desk.schwab.asked) == 2)
        assert desk.schwab.asked[1] == ("SPY", 12, 13)


async def test_a_minute_without_a_trade_is_known_all_the_same(desk: Desk) -> None:
    desk.schwab.quiet = {11, 13}
    await desk.watched(BEFORE, (15, 0), until=20)
    await desk.filler.turn()
    assert await desk.known() == [(10, 15)]
    assert [(row.start_us - OPEN_US) // MINUTE_US for row in desk.told[-1].rows] == [10, 12, 14]


async def test_a_symbol_that_nobody_watches_now_waits_until_somebody_does(desk: Desk) -> None:
    await desk.watched((-900, 5), until=20)
    desk.filler._look_now = True
    await desk.filler.turn()
    assert desk.schwab.asked == []


async def test_schwab_fails_and_is_asked_again_later_not_at_once(desk: Desk) -> None:
    desk.schwab.failures = 2
    async with at_work(desk):
        await desk.watched(BEFORE, (14, 0), until=20)
        for number in (1, 2):
            await until(lambda number=number: len(desk.schwab.asked) == number and desk.clock.pauses_s != [])  # type: ignore[misc]
            assert "503" in desk.filler.status()["failing"]
            desk.clock.pass_time(RETRY_FIRST_S * number - 1)
            await asyncio.sleep(0)
            assert len(desk.schwab.asked) == number
            desk.clock.pass_time(1.0)
        await until(lambda: bool(desk.told))
    assert desk.filler.status()["failing"] == "" and await desk.known() == [(10, 14)]


async def test_what_is_not_provided_is_said_and_not_asked_for_all_day(desk: Desk) -> None:
    desk.schwab.refusal = NOT_PROVIDED
    async with at_work(desk):
        await desk.watched(BEFORE, (14, 0), until=20)
        await until(lambda: bool(desk.filler.status()["refused"]))
        assert desk.filler.status()["refused"] == {"SPY": NOT_PROVIDED}
        assert [one["symbol"] for one in desk.filler.status()["missing"]] == ["SPY"]
        await desk.watched((22, 0), until=25)
        await until(lambda: not desk.filler._look_now)
        assert len(desk.schwab.asked) == 1
        desk.schwab.refusal = ""
        desk.clock.pass_time(REFUSED_AGAIN_S)
        await until(lambda: bool(desk.told))
    assert desk.filler.status()["refused"] == {}


async def test_a_stock_that_has_not_traded_yet_is_asked_about_again_soon(desk: Desk) -> None:
    desk.schwab.refusal, desk.schwab.outcome = "no candles of it", "empty"
    async with at_work(desk):
        await desk.watched(BEFORE, (14, 0), until=20)
        await until(lambda: bool(desk.filler.status()["refused"]) and desk.clock.pauses_s != [])
        desk.schwab.refusal = ""
        desk.clock.pass_time(EMPTY_AGAIN_S)
        await until(lambda: bool(desk.told))
    assert len(desk.schwab.asked) == 2
    assert desk.filler.status()["refused"] == {}


async def test_odd_candles_fill_nothing(desk: Desk) -> None:
    desk.schwab.odd = (OPEN_US,)
    await desk.watched(BEFORE, (14, 0), until=20)
    await desk.filler.turn()
    assert desk.told == [] and await desk.known() == []


async def test_minutes_of_the_stream_fill_a_hole_without_a_question(desk: Desk) -> None:
    desk.schwab.failures = 99
    await desk.watched(BEFORE, (11.5, 0), until=13)
    await desk.filler.turn()
    asked = len(desk.schwab.asked)
    desk.filler.take([minute(us(10), 700)])
    await desk.filler.turn()
    assert await desk.known() == [], "a minute is still missing"
    desk.filler.take([minute(us(11), 700)])
    await desk.filler.turn()
    assert await desk.known() == [(10, 12)] and len(desk.schwab.asked) == asked
    assert desk.told[-1].source == "chart"


async def test_without_rest_nothing_is_asked_and_nothing_spins(tmp_path: Path) -> None:
    clock = ManualClock(OPEN_US)
    store = await Store.open(tmp_path, clock=clock)
    desk = Desk(store, clock)
    desk.filler = Filler(store, None, lambda: ["SPY"], lambda: RULES, desk.told.extend, clock, days=1)
    try:
        async with at_work(desk):
            await desk.watched(BEFORE, (14, 0), until=20)
            await until(lambda: desk.filler.status()["missing"] != [])
            assert desk.filler._due_us() > us(LATER_S)
    finally:
        await store.close()


async def test_a_disk_that_stays_busy_is_told_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    async def busy(_: object) -> None:
        nonlocal tried
        tried += 1
        raise TransientError("main.db: disk I/O error")

    with monkeypatch.context() as broken, capture_logs() as said:
        broken.setattr(desk.store, "transaction", busy)
        async with at_work(desk):
            for count in range(1, 4):
                desk.filler.take([minute(us(count))])
                await until(lambda count=count: tried >= count)  # type: ignore[misc]
    assert [one["reason"] for one in said if one["event"] == "history.store_busy"] == ["main.db: disk I/O error"]
    await desk.filler.turn()
    assert await desk.store.read(lambda raw: len(list(select_official(raw, "SPY", "1m", us(0), us(9))))) == 3


async def test_official_minutes_are_compared_with_ours_each_once(desk: Desk) -> None:
    await desk.watched((0, 0), until=5, bars=[minute(us(0)), minute(us(1)), minute(us(3))])
    official = [minute(us(0)), minute(us(1), 110), minute(us(2)), minute(us(9))]
    for _ in range(2):
        desk.filler.take(official)
        await desk.filler.turn()
    found = desk.filler.status()["differences"]["SPY"]
    assert (found["compared"], found["differing"], found["only_official"], found["only_ours"]) == (2, 1, 1, 0)
    assert found["fields"]["high"]["count"] == 1 and "volume" not in found["fields"]
    await desk.store.save_bars([minute(us(9), 100, 7)], [], us(12))
    await desk.filler.turn()
    found = desk.filler.status()["differences"]["SPY"]
    assert (found["compared"], found["fields"]["volume"]["most"]) == (3, -6.0)
    assert await desk.stored(0, 4) == [100, 100, 100], "what rules saw stays"


async def test_minutes_that_could_not_be_compared_wait_for_another_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.watched((0, 0), until=5, bars=[minute(us(0)), minute(us(1))])

    def locked(*_: object) -> object:
        raise TransientError("main.db: database is locked")

    with monkeypatch.context() as broken:
        broken.setattr("tradeassistd.history.official.select_minutes", locked)
        desk.filler.take([minute(us(0)), minute(us(1), 110)])
        with pytest.raises(TransientError):
            await desk.filler.turn()
    await desk.filler.turn()
    found = desk.filler.status()["differences"]["SPY"]
    assert (found["compared"], found["differing"]) == (2, 1)


async def test_a_hole_over_a_roll_is_stored_but_not_given_to_the_engine(desk: Desk) -> None:
    desk.symbols = ["/ES"]
    spans = [Stretch("/ES", us(-3 * 1440), us(10), "/ESU26"), Stretch("/ES", us(14), 0, "/ESZ26")]
    await desk.store.save_bars([], spans, us(20))
    desk.clock.advance(us(21))
    desk.filler.note(spans)
    await desk.filler.turn()
    assert await desk.known("/ES") == [(10, 14)] and [one.source for one in desk.told if one.source == "rest"] == []


async def test_the_span_is_one_with_the_one_it_touches(desk: Desk) -> None:
    await desk.filler.official.keep([], "rest", 1, Span("SPY", us(0), us(5)))
    await desk.filler.official.keep([], "chart", 2, Span("SPY", us(5), us(6)))
    assert await desk.known() == [(0, 6)]
