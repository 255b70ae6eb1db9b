"""Calls to Schwab as notes for the audit: over a real HTTP client, without secrets, also those without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.feed.streams import SteppedClock
from tradeassistd.feed.calls import VALUE_CHARACTERS_MAX, Calls
from tradeassistd.feed.rest import Rest

HISTORY = "https://api.schwabapi.com/marketdata/v1/pricehistory?symbol=%2FES&startDate=5&apikey=secret"


class Notes(list[tuple[str, Mapping[str, Any]]]):
    def __call__(self, kind: str, body: Mapping[str, Any]) -> None:
        self.append((kind, body))


async def test_an_answer_is_noted_with_what_was_asked_for_and_no_secret() -> None:
    clock, notes = SteppedClock(), Notes()

    async def answer(request: httpx.Request) -> httpx.Response:
        await clock.step(0.25)
        return httpx.Response(404, json={"token": "secret"})

    hooks = Calls(notes, clock).hooks()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), event_hooks=hooks) as client:
        await client.get(HISTORY, headers={"Authorization": "Bearer secret"})
        await client.post("https://api.schwabapi.com/v1/oauth/token", data={"refresh_token": "secret"})
        await client.get("https://api.schwabapi.com/quotes", params={"symbols": "A" * 500})
    assert notes[0] == (
        "rest",
        {"method": "GET", "path": "/marketdata/v1/pricehistory", "query": {"symbol": "/ES", "startDate": "5"},
         "status": 404, "ms": 250},
    )  # fmt: skip
    assert notes[1] == ("rest", {"method": "POST", "path": "/v1/oauth/token", "status": 404, "ms": 250})
    assert len(notes[2][1]["query"]["symbols"]) == VALUE_CHARACTERS_MAX
    assert "secret" not in str(notes)


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (httpx.ConnectError("refused", request=httpx.Request("GET", HISTORY)),
         {"method": "GET", "path": "/marketdata/v1/pricehistory", "query": {"symbol": "/ES", "startDate": "5"}}),
        (httpx.ConnectError("refused"), {}),
        (OSError("gone"), {}),
    ],
    ids=["knows its request", "knows none", "another library's"],
)  # fmt: skip
async def test_a_call_without_an_answer_is_noted_too(error: Exception, noted: dict[str, object]) -> None:
    class Broken:
        async def get_quotes(self, symbols: list[str]) -> None:
            raise error

        async def close_async_session(self) -> None:
            return

    clock, notes = SteppedClock(), Notes()
    rest = Rest(Broken, clock)
    rest.failed = Calls(notes, clock).failed
    with pytest.raises(Exception, match="Schwab's REST failed"):
        await rest.traded(["SPY"])
    assert notes == [("rest", {**noted, "error": type(error).__name__})]
