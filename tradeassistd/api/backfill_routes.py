"""Backfills over HTTP: begin one, watch it, read what came of its days, stop it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query

from tradeassistd.api.backfill_documents import backfill_document, day_document
from tradeassistd.api.control import Backfilling, Control
from tradeassistd.api.models import Backfill, BackfilledDay, Failure
from tradeassistd.base.errors import UnfitError
from tradeassistd.history.backfill import Progress
from tradeassistd.history.backfills import BusyError
from tradeassistd.history.trading_days import SYMBOLS_MAX

BY_CHARACTERS_MAX = 100
DAYS_PAGE_MAX = 1_000


def add_to(app: FastAPI, control: Control) -> None:
    """Add the routes under /backfill."""

    @app.get("/backfill", responses={404: {"model": Failure}})
    async def backfill() -> Backfill:
        """The backfill under way, or else the last one since the start of the daemon."""
        return backfill_document(_present(_backfills(control)))

    @app.get("/backfill/days", responses={404: {"model": Failure}})
    async def days(
        after: Annotated[int, Query(ge=0, description="Leave out so many: those that were read before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=DAYS_PAGE_MAX)] = DAYS_PAGE_MAX,
    ) -> list[BackfilledDay]:
        """What came of the days of `GET /backfill` that are done, in the order in which they were."""
        return [day_document(one) for one in _present(_backfills(control)).answers[after : after + limit]]

    @app.post("/backfill", status_code=HTTPStatus.ACCEPTED,
              responses={409: {"model": Failure}, 422: {"model": Failure}})  # fmt: skip
    async def begin(
        symbol: Annotated[list[str], Query(max_length=SYMBOLS_MAX, description="May be repeated.")],
        interval: Annotated[str, Query(description="1m, 5m or 1d.")] = "1m",
        from_day: Annotated[date | None, Query(description="The first trading day, YYYY-MM-DD.")] = None,
        to_day: Annotated[date | None, Query(description="The last one, included; default: that of now.")] = None,
        again: Annotated[bool, Query(description="Also days that were answered before.")] = False,
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who asks, for the audit.")] = "",
    ) -> Backfill:
        """Begin to fetch history; it goes on whoever watches. 409: another one is under way.

        Asked for again while it is under way, it is just answered how far it is. Without a first day it goes 48 days
        back (1m), nine months (5m) or five years (1d).
        """
        backfills = _backfills(control)
        try:
            return backfill_document(await backfills.start(symbol, interval, from_day, to_day, again=again, by=by))
        except UnfitError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        except BusyError as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None

    @app.delete("/backfill", responses={404: {"model": Failure}})
    async def stop(
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who stops it.")] = "",
    ) -> Backfill:
        """Stop the one under way. What it has stored stays."""
        return backfill_document(await _backfills(control).stop(by))


def _backfills(control: Control) -> Backfilling:
    if control.backfills is None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon fetches no history")
    return control.backfills


def _present(backfills: Backfilling) -> Progress:
    if backfills.progress is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "no backfill since the start of the daemon")
    return backfills.progress
