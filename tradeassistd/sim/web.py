"""Runs the HTTP half on uvicorn, as a guest in a process that handles signals and logging itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

STOP_S = 2


class _Server(uvicorn.Server):
    """Uvicorn that says when it is up and leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextlib.asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a listening socket while the block runs; connections get `STOP_S` seconds to end after it."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=STOP_S
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]), name="sim.http")
    up = asyncio.create_task(server.up.wait(), name="sim.http.up")
    await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    if running.done():
        running.result()
    try:
        yield
    finally:
        server.should_exit = True
        await running
