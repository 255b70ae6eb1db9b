"""`POST /db/prune`: what the settings do not keep is removed now, by the daemon, who is the one that writes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query

from tradeassistd.api.control import Control
from tradeassistd.api.models import Document, Failure

KEEP_MAX = 20
BY_CHARACTERS_MAX = 100


class Pruned(Document):
    """What was removed."""

    rows: dict[str, int]
    """By kind."""
    tapes: list[str]
    """Trading days, YYYYMMDD."""
    tape_bytes: int
    before: dict[str, str]
    """By setting of `store.keep` the instant before which things went."""


def add_to(app: FastAPI, control: Control) -> None:
    """The route."""

    @app.post("/db/prune", responses={404: {"model": Failure}, 422: {"model": Failure}})
    async def prune(
        keep: Annotated[list[str] | None, Query(
            max_length=KEEP_MAX, description="In place of the settings, this once, each `tape=10d`.",
        )] = None,
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who asks, for the audit.")] = "",
    ) -> Pruned:  # fmt: skip
        """Remove what is kept no longer. It answers when that is done, and goes on when nobody waits any more."""
        if control.prune is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "nothing is stored here")
        try:
            removed = await control.prune(keep or [], by)
        except ValueError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return Pruned(
            rows=dict(removed.rows), tapes=list(removed.tapes), tape_bytes=removed.tape_bytes,
            before=dict(removed.before),
        )  # fmt: skip
