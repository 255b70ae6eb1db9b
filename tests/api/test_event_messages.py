"""The WebSocket with real clients: what they may say, and how they are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.api.service import received, serving
from tests.api.websocket import TICKS, answered, closed, kinds_of, until_gone
from tradeassistd.api import events


@pytest.mark.parametrize("given", [7, "abc", None])
async def test_a_ping_is_answered_with_its_id(given: object, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        assert await answered(client, {"kind": "ping", "id": given}) == {"kind": "pong", "id": given}
        pong = await client.ping()
        await pong


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("not json", "Invalid JSON"),
        ("[]", "should be an object"),
        ({"kind": "order"}, "'subscribe', 'ping'"),
        ({"kind": "subscribe", "kinds": ["ticks"]}, "tick_update"),
        ({"kind": "subscribe", "symbols": ["ES 500"]}, "'ES 500' is not a symbol; write it as Schwab does"),
        ({"kind": "subscribe", "symbols": ["SPY"] * (events.SYMBOLS_MAX + 1)}, "at most 1000"),
        ({"kind": "ping", "id": "x" * 101}, "at most 100 characters"),
        ({"kind": "ping", "di": 1}, "not permitted"),
    ],
)
async def test_a_message_that_means_nothing_is_answered_and_changes_nothing(
    message: object, says: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        said = await answered(client, message)
        assert said["kind"] == "error"
        assert says in said["message"]
        service.market.image("SPY", "99")
        assert kinds_of(await received(client, 1)) == ["tick_update"]


async def test_a_message_in_pieces_is_one_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        await client.send(['{"kind": "pi', 'ng", "id', '": 3}'])
        assert await received(client, 1) == [{"kind": "pong", "id": 3}]


async def test_a_message_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await client.send("x" * 70_000)
        assert (await closed(client))[0] == 1009
        await until_gone(service)


@pytest.mark.parametrize(
    ("target", "options", "status", "says"),
    [
        ("?kinds=ticks", {}, 400, "tick_update"),
        ("?symbols=ES%20500", {}, 400, "is not a symbol"),
        ("?colour=red", {}, 400, "not permitted"),
        ("/more", {}, 404, "events are at /events"),
        ("", {"origin": "https://attacker.example"}, 403, "Origin"),
    ],
)
async def test_a_handshake_that_does_not_fit_is_refused_in_words(
    target: str, options: dict[str, Any], status: int, says: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(InvalidStatus) as refused:
            await service.connect(target, **options)
        assert refused.value.response.status_code == status
        assert says in (refused.value.response.body or b"").decode()
        assert service.hub.status().clients == 0
