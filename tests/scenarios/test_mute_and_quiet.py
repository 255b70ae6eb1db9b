"""A mute feed is noticed within 35 s of its last frame, and never in a quiet night."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from tests.recorded import recorded
from tests.scenarios.stage import MONDAY_10, Stage, instant_us, staged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.synthetic import SyntheticMarket

NOTICED_WITHIN_US = 35 * US_PER_S
RULES = "version: 1\nrules:\n  - {{id: any, symbols: [{symbols}], when: price > 1, mode: shadow}}\n"


async def until_noticed(stage: Stage) -> int:
    """Market time between the last row and the daemon's leaving the line."""
    last_us = stage.watcher.ticks[-1].event_us
    await stage.world.until(lambda: stage.state == "backoff", 120)
    return stage.now_us - last_us


@pytest.mark.parametrize("heartbeats", ["false", "true"])
async def test_a_busy_feed_that_goes_mute_is_noticed(heartbeats: str, tmp_path: Path) -> None:
    market = SyntheticMarket(3, instant_us(MONDAY_10), ("/ES", "SPY"), ticks_per_s=3)
    async with staged(tmp_path, market, RULES.format(symbols="/ES, SPY")) as stage:
        await stage.live()
        await stage.world.pass_time(60)
        stage.simulator.inject(f"mute, heartbeats: {heartbeats}, until: reconnect")
        assert await until_noticed(stage) <= NOTICED_WITHIN_US
        last_us = stage.watcher.ticks[-1].event_us
        await stage.world.until(lambda: stage.state == "live")
        await stage.world.pass_time(5)
    assert [gap.from_us <= last_us + US_PER_S for gap in stage.gaps] == [True]


async def test_a_feed_that_is_mute_since_it_came_back_is_noticed_as_soon(tmp_path: Path) -> None:
    market = SyntheticMarket(3, instant_us(MONDAY_10), ("/ES", "SPY"), ticks_per_s=3)
    async with staged(tmp_path, market, RULES.format(symbols="/ES, SPY")) as stage:
        await stage.live()
        await stage.world.pass_time(60)
        stage.simulator.inject("drop")
        await stage.world.until(lambda: stage.states.count("live") == 2)
        await stage.world.pass_time(2)
        stage.simulator.inject("mute, heartbeats: true, until: reconnect")
        assert await until_noticed(stage) <= NOTICED_WITHIN_US
    assert stage.said == []


async def test_a_quiet_feed_that_goes_mute_is_noticed_by_its_heartbeats(tmp_path: Path) -> None:
    night = instant_us("2026-11-16T02:00:00-05:00")
    market = SyntheticMarket(3, night, ("/GC",), ticks_per_s=0.02, slot_us=10 * US_PER_S)
    async with staged(tmp_path, market, RULES.format(symbols="/GC")) as stage:
        await stage.live()
        await stage.world.pass_time(300)
        stage.simulator.inject("mute, until: reconnect")
        began_us = stage.now_us
        await stage.world.until(lambda: stage.state == "backoff", 120)
        assert stage.now_us - began_us <= NOTICED_WITHIN_US


async def disturbances(stage: Stage, hours: float) -> list[object]:
    """What happened in those hours: states of the connection after it was live, messages, gaps."""
    await stage.live()
    await stage.world.pass_time(hours * 3600)
    return [*stage.states[stage.states.index("live") + 1 :], *stage.said, *stage.gaps]


async def test_a_night_of_gold_futures_is_quiet_and_not_mute(tmp_path: Path) -> None:
    """The first hours of a recorded day: silences of minutes, and then a few rows in a second."""
    path = tmp_path / "night.csv"
    with gzip.open(recorded("ticks/GC_GCZ13_20131007_trades_session.csv.gz"), "rt") as file:
        head, *rows = file.read().splitlines()
    first_ns = int(rows[0].split(",")[0])
    rows = [row for row in rows if int(row.split(",")[0]) < first_ns + 3 * 3600 * 10**9]
    times = [int(row.split(",")[0]) for row in rows]
    assert max(after - before for before, after in pairwise(times)) > 60 * 10**9
    path.write_text("\n".join([head, *rows]) + "\n")
    market = RecordedMarket(path)
    async with staged(tmp_path / "daemon", market, RULES.format(symbols="/GC"), saved_every_s=60) as stage:
        assert await disturbances(stage, 2.9) == []


async def test_an_hour_of_a_holiday_night_is_quiet_and_not_mute(tmp_path: Path) -> None:
    market = RecordedMarket(recorded("ticks/ES_ESH4_20231225_globex_reopen_1h.csv.gz"))
    async with staged(tmp_path, market, RULES.format(symbols="/ES"), saved_every_s=60) as stage:
        assert await disturbances(stage, 0.9) == []


async def test_a_made_up_night_is_quiet_and_not_mute(tmp_path: Path) -> None:
    """From before the daily break until long after it: nothing comes for an hour, but heartbeats."""
    market = SyntheticMarket(
        5, instant_us("2026-11-16T16:30:00-05:00"), ("/GC", "/ES"), ticks_per_s=0.05, slot_us=20 * US_PER_S
    )
    async with staged(tmp_path, market, RULES.format(symbols="/GC, /ES"), saved_every_s=60) as stage:
        assert await disturbances(stage, 2.5) == []
