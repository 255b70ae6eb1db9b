"""The simulator on real sockets, spoken to by schwab-py as it comes from the registry."""

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
from schwab.streaming import StreamClient, UnexpectedResponse, UnexpectedResponseCode
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from tests.recorded import recorded
from tests.sim.clients import Tap, record, schwab_client, streaming, subscribe
from tests.sim.test_session import equities, login
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.market.price import price_from_float
from tradeassistd.market.recorded import RecordedTick, read_ticks
from tradeassistd.sim import connection, player
from tradeassistd.sim.preference import CUSTOMER_ID
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut

START_MS = 1_381_132_800_000
START_US = START_MS * 1000
LIMIT_S = 30


def trades(folder: Path, count: int, *, every_ms: int = 1000, symbol: str = "SPY") -> RecordedMarket:
    """A market of `count` trades, priced 1, 2, 3 and so on."""
    rows = [f"{START_MS + number * every_ms}000000,{symbol},{number + 1},1,,,," for number in range(count)]
    return RecordedMarket(record(folder / f"{symbol}.csv", *rows))


async def drink(stream: Any, tap: Tap, items: int) -> None:
    """Read until that many items have come; fails when they do not come in time."""
    async with asyncio.timeout(LIMIT_S):
        while len(tap.items) < items:
            await stream.handle_message()


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


async def test_the_second_login_takes_the_stream(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 5), speed=1.0) as sim, streaming(sim) as (first, _):
        await subscribe(first, ["SPY"])
        async with streaming(sim) as (second, other):
            await subscribe(second, ["SPY"])
            async with asyncio.timeout(LIMIT_S):
                with pytest.raises(UnexpectedResponse) as caught:
                    while True:
                        await first.handle_message()
                assert caught.value.response["response"][0]["content"]["code"] == 12
                with pytest.raises(ConnectionClosedOK):
                    await first.handle_message()
            assert other.codes == [0, 0]
        assert sim.counters.logins == 2


async def test_a_connection_without_subscription_hears_30_and_is_dropped(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Simulator(trades(tmp_path, 1), clock=clock) as sim, streaming(sim) as (stream, tap):
        clock.pass_time(25.9)
        await stream.level_one_equity_subs(["NOPE"])  # the connection still stands, and has a subscription now
        clock.pass_time(60)
        await stream.level_one_equity_unsubs(["NOPE"])  # empty again, from now on
        clock.pass_time(26)
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConnectionClosedError) as caught:
                while True:
                    await stream.handle_message()
        assert (caught.value.rcvd, caught.value.sent) == (None, None)
        assert tap.codes == [0, 0, 0, 30]


async def test_who_never_logs_in_is_dropped_without_a_word(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), idle_s=0.01) as sim, websockets.connect(sim.streamer_url) as socket:
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConnectionClosedError):
                await socket.recv()


async def test_a_stale_token_is_denied_and_a_fresh_one_is_not(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, schwab_client(sim) as client:
        stream = StreamClient(client)
        answer = await client.get_user_preferences()
        assert answer.json()["streamerInfo"][0]["schwabClientCustomerId"] == CUSTOMER_ID
        async with websockets.connect(sim.streamer_url) as socket:
            await socket.send(json.dumps({"requests": [login("made up")]}))
            assert json.loads(await socket.recv())["response"][0]["content"]["code"] == 3
            with pytest.raises(ConnectionClosedOK):
                await socket.recv()
        await stream.login()
        await stream._socket.close()


async def test_logout_is_answered_and_closes(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, streaming(sim) as (stream, _):
        await stream.logout()
        with pytest.raises(ConnectionClosedOK):
            await stream.handle_message()


async def test_an_unknown_service_is_refused_and_the_stream_goes_on(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 2), speed=None) as sim, streaming(sim) as (stream, tap):
        with pytest.raises(UnexpectedResponseCode) as caught:
            await stream.chart_equity_subs(["SPY"])
        assert caught.value.response["response"][0]["content"]["code"] == 11
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 3)


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
                await _until(clock, lambda: sim.in_cut)
                with pytest.raises(ConnectionClosedError):
                    while True:
                        await stream.handle_message()
            assert [item["3"] for item in tap.items] == list(range(6))
        assert (await client.get_user_preferences()).status_code == 503
        with pytest.raises(InvalidStatus) as caught:
            await websockets.connect(sim.streamer_url)
        assert caught.value.response.status_code == 503
        async with asyncio.timeout(LIMIT_S):
            await _until(clock, lambda: not sim.in_cut)
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 1)
            assert tap.items[0]["3"] == market.rows_passed > 5
            async with asyncio.timeout(LIMIT_S):
                await _until(clock, sim.finished.is_set)
                while not tap.items or tap.items[-1]["3"] != 20:
                    await stream.handle_message()


