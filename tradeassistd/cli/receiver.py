"""A place for the demo's alerts to arrive: counts what is posted to it, by path."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import TracebackType
from typing import Self

REQUEST_BYTES_MAX = 1 << 20


class Receiver:
    """A webhook on the loopback; `url` is its Apprise URL, `received` counts posts by their path."""

    def __init__(self) -> None:
        self.url = ""
        self.received: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=REQUEST_BYTES_MAX)
        self.url = f"json://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(
                (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")),
                0,
            )
            await reader.readexactly(min(length, REQUEST_BYTES_MAX))
            self.received[head.split(" ")[1].strip("/")] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return  # the daemon was stopped in the middle of a post; it will try again
        finally:
            writer.close()
