"""Faults of REST and of tokens, as httpx and schwab-py meet them; the HTTP control; and the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sim.clients import schwab_client, streaming, subscribe
from tests.sim.playing import LIMIT_S, drink, trades
from tests.sim.test_rest import basic, bearer, quotes_of, simulator
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import UnfitError
from tradeassistd.cli.simulate import scenario_of
from tradeassistd.market.recorded import read_ticks
from tradeassistd.sim.faults.scenario import read_scenario
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket

PREFERENCE = "/trader/v1/userPreference"
OPEN_US = 1_795_444_200_000_000


def refresh(sim: Simulator) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": sim.tokens()["token"]["refresh_token"]}


async def test_a_status_comes_so_often_where_it_is_told_to(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        sim.inject("rest_status, path: preference, status: 429, retry_after: 30s, times: 2")
        assert (await http.get("/marketdata/v1/quotes?symbols=SPY", headers=bearer(sim))).status_code == 200
        for _ in range(2):
            answer = await http.get(PREFERENCE, headers=bearer(sim))
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
            assert answer.json()["errors"][0]["title"] == "Simulated fault"
        assert (await http.get(PREFERENCE, headers=bearer(sim))).status_code == 200
        sim.inject("rest_status, status: 503, html: true")
        answer = await http.post("/v1/oauth/token", data=refresh(sim), headers=basic())
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "<TITLE>Access Denied</TITLE>" in answer.text


async def test_rest_that_is_down_breaks_the_connection(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        sim.inject("rest_down")
        with pytest.raises(httpx.TransportError):
            await http.get(PREFERENCE, headers=bearer(sim))
        assert (await http.get(PREFERENCE, headers=bearer(sim))).status_code == 200


async def test_rest_that_is_slow_answers_after_its_time(tmp_path: Path) -> None:
    clock = ManualClock()
    async with simulator(tmp_path, clock) as (sim, http):
        sim.inject("rest_slow, by: 45s")
        call = asyncio.create_task(http.get(PREFERENCE, headers=bearer(sim)))
        async with asyncio.timeout(LIMIT_S):
            while not clock.pauses_s:  # noqa: ASYNC110 - the call comes over a real socket
                await asyncio.sleep(0)
            assert (clock.pauses_s, call.done()) == ([45.0], False)
            clock.pass_time(45)
            assert (await call).status_code == 200


@pytest.mark.parametrize(
    ("answer", "status"), [("unauthorized", 401), ("error", 500), ("empty", 200), ("missing", 200)]
)
async def test_the_user_preference_fails_in_ways_of_its_own(tmp_path: Path, answer: str, status: int) -> None:
    async with simulator(tmp_path) as (sim, _), schwab_client(sim) as client:
        sim.inject(f"user_preference, answer: {answer}")
        got = await client.get_user_preferences()
        assert got.status_code == status
        if status == 200:
            assert got.json().get("streamerInfo") == ([] if answer == "empty" else None)
        assert (await client.get_user_preferences()).json()["streamerInfo"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("dead", "unsupported_token_type"),
        ("invalid_client", "invalid_client"),
        ("blocked", "403"),
        ("unavailable", "503"),
    ],
)
async def test_a_refused_token_reaches_schwab_py(tmp_path: Path, how: str, error: str) -> None:
    async with simulator(tmp_path) as (sim, _):
        token = sim.tokens()
        token["token"]["expires_at"] = token["creation_timestamp"] - 10
        sim.inject(f"token_refused, how: {how}")
        async with schwab_client(sim, token) as client:
            with pytest.raises(Exception, match=error) as caught:
                await client.get_user_preferences()
            expected = httpx.HTTPStatusError if error.isdigit() else None
            assert isinstance(caught.value, httpx.HTTPStatusError) == (expected is not None)
            assert (await client.get_user_preferences()).status_code == 200


async def test_tokens_end_before_their_time(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        held = bearer(sim)
        sim.inject("access_token_expires")
        assert (await http.get(PREFERENCE, headers=held)).status_code == 401
        form = refresh(sim)
        assert (await http.post("/v1/oauth/token", data=form, headers=basic())).status_code == 200
        sim.inject("refresh_token_dies")
        answer = await http.post("/v1/oauth/token", data=form, headers=basic())
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


async def test_the_refresh_token_dies_at_its_market_time(tmp_path: Path) -> None:
    market = trades(tmp_path, 9, every_ms=60_000)
    scenario = read_scenario("version: 1\nfaults: [{fault: refresh_token_dies, at: 7m}]", "x")
    async with Simulator(market, speed=None, scenario=scenario) as sim:
        form = refresh(sim)
        async with httpx.AsyncClient(base_url=sim.base_url) as http, streaming(sim) as (stream, tap):
            assert (await http.post("/v1/oauth/token", data=form, headers=basic())).status_code == 200
            await subscribe(stream, ["SPY"])
            await drink(stream, tap, 10)
            assert (await http.post("/v1/oauth/token", data=form, headers=basic())).status_code == 400


async def test_quotes_disagree_with_the_stream_and_internals_are_shells() -> None:
    async with Simulator(SyntheticMarket(1, OPEN_US, ["SPY", "QQQ", "$TICK"])) as sim:
        true = await quotes_of(sim, ["SPY", "QQQ", "$TICK"])
        sim.inject("quotes_disagree, symbols: SPY, away: 1%")
        sim.inject("internals, how: empty")
        told = await quotes_of(sim, ["SPY", "QQQ", "$TICK"])
        assert told["QQQ"] == true["QQQ"]
        for name in ("bidPrice", "askPrice", "lastPrice"):
            assert told["SPY"]["quote"][name] == pytest.approx(true["SPY"]["quote"][name] * 1.01, abs=0.01)
        assert (true["$TICK"]["quote"].keys() > {"lastPrice"}, told["$TICK"]["quote"]) == (True, {})


async def test_a_client_that_is_kept_away_at_full_speed_gets_in_when_the_fault_is_over(
    tmp_path: Path,
) -> None:
    """Market time waits for a listener there, but not for one who cannot come."""
    scenario = read_scenario("version: 1\nfaults: [{fault: rest_status, status: 503, for: 1s}]", "x")
    market = trades(tmp_path, 3, every_ms=10_000)
    async with Simulator(market, speed=None, scenario=scenario) as sim, schwab_client(sim) as client:
        async with asyncio.timeout(LIMIT_S):
            while (await client.get_user_preferences()).status_code != 200:
                pass
        assert (sim.now_us - sim.market.start_us, market.rows_passed) == (1_000_000, 1)


# --- control over HTTP -----------------------------------------------------------------------------------------------


async def test_faults_are_begun_listed_and_ended_over_http(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        begun = await http.post("/simulator/faults", json={"fault": "rest_status", "status": "500", "times": "9"})
        assert begun.status_code == 201
        number = begun.json()["number"]
        assert (begun.json()["state"], begun.json()["options"]["status"]) == ("running", 500)
        assert (await http.get(PREFERENCE, headers=bearer(sim))).status_code == 500
        planned = await http.post("/simulator/faults", content="reset, at: 5m")
        assert (planned.status_code, planned.json()["state"]) == (201, "planned")
        listing = (await http.get("/simulator/faults")).json()
        (running,), (ahead,) = listing["running"], listing["planned"]
        assert (running["number"], running["hits"], running["ends"]) == (number, 1, None)
        assert (ahead["at"], ahead["fault"]) == ("2013-10-07T08:05:00.000000Z", "reset")
        ended = await http.delete(f"/simulator/faults/{number}")
        assert (ended.json()["state"], ended.json()["hits"]) == ("over", 1)
        assert (await http.get(PREFERENCE, headers=bearer(sim))).status_code == 200
        assert (await http.delete(f"/simulator/faults/{number}")).status_code == 404
        await http.post("/simulator/faults", content="mute")
        left = (await http.delete("/simulator/faults")).json()
        assert (left["running"], left["planned"], len(left["over"])) == ([], [], 2)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("mutte", "body:1:1: fault: unknown fault 'mutte' (did you mean mute?)"),
        ("", "body"),
        ("reset, daily: '00:30'", "daily works only in a scenario"),
        ("silent, symbols: QQQ", "the market has no QQQ"),
        ("roll, symbol: SPY", "a recording takes its course"),
        ("recorded_frames, file: pyproject.toml", "pyproject.toml:1 holds no frame"),
        (b"\xff", "body:1:1: byte 0xFF is not UTF-8"),
        ("x" * 70_000, "more than 65,536 bytes"),
    ],
)
async def test_a_bad_fault_is_refused_over_http(tmp_path: Path, body: Any, told: str) -> None:
    async with simulator(tmp_path) as (sim, http):
        answer = await http.post("/simulator/faults", content=body)
        assert answer.status_code in (400, 413)
        assert told in answer.json()["error"]
        assert not sim.faults.running


async def test_faults_over_http_reach_the_stream(tmp_path: Path) -> None:
    async with Simulator(trades(tmp_path, 1), speed=None) as sim, streaming(sim) as (stream, tap):
        await subscribe(stream, ["SPY"])
        await drink(stream, tap, 2)
        async with httpx.AsyncClient(base_url=sim.base_url) as http:
            await http.post("/simulator/faults", content="bad_print, symbols: SPY, away: 50%")
        await drink(stream, tap, 3)
        assert (tap.items[-1]["key"], tap.items[-1]["3"]) == ("SPY", 1.5)


# --- the command line ------------------------------------------------------------------------------------------------


def test_faults_of_the_command_line_come_on_top_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nseed: 9\nfaults: [reset]\n")
    planned = scenario_of(tmp_path / "bad.yaml", ["mute, at: 5m, for: 45s"])
    assert ([one.fault.name for one in planned.entries], planned.seed) == (["reset", "mute"], 9)
    with pytest.raises(UnfitError, match="--fault:1:1: fault: unknown fault 'mutte'"):
        scenario_of(None, ["mutte"])


async def test_the_program_serves_a_scenario_and_writes_the_truth(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nfaults: [{fault: zero_prices, at: 2s}]\n")
    arguments = [
        "simulate", "--port", "0", "--speed", "50", "--scenario", str(tmp_path / "bad.yaml"),
        "--truth", str(tmp_path / "truth.csv"), "--token-file", str(tmp_path / "token.json"),
    ]  # fmt: skip
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tradeassistd.cli.main", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            base_url = (await program.stdout.readline()).decode().split()[1]
            await program.stdout.readline()
            served = Served(base_url, json.loads((tmp_path / "token.json").read_text()))
            async with streaming(served) as (stream, tap):  # type: ignore[arg-type]
                await subscribe(stream, ["SPY"])
                while not any(item.get("3") == 0 for item in tap.items):
                    await stream.handle_message()
    finally:
        program.send_signal(signal.SIGTERM)
        assert await program.wait() == 0
    truth = [tick for tick in read_ticks(tmp_path / "truth.csv") if tick.symbol == "SPY"]
    assert len(truth) > 5
    assert all(tick.price != 0 for tick in truth)


class Served:
    """What the clients of the tests ask of a simulator, for one in another process."""

    def __init__(self, base_url: str, token: dict[str, Any]) -> None:
        self.base_url = base_url
        self._token = token

    def tokens(self) -> dict[str, Any]:
        return self._token