async def _until(clock: ManualClock, condition: Any) -> None:
    """Let machine time go on, a step for each turn of the loop, until the condition holds."""
    while not condition():
        if clock.pauses_s:
            clock.pass_time(max(0.0, clock.pauses_s[0] - clock.elapsed_s()))
        await asyncio.sleep(0)


@pytest.mark.parametrize("reset", [False, True])
async def test_dropped_connections_see_no_close_frame(tmp_path: Path, reset: bool) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 2)
        await sim.drop_connections(reset=reset)
        with pytest.raises(ConnectionClosedError) as caught:
            await stream.handle_message()
        assert caught.value.rcvd is None
        if reset:
            assert isinstance(caught.value.__cause__, ConnectionResetError)
        async with streaming(sim) as (again, fresh):
            await subscribe(again, ["SPY"])
            await drink(again, fresh, 1)


async def test_a_speed_is_kept(tmp_path: Path) -> None:
    """At 100 times real time ten seconds of market pass in a tenth of machine time, not sooner."""
    clock = ManualClock()
    market = trades(tmp_path, 11)
    async with Simulator(market, speed=100.0, clock=clock) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        async with asyncio.timeout(LIMIT_S):
            await _until(clock, lambda: market.rows_passed == 11)
            assert clock.elapsed_s() == pytest.approx(0.1)
            while tap.items[-1:] == [] or tap.items[-1]["3"] != 11:
                await stream.handle_message()


async def test_after_the_last_row_there_are_still_heartbeats(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Simulator(trades(tmp_path, 1), speed=None, clock=clock) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await sim.wait_finished()
        async with asyncio.timeout(LIMIT_S):
            await _until(clock, lambda: sim.counters.heartbeats == 2)
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
                await _until(clock, lambda: sim.counters.heartbeats > 0)
                while not tap.heartbeats:
                    await stream.handle_message()


async def test_a_muted_server_stays_open_and_says_nothing(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 5), speed=None) as sim, streaming(sim) as (stream, tap):
        sim.faults.muted = True
        request = asyncio.create_task(stream.level_one_equity_subs(["SPY"]))
        async with asyncio.timeout(LIMIT_S):
            await sim.wait_finished()
        assert not request.done()
        assert len(tap.frames) == 1
        request.cancel()


async def test_an_unanswering_server_reads_and_forgets(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 5), speed=None) as sim, websockets.connect(sim.streamer_url) as socket:
        sim.faults.unanswered = True
        await socket.send(json.dumps({"requests": [login(sim.tokens()["token"]["access_token"])]}))
        await (await socket.ping())  # the frame before the ping has been read
        assert sim.counters.logins == 0
        sim.faults.unanswered = False
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


async def test_a_client_that_reads_nothing_cannot_keep_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market is stuck on a client that takes no frames; the next login gets it going again."""
    monkeypatch.setattr(connection, "LAST_WORDS_S", 0.05)
    market = trades(tmp_path, 150_000, every_ms=1)
    async with Simulator(market, speed=None) as sim, asyncio.timeout(LIMIT_S):
        first = await _listener(sim)
        while not _is_stuck(sim):  # noqa: ASYNC110 - the kernel tells nobody that its buffer is full
            await asyncio.sleep(0)
        stuck_at = market.rows_passed
        second = await _listener(sim)
        image, *rows = [json.loads(await second.recv())["data"][0]["content"][0]["3"] for _ in range(20)]
        assert [image, *rows] == list(range(image, image + 20))
        assert image >= stuck_at
        with pytest.raises(ConnectionClosedError):
            while True:
                await first.recv()
        second.transport.abort()


async def _listener(sim: Simulator) -> ClientConnection:
    """A bare client that is logged in and subscribed, and has read just that."""
    socket = await websockets.connect(sim.streamer_url, max_queue=1)
    requests = [login(sim.tokens()["token"]["access_token"]), equities("SUBS", "SPY", "0,3,8,9,35")]
    await socket.send(json.dumps({"requests": requests}))
    for _ in requests:
        assert json.loads(await socket.recv())["response"][0]["content"]["code"] == 0
    return socket


def _is_stuck(sim: Simulator) -> bool:
    """Whether the kernel takes no more of what is to be sent."""
    return any(one._websocket.transport.get_write_buffer_size() > 0 for one in sim._connections.values())


async def test_a_client_that_is_gone_leaves_the_place_to_the_next(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 3), speed=None) as sim:
        async with websockets.connect(sim.streamer_url) as socket:
            await socket.send(json.dumps({"requests": [login(sim.tokens()["token"]["access_token"])]}))
            await socket.recv()
        await sim.drop_connections()  # waits for what is left of it
        async with websockets.connect(sim.streamer_url) as socket:
            await socket.send(json.dumps({"requests": [equities("SUBS", "SPY", "3")]}))
            assert json.loads(await socket.recv())["response"][0]["content"]["code"] == 20
