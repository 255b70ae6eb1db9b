"""The simulator on real sockets: market time, its speed, its cuts and its heartbeats."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import websockets
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.sim.clients import schwab_client, streaming, subscribe
from tests.sim.playing import LIMIT_S, START_MS, START_US, drink, trades, until
from tradeassistd.base.clock import ManualClock
from tradeassistd.sim import player
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut


async def test_a_cut_loses_the_rows_inside_it_and_none_before_it(tmp_path: Path) -> None:
    cut = Cut(START_US + 40_000_000, 20.0)
    async with Simulator(trades(tmp_path, 100), speed=None, cuts=[cut]) as sim:
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            async with asyncio.timeout(LIMIT_S):
                with pytest.raises(ConnectionClosedError):
                    while True:
                        await stream.handle_message()
            assert [item["3"] for item in tap.items] == list(range(41))  # the row of second 40 is number 41
        assert not sim.finished.is_set()
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 41)
            assert (tap.data[0]["timestamp"], tap.items[0]["3"]) == (cut.until_us // 1000, 60)
            assert [item["3"] for item in tap.items[1:]] == list(range(61, 101))
            await sim.wait_finished()


async def test_during_a_cut_at_a_speed_the_service_is_out_and_the_market_runs_on(tmp_path: Path) -> None:
    market = trades(tmp_path, 20)
    clock = ManualClock()
    cut = Cut(START_US + 5_000_000, 10.0)
    async with Simulator(market, speed=1.0, cuts=[cut], clock=clock) as sim, schwab_client(sim) as client:
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            async with asyncio.timeout(LIMIT_S):
                await until(clock, lambda: sim.in_cut)
                with pytest.raises(ConnectionClosedError):
                    while True:
                        await stream.handle_message()
            assert [item["3"] for item in tap.items] == list(range(6))
        assert (await client.get_user_preferences()).status_code == 503
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(sim.streamer_url)
        assert caught.value.response.status_code == 503
        async with asyncio.timeout(LIMIT_S):
            await until(clock, lambda: not sim.in_cut)
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 1)
            assert tap.items[0]["3"] == market.rows_passed > 5
            async with asyncio.timeout(LIMIT_S):
                await until(clock, sim.finished.is_set)
                while not tap.items or tap.items[-1]["3"] != 20:
                    await stream.handle_message()


async def test_a_speed_is_kept(tmp_path: Path) -> None:
    """At 100 times real time ten seconds of market pass in a tenth of machine time, not sooner."""
    clock = ManualClock()
    market = trades(tmp_path, 11)
    async with Simulator(market, speed=100.0, clock=clock) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        async with asyncio.timeout(LIMIT_S):
            await until(clock, lambda: market.rows_passed == 11)
            assert clock.elapsed_s() == pytest.approx(0.1)
            while tap.items[-1:] == [] or tap.items[-1]["3"] != 11:
                await stream.handle_message()


async def test_after_the_last_row_there_are_still_heartbeats(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Simulator(trades(tmp_path, 1), speed=None, clock=clock) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await sim.wait_finished()
        async with asyncio.timeout(LIMIT_S):
            await until(clock, lambda: sim.counters.heartbeats == 2)
            while len(tap.heartbeats) < 2:
                await stream.handle_message()
        assert tap.heartbeats == [START_MS + 10_000, START_MS + 20_000]


async def test_a_market_that_has_not_started_still_shows_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "SIGN_OF_LIFE_S", 0.01)
    market = trades(tmp_path, 1)
    async with Simulator(market, speed=1.0) as sim, streaming(sim) as (stream, tap):
        async with asyncio.timeout(LIMIT_S):
            while len(tap.heartbeats) < 2:
                await stream.handle_message()
        assert set(tap.heartbeats) == {START_MS}
        assert market.rows_passed == 0


async def test_who_comes_after_the_end_hears_heartbeats_too(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Simulator(trades(tmp_path, 1), speed=None, clock=clock) as sim:
        async with streaming(sim) as (stream, _):
            await subscribe(stream, ["SPY"])
            await sim.wait_finished()
        await sim.drop_connections()
        clock.pass_time(300)  # nobody is there, and nothing is due
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 1)
            assert tap.items[0]["3"] == 1
            async with asyncio.timeout(LIMIT_S):
                await until(clock, lambda: sim.counters.heartbeats > 0)
                while not tap.heartbeats:
                    await stream.handle_message()
