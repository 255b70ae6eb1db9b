"""History through the unmodified schwab-py, from the simulated Schwab over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

from tradeassistd.base.clock import MarketClock
from tradeassistd.feed.client import open_client
from tradeassistd.feed.history import NOT_PROVIDED, History
from tradeassistd.feed.rest import Rest
from tradeassistd.feed.token import TokenFile
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000


NOW_US = at("2026-12-01 12:00")
HALF_DAY = date(2026, 11, 27)


@asynccontextmanager
async def history(folder: Path, *, futures: bool = True) -> AsyncIterator[tuple[History, Simulator]]:
    market = SyntheticMarket(4, NOW_US, ["SPY", "/ES", "$TICK"])
    async with Simulator(market, futures_history=futures) as simulator:
        file = TokenFile(folder / "token.json")
        file.write(simulator.tokens())
        clock = MarketClock(NOW_US)
        rest = Rest(lambda: open_client(APP_KEY, APP_SECRET, file, simulator.base_url), clock, 20.0)
        try:
            yield History(rest, clock), simulator
        finally:
            await rest.close()


async def test_an_hour_a_half_day_and_an_evening_are_what_was_asked_for(tmp_path: Path) -> None:
    async with history(tmp_path) as (asks, simulator):
        answer = await asks.minutes("SPY", at("2026-11-30 10:00"), at("2026-11-30 11:00"))
        assert (answer.outcome, answer.detail, len(answer.bars)) == ("given", "", 60)
        answer = await asks.minutes("SPY", at("2026-11-27 04:00"), at("2026-11-27 17:00"))
        told = simulator.history.minutes("SPY", HALF_DAY, NOW_US)
        assert [(bar.start_us, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in answer.bars] == [
            (one.start_us, one.open, one.high, one.low, one.close, one.volume) for one in told
        ]
        evening = await asks.minutes("/ES", at("2026-11-29 18:00"), at("2026-11-30 17:00"))
        assert (len(evening.bars), evening.bars[0].start_us) == (23 * 60, at("2026-11-29 18:00"))
        now = await asks.minutes("SPY", at("2026-12-01 11:50"), at("2026-12-01 16:00"))
        assert now.until_us == now.bars[-1].end_us == at("2026-12-01 11:59")


async def test_daily_bars_are_of_their_day(tmp_path: Path) -> None:
    async with history(tmp_path) as (asks, _):
        answer = await asks.bars("SPY", "1d", at("2026-10-26 00:00"), at("2026-11-07 00:00"))
        days = [datetime.fromtimestamp(bar.start_us / 1e6, NEW_YORK) for bar in answer.bars]
        assert [f"{day:%m-%d %H:%M}" for day in days] == [
            f"{day} 00:00" for day in ("10-26", "10-27", "10-28", "10-29", "10-30", "11-02", "11-03", "11-04", "11-05",
                                       "11-06")
        ]  # fmt: skip
        five = await asks.bars("SPY", "5m", at("2026-11-30 09:30"), at("2026-11-30 10:30"))
        assert len(five.bars) == 12 and five.bars[0].end_us == at("2026-11-30 09:35")


async def test_what_is_closed_unknown_or_not_provided_is_said(tmp_path: Path) -> None:
    async with history(tmp_path, futures=False) as (asks, simulator):
        closed = await asks.minutes("SPY", at("2026-11-28 10:00"), at("2026-11-28 11:00"))
        assert (closed.outcome, closed.detail) == ("empty", "Schwab says that no market was open")
        future = await asks.minutes("/ES", at("2026-11-30 10:00"), at("2026-11-30 11:00"))
        assert (future.outcome, future.detail) == ("refused", NOT_PROVIDED)
        unknown = await asks.minutes("NOPE", at("2026-11-30 10:00"), at("2026-11-30 11:00"))
        assert (unknown.outcome, unknown.detail) == ("empty", "Schwab has no candles of it")
        breadth = await asks.minutes("$TICK", at("2026-11-30 10:00"), at("2026-11-30 11:00"))
        assert len(breadth.bars) == 60 and any(bar.low < 0 for bar in breadth.bars)
        assert [call.status for call in simulator.counters.calls] == [400, 200, 200, 200]
