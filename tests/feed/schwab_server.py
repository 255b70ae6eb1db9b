"""A small Schwab on loopback sockets for the door to schwab-py: answers as a test tells it, and remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.feed.streams import until

STAMP_MS = 1_700_000_000_000


class SchwabServer:
    """`codes` per command (LOGIN, SUBS, ADD, UNSUBS) is what the streamer answers, 0 where none is given."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.requests: list[dict[str, Any]] = []
        """What the streamer was asked, in order."""
        self.calls: list[str] = []
        """What was asked over HTTP: method, path and the body of a POST."""
        self.preference: tuple[int, Any] | None = None
        """Status and body of userPreference, where it is not the usual one."""
        self.token: tuple[int, Any] = (200, {})
        self.keys_max = 500
        self.keys: set[str] = set()
        """The keys subscribed, at most `keys_max` (else code 19, and nothing is taken)."""
        self.base_url = ""
        self._answering: set[asyncio.Task[Any]] = set()
        self._socket: ServerConnection | None = None
        self._streamer_url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SchwabServer]:
        http = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        async with serve(self._stream, "127.0.0.1", 0) as streamer, http:
            self._streamer_url = f"ws://127.0.0.1:{next(iter(streamer.sockets)).getsockname()[1]}/ws"
            try:
                yield self
            finally:  # a test may end in the middle of a call; a connection left open would fail another one
                for one in self._answering:
                    one.cancel()
                await asyncio.gather(*self._answering, return_exceptions=True)

    async def say(self, message: object) -> None:
        """Send a frame by itself; a text goes over as it is."""
        await until(lambda: self._socket)
        assert self._socket is not None
        await self._socket.send(message if isinstance(message, str) else json.dumps(message))

    async def cut(self) -> None:
        """The line breaks without a goodbye."""
        assert self._socket is not None
        self._socket.transport.abort()

    def asked(self, command: str) -> list[tuple[str, list[str]]]:
        """(service, keys) of the requests with that command."""
        return [
            (request["service"], request["parameters"]["keys"].split(","))
            for request in self.requests
            if request["command"] == command
        ]

    async def _stream(self, socket: ServerConnection) -> None:
        self._socket = socket
        try:
            async for raw in socket:
                for request in json.loads(raw)["requests"]:
                    self.requests.append(request)
                    await socket.send(json.dumps({"response": [self._reply(request)]}))
        except ConnectionClosed:
            return

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        command = request["command"]
        content = {"code": self.codes.get(command, 0) or self._take(request), "msg": f"about {command}"}
        return {"service": request["service"], "command": command, "requestid": request["requestid"],
                "timestamp": STAMP_MS, "content": content}  # fmt: skip

    def _take(self, request: dict[str, Any]) -> int:
        keys = set(request["parameters"].get("keys", "").split(",")) - {""}
        kept = set() if request["command"] == "SUBS" else self.keys
        if request["command"] in ("SUBS", "ADD"):
            if len(kept | keys) > self.keys_max:
                return 19
            self.keys = kept | keys
        return 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            await self._answer_call(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()
            self._answering.discard(task)

    async def _answer_call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        body = (await reader.readexactly(length)).decode()
        self.calls.append(f"{method} {path} {body}".rstrip())
        status, answer = self.token if path == "/v1/oauth/token" else self.preference or (200, self._preference())
        payload = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + payload
        )
        await writer.drain()

    def _preference(self) -> dict[str, Any]:
        streamer = {"streamerSocketUrl": self._streamer_url, "schwabClientCustomerId": "customer",
                    "schwabClientCorrelId": "correlation", "schwabClientChannel": "N9",
                    "schwabClientFunctionId": "APIAPP"}  # fmt: skip
        return {"accounts": [], "streamerInfo": [streamer]}
