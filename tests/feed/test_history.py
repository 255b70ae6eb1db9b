"""Candles of pricehistory as bars: what is asked, what is left out, and what an answer without candles means."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from schwab.client import AsyncClient

from tests.feed.streams import SteppedClock, settle
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.history import LATE_S, NOT_PROVIDED, History
from tradeassistd.feed.rest import BURST_CALLS, CALLS_PER_S, FAILURES_MAX, SPARED_CALLS, Rest
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import price_from_text

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000


def at(text: str) -> int:
    """UTC microseconds of a New York wall time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


OPEN_US = at("2026-11-16T09:30:00-05:00")
EVENING_US = at("2026-11-16T21:00:00-05:00")


def candle(start_us: int, close: float = 10.5, **parts: Any) -> dict[str, Any]:
    return {"open": 10.0, "high": 11.0, "low": 9.5, "close": close, "volume": 100, "datetime": start_us // 1000} | parts


def told(*candles: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"candles": list(candles), "symbol": "SPY", "empty": not candles})


class Client:
    """Stands in for schwab-py's client: its words, and answers as told, the last one again and again."""

    PriceHistory = AsyncClient.PriceHistory

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.hold: asyncio.Event | None = None

    async def get_price_history(self, symbol: str, **question: Any) -> httpx.Response:
        self.asked.append({"symbol": symbol, **question})
        if self.hold is not None:
            await self.hold.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def get_quotes(self, symbols: list[str]) -> httpx.Response:
        self.asked.append({"quotes": symbols})
        return httpx.Response(200, json={})

    async def close_async_session(self) -> None:
        pass


class Line:
    """History over a client made to order, some hours after the close."""

    def __init__(self, *answers: httpx.Response, now_us: int = EVENING_US) -> None:
        self.clock = SteppedClock()
        self.clock.advance(now_us)
        self.client = Client(*answers)
        self.rest = Rest(lambda: self.client, self.clock)
        self.history = History(self.rest, self.clock)


def prices(*texts: str) -> list[int]:
    return [price_from_text(text) for text in texts]


async def test_a_question_has_both_bounds_with_their_zone_and_no_period() -> None:
    line = Line(told(candle(OPEN_US)))
    await line.history.minutes("SPY", OPEN_US, OPEN_US + 5 * MINUTE_US)
    words = AsyncClient.PriceHistory
    assert line.client.asked == [{
        "symbol": "SPY", "period_type": words.PeriodType.DAY, "frequency_type": words.FrequencyType.MINUTE,
        "frequency": words.Frequency.EVERY_MINUTE, "need_extended_hours_data": True,
        "start_datetime": datetime(2026, 11, 16, 14, 30, tzinfo=UTC),
        "end_datetime": datetime(2026, 11, 16, 14, 35, tzinfo=UTC),
    }]  # fmt: skip


async def test_only_what_lies_within_the_bounds_is_given_in_order_and_none_twice() -> None:
    minutes = [OPEN_US + count * MINUTE_US for count in (3, 1, -1, 0, 2, 4)]
    line = Line(told(*map(candle, minutes), candle(OPEN_US + MINUTE_US, close=10.75)))
    answer = await line.history.minutes("SPY", OPEN_US, OPEN_US + 3 * MINUTE_US + 59_000_000)
    assert (answer.outcome, answer.detail, answer.odd) == ("given", "", ())
    assert answer.until_us == OPEN_US + 3 * MINUTE_US, "the minute that is cut off is not complete"
    open_, high, low, close = prices("10", "11", "9.5", "10.5")
    first = Bar("SPY", "1m", "always", OPEN_US, OPEN_US + MINUTE_US, open_, high, low, close, 100, 0)
    assert answer.bars[0] == first
    assert [bar.start_us for bar in answer.bars] == [OPEN_US, OPEN_US + MINUTE_US, OPEN_US + 2 * MINUTE_US]
    assert answer.bars[1].close == price_from_text("10.75")


async def test_prices_are_exact() -> None:
    line = Line(told(candle(OPEN_US, open=6879.25, high=6879.5, low=221.133, close=6879.0625)))
    (bar,) = (await line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)).bars
    assert [bar.open, bar.high, bar.low, bar.close] == prices("6879.25", "6879.5", "221.133", "6879.0625")


