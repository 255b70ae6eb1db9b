"""Market hours over sockets, as an unmodified schwab-py asks for them."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from tests.sim.test_pricehistory import asking

EQUITY = "equity"


async def hours(client: Any, *markets: str, day: date | None = None) -> Any:
    kinds = client.MarketHours.Market
    answer = await client.get_market_hours([kinds(one) for one in markets], **({"date": day} if day else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_plain_day_has_three_sessions() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        told = await hours(client, "equity", "option")
    assert told["equity"]["EQ"] == {
        "date": "2026-11-16", "marketType": "EQUITY", "product": "EQ", "productName": "equity", "isOpen": True,
        "sessionHours": {
            "preMarket": [{"start": "2026-11-16T07:00:00-05:00", "end": "2026-11-16T09:30:00-05:00"}],
            "regularMarket": [{"start": "2026-11-16T09:30:00-05:00", "end": "2026-11-16T16:00:00-05:00"}],
            "postMarket": [{"start": "2026-11-16T16:00:00-05:00", "end": "2026-11-16T20:00:00-05:00"}],
        },
    }  # fmt: skip
    assert told["option"]["IND"]["sessionHours"]["regularMarket"][0]["end"] == "2026-11-16T16:15:00-05:00"


async def test_half_days_holidays_and_other_clocks() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        half = await hours(client, "equity", day=date(2026, 11, 27))
        holiday = await hours(client, "equity", "option", day=date(2026, 11, 26))
        saturday = await hours(client, "equity", day=date(2026, 11, 21))
        summer = await hours(client, "equity", day=date(2027, 7, 1))
    assert half["equity"]["EQ"]["sessionHours"]["regularMarket"][0]["end"] == "2026-11-27T13:00:00-05:00"
    closed = {"date": "2026-11-26", "marketType": "EQUITY", "product": "equity", "isOpen": False}
    assert holiday["equity"] == {"equity": closed}
    assert holiday["option"]["option"]["isOpen"] is False
    assert saturday["equity"]["equity"]["isOpen"] is False
    assert summer["equity"]["EQ"]["sessionHours"]["regularMarket"][0]["start"] == "2027-07-01T09:30:00-04:00"


async def test_futures_open_the_evening_before_and_halt_early_on_a_holiday() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        told = await hours(client, "future", "bond", day=date(2026, 11, 26))
        saturday = await hours(client, "future", day=date(2026, 11, 21))
    spans = told["future"]["ES"]["sessionHours"]["regularMarket"]
    assert spans == [{"start": "2026-11-25T18:00:00-05:00", "end": "2026-11-26T13:00:00-05:00"}]
    assert told["bond"]["bond"]["isOpen"] is False
    assert saturday["future"]["ES"]["isOpen"] is False


@pytest.mark.parametrize(
    "query", ["markets=", "markets=stocks", "markets=equity&date=2026-11-15", "markets=equity&date=2027-11-30",
              "markets=equity&date=tomorrow"],
)  # fmt: skip
async def test_what_cannot_be_asked_is_a_400(query: str) -> None:
    async with asking("2026-11-16T12:00:00") as (_, sim), httpx.AsyncClient(base_url=sim.base_url) as http:
        headers = {"Authorization": f"Bearer {sim.tokens()['token']['access_token']}"}
        answer = await http.get(f"/marketdata/v1/markets?{query}", headers=headers)
        single = await http.get("/marketdata/v1/markets/equity", headers=headers)
    assert answer.status_code == 400
    assert single.json()["equity"]["EQ"]["isOpen"] is True


async def test_faults_of_the_path_strike_there() -> None:
    async with asking("2026-11-16T12:00:00") as (client, sim):
        sim.inject("rest_status, path: markets, status: 503, times: 2")
        kinds = client.MarketHours.Market
        both = [await client.get_market_hours([kinds.EQUITY]) for _ in range(3)]
    assert [one.status_code for one in both] == [503, 503, 200]
