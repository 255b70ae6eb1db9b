"""Serves the API: uvicorn on a Unix socket that only its owner can open, and on loopback TCP where the settings ask."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn

from tradeassistd.api.audited import Reads
from tradeassistd.api.control import Control
from tradeassistd.api.event_socket import EventSocket
from tradeassistd.api.http import build
from tradeassistd.api.hub import Hub
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError, FatalError

CONNECTIONS_MAX = 64
BACKLOG = 64
GOOD_BYE_S = 0.5
"""How long event clients get to answer the good-bye at the daemon's stop."""
REQUESTS_END_S = 1
"""How long a request under way may take at the daemon's stop."""
GOING_AWAY = 1001
SOCKET_MODE = 0o600
DIRECTORY_MODE = 0o700


class _Uvicorn(uvicorn.Server):
    """Uvicorn as a guest: signals belong to whoever started the process, and it wakes up only when there is work."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # works out the headers of every answer, once
        await self.leave.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """The API's listeners and its loop: `open` before the daemon is ready, `run`, `close` whatever happened."""

    def __init__(self, control: Control, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._listeners: list[socket.socket] = []
        self._path: Path | None = None
        self._inode = 0
        reads = Reads(control.note, clock)
        socket_of = cast(type[asyncio.Protocol], partial(EventSocket, hub, reads=reads))
        self._config = uvicorn.Config(
            build(control, hub, reads), http="h11", ws=socket_of, lifespan="off",
            log_config=None, access_log=False, proxy_headers=False, server_header=False, date_header=False,
            limit_concurrency=CONNECTIONS_MAX, backlog=BACKLOG, timeout_graceful_shutdown=REQUESTS_END_S,
        )  # fmt: skip

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each TCP listener."""
        return [one.getsockname()[:2] for one in self._listeners if one.family != socket.AF_UNIX]

    def open(self, path: Path | None, address: tuple[str, int] | None) -> None:
        """Listen on a Unix socket, on a TCP address, or both. Raises ConfigError when that is not possible."""
        if path is not None:
            listener = listen(path)
            self._listeners.append(listener)
            self._path, self._inode = path, path.stat().st_ino
        if address is not None:
            self._listeners.append(_listen_tcp(*address))

    async def run(self) -> None:
        """Serve until cancelled. Raises FatalError when serving ends by itself."""
        server = _Uvicorn(self._config)
        serving = asyncio.create_task(server.serve(self._listeners), name="api.http")
        hub = asyncio.create_task(self._hub.run(), name="api.hub")
        try:
            done, _ = await asyncio.wait({serving, hub}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                raise FatalError(f"{task.get_name()} ended unasked") from task.exception()
        finally:
            hub.cancel()
            await self._say_good_bye()
            server.leave.set()
            await asyncio.gather(serving, hub, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Stop listening, and take the socket's file away unless another daemon has put its own there."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == self._inode:
                    path.unlink()

    async def _say_good_bye(self) -> None:
        self._hub.end_all(GOING_AWAY, "the daemon stops")
        try:
            async with self._clock.deadline(GOOD_BYE_S):
                await self._hub.empty.wait()
        except TimeoutError:
            self._hub.abort_all()


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, mode 0600, in a directory made with mode 0700 where there was none.

    What a daemon that is gone has left there is replaced. Raises ConfigError when somebody answers there already, or
    the path cannot be used.
    """
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _make_way(path)
        # Bound beside its place and renamed once its mode is right: nobody can connect in between.
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(beside))
            beside.chmod(SOCKET_MODE)
            listener.listen(BACKLOG)
            beside.rename(path)
        except BaseException:
            listener.close()
            beside.unlink(missing_ok=True)
            raise
        return listener
    except OSError as error:
        why = "the path is too long" if "too long" in str(error) else error.strerror
        hint = "name a shorter or writable path under api.socket, or say `api: {socket: off}`"
        raise ConfigError(f"cannot listen on {path}: {why}", hint=hint) from error


def _make_way(path: Path) -> None:
    """Whatever is at `path` must be a socket that nobody serves any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(f"{path} is not a socket", hint="name another path under api.socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        raise ConfigError(f"another daemon serves {path}", hint="stop it, or name another path under api.socket")


def _listen_tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}",
                          hint="choose a free port under api.listen") from error  # fmt: skip
