"""Clients of the WebSocket for the tests: ones that read everything, and one that never reads again."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.api.service import Service, received

TICKS = "?kinds=tick_update"


def kinds_of(messages: list[dict[str, Any]]) -> list[str]:
    return [message["kind"] for message in messages]


async def drained(client: ClientConnection) -> list[dict[str, Any]]:
    """Everything sent up to now: a ping is answered after it."""
    await client.send('{"kind": "ping", "id": "drained"}')
    found = []
    while (message := json.loads(await client.recv())) != {"kind": "pong", "id": "drained"}:
        found.append(message)
    return found


async def closed(client: ClientConnection) -> tuple[int, str, int]:
    """Code and reason of the close that ends the connection, and how many messages came before it."""
    count = 0
    try:
        while True:
            await client.recv()
            count += 1
    except ConnectionClosed as error:
        assert error.rcvd is not None, "the connection ended without a word"
        return error.rcvd.code, error.rcvd.reason, count


async def answered(client: ClientConnection, message: object) -> dict[str, Any]:
    await client.send(message if isinstance(message, str) else json.dumps(message))
    (found,) = await received(client, 1)
    return found


async def until_gone(service: Service) -> None:
    """Return when no socket is left."""
    await service.hub.empty.wait()
    assert service.hub.status().clients == 0


async def stuck(service: Service) -> socket.socket:
    """A client that shakes hands, asks for ticks and then never reads again."""
    raw = socket.socket(socket.AF_UNIX)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, str(service.path))
    await loop.sock_sendall(raw, (
        f"GET /events{TICKS} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode())  # fmt: skip
    answer = b""
    while b"subscribed" not in answer:
        answer += await loop.sock_recv(raw, 4096)
    return raw


async def flood(service: Service, keen: ClientConnection, until_cut: int) -> int:
    """Ticks until that many clients were cut; the keen one gets every one of them. Gives how many there were."""
    sent = 0
    while service.hub.status().cut < until_cut:
        for _ in range(500):
            service.market.trade("SPY", "99")
        sent += 500
        assert kinds_of(await received(keen, 500)) == ["tick_update"] * 500
        assert sent < 100_000
    return sent
