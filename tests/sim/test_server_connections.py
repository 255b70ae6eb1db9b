"""The simulator on real sockets: who gets the stream, who loses it, and who holds it up."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import websockets
from schwab.streaming import StreamClient, UnexpectedResponse, UnexpectedResponseCode
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.sim.clients import schwab_client, streaming, subscribe
from tests.sim.playing import LIMIT_S, drink, trades
from tests.sim.test_session import equities, login
from tradeassistd.base.clock import ManualClock
from tradeassistd.sim import connection
from tradeassistd.sim.preference import CUSTOMER_ID
from tradeassistd.sim.server import Simulator


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
            await stream.nyse_book_subs(["SPY"])
        assert caught.value.response["response"][0]["content"]["code"] == 11
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 3)


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
