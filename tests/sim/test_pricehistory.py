"""Price history over sockets, asked by an unmodified schwab-py: what it holds, and Schwab's manners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from schwab.client import Client

from tests.sim.clients import record, schwab_client
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket

History = Client.PriceHistory
SYMBOLS = ("SPY", "/ES", "$SPX", "$TICK")
MINUTE_MS = 60_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def us(text: str) -> int:
    return int(at(text).timestamp()) * US_PER_S


@asynccontextmanager
async def asking(start: str, **options: Any) -> AsyncIterator[tuple[Any, Simulator]]:
    """A schwab-py client on a made-up market that stands at `start`, and the simulator."""
    async with Simulator(SyntheticMarket(7, us(start), SYMBOLS), **options) as sim, schwab_client(sim) as client:
        yield client, sim


def pass_time(sim: Simulator, text: str) -> None:
    """Let market time go on to then, whoever listens."""
    streamer = sim._streamer
    while (next_us := streamer.next_us()) is not None and next_us <= us(text):
        streamer.step()
    streamer.pass_time(us(text))


async def minutes(
    client: Any, symbol: str, begin: str, end: str, every: Any = History.Frequency.EVERY_MINUTE, **more: Any
) -> httpx.Response:
    """Candles of minutes as the daemon asks for them: both bounds, no period."""
    answer: httpx.Response = await client.get_price_history(
        symbol, period_type=History.PeriodType.DAY, frequency_type=History.FrequencyType.MINUTE, frequency=every,
        start_datetime=at(begin), end_datetime=at(end), **more,
    )  # fmt: skip
    return answer


async def daily(client: Any, symbol: str, begin: str, end: str, **more: Any) -> httpx.Response:
    answer: httpx.Response = await client.get_price_history(
        symbol, period_type=History.PeriodType.YEAR, frequency_type=History.FrequencyType.DAILY,
        start_datetime=at(begin), end_datetime=at(end), **more,
    )  # fmt: skip
    return answer


def candles(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["empty"] is not bool(body["candles"])
    found: list[dict[str, Any]] = body["candles"]
    assert all(set(one) == {"open", "high", "low", "close", "volume", "datetime"} for one in found)
    return found


def times(answer: httpx.Response) -> list[datetime]:
    """When the candles of an answer began, New York."""
    return [datetime.fromtimestamp(one["datetime"] / 1000, NEW_YORK) for one in candles(answer)]


def detail(answer: httpx.Response) -> str:
    assert answer.status_code == 400
    text: str = answer.json()["errors"][0]["detail"]
    return text


async def test_an_hour_asked_for_comes_as_its_whole_day() -> None:
    async with asking("2026-11-16T10:07:00") as (client, _):
        answer = await minutes(client, "SPY", "2026-11-12T10:00:00", "2026-11-12T11:00:00")
        found = times(answer)
    assert (found[0], found[-1]) == (at("2026-11-12T04:00:00"), at("2026-11-12T19:59:00"))
    assert len(found) == 960
    assert found == sorted(set(found))
    assert answer.json()["symbol"] == "SPY"


async def test_extended_hours_are_left_out_when_nobody_needs_them() -> None:
    async with asking("2026-11-28T10:00:00") as (client, _):
        plain = await minutes(
            client, "SPY", "2026-11-25T00:00:00", "2026-11-25T23:00:00", need_extended_hours_data=False
        )
        half = await minutes(
            client, "SPY", "2026-11-27T00:00:00", "2026-11-27T23:00:00", need_extended_hours_data=False
        )
        future = await minutes(
            client, "/ES", "2026-11-25T00:00:00", "2026-11-25T23:00:00", need_extended_hours_data=False
        )
    assert (times(plain)[0], times(plain)[-1]) == (at("2026-11-25T09:30:00"), at("2026-11-25T15:59:00"))
    assert (times(half)[0], times(half)[-1]) == (at("2026-11-27T09:30:00"), at("2026-11-27T12:59:00"))
    assert times(future)[0] == at("2026-11-25T00:00:00")


async def test_a_closed_day_is_an_inverted_date_and_a_day_without_candles_yet_is_empty() -> None:
    async with asking("2026-11-27T03:00:00") as (client, _):
        saturday = await minutes(client, "SPY", "2026-11-21T09:30:00", "2026-11-21T16:00:00")
        thanksgiving = await minutes(client, "SPY", "2026-11-26T09:30:00", "2026-11-26T16:00:00")
        backwards = await minutes(client, "SPY", "2026-11-25T09:30:00", "2026-11-24T16:00:00")
        tomorrow = await minutes(client, "SPY", "2026-11-28T09:30:00", "2026-11-30T16:00:00")
        today = await minutes(client, "SPY", "2026-11-27T00:00:00", "2026-11-27T23:00:00")
        over = await minutes(client, "SPY", "2026-11-26T09:30:00", "2026-11-27T23:00:00")
    for answer in (saturday, thanksgiving, backwards, tomorrow):
        assert "inverted date" in detail(answer)
    for answer in (today, over):
        assert answer.json() == {"candles": [], "symbol": "SPY", "empty": True}


async def test_futures_trade_on_holidays_and_sunday_evenings_and_not_on_saturdays() -> None:
    async with asking("2026-11-30T03:00:00") as (client, _):
        thanksgiving = await minutes(client, "/ES", "2026-11-26T00:00:00", "2026-11-26T23:00:00")
        saturday = await minutes(client, "/ES", "2026-11-28T00:00:00", "2026-11-28T23:00:00")
        sunday = await minutes(client, "/ES", "2026-11-29T00:00:00", "2026-11-29T23:00:00")
    found = times(thanksgiving)
    assert at("2026-11-26T12:59:00") in found and at("2026-11-26T18:00:00") in found
    assert not [one for one in found if at("2026-11-26T13:00:00") <= one < at("2026-11-26T18:00:00")]
    assert "inverted date" in detail(saturday)
    assert (times(sunday)[0], times(sunday)[-1]) == (at("2026-11-29T18:00:00"), at("2026-11-29T23:59:00"))


async def test_without_an_end_today_is_missing() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        answer = await client.get_price_history("$SPX", start_datetime=at("2026-11-12T09:30:00"))
        from_today = await client.get_price_history("$SPX", start_datetime=at("2026-11-16T09:30:00"))
        plain = await client.get_price_history("$SPX")
    assert {one.date().isoformat() for one in times(answer)} == {"2026-11-12", "2026-11-13"}
    assert "inverted date" in detail(from_today)
    assert len({one.date() for one in times(plain)}) == 10


async def test_one_minute_candles_reach_48_days_back_and_longer_ones_nine_months() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        ever = await client.get_price_history_every_minute("$SPX")  # from 1971 to next week, and a period beside it
        older = await minutes(client, "$SPX", "2026-09-01T00:00:00", "2026-09-02T00:00:00")
        half_hours = await client.get_price_history_every_thirty_minutes("$SPX", end_datetime=at("2026-02-20T12:00:00"))
        days = await client.get_price_history_every_day("$SPX", end_datetime=at("1992-01-02T12:00:00"))
    assert times(ever)[0].date() == date(2026, 9, 29)
    assert times(ever)[-1].date() == date(2026, 11, 16)
    assert candles(older) == []
    assert times(half_hours)[0].date() == date(2026, 2, 17)  # the day before is Presidents' Day
    assert times(days)[0].date() == date(1990, 1, 2)
    assert 500 < len(candles(days)) < 510


@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_longer_candles_are_made_of_minutes(symbol: str) -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        day = ("2026-11-12T00:00:00", "2026-11-12T23:00:00")
        ones = candles(await minutes(client, symbol, *day))
        fives = candles(await minutes(client, symbol, *day, every=History.Frequency.EVERY_FIVE_MINUTES))
    for five in fives:
        inside = [one for one in ones if 0 <= one["datetime"] - five["datetime"] < 5 * MINUTE_MS]
        assert five["datetime"] % (5 * MINUTE_MS) == 0
        assert five["open"] == inside[0]["open"] and five["close"] == inside[-1]["close"]
        assert five["high"] == max(one["high"] for one in inside)
        assert five["low"] == min(one["low"] for one in inside)
        assert five["volume"] == sum(one["volume"] for one in inside)
    assert sum(five["volume"] for five in fives) == sum(one["volume"] for one in ones)


async def test_daily_candles_carry_chicagos_midnight_and_come_after_the_session() -> None:
    async with asking("2026-11-16T15:59:59") as (client, sim):
        before = await daily(client, "SPY", "2026-11-12T00:00:00", "2026-11-16T00:00:00")
        weeks = await client.get_price_history_every_week("SPY", start_datetime=at("2026-10-01T00:00:00"))
        months = await client.get_price_history(
            "SPY", period_type=History.PeriodType.YEAR, frequency_type=History.FrequencyType.MONTHLY
        )
        pass_time(sim, "2026-11-16T16:00:31")
        after = await daily(client, "SPY", "2026-11-12T00:00:00", "2026-11-16T23:59:00")
    midnights = [datetime(2026, 11, day, tzinfo=ZoneInfo("America/Chicago")) for day in (12, 13, 16)]
    assert times(before) == midnights[:2]
    assert times(after) == midnights
    assert {datetime.fromtimestamp(one["datetime"] / 1000, ZoneInfo("America/Chicago")).weekday()
            for one in candles(weeks)} == {0}  # fmt: skip
    assert {datetime.fromtimestamp(one["datetime"] / 1000, ZoneInfo("America/Chicago")).day
            for one in candles(months)} == {1}  # fmt: skip


async def test_the_previous_close_is_that_of_the_day_before_the_span() -> None:
    async with asking("2026-11-16T12:00:00") as (client, _):
        answer = await minutes(client, "SPY", "2026-11-16T00:00:00", "2026-11-16T23:00:00", need_previous_close=True)
        friday = candles(await daily(client, "SPY", "2026-11-13T00:00:00", "2026-11-13T23:00:00"))[0]
        quote = (await client.get_quotes(["SPY"])).json()["SPY"]["quote"]
    assert answer.json()["previousClose"] == friday["close"] == quote["closePrice"]
    assert answer.json()["previousCloseDate"] == friday["datetime"]


@pytest.mark.parametrize("symbol", ["SPY", "/ES", "$SPX", "$TICK"])
async def test_the_last_made_up_minute_ends_at_the_first_price(symbol: str) -> None:
    async with asking("2026-11-16T10:07:45") as (client, sim):
        found = candles(await minutes(client, symbol, "2026-11-15T18:00:00", "2026-11-16T23:00:00"))
        level_one = sim.market.find(symbol)
        assert level_one is not None
        values, layout = level_one.values, level_one.listing.layout
    began = {"SPY": "09:30", "$SPX": "09:30", "$TICK": "09:30", "/ES": "00:00"}[symbol]
    day = [one for one in found if symbol == "/ES" or one["datetime"] >= us(f"2026-11-16T{began}") // US_PER_MS]
    assert found[-1]["datetime"] == us("2026-11-16T10:06:00") // US_PER_MS
    assert found[-1]["close"] == float(values[layout.last])
    if symbol != "$TICK":
        assert day[0]["open"] == float(values[layout.open])
        assert max(one["high"] for one in day) == float(values[layout.high])
        assert min(one["low"] for one in day) == float(values[layout.low])


async def test_a_recording_has_a_past_that_ends_at_its_first_trade(tmp_path: Path) -> None:
    began_ms = us("2026-11-16T10:00:00") // US_PER_MS
    rows = [f"{began_ms + 90_000 * number}000000,SPY,{167.41 + number},100,,,," for number in range(3)]
    async with Simulator(RecordedMarket(record(tmp_path / "spy.csv", *rows))) as sim, schwab_client(sim) as client:
        pass_time(sim, "2026-11-16T10:00:31")
        today = candles(await minutes(client, "SPY", "2026-11-16T00:00:00", "2026-11-16T23:00:00"))
        friday = candles(await minutes(client, "SPY", "2026-11-13T00:00:00", "2026-11-13T23:00:00"))
    assert today[-1]["close"] == 167.41
    assert today[-1]["datetime"] < began_ms
    assert len(friday) > 800
    assert all(abs(one["close"] - 167.41) < 40 for one in friday)


async def test_what_nobody_lists_is_empty_and_futures_may_not_be_given() -> None:
    async with asking("2026-11-16T12:00:00", futures_history=False) as (client, _):
        day = ("2026-11-12T00:00:00", "2026-11-12T23:00:00")
        unknown, future, stock = [await minutes(client, symbol, *day) for symbol in ("$VIX1D", "/ES", "SPY")]
    assert unknown.json() == {"candles": [], "symbol": "$VIX1D", "empty": True}
    assert future.json() == {"candles": [], "symbol": "/ES", "empty": True}
    assert len(candles(stock)) == 960


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "symbol"),
        ("symbol=SPY&periodType=week", "periodType"),
        ("symbol=SPY&periodType=day&frequencyType=daily", "frequencyType"),
        ("symbol=SPY&periodType=day&frequency=2", "frequency"),
        ("symbol=SPY&periodType=year&frequencyType=daily&frequency=5", "frequency"),
        ("symbol=SPY&periodType=day&period=7", "period"),
        ("symbol=SPY&startDate=yesterday", "startDate"),
        ("symbol=SPY&endDate=1.5", "endDate"),
        ("symbol=SPY&needPreviousClose=maybe", "needPreviousClose"),
    ],
)
async def test_what_cannot_be_asked_is_a_400_that_names_it(query: str, says: str) -> None:
    async with asking("2026-11-16T12:00:00") as (_, sim), httpx.AsyncClient(base_url=sim.base_url) as http:
        headers = {"Authorization": f"Bearer {sim.tokens()['token']['access_token']}"}
        answer = await http.get(f"/marketdata/v1/pricehistory?{query}", headers=headers)
        unauthorized = await http.get(f"/marketdata/v1/pricehistory?{query}")
    assert says in detail(answer)
    assert unauthorized.status_code == 401


async def test_every_call_is_in_the_log() -> None:
    async with asking("2026-11-16T12:00:00") as (client, sim), httpx.AsyncClient(base_url=sim.base_url) as http:
        await minutes(client, "SPY", "2026-11-14T00:00:00", "2026-11-14T23:00:00")
        await client.get_quotes(["SPY"])
        listed = (await http.get("/simulator/calls")).json()["calls"]
    calls = sim.counters.calls
    assert [(one.path.rpartition("/")[2], one.status) for one in calls] == [("pricehistory", 400), ("quotes", 200)]
    assert "symbol=SPY" in calls[0].query
    assert [one["at_us"] for one in listed] == [one.at_us for one in calls] == [us("2026-11-16T12:00:00")] * 2