@pytest.mark.parametrize("after_s", [-30, 0, LATE_S - 1, LATE_S])
async def test_a_minute_counts_once_it_cannot_change_any_more(after_s: int) -> None:
    end_us = OPEN_US + 2 * MINUTE_US
    line = Line(told(candle(OPEN_US), candle(OPEN_US + MINUTE_US)), now_us=end_us + after_s * 1_000_000)
    answer = await line.history.minutes("SPY", OPEN_US, OPEN_US + 10 * MINUTE_US)
    settled = end_us if after_s == LATE_S else OPEN_US + MINUTE_US
    assert answer.until_us == settled == answer.bars[-1].end_us


async def test_what_is_not_over_is_not_asked_for() -> None:
    line = Line(told(), now_us=OPEN_US)
    answer = await line.history.minutes("SPY", OPEN_US, OPEN_US + 10 * MINUTE_US)
    assert (answer.outcome, answer.bars, answer.until_us, line.client.asked) == ("given", (), OPEN_US, [])


@pytest.mark.parametrize(
    "odd",
    [
        {"open": None}, {"high": 10.25}, {"low": 10.25}, {"low": 0.0}, {"close": 0.0}, {"volume": -1},
        {"datetime": OPEN_US // 1000 + 1}, {"high": 1e12},
    ],
)  # fmt: skip
async def test_a_candle_that_cannot_be_is_left_out_and_said(odd: dict[str, Any]) -> None:
    line = Line(told(candle(OPEN_US, **odd), candle(OPEN_US + MINUTE_US)))
    answer = await line.history.minutes("SPY", OPEN_US, OPEN_US + 10 * MINUTE_US)
    assert (answer.outcome, len(answer.bars), answer.odd) == ("given", 1, (OPEN_US,))
    assert answer.detail == "candles that made no sense: 1"


async def test_zero_is_a_value_of_a_breadth_figure() -> None:
    line = Line(told(candle(OPEN_US, open=-3, high=12, low=-40, close=0, volume=0)))
    (bar,) = (await line.history.minutes("$TICK", OPEN_US, OPEN_US + MINUTE_US)).bars
    assert [bar.low, bar.close] == prices("-40", "0")


async def test_five_minutes_and_days_are_asked_in_schwabs_words() -> None:
    midnight_in_chicago_us = at("2026-11-13T00:00:00-06:00")
    line = Line(told(candle(OPEN_US)), told(candle(midnight_in_chicago_us)))
    (five,) = (await line.history.bars("SPY", "5m", OPEN_US, OPEN_US + 5 * MINUTE_US)).bars
    from_us, to_us = at("2026-11-13T00:00:00-05:00"), at("2026-11-17T00:00:00-05:00")
    answer = await line.history.bars("SPY", "1d", from_us, to_us)
    words = AsyncClient.PriceHistory
    assert line.client.asked[0]["frequency"] == words.Frequency.EVERY_FIVE_MINUTES
    assert five.end_us == OPEN_US + 5 * MINUTE_US
    assert (line.client.asked[1]["period_type"], line.client.asked[1]["frequency_type"]) == (
        words.PeriodType.YEAR, words.FrequencyType.DAILY,
    )  # fmt: skip
    assert "need_extended_hours_data" not in line.client.asked[1]
    (day,) = answer.bars
    assert (day.interval, day.start_us, day.end_us) == ("1d", from_us, from_us + DAY_US)
    assert answer.until_us == at("2026-11-16T00:00:00-05:00"), "the day is not over"


async def test_a_day_on_which_the_clocks_change_is_one_bar() -> None:
    line = Line(told(candle(at("2026-11-02T00:00:00-06:00")), candle(at("2026-10-30T00:00:00-05:00"))))
    answer = await line.history.bars("SPY", "1d", at("2026-10-30T00:00:00-04:00"), at("2026-11-03T00:00:00-05:00"))
    assert [bar.start_us for bar in answer.bars] == [at("2026-10-30T00:00:00-04:00"), at("2026-11-02T00:00:00-05:00")]


@pytest.mark.parametrize(
    ("symbol", "days_ago", "outcome", "detail"),
    [
        ("SPY", 1, "empty", "Schwab has no candles of it"),
        ("/ES", 1, "refused", NOT_PROVIDED),
        ("/ES", 60, "empty", "Schwab keeps candles of 1m for 48 days"),
        ("SPY", 60, "empty", "Schwab keeps candles of 1m for 48 days"),
    ],
)
async def test_no_candles_at_all(symbol: str, days_ago: int, outcome: str, detail: str) -> None:
    from_us = OPEN_US - days_ago * DAY_US
    answer = await Line(told()).history.minutes(symbol, from_us, from_us + 30 * MINUTE_US)
    assert (answer.outcome, answer.detail, answer.bars) == (outcome, detail, ())


async def test_a_quiet_span_of_a_day_that_has_candles_is_given() -> None:
    line = Line(told(candle(OPEN_US)))
    answer = await line.history.minutes("/ES", OPEN_US + 10 * MINUTE_US, OPEN_US + 20 * MINUTE_US)
    assert (answer.outcome, answer.bars, answer.detail) == ("given", (), "")
    line = Line(told(candle(OPEN_US + DAY_US)))
    answer = await line.history.minutes("/ES", OPEN_US - DAY_US, OPEN_US)
    assert (answer.outcome, answer.detail) == ("empty", "Schwab has candles of other days only")


@pytest.mark.parametrize(
    ("body", "outcome", "detail"),
    [
        ({"errors": [{"status": 400, "title": "Bad Request", "detail": "inverted date"}]}, "empty",
         "Schwab says that no market was open"),
        ({"error": "Bad Request", "message": "Enddate is INVERTED date"}, "empty",
         "Schwab says that no market was open"),
        ({"errors": [{"id": "x", "status": "404", "title": "Not Found"}]}, "refused",
         "Schwab answered HTTP 400: Not Found"),
        ("no", "refused", "Schwab answered HTTP 400"),
        ([1], "refused", "Schwab answered HTTP 400"),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_in_schwabs_words(body: Any, outcome: str, detail: str) -> None:
    answer = await Line(httpx.Response(400, json=body)).history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)
    assert (answer.outcome, answer.detail, answer.bars, answer.is_refusal) == (outcome, detail, (), True)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"candles": {}}', b'{"candles": [5]}', b'{"candles": [{"open": 1}]}', b'{"candles"']
)
async def test_an_answer_of_another_shape_may_be_asked_for_again(content: bytes) -> None:
    line = Line(httpx.Response(200, content=content))
    with pytest.raises(TransientError, match="no JSON"):
        await line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)


