"""`GET /history/verify`: stored minutes of a symbol beside those that Schwab tells now."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query

from tradeassistd.api.control import Control
from tradeassistd.api.models import Document, Failure
from tradeassistd.base.errors import UnfitError


class FieldDifference(Document):
    """In how many minutes a field differs, and the greatest difference: Schwab's less ours, in points or shares."""

    count: int
    most: float
    most_at: str
    """The minute of it, ISO 8601 in UTC."""


class VerifiedDay(Document):
    """One trading day of one symbol."""

    symbol: str
    day: str
    """YYYY-MM-DD."""
    outcome: str
    """agrees, differs; nothing: nothing of it is stored; empty, refused: Schwab has none of it, or does not tell."""
    detail: str
    """Why it is empty or refused."""
    bars: int
    """Minutes that Schwab has."""
    not_stored: int
    """Minutes that Schwab has and the store has not."""
    restated: int
    """Minutes that Schwab tells otherwise now than what is stored as Schwab's."""
    compared: int
    """Minutes made of trades that Schwab has, too."""
    differing: int
    only_ours: int
    """Minutes made of trades that Schwab has not."""
    only_official: int
    """Watched minutes without a trade of which Schwab has a bar."""
    fields: dict[str, FieldDifference]
    """open, high, low, close and volume, those that differ somewhere."""


def add_to(app: FastAPI, control: Control) -> None:
    """The route."""

    @app.get("/history/verify", responses={404: {"model": Failure}, 422: {"model": Failure}})
    async def verify(
        symbol: Annotated[str, Query(description="As Schwab writes it.")],
        from_day: Annotated[date | None, Query(description="The first trading day; default: a week's.")] = None,
        to_day: Annotated[date | None, Query(description="The last one, included; default: that of now.")] = None,
    ) -> list[VerifiedDay]:
        """Ask Schwab for these days and compare them with the store. Changes nothing; a question of Schwab for a week.

        It waits its turn among the other questions of history.
        """
        if control.verify is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "nothing is stored here")
        try:
            verdicts = await control.verify(symbol, from_day, to_day)
        except UnfitError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return [VerifiedDay(**one.document()) for one in verdicts]
