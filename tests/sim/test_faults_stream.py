"""Faults of the connection, of requests and of single frames: on the core, and as schwab-py meets them on sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets
from schwab.streaming import StreamClient, UnexpectedResponse, UnexpectedResponseCode, UnparsableMessage
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from tests.recorded import recorded
from tests.sim.clients import schwab_client, streaming, subscribe
from tests.sim.playing import LIMIT_S, START_MS, START_US, drink, trades
from tests.sim.test_session import code, equities, login
from tests.sim.test_streamer import enter, read, run, story
from tradeassistd.sim.faults.frames import AKAMAI
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.faults.scenario import read_entry, read_scenario
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.session import Ending, Session
from tradeassistd.sim.streamer import Streamer


def planned(folder: Path, *faults: str, seconds: int = 40) -> Streamer:
    """A streamer on a trade each second, with these faults to come."""
    scenario = Scenario(tuple(read_entry(fault, "x") for fault in faults))
    return Streamer(trades(folder, seconds), lambda token: token == "good-token", scenario=scenario)


def ask(one: Streamer, session: Session, request: dict[str, Any]) -> list[dict[str, Any]]:
    one.receive(session, json.dumps({"requests": [request]}))
    return read(session)


# --- the connection --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "last", "ending"),
    [
        ("reset", [], Ending.RESET),
        ("drop", [], Ending.DROP),
        ("close", [], Ending.CLOSE),
        ("second_login", ["r12"], Ending.CLOSE),
    ],
)
def test_how_a_connection_ends(tmp_path: Path, fault: str, last: list[str], ending: Ending) -> None:
    one = planned(tmp_path, f"{fault}, at: 2s")
    session = enter(one)
    run(one, 1.5)
    assert story(session) == ["r0", "r0", "t0", "t1", "t2"]
    run(one, 5)
    assert (story(session), session.ending, one.live) == (last, ending, None)
    assert story(enter(one)) == ["r0", "r0", "t6"]


def test_a_stop_says_code_30_and_drops(tmp_path: Path) -> None:
    one = planned(tmp_path, "stop, at: 0s, message: Stop streaming due to slowness")
    assert one.faults.over[0].hits == 0  # nobody was there
    session = enter(one)
    read(session)
    one.begin_fault(read_entry("stop, message: Stop streaming due to slowness", "x").fault)
    (frame,) = read(session)
    content = {"code": 30, "msg": "Stop streaming due to slowness"}
    assert frame == {"notify": [{"service": "ADMIN", "timestamp": START_MS, "content": content}]}
    assert session.ending is Ending.DROP


def test_an_outage_is_a_cut_with_an_end(tmp_path: Path) -> None:
    one = planned(tmp_path, "outage, at: 5s, for: 10s")
    session = enter(one)
    run(one, 4)
    assert story(session)[-1] == "t5"
    run(one, 5)
    assert (story(session), session.ending, one.in_cut) == ([], Ending.DROP, True)
    run(one, 14.9)
    assert one.in_cut
    run(one, 15)
    assert not one.in_cut
    assert story(enter(one)) == ["r0", "r0", "t16"]


async def test_a_reset_reaches_schwab_py_as_one(tmp_path: Path) -> None:
    scenario = read_scenario("version: 1\nfaults: [{fault: reset, at: 3s}]", "x")
    async with Simulator(trades(tmp_path, 9), speed=None, scenario=scenario) as sim, streaming(sim) as (stream, _):
        await subscribe(stream, ["SPY"])
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConnectionClosedError) as caught:
                while True:
                    await stream.handle_message()
        assert (caught.value.rcvd, isinstance(caught.value.__cause__, ConnectionResetError)) == (None, True)
        async with streaming(sim) as (again, fresh):
            await subscribe(again, ["SPY"])
            await drink(again, fresh, 7)
            assert [item["3"] for item in fresh.items] == [3, 4, 5, 6, 7, 8, 9]


async def test_a_second_login_reaches_schwab_py_as_code_12(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 2)
        sim.inject("second_login")
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(UnexpectedResponse) as caught:
                await stream.handle_message()
            assert caught.value.response["response"][0]["content"]["code"] == 12
            with pytest.raises(ConnectionClosedOK):
                await stream.handle_message()


async def test_a_handshake_is_refused_so_often(tmp_path: Path) -> None:
    scenario = read_scenario("version: 1\nfaults: [{fault: handshake, status: 429, times: 2}]", "x")
    async with Simulator(trades(tmp_path, 1), scenario=scenario) as sim:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as caught:
                await websockets.connect(sim.streamer_url)
            assert caught.value.response.status_code == 429
        async with websockets.connect(sim.streamer_url):
            pass


# --- requests --------------------------------------------------------------------------------------------------------


def test_the_next_request_that_fits_is_not_answered(tmp_path: Path) -> None:
    one = planned(tmp_path, "unanswered, service: LEVELONE_EQUITIES, command: ADD, times: 2")
    session = enter(one)
    read(session)
    assert ask(one, session, equities("ADD", "IBM")) == []
    assert session.subscribed() == [("LEVELONE_EQUITIES", "SPY")]
    one.begin_fault(read_entry("unanswered, carried_out: true", "x").fault)
    one.faults.end(next(iter(one.faults.running.values())), 0)
    assert "data" in ask(one, session, equities("ADD", "SPY"))[0]
    assert code(ask(one, session, equities("ADD", "SPY"))[0]) == 0


def test_a_late_answer_comes_when_it_is_due(tmp_path: Path) -> None:
    one = planned(tmp_path, "late_answer, command: SUBS, by: 12s")
    session = enter(one)
    assert story(session) == ["r0", "t0"]  # the login, and the image without its answer
    run(one, 13)
    told = story(session)
    assert told[told.index("r0") - 1 : told.index("r0") + 2] == ["t12", "r0", "t13"]


@pytest.mark.parametrize("number", [3, 9, 11, 12, 19, 20, 21, 22, 30])
def test_every_code_can_be_the_answer(tmp_path: Path, number: int) -> None:
    one = planned(tmp_path, f"refuse, code: {number}, service: LEVELONE_EQUITIES")
    session = one.connect()
    ask(one, session, login())
    (answer,) = ask(one, session, equities("SUBS", "SPY", request_id="7"))
    part = answer["response"][0]
    assert (part["service"], part["command"], part["requestid"]) == ("LEVELONE_EQUITIES", "SUBS", "7")
    assert (part["content"]["code"], bool(part["content"]["msg"])) == (number, True)
    assert session.ending is {3: Ending.CLOSE, 12: Ending.CLOSE, 30: Ending.DROP}.get(number)
    if session.ending is None:
        assert code(ask(one, session, equities("SUBS", "SPY"))[0]) == 0


async def test_schwab_py_waits_for_a_login_that_is_answered_late(tmp_path: Path) -> None:
    """Market time stands still before the first subscription; what is late comes all the same."""
    scenario = read_scenario("version: 1\nfaults: [{fault: late_answer, command: LOGIN, by: 40s}]", "x")
    async with (
        asyncio.timeout(LIMIT_S),
        Simulator(trades(tmp_path, 3), speed=2000.0, scenario=scenario) as sim,
        streaming(sim) as (stream, tap),
    ):
        assert sim.now_us >= START_US + 40_000_000
        assert tap.codes == [0]
        await subscribe(stream, ["SPY"])


async def test_schwab_py_meets_a_refusal_and_an_early_end(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, streaming(sim) as (stream, _):
        sim.inject("refuse, code: 19, command: SUBS")
        with pytest.raises(UnexpectedResponseCode) as caught:
            await stream.level_one_equity_subs(["SPY"])
        assert caught.value.response["response"][0]["content"]["code"] == 19
        sim.inject("refuse, code: 3, command: LOGIN")
        async with schwab_client(sim) as client:
            with pytest.raises(UnexpectedResponseCode):
                await StreamClient(client).login()


# --- single frames ---------------------------------------------------------------------------------------------------


def frames_of(folder: Path, *faults: str) -> list[str]:
    one = planned(folder)
    session = enter(one)
    session.outbox.clear()
    for fault in faults:
        one.begin_fault(read_entry(fault, "x").fault)
    return list(session.outbox)


def test_malformed_frames_are_no_json_each_in_its_way(tmp_path: Path) -> None:
    forms = ("unknown_symbol", "cut_off", "html", "empty")
    unknown, cut_off, html, empty = frames_of(tmp_path, *(f"malformed, form: {form}" for form in forms))
    for frame in (unknown, cut_off, html, empty):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(frame)
    assert '"key":"/GOOG","delayed":false,"1":\ufffd,"2":\ufffd,"3":\ufffd,"6":"?"' in unknown
    assert cut_off.startswith('{"data":[{"service":"LEVELONE_EQUITIES"')
    assert (html, empty) == (AKAMAI, "")


def test_the_broken_frame_is_the_recorded_one(tmp_path: Path) -> None:
    """Byte for byte but for the time of its header."""
    *_, last = recorded("frames/frames.jsonl").read_text("utf-8").splitlines()
    (made,) = frames_of(tmp_path, "malformed")
    assert made == json.loads(last)["raw"].replace('", "timestamp":1590248118165', f'","timestamp":{START_MS}')


def test_frames_nobody_asked_for(tmp_path: Path) -> None:
    news, activity, again = map(
        json.loads, frames_of(tmp_path, "unknown_service", "feature_not_supported", "feature_not_supported")
    )
    assert news["data"][0]["service"] == "NEWS_HEADLINE"
    item = {"seq": 1, "key": "Account Activity", "1": "00000000", "2": "", "3": "Feature not supported"}
    part = {"service": "ACCT_ACTIVITY", "timestamp": START_MS, "command": "SUBS", "content": [item]}
    assert activity == {"data": [part]}
    assert again["data"][0]["content"][0]["seq"] == 2


def test_recorded_frames_go_out_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_text('{"frame": {"data": []}}\n{"raw": "{no json"}\n')
    assert frames_of(tmp_path, f"recorded_frames, file: {tmp_path / 'frames.jsonl'}") == ['{"data":[]}', "{no json"]
    sent = frames_of(tmp_path, f"recorded_frames, file: {recorded('frames/frames.jsonl')}")
    assert len(sent) == 41
    assert sum('1":\ufffd' in frame for frame in sent) == 1


def test_a_big_image_is_whole_and_over_its_size(tmp_path: Path) -> None:
    (frame,) = frames_of(tmp_path, "big_image")
    assert 1_100_000 <= len(frame) <= 1_150_000
    items = json.loads(frame)["data"][0]["content"]
    assert items[0] == items[-1] == {
        "key": "SPY", "delayed": False, "assetMainType": "EQUITY", "assetSubType": "ETF", "cusip": "78462F103", "3": 0,
    }  # fmt: skip


async def test_schwab_py_meets_a_broken_frame_and_goes_on_and_falls_over_a_big_one(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, schwab_client(sim) as client:
        stream = StreamClient(client)
        await stream.login(websocket_connect_args={"close_timeout": 0.05})
        await stream.level_one_equity_subs(["SPY"])
        async with asyncio.timeout(LIMIT_S):
            await sim.wait_finished()
            sim.inject("malformed")
            with pytest.raises(UnparsableMessage):
                while True:
                    await stream.handle_message()
            sim.inject("unknown_service")
            sim.inject("feature_not_supported")
            sim.inject("big_image")
            with pytest.raises(ConnectionClosedError) as caught:
                while True:
                    await stream.handle_message()
        assert caught.value.sent is not None and caught.value.sent.code == 1009


async def test_a_mute_until_reconnect_at_full_speed_ends_with_the_next_login(tmp_path: Path) -> None:
    market = trades(tmp_path, 30)
    scenario = read_scenario("version: 1\nfaults: [{fault: mute, at: 3s, until: reconnect}]", "x")
    async with Simulator(market, speed=None, scenario=scenario) as sim:
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 4)
            await sim.wait_finished()
        async with streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 1)
            assert tap.items[0]["3"] == 30


async def test_a_fault_at_its_market_time_is_the_same_at_any_speed(tmp_path: Path) -> None:
    scenario = read_scenario("version: 1\nfaults: [{fault: silent, symbols: SPY, at: 5s, for: 5s}]", "x")
    seen = []
    for speed in (None, 1000.0):
        market = trades(tmp_path, 15)
        async with Simulator(market, speed=speed, scenario=scenario) as sim, streaming(sim) as (stream, tap):
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 12)
            seen.append([(part["timestamp"] - START_MS, part["content"][0]["3"]) for part in tap.data[:12]])
    assert seen[0] == seen[1]
    assert [at for at, _ in seen[0]] == [0, 0, 1000, 2000, 3000, 4000, 10_000, 10_000, 11_000, 12_000, 13_000, 14_000]
    assert [price for _, price in seen[0]] == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
