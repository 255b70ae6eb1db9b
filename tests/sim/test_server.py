"""The simulator on real sockets, spoken to by schwab-py as it comes from the registry: what arrives."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from schwab.streaming import UnexpectedResponseCode

from tests.recorded import recorded
from tests.sim.clients import record, streaming, subscribe
from tests.sim.playing import LIMIT_S, START_MS, drink, trades
from tests.sim.test_session import login
from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.market.price import price_from_float
from tradeassistd.market.recorded import RecordedTick, read_ticks
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.faults.scenario import read_entry
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator


async def test_every_row_of_a_recording_arrives_once_and_in_order(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 500), speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 501)
        await sim.wait_finished()
        image, *rows = tap.items
        assert (image["3"], image["8"], image["15"]) == (0, 0, "SPDR S&P 500")
        assert [row["3"] for row in rows] == list(range(1, 501))
        assert [row["8"] for row in rows] == list(range(1, 501))
        assert [part["timestamp"] for part in tap.data[1:]] == [START_MS + 1000 * n for n in range(500)]
        assert tap.heartbeats == [START_MS + 10_000 * n for n in range(1, 50)]
        assert sim.counters.frames_sent == len(tap.frames)


@pytest.mark.parametrize(
    ("name", "key", "limit"),
    [
        ("ES_ESU4_20240701_mbp1_4min", "/ES", None),
        ("ES_ESH22_20220124_tbt_dom_1min", "/ESH22", None),
        ("IBM_20131007_nbbo_and_trades_session", "IBM", 30_000),
        ("SPY_20131007_trades_session", "SPY", 20_000),
    ],
)
async def test_a_recorded_file_arrives_value_for_value(tmp_path: Path, name: str, key: str, limit: int | None) -> None:
    path = tmp_path / "ticks.csv"
    with gzip.open(recorded(f"ticks/{name}.csv.gz"), "rt") as file:
        path.write_text("".join(itertools.islice(file, None if limit is None else limit + 1)))
    rows = list(read_ticks(path))
    async with Simulator(RecordedMarket(path), speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, [key])
        await drink(stream, tap, len(rows) + 1)
        await sim.wait_finished()
    held: dict[str, Any] = {}
    volume = 0
    arrived = [(part["timestamp"], item) for part in tap.data for item in part["content"]]
    held.update(arrived[0][1])
    for row, (timestamp, item) in zip(rows, arrived[1:], strict=True):
        held.update(item)
        volume += row.size or 0
        assert (timestamp, item["key"]) == (row.ts_ns // 1_000_000, key)
        assert _shown(held) == _expected(row, volume, held)


def _shown(held: dict[str, Any]) -> tuple[int, ...]:
    return tuple(price_from_float(held[name]) for name in ("1", "2", "3")) + tuple(
        held[name] for name in ("4", "5", "8")
    )


def _expected(row: RecordedTick, volume: int, held: dict[str, Any]) -> tuple[int, ...]:
    """What a client must hold after the row; what the row does not speak of is as it was."""
    bid, ask, last, bid_size, ask_size, _ = _shown(held)
    if row.bid is not None or row.ask is not None:
        bid, ask, bid_size, ask_size = row.bid or 0, row.ask or 0, row.bid_size or 0, row.ask_size or 0
    return bid, ask, last if row.price is None else row.price, bid_size, ask_size, volume


async def test_equities_and_futures_side_by_side(tmp_path: Path) -> None:
    spy = record(tmp_path / "spy.csv", f"{START_MS}000000,SPY,167.41,100,,,,")
    gold = record(
        tmp_path / "gc.csv", f"{START_MS}000000,GCZ13,1313.7,1,,,,", f"{START_MS + 5}000000,GCZ13,1313.8,2,,,,"
    )
    market = RecordedMarket([spy, gold])
    async with Simulator(market, speed=None, start_symbols=["SPY", "/GC"]) as sim, streaming(sim) as (stream, tap):
        labelled: list[Any] = []
        stream.add_level_one_futures_handler(labelled.append)
        await stream.level_one_equity_subs(["SPY"])
        await stream.level_one_futures_subs(["/GC"])
        await drink(stream, tap, 5)
        assert [part["service"] for part in tap.data] == [
            "LEVELONE_EQUITIES", "LEVELONE_FUTURES", "LEVELONE_EQUITIES", "LEVELONE_FUTURES", "LEVELONE_FUTURES",
        ]  # fmt: skip
        image, first, second = (message["content"][0] for message in labelled)
        assert (image["key"], image["FUTURE_ACTIVE_SYMBOL"], image["FUTURE_MULTIPLIER"]) == ("/GC", "/GCZ13", 100)
        assert (first["LAST_PRICE"], first["TOTAL_VOLUME"]) == (1313.7, 1)
        assert (second["LAST_PRICE"], second["LAST_SIZE"], second["TOTAL_VOLUME"]) == (1313.8, 2, 3)


async def test_no_row_is_sent_before_somebody_asks_for_one(tmp_path: Path) -> None:
    market = trades(tmp_path, 3)
    async with Simulator(market, speed=None) as sim, streaming(sim) as (stream, tap):
        await stream.level_one_equity_subs(["NOPE"])
        assert (market.rows_passed, sim.finished.is_set()) == (0, False)
        await stream.level_one_equity_add(["SPY"])
        await drink(stream, tap, 4)
        assert tap.items[0]["3"] == 0
        assert list(tap.frames[2].keys()) == ["response"]


async def test_without_a_speed_the_market_waits_for_the_client_to_come_back(tmp_path: Path) -> None:
    market = trades(tmp_path, 100)
    async with Simulator(market, speed=None) as sim:
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 11)
            await stream.level_one_equity_unsubs(["SPY"])
            passed = market.rows_passed
            await stream.level_one_equity_add(["SPY"])
            while len(tap.items) < passed + 2:
                await stream.handle_message()
            image = next(item for item in reversed(tap.items) if "15" in item)
            assert image["3"] == passed
        async with streaming(sim) as (stream, tap):
            behind = market.rows_passed
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 1 + 100 - behind)
            assert [item["3"] for item in tap.items] == list(range(behind, 101))
            await sim.wait_finished()


async def test_a_muted_server_stays_open_and_says_nothing(tmp_path: Path) -> None:
    mute = Scenario((read_entry("mute, at: 2s", "test"),))
    market = trades(tmp_path, 60)
    async with Simulator(market, speed=None, scenario=mute) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 3)
        await sim.wait_finished()
        assert ([item["3"] for item in tap.items], market.rows_passed) == ([0, 1, 2], 60)
        request = asyncio.create_task(stream.level_one_equity_add(["IBM"]))
        await (await stream._socket.ping())  # the request before the ping has been read
        assert (sim.counters.frames_sent, tap.heartbeats) == (5, [])
        assert not request.done()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)


async def test_an_unanswering_server_reads_and_forgets(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 5), speed=None) as sim, websockets.connect(sim.streamer_url) as socket:
        sim.inject("unanswered")
        await socket.send(json.dumps({"requests": [login(sim.tokens()["token"]["access_token"])]}))
        await (await socket.ping())  # the frame before the ping has been read
        assert sim.counters.logins == 0
        await socket.send(json.dumps({"requests": [login(sim.tokens()["token"]["access_token"])]}))
        assert json.loads(await socket.recv())["response"][0]["content"]["code"] == 0


async def test_a_market_that_breaks_is_not_hidden(tmp_path: Path) -> None:
    path = record(tmp_path / "x.csv", f"{START_MS}000000,SPY,1,1,,,,", f"{START_MS}000001,SPY,one,1,,,,")
    with pytest.raises(PermanentError, match="'one' is not a plain decimal"):
        async with Simulator(RecordedMarket(path), speed=None) as sim, streaming(sim) as (stream, _):
            await subscribe(stream, ["SPY"])
            async with asyncio.timeout(LIMIT_S):
                with pytest.raises(PermanentError):
                    await sim.wait_finished()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1)) as sim:
        port = httpx.URL(sim.base_url).port
        assert port is not None
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with Simulator(trades(tmp_path, 1), http_port=port):
                pass


async def test_the_largest_subscription_is_answered_with_all_its_images(tmp_path: Path) -> None:
    rows = [f"{START_MS}000000,S{'ABCDEFGHIJ'[n // 100]}{n % 100},1,1,,,," for n in range(500)]
    market = RecordedMarket(record(tmp_path / "many.csv", *rows))
    async with Simulator(market, speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, market.symbols)
        await drink(stream, tap, 1000)
        assert len(tap.data[0]["content"]) == len(tap.data[1]["content"]) == 500
        with pytest.raises(UnexpectedResponseCode) as caught:
            await stream.level_one_equity_add(["SPY"])
        assert caught.value.response["response"][0]["content"]["code"] == 19
