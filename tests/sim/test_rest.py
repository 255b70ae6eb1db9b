"""The HTTP half: tokens as schwab-py refreshes them, the user preference, quotes and the error bodies."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.sim.clients import record, schwab_client
from tradeassistd.base.clock import ManualClock
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET, REFRESH_TOKEN_S

START_MS = 1_381_132_800_000
CALLBACK = "https://127.0.0.1:8182"


@asynccontextmanager
async def simulator(
    folder: Path, clock: ManualClock | None = None
) -> AsyncIterator[tuple[Simulator, httpx.AsyncClient]]:
    """A simulator of one SPY trade, and a plain HTTP client on it."""
    market = RecordedMarket(record(folder / "spy.csv", f"{START_MS}000000,SPY,167.41,100,,,,"))
    async with Simulator(market, clock=clock) as sim, httpx.AsyncClient(base_url=sim.base_url) as http:
        yield sim, http


def basic(key: str = APP_KEY, secret: str = APP_SECRET) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


def bearer(sim: Simulator) -> dict[str, str]:
    return {"Authorization": f"Bearer {sim.tokens()['token']['access_token']}"}


async def test_a_refresh_token_gives_a_new_access_token_and_stays(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        old = sim.tokens()["token"]
        form = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
        answer = await http.post("/v1/oauth/token", data=form, headers=basic())
        new = answer.json()
        assert answer.status_code == 200
        assert set(new) == {"expires_in", "token_type", "scope", "refresh_token", "access_token", "id_token"}
        assert (new["expires_in"], new["token_type"], new["scope"]) == (1800, "Bearer", "api")
        assert new["refresh_token"] == old["refresh_token"]
        assert new["access_token"] != old["access_token"]


@pytest.mark.parametrize("ending", ["unknown", "revoked", "seven days", "replaced"])
async def test_a_dead_refresh_token_is_answered_as_schwab_does(tmp_path: Path, ending: str) -> None:
    clock = ManualClock()
    async with simulator(tmp_path, clock) as (sim, http):
        token = sim.tokens()["token"]["refresh_token"]
        match ending:
            case "unknown":
                token = "someone else's"
            case "revoked":
                sim.oauth.revoke_refresh()
            case "seven days":
                clock.pass_time(REFRESH_TOKEN_S)
            case "replaced":
                sim.oauth.log_in(clock.elapsed_s())
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = await http.post("/v1/oauth/token", data=form, headers=basic())
        assert answer.status_code == 400
        assert answer.json()["error"] == "unsupported_token_type"
        assert "refresh_token_authentication_error" in answer.json()["error_description"]


async def test_schwab_py_refreshes_when_its_token_runs_out_and_reports_when_it_cannot(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, _):
        token = sim.tokens()
        token["token"]["expires_at"] = token["creation_timestamp"] - 10
        before = token["token"]["access_token"]
        async with schwab_client(sim, token) as client:
            assert (await client.get_user_preferences()).status_code == 200
            assert token["token"]["access_token"] != before
            assert sim.oauth.refreshes == 1
        token["token"]["expires_at"] = token["creation_timestamp"] - 10
        sim.oauth.revoke_refresh()
        async with schwab_client(sim, token) as client:
            with pytest.raises(Exception, match="unsupported_token_type") as caught:
                await client.get_user_preferences()
            assert getattr(caught.value, "error", None) == "unsupported_token_type"


async def test_an_access_token_lives_half_an_hour(tmp_path: Path) -> None:
    clock = ManualClock()
    async with simulator(tmp_path, clock) as (sim, http):
        headers = bearer(sim)
        clock.pass_time(1799)
        assert (await http.get("/trader/v1/userPreference", headers=headers)).status_code == 200
        clock.pass_time(1)
        assert (await http.get("/trader/v1/userPreference", headers=headers)).status_code == 401


async def test_the_login_page_leads_to_a_code_that_is_good_once(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        query = {"response_type": "code", "client_id": APP_KEY, "redirect_uri": CALLBACK, "state": "xyz"}
        page = await http.get("/v1/oauth/authorize", params=query)
        assert page.status_code == 302
        sent_back = urlsplit(page.headers["location"])
        given = parse_qs(sent_back.query)
        assert f"{sent_back.scheme}://{sent_back.netloc}" == CALLBACK
        assert given["state"] == ["xyz"]
        assert "%40" in sent_back.query
        former = sim.tokens()["token"]["refresh_token"]
        form = {"grant_type": "authorization_code", "code": given["code"][0], "redirect_uri": CALLBACK}
        answer = await http.post("/v1/oauth/token", data=form, headers=basic())
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != former
        again = await http.post("/v1/oauth/token", data=form, headers=basic())
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        refresh = {"grant_type": "refresh_token", "refresh_token": former}
        assert (await http.post("/v1/oauth/token", data=refresh, headers=basic())).status_code == 400


async def test_a_request_without_a_code_gets_a_token_that_cannot_be_refreshed(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (_, http):
        answer = await http.post("/v1/oauth/token", data={"grant_type": "client_credentials"}, headers=basic())
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


@pytest.mark.parametrize("headers", [{}, basic(secret="wrong"), {"Authorization": "Basic ???"}])
async def test_a_wrong_app_secret_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    async with simulator(tmp_path) as (_, http):
        answer = await http.post("/v1/oauth/token", data={"grant_type": "client_credentials"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer made-up"}, basic()])
@pytest.mark.parametrize("path", ["/trader/v1/userPreference", "/marketdata/v1/quotes?symbols=SPY"])
async def test_without_a_good_bearer_there_is_only_a_401(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    async with simulator(tmp_path) as (_, http):
        answer = await http.get(path, headers=headers)
        assert answer.status_code == 401
        (error,) = answer.json()["errors"]
        assert (error["status"], error["title"], error["detail"]) == (401, "Unauthorized", "Client not authorized")
        assert error["id"]


async def test_the_user_preference_leads_to_this_streamer(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        body = (await http.get("/trader/v1/userPreference", headers=bearer(sim))).json()
        (info,) = body["streamerInfo"]
        assert info["streamerSocketUrl"] == sim.streamer_url
        assert (info["schwabClientChannel"], info["schwabClientFunctionId"]) == ("N9", "APIAPP")
        assert len(info["schwabClientCustomerId"]) == 64
        sim.inject("user_preference, answer: empty")
        assert (await http.get("/trader/v1/userPreference", headers=bearer(sim))).json()["streamerInfo"] == []


async def test_faults_reach_every_call(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        sim.inject("rest_status, status: 503, times: 2")
        assert (await http.get("/trader/v1/userPreference", headers=bearer(sim))).status_code == 503
        assert (await http.post("/v1/oauth/token", headers=basic())).status_code == 503
        assert (await http.get("/trader/v1/userPreference", headers=bearer(sim))).status_code == 200


async def test_what_schwab_has_beyond_is_a_404(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        answer = await http.get("/marketdata/v1/chains?symbol=SPY", headers=bearer(sim))
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["title"] == "Not Found"


async def quotes_of(sim: Simulator, symbols: list[str]) -> Any:
    async with schwab_client(sim) as client:
        answer = await client.get_quotes(symbols)
        assert answer.status_code == 200
        return json.loads(answer.content)


async def test_quotes_have_the_shape_of_their_class() -> None:
    market = SyntheticMarket(1, 1_795_444_200_000_000, ["/ES", "$SPX", "$TICK", "SPY"])
    async with Simulator(market) as sim:
        body = await quotes_of(sim, ["SPY", "$SPX", "/ES", "NOPE", "$TICK"])
    assert body["errors"] == {"invalidSymbols": ["NOPE"]}
    spy, spx, es = body["SPY"], body["$SPX"], body[next(key for key in body if key.startswith("/ES"))]
    assert (spy["assetMainType"], spy["realtime"], spy["quoteType"]) == ("EQUITY", True, "NBBO")
    assert spy["quote"]["askPrice"] > spy["quote"]["bidPrice"] > 0
    assert {"52WeekHigh", "closePrice", "netPercentChange", "totalVolume", "tradeTime"} <= set(spy["quote"])
    assert {"regular", "reference", "fundamental"} <= set(spy)
    assert spx["assetMainType"] == "INDEX"
    assert not {"bidPrice", "askPrice", "quoteTime"} & set(spx["quote"])
    assert (spx["quote"]["securityStatus"], spx["reference"]["exchange"]) == ("Unknown", "0")
    assert es["symbol"] in body
    assert (es["reference"]["product"], es["reference"]["futureMultiplier"]) == ("/ES", 50)
    assert es["reference"]["futureActiveSymbol"] == es["symbol"]
    assert body["$TICK"]["assetMainType"] == "INDICATOR"


async def test_quotes_before_the_first_row_know_no_price(tmp_path: Path) -> None:
    async with simulator(tmp_path) as (sim, http):
        body = await quotes_of(sim, ["SPY"])
        assert (body["SPY"]["quote"]["lastPrice"], body["SPY"]["quote"]["totalVolume"]) == (0, 0)
        assert (await http.get("/marketdata/v1/quotes", headers=bearer(sim))).status_code == 400
