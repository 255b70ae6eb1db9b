"""The simulator without sockets: a StreamClient attached by its connect hook, moved by hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schwab.streaming
from schwab.streaming import StreamClient, UnexpectedResponse, UnparsableMessage
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.sim.clients import Tap, record
from tradeassistd.sim.faults.scenario import read_scenario
from tradeassistd.sim.local import LocalSimulator
from tradeassistd.sim.market import Batch
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.streamer import Cut

START_MS = 1_381_132_800_000
START_US = START_MS * 1000
LIMIT_S = 60


@pytest.fixture
def market(tmp_path: Path) -> RecordedMarket:
    rows = [f"{START_MS + second * 1000}000000,SPY,{second + 1},1,,,," for second in range(30)]
    return RecordedMarket(record(tmp_path / "spy.csv", *rows))


def test_the_parts_without_sockets_stay_without_a_web_server() -> None:
    """Importing fastapi costs a quarter of a second; only who starts the whole simulator pays for it."""
    program = (
        "import sys, tradeassistd.sim.local, tradeassistd.sim.recorded, tradeassistd.sim.synthetic;"
        "sys.exit(' '.join({'fastapi', 'uvicorn'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def attach(local: LocalSimulator, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Tap]:
    """A stream client of schwab-py that is logged in to the local simulator."""
    monkeypatch.setattr(schwab.streaming.ws_client, "connect", local.connect)
    stream, tap = StreamClient(local.client), Tap()
    stream.set_json_decoder(tap)
    await stream.login()
    return stream, tap


async def hear(stream: Any) -> None:
    """Handle one message; fails when none comes."""
    async with asyncio.timeout(LIMIT_S):
        await stream.handle_message()


async def drain(stream: Any) -> None:
    """Read what is there."""
    while stream._socket.waiting():
        await stream.handle_message()


async def test_the_market_moves_as_far_as_it_is_told(market: RecordedMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalSimulator(market)
    stream, tap = await attach(local, monkeypatch)
    await stream.level_one_equity_subs(["SPY"])
    local.advance_to(START_US + 2_500_000)
    await drain(stream)
    assert [item["3"] for item in tap.items] == [0, 1, 2, 3]
    assert local.now_us == START_US + 2_500_000
    local.advance_to_end()
    await drain(stream)
    assert tap.items[-1]["3"] == 30
    assert tap.heartbeats == [START_MS + 10_000, START_MS + 20_000]


async def test_endings_look_as_on_a_socket(market: RecordedMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalSimulator(market)
    first, _ = await attach(local, monkeypatch)
    second, _ = await attach(local, monkeypatch)
    with pytest.raises(UnexpectedResponse) as caught:
        await hear(first)
    assert caught.value.response["response"][0]["content"]["code"] == 12
    with pytest.raises(ConnectionClosedOK):
        await hear(first)
    with pytest.raises(ConnectionClosedOK):
        await first.level_one_equity_subs(["SPY"])
    local.drop_connections()
    with pytest.raises(ConnectionClosedError):
        await hear(second)
    third, tap = await attach(local, monkeypatch)
    local.stop_idle()
    await hear(third)
    with pytest.raises(ConnectionClosedError):
        await hear(third)
    assert tap.codes == [0, 30]


async def test_a_reader_that_waits_is_woken_by_the_end(market: RecordedMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    local = LocalSimulator(market)
    stream, _ = await attach(local, monkeypatch)
    await stream._socket.close()
    with pytest.raises(ConnectionClosedOK):
        await hear(stream)
    assert local.streamer.live is None


async def test_a_cut_refuses_connections_until_it_is_over(
    market: RecordedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalSimulator(market, cuts=[Cut(START_US + 5_000_000, 10.0)])
    stream, tap = await attach(local, monkeypatch)
    await stream.level_one_equity_subs(["SPY"])
    local.advance_to(START_US + 6_000_000)
    with pytest.raises(ConnectionClosedError):
        while True:
            await hear(stream)
    assert tap.items[-1]["3"] == 5
    with pytest.raises(ConnectionRefusedError):
        await attach(local, monkeypatch)
    local.advance_to(START_US + 15_000_000)
    again, tap = await attach(local, monkeypatch)
    await again.level_one_equity_subs(["SPY"])
    await drain(again)
    assert tap.items[0]["3"] == market.rows_passed == 16


async def test_faults_come_at_their_market_time_without_sockets_too(
    market: RecordedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = read_scenario("version: 1\nfaults: [{fault: mute, at: 5s, for: 7s}, {fault: reset, at: 15s}]", "x")
    true: list[Batch] = []
    local = LocalSimulator(market, scenario=scenario, see=true.append)
    stream, tap = await attach(local, monkeypatch)
    await stream.level_one_equity_subs(["SPY"])
    local.advance_to(START_US + 13_000_000)
    await drain(stream)
    assert [item["3"] for item in tap.items] == [0, 1, 2, 3, 4, 5, 12, 13, 14]
    assert (tap.heartbeats, len(true)) == ([], 14)
    local.inject("malformed, form: html")
    with pytest.raises(UnparsableMessage):
        await hear(stream)
    one = local.inject("skew, by: 90s")
    local.advance_to(START_US + 14_000_000)
    local.end_fault(one)
    await hear(stream)
    assert tap.data[-1]["timestamp"] == START_MS + 104_000
    local.advance_to(START_US + 15_000_000)
    with pytest.raises(ConnectionClosedError):
        await hear(stream)
