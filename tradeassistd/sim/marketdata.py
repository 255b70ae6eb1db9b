"""The routes of price history and market hours."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Protocol

from fastapi import FastAPI, Request, Response

from tradeassistd.sim.answers import error_answer, json_answer
from tradeassistd.sim.faults.board import Faults
from tradeassistd.sim.faults.candles import CandleLens
from tradeassistd.sim.faults.distort import about
from tradeassistd.sim.market import Market
from tradeassistd.sim.markets import DAYS_AHEAD_MAX, MARKETS, market_hours
from tradeassistd.sim.past import ny_date
from tradeassistd.sim.pricehistory import INVERTED, BadRequest, History, answer, read_query


class Backend(Protocol):
    """What these routes need of the simulator."""

    market: Market

    @property
    def history(self) -> History: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def now_us(self) -> int: ...


def add_to(app: FastAPI, backend: Backend) -> None:
    """Add the paths to the application."""

    @app.get("/marketdata/v1/pricehistory")
    async def price_history(request: Request) -> Response:
        try:
            body = await _price_history(backend, request)
        except BadRequest as error:
            return error_answer(400, "Bad Request", str(error))
        return Response(body, media_type="application/json")

    @app.get("/marketdata/v1/markets")
    async def markets(markets: str = "", date: str = "") -> Response:
        wanted = [part.strip() for part in markets.split(",") if part.strip()]
        day = _day(date, ny_date(backend.now_us))
        if not wanted or not set(wanted) <= set(MARKETS):
            return error_answer(400, "Bad Request", f"markets must be of {', '.join(MARKETS)}")
        if day is None:
            return error_answer(400, "Bad Request", "date must be YYYY-MM-DD, from today to a year ahead")
        return json_answer(market_hours(backend.market, wanted, day))

    @app.get("/marketdata/v1/markets/{market}")
    async def one_market(market: str, date: str = "") -> Response:
        return await markets(market, date)


async def _price_history(backend: Backend, request: Request) -> bytes:
    history, params, now_us = backend.history, request.query_params, backend.now_us
    query = read_query(params, history.instrument(params.get("symbol", "").strip()), now_us)
    record = backend.market.find(query.symbol)
    if record is None:
        return answer(query.symbol, [])
    if fault := backend.faults.strike("history", now_us, lambda fault: about(fault, record.listing)):
        if fault["answer"] == "inverted_date":
            raise BadRequest(INVERTED)
        return answer(query.symbol, [])
    lens = CandleLens(backend.faults, record.listing)
    # Elsewhere, as months of minutes take their time and the stream must not wait for them.
    return await asyncio.to_thread(history.body, query, now_us, lens)


def _day(text: str, today: date) -> date | None:
    """The day that is asked for; None when it is none or too far away."""
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        return None
    return day if today <= day <= today + timedelta(days=DAYS_AHEAD_MAX) else None
