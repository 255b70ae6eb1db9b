"""A webhook on the loopback that keeps what is posted to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any


class Webhook:
    """`posts` are the JSON bodies in order; `until(n)` waits for the n-th, `until_said` for one that says something.
    While it is `deaf` nothing counts; `heard` is called after each that does."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status = status
        self.posts: list[dict[str, Any]] = []
        self.deaf = False
        self.heard: Callable[[], None] = lambda: None
        self.url = ""
        self._arrived = asyncio.Condition()

    async def until(self, count: int, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.posts) >= count)

    async def until_said(self, words: str, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: any(words in str(post) for post in self.posts))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            body = await self._body(reader)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()  # whoever posted was killed in the middle: nothing has arrived
            return
        if not self.deaf:
            async with self._arrived:
                self.posts.append(body)
                self._arrived.notify_all()
            self.heard()
        with suppress(ConnectionResetError):  # killed while it waited for the answer: it has arrived all the same
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def _body(self, reader: asyncio.StreamReader) -> Any:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length")
        )
        return json.loads(await reader.readexactly(length))


@asynccontextmanager
async def webhook(status: str = "200 OK") -> AsyncIterator[Webhook]:
    hook = Webhook(status)
    server = await asyncio.start_server(hook.answer, "127.0.0.1", 0)
    hook.url = f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield hook
