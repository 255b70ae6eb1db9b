"""Who reads and who changes what over the API: people are noted, screens that ask twice a second now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.feed.streams import SteppedClock
from tradeassistd.api.audited import READ_AGAIN_S, READERS_MAX, Audited, Reads

ANNA = {"X-Tradeassist-By": "anna", "User-Agent": "tradeassist rules list"}


class Notes(list[tuple[str, Mapping[str, Any]]]):
    def __call__(self, kind: str, body: Mapping[str, Any]) -> None:
        self.append((kind, body))


def served(notes: Notes, clock: SteppedClock) -> httpx.AsyncClient:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "DELETE"])
    async def answer(path: str) -> str:
        if path == "broken":
            raise RuntimeError("a mistake")
        return path

    app.add_middleware(Audited, note=notes, reads=Reads(notes, clock))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://here")


async def test_a_reader_is_noted_once_in_a_while_with_the_number_of_reads_in_between() -> None:
    notes, clock = Notes(), SteppedClock()
    async with served(notes, clock) as client:
        for path in ("/rules", "/rules/es-break", "/rules/other"):
            await client.get(path, headers=ANNA)
        await client.get("/rules", headers={**ANNA, "X-Tradeassist-By": "bob"})
        await client.get("/alerts", headers=ANNA)
        for path in ("/health", "/health/detailed", "/openapi.json"):
            await client.get(path, headers=ANNA)
        who = {"by": "anna", "with": "tradeassist rules list"}
        assert notes == [
            ("api.read", {**who, "path": "/rules", "status": 200}),
            ("api.read", {**who, "by": "bob", "path": "/rules", "status": 200}),
            ("api.read", {**who, "path": "/alerts", "status": 200}),
        ]
        await clock.step(READ_AGAIN_S)
        await client.get("/rules/again", headers=ANNA)
        assert notes[3:] == [("api.read", {**who, "path": "/rules/again", "status": 200, "reads_before": 2})]


@pytest.mark.parametrize("path", ["/ack", "/silences/3", "/db/settle", "/backfill"])
async def test_changes_with_a_note_of_their_own_are_not_noted_twice(path: str) -> None:
    notes = Notes()
    async with served(notes, SteppedClock()) as client:
        await client.post(path, headers=ANNA)
    assert notes == []


async def test_every_other_change_is_noted_each_time_also_one_that_fails() -> None:
    notes = Notes()
    async with served(notes, SteppedClock()) as client:
        await client.post("/rules/reload?allow_empty=true", headers=ANNA)
        await client.post("/rules/reload?allow_empty=true", headers=ANNA)
        await client.delete("/broken", headers={"X-Tradeassist-By": "a\tb  " + "x" * 500})
    assert notes[0] == notes[1] == (
        "api.change",
        {"by": "anna", "with": "tradeassist rules list", "method": "POST", "path": "/rules/reload",
         "query": "allow_empty=true", "status": 200},
    )  # fmt: skip
    assert (notes[2][1]["status"], notes[2][1]["by"][:4], len(notes[2][1]["by"])) == (500, "a b ", 100)


def test_any_number_of_readers_takes_bounded_memory() -> None:
    notes = Notes()
    reads = Reads(notes, SteppedClock())
    for number in range(READERS_MAX + 50):
        reads("/rules", f"user {number}", "curl")
    reads("/rules", "user 0", "curl")
    assert len(notes) == READERS_MAX + 51 and len(reads._known) == READERS_MAX
