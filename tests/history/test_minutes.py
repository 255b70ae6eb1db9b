"""Bars for people: ours and Schwab's together, whatever interval and session, and where there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.engine.test_series import MINUTE_US, OPEN_US
from tests.history.test_warm import minute, minutes
from tradeassistd.base.clock import ManualClock
from tradeassistd.history.minutes import Drawn, read_bars
from tradeassistd.market.bar import Stretch
from tradeassistd.market.instrument import instrument_of
from tradeassistd.store.official import Span, insert_official, insert_span, newest_bar_us
from tradeassistd.store.writer import Store

DAY_US = 1_440 * MINUTE_US


def us(number: float) -> int:
    return OPEN_US + round(number * MINUTE_US)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Watched but for the minutes 10 to 20; Schwab has told 12 to 16, and minute 3, which was watched."""
    store = await Store.open(tmp_path, clock=ManualClock(OPEN_US))
    ours = [bar for bar in minutes(40) if not us(10) <= bar.start_us < us(20) and bar.start_us not in (us(3), us(25))]
    theirs = [minute(us(number), 900) for number in (3, 12, 13, 15)]
    await store.save_bars(ours, [Stretch("SPY", us(-10), us(9.95)), Stretch("SPY", us(20), us(40))], us(40))
    await store.transaction(lambda raw: insert_official(raw, theirs, "rest", 1))
    await store.transaction(lambda raw: insert_span(raw, Span("SPY", us(12), us(16)), "rest", 1))
    try:
        yield store
    finally:
        await store.close()


async def read(store: Store, interval: str, begin: float, end: float, session: str = "rth") -> Drawn:
    return await store.read(lambda raw: read_bars(raw, instrument_of("SPY"), interval, session, us(begin), us(end)))


async def test_schwabs_minutes_stand_where_nobody_watched_and_nowhere_else(store: Store) -> None:
    found = await read(store, "1m", 0, 40)
    numbers = [(bar.start_us - OPEN_US) // MINUTE_US for bar in found.bars]
    assert numbers == [0, 1, 2, *range(4, 9), 12, 13, 15, *range(20, 25), *range(26, 40)]
    assert [bar.open for bar in found.bars if bar.start_us in (us(12), us(13), us(15))] == [900] * 3
    assert found.holes == [Span("SPY", us(9), us(12)), Span("SPY", us(16), us(20))]


async def test_a_longer_bar_that_touches_a_hole_is_not_made(store: Store) -> None:
    found = await read(store, "5m", 0, 40)
    assert [(bar.start_us - OPEN_US) // MINUTE_US for bar in found.bars] == [0, 20, 25, 30, 35]
    assert (found.bars[0].open, found.bars[0].close, found.bars[0].volume) == (100, 105, 4)


async def test_bounds_within_a_bar_leave_that_bar_out(store: Store) -> None:
    assert [bar.start_us for bar in (await read(store, "5m", 22, 38)).bars] == [us(25), us(30)]
    assert (await read(store, "1d", 0, 40)).bars == []


async def test_schwabs_longer_bars_stand_where_minutes_are_not_known(store: Store) -> None:
    fives = [replace(minute(us(at), 800), interval="5m", end_us=us(at + 5)) for at in (0, 10, 15)]
    await store.transaction(lambda raw: insert_official(raw, fives, "rest", 1))
    found = await read(store, "5m", 0, 40)
    assert [((bar.start_us - OPEN_US) // MINUTE_US, bar.open) for bar in found.bars] == [
        (0, 100), (10, 800), (15, 800), (20, 120), (25, 126), (30, 130), (35, 135),
    ]  # fmt: skip
    assert found.holes == [Span("SPY", us(9), us(10))]


async def test_schwabs_days_are_of_the_symbols_own_session(store: Store) -> None:
    midnight = us(-9.5 * 60)
    days = [replace(minute(midnight + at, 800), interval="1d", end_us=midnight + at + DAY_US) for at in (-DAY_US, 0)]
    await store.transaction(lambda raw: insert_official(raw, days, "rest", 1))
    # Sunday is no trading day, whatever somebody tells of it.
    found = await read(store, "1d", -3 * 1440, 1440)
    assert [(bar.start_us, bar.end_us, bar.open) for bar in found.bars] == [(us(0), us(390), 800)]
    assert all(hole.to_us <= midnight or hole.from_us > us(390) for hole in found.holes)
    assert (await read(store, "1d", -3 * 1440, 1440, "ext")).bars == []
    assert await store.read(lambda raw: newest_bar_us(raw, "SPY", "1d")) == midnight + DAY_US


async def test_a_word_the_instrument_lacks(store: Store) -> None:
    with pytest.raises(ValueError, match="no session"):
        await read(store, "5m", 0, 40, "globex")
