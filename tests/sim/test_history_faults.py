"""What goes wrong with price history, and the limit on calls: asked by an unmodified schwab-py over sockets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sim.clients import schwab_client
from tests.sim.test_pricehistory import SYMBOLS, asking, candles, detail, minutes, us
from tradeassistd.base.clock import ManualClock
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket

DAY = ("2026-11-12T00:00:00", "2026-11-12T23:00:00")
TODAY = ("2026-11-16T00:00:00", "2026-11-16T23:00:00")
NOON = "2026-11-16T12:00:45"


def of_minute(found: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {one["datetime"]: one for one in found}


async def test_a_limit_lets_so_many_calls_through_and_says_when_to_come_again() -> None:
    clock = ManualClock()
    market = SyntheticMarket(7, us(NOON), SYMBOLS)
    async with Simulator(market, clock=clock) as sim, schwab_client(sim) as client:
        sim.inject("rate_limit, path: history, calls: 2, per: 60s")
        first = await minutes(client, "SPY", *DAY)
        clock.pass_time(20)
        second = await minutes(client, "SPY", *DAY)
        clock.pass_time(10)
        third = await minutes(client, "SPY", *DAY)
        other = await client.get_quotes(["SPY"])
        clock.pass_time(30)
        fourth = await minutes(client, "SPY", *DAY)
        fifth = await minutes(client, "SPY", *DAY)
        assert [one.status_code for one in (first, second, third, other, fourth, fifth)] == [
            200,
            200,
            429,
            200,
            200,
            429,
        ]
        assert (third.headers["Retry-After"], fifth.headers["Retry-After"]) == ("30", "20")
        assert third.json()["errors"][0]["status"] == 429
        assert [call.status for call in sim.counters.calls] == [200, 200, 429, 200, 200, 429]
        assert [call.elapsed_s for call in sim.counters.calls] == [0, 20, 30, 30, 60, 60]
        assert next(iter(sim.faults.running.values())).hits == 2


async def test_a_storm_of_429_passes() -> None:
    async with asking(NOON) as (client, sim):
        sim.inject("rest_status, path: history, status: 429, retry_after: 7s, times: 3")
        answers = [await minutes(client, "SPY", *DAY) for _ in range(4)]
        assert (await client.get_quotes(["SPY"])).status_code == 200
    assert [one.status_code for one in answers] == [429, 429, 429, 200]
    assert {one.headers.get("Retry-After") for one in answers[:3]} == {"7"}


async def test_history_can_refuse_an_open_day_or_have_nothing_for_some_symbols() -> None:
    async with asking(NOON) as (client, sim):
        sim.inject("history, answer: inverted_date, symbols: /ES")
        stock, future, again = [await minutes(client, symbol, *DAY) for symbol in ("SPY", "/ES", "/ES")]
        sim.inject("history, answer: empty, times: 2")
        empty = [await minutes(client, "SPY", *DAY) for _ in range(3)]
    assert len(candles(stock)) == len(candles(empty[2])) == 960
    assert "inverted date" in detail(future)
    assert len(candles(again)) > 1_000
    assert [one.json() for one in empty[:2]] == [{"candles": [], "symbol": "SPY", "empty": True}] * 2


async def test_candles_can_come_later_than_usual() -> None:
    async with asking(NOON) as (client, sim):
        usual = candles(await minutes(client, "SPY", *TODAY))
        sim.inject("history_late, by: 5m")
        late = candles(await minutes(client, "SPY", *TODAY))
        before = candles(await minutes(client, "SPY", *DAY))
    assert late == usual[:-5]
    assert len(before) == 960


async def test_holes_are_always_the_same_and_go_with_the_fault() -> None:
    async with asking(NOON) as (client, sim):
        whole = candles(await minutes(client, "SPY", *DAY))
        fault = sim.inject("history_holes, every: 4, symbols: SPY")
        torn = candles(await minutes(client, "SPY", *DAY))
        again = candles(await minutes(client, "SPY", *DAY))
        other = candles(await minutes(client, "$SPX", *DAY))
        assert fault is not None
        sim.end_fault(fault.number)
        healed = candles(await minutes(client, "SPY", *DAY))
    assert torn == again
    assert 150 < len(whole) - len(torn) < 330
    assert [one for one in torn if one not in whole] == []
    assert len(other) == 405
    assert healed == whole


@pytest.mark.parametrize("what", ["price", "volume"])
async def test_some_candles_can_be_other_than_what_was_streamed(what: str) -> None:
    async with asking(NOON) as (client, sim):
        true = of_minute(candles(await minutes(client, "/ES", *DAY)))
        sim.inject(f"history_differs, every: 5, what: {what}, away: 0.01%")
        told = of_minute(candles(await minutes(client, "/ES", *DAY)))
    assert told.keys() == true.keys()
    changed = [ms for ms in true if told[ms] != true[ms]]
    assert len(true) / 8 < len(changed) < len(true) / 3
    for ms in changed:
        one, real = told[ms], true[ms]
        if what == "volume":
            assert one["volume"] == real["volume"] + 1 or real["volume"] > 5_000
            assert one | {"volume": 0} == real | {"volume": 0}
        else:
            assert one["close"] == real["close"] + 0.75  # a hundredth of a percent of 6,866, on the tick grid
            assert one["low"] <= one["close"] <= one["high"]
            assert one["volume"] == real["volume"]


async def test_the_call_breaks_off_and_is_logged_as_such() -> None:
    async with asking(NOON) as (client, sim):
        sim.inject("rest_down, path: history")
        with pytest.raises(httpx.TransportError):
            await minutes(client, "SPY", *DAY)
        assert len(candles(await minutes(client, "SPY", *DAY))) == 960
        assert [call.status for call in sim.counters.calls] == [0, 200]
