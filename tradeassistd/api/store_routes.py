"""Routes for what is backed up, exported and imported while the daemon runs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, HTTPException, Query

from tradeassistd.api.control import Control, Keeping
from tradeassistd.api.models import Document, Failure
from tradeassistd.base.errors import PermanentError
from tradeassistd.store.transfer.files import row_of
from tradeassistd.store.transfer.incoming import ROWS_AT_ONCE_MAX
from tradeassistd.store.transfer.tables import TABLES

NAME_CHARACTERS_MAX = 255
BY_CHARACTERS_MAX = 100
SPANS_MAX = 10_000

By = Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who asks, for the audit.")]
File = Annotated[str, Query(max_length=NAME_CHARACTERS_MAX, description="Name of the file, for the audit.")]


class Settled(Document):
    """Everything that had happened is on the disk."""

    settled: bool


class Taken(Document):
    """What came of rows."""

    new: int
    there: int
    """How many were stored before."""


class Span(Document):
    """A span of a symbol in which its imported one-minute bars lack nothing, UTC microseconds."""

    symbol: str
    from_us: int
    to_us: int


def add_to(app: FastAPI, control: Control) -> None:
    """Add the routes under /db that a backup, an export and an import ask."""

    @app.post("/db/settle")
    async def settle(
        what: Annotated[Literal["backup", "export"], Query(description="What it is for.")],
        file: File = "",
        by: By = "",
    ) -> Settled:
        """Put on the disk what is still on its way there, so that a copy of the files lacks nothing."""
        await _keeping(control).settle(f"db.{what}", {"file": file, "by": by})
        return Settled(settled=True)

    @app.post("/db/import/{what}", responses={422: {"model": Failure}})
    async def take(
        what: Literal["alerts", "bars"],
        rows: Annotated[list[dict[str, Any]], Body(max_length=ROWS_AT_ONCE_MAX, description="As they are exported.")],
    ) -> Taken:
        """Store rows that are new: `what` is alerts or bars, the body a JSON list of at most 250 rows as exported.

        Alerts come with what became of them, and nobody is told of them again. 422: a row is unfit, none was stored.
        """
        table = TABLES[what]
        try:
            made = [row_of(cells, table, f"row {number}").row for number, cells in enumerate(rows, start=1)]
            taken = await _keeping(control).put(table, made)
        except (ValueError, PermanentError) as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return Taken(new=taken.new, there=taken.there)

    @app.post("/db/import", responses={422: {"model": Failure}})
    async def note(
        what: Literal["alerts", "bars", "ticks", "rules", "settings"],
        new: Annotated[int, Query(ge=0)],
        spans: Annotated[list[Span], Body(max_length=SPANS_MAX)],
        file: File = "",
        by: By = "",
    ) -> Settled:
        """The end of an import, for the audit.

        The body is a JSON list of spans in which its one-minute bars lack nothing: rules may warm from them.
        """
        body = {"what": what, "new": new, "file": file, "by": by, "complete": len(spans)}
        await _keeping(control).note_import([(one.symbol, one.from_us, one.to_us) for one in spans], body)
        return Settled(settled=True)


def _keeping(control: Control) -> Keeping:
    if control.keeping is None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "nothing is stored here")
    return control.keeping