@pytest.mark.parametrize(("interval", "length_us"), [("2m", MINUTE_US), ("1m", 0), ("1d", -1)])
async def test_a_question_that_makes_no_sense(interval: str, length_us: int) -> None:
    with pytest.raises(ValueError, match="no candles of"):
        await Line(told()).history.bars("SPY", interval, OPEN_US, OPEN_US + length_us)


async def test_history_waits_for_its_turn_and_leaves_a_call_for_who_hurries() -> None:
    line = Line(told(candle(OPEN_US)))
    asking = [asyncio.create_task(line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)) for _ in range(60)]
    await settle()
    assert len(line.client.asked) == BURST_CALLS - SPARED_CALLS
    for _ in range(8):
        await line.clock.step(1 / CALLS_PER_S)
    assert len(line.client.asked) == BURST_CALLS - SPARED_CALLS + 8
    await line.rest.traded(["SPY"])  # at once, before the dozens that wait
    assert line.client.asked[-1] == {"quotes": ["SPY"]}
    await line.clock.step(1 / CALLS_PER_S)
    asked = len(line.client.asked)
    await line.clock.step(1 / CALLS_PER_S)
    assert len(line.client.asked) == asked + 1, "and what was spared is saved up again first"
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_the_pace_is_that_of_the_settings() -> None:
    line = Line(told(candle(OPEN_US)))
    rest = Rest(lambda: line.client, line.clock, 0.5)
    asking = [
        asyncio.create_task(History(rest, line.clock).minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)) for _ in range(6)
    ]
    await settle()
    for asked in (3, 4, 5, 6):
        assert len(line.client.asked) == asked
        await line.clock.step(1.9)
        assert len(line.client.asked) == asked
        await line.clock.step(0.1)
    await asyncio.gather(*asking)


async def test_who_hurries_does_not_wait_for_a_slow_answer_of_history() -> None:
    line = Line(told(candle(OPEN_US)))
    line.client.hold = asyncio.Event()
    asking = asyncio.create_task(line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US))
    await settle()
    assert len(line.client.asked) == 1
    await line.rest.traded(["SPY"])
    assert not asking.done()
    line.client.hold.set()
    assert (await asking).outcome == "given"


async def test_a_storm_of_429_is_waited_for_as_told_and_not_taken_for_a_break_down() -> None:
    storm = httpx.Response(429, headers={"Retry-After": "2"})
    line = Line(*[storm] * (2 * FAILURES_MAX), told(candle(OPEN_US)))
    for _ in range(2 * FAILURES_MAX):
        with pytest.raises(TransientError, match="HTTP 429") as caught:
            await line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)
        assert caught.value.retry_after_s == 2
        line.clock.pass_time(2)
    assert (await line.history.minutes("SPY", OPEN_US, OPEN_US + MINUTE_US)).outcome == "given"
