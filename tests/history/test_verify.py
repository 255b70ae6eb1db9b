"""What is stored beside what Schwab tells: each kind of difference, and nothing changed by looking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from tests.engine.test_series import MINUTE_US, OPEN_US, at
from tests.history.test_warm import minute
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError, UnfitError
from tradeassistd.feed.history import Answer
from tradeassistd.history.verify import Verdict, Verifier
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.instrument import instrument_of
from tradeassistd.store.official import insert_official
from tradeassistd.store.writer import Store

MONDAY = date(2026, 11, 16)


def us(number: int) -> int:
    return OPEN_US + number * MINUTE_US


class Schwab:
    def __init__(self, bars: list[Bar]) -> None:
        self.bars = bars
        self.outcome = "given"
        self.asked: list[tuple[int, int]] = []

    async def minutes(self, symbol: str, from_us: int, to_us: int) -> Answer:
        self.asked.append((from_us, to_us))
        if self.outcome != "given":
            return Answer(self.outcome, (), "not provided", to_us)  # type: ignore[arg-type]
        return Answer("given", tuple(bar for bar in self.bars if from_us <= bar.start_us < to_us), "", to_us)


class Desk:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.schwab = Schwab([minute(us(number)) for number in range(6)])
        self.verifier = Verifier(self.schwab, store.directory, clock, instrument_of)

    async def monday(self) -> Verdict:
        (verdict,) = await self.verifier.verify("SPY", MONDAY, MONDAY)
        return verdict


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock(at("2026-11-18 12:00"))
    store = await Store.open(tmp_path, clock=clock)
    try:
        yield Desk(store, clock)
    finally:
        await store.close()


async def test_a_day_that_agrees(desk: Desk) -> None:
    await desk.store.save_bars(desk.schwab.bars, [Stretch("SPY", us(0), us(6))], us(6))
    verdict = await desk.monday()
    assert (verdict.outcome, verdict.bars, verdict.tally.compared) == ("agrees", 6, 6)
    assert (verdict.not_stored, verdict.restated, verdict.tally.agrees) == (0, 0, True)
    assert desk.schwab.asked == [(at("2026-11-16 04:00"), at("2026-11-16 20:00"))]


async def test_each_kind_of_difference(desk: Desk) -> None:
    """Watched for four minutes: one alike, one with another volume, one we saw no trade in, one that Schwab lacks."""
    desk.schwab.bars = [bar for bar in desk.schwab.bars if bar.start_us != us(3)]
    ours = [minute(us(0)), minute(us(1), volume=9), minute(us(3))]
    await desk.store.save_bars(ours, [Stretch("SPY", us(0), us(4))], us(6))
    stored = [minute(us(4), 101)]
    await desk.store.transaction(lambda raw: insert_official(raw, stored, "chart", 1))
    verdict = await desk.monday()
    tally = verdict.tally
    assert verdict.outcome == "differs"
    assert (tally.compared, tally.differing, tally.only_official, tally.only_ours) == (2, 1, 1, 1)
    assert (tally.fields["volume"].count, tally.fields["volume"].most, tally.fields["volume"].most_us) == (1, -8, us(1))
    assert tally.fields["close"].count == 0
    assert (verdict.restated, verdict.not_stored) == (1, 1), "minute 4 was told otherwise, minute 5 is not stored"
    assert verdict.document()["fields"] == {
        "volume": {"count": 1, "most": -8.0, "most_at": "2026-11-16T14:31:00.000000Z"}
    }
    held = await desk.store.load_bars("SPY", "1m", "always", before_us=us(99), limit=99)
    assert held == ours, "looking changes nothing"


async def test_half_a_minute_of_watching_is_compared_with_nothing(desk: Desk) -> None:
    await desk.store.save_bars([minute(us(1))], [Stretch("SPY", us(0) + 1, us(2) + 5)], us(6))
    verdict = await desk.monday()
    assert (verdict.tally.compared, verdict.tally.only_official) == (1, 0)
    assert verdict.not_stored == 5


async def test_nothing_stored_nothing_told_and_refused(desk: Desk) -> None:
    assert (await desk.monday()).outcome == "nothing"
    for outcome in ("refused", "empty"):
        desk.schwab.outcome = outcome
        verdict = await desk.monday()
        assert (verdict.outcome, verdict.detail) == (outcome, "not provided")
    desk.schwab.outcome, desk.schwab.bars = "given", []
    assert (await desk.monday()).outcome == "empty"


async def test_a_week_is_one_question_and_days_without_trading_are_none(desk: Desk) -> None:
    verdicts = await desk.verifier.verify("SPY", None, None)
    assert [one.day for one in verdicts] == ["2026-11-12", "2026-11-13", "2026-11-16", "2026-11-17", "2026-11-18"]
    assert len(desk.schwab.asked) == 1
    assert await desk.verifier.verify("SPY", date(2026, 11, 14), date(2026, 11, 15)) == []


async def test_what_cannot_be_asked(desk: Desk) -> None:
    with pytest.raises(UnfitError, match="not a symbol"):
        await desk.verifier.verify("spy!", None, None)
    with pytest.raises(TransientError, match="not known yet"):
        await Verifier(desk.schwab, desk.store.directory, ManualClock(), instrument_of).verify("SPY", None, None)
    with pytest.raises(TransientError, match="elsewhere"):
        await Verifier(None, desk.store.directory, ManualClock(us(0)), instrument_of).verify("SPY", None, None)
