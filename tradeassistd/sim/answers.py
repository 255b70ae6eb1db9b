"""The forms of HTTP answers: JSON, Schwab's error body, and the page of the network in front of it."""

from __future__ import annotations

import uuid

import msgspec
from fastapi import Response

from tradeassistd.sim.faults.frames import AKAMAI


def json_answer(body: object, status: int = 200) -> Response:
    """A JSON body."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")


def error_answer(status: int, title: str, detail: str | None = None) -> Response:
    """An error as Schwab words it (protocol notes, 2)."""
    error: dict[str, object] = {"id": str(uuid.uuid4()), "status": status, "title": title}
    return json_answer({"errors": [error | ({"detail": detail} if detail else {})]}, status)


def page_answer(status: int) -> Response:
    """Akamai's page instead of an answer."""
    return Response(AKAMAI, status_code=status, media_type="text/html")
