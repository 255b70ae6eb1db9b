"""The daemon's login with its clocks, a token server, a store that remembers or is busy, and somebody who is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from tests.feed.schwab_server import SchwabServer
from tests.feed.streams import SteppedClock, settle
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.config import SchwabSettings
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import Turns
from tradeassistd.feed.auth import Login
from tradeassistd.feed.login_told import META_KEY
from tradeassistd.feed.token import TokenFile

PATIENCE_S = 60.0
EXPIRES_S = 4_000_000_000
"""When the access token expires: far ahead, so that schwab-py itself sees no reason to refresh."""
CREATED_S = EXPIRES_S - 1800
DAY_S = 24 * 3600
DEAD = (400, {"error": "unsupported_token_type", "error_description": "400 Bad Request"})


def content(number: int = 0, *, created_s: int = CREATED_S, expires_s: int = EXPIRES_S) -> dict[str, Any]:
    return {"creation_timestamp": created_s, "token": {
        "access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "token_type": "Bearer",
        "expires_in": 1800, "expires_at": expires_s,
    }}  # fmt: skip


async def come_about(condition: Callable[[], object]) -> None:
    """Let sockets, threads and inotify do their work until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - none of them tells anybody
            await asyncio.sleep(0)


class Memory:
    """A store that remembers, or is busy."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.busy = False

    async def recall(self, key: str) -> str:
        return self.kept.get(key, "")

    async def remember(self, key: str, value: str) -> None:
        if self.busy:
            raise TransientError("the disk is busy")
        self.kept[key] = value

    @property
    def said(self) -> list[str]:
        return list(json.loads(self.kept[META_KEY])["said"]) if META_KEY in self.kept else []


class Desk:
    """A login with its clocks, and somebody who is told."""

    def __init__(
        self, folder: Path, server: SchwabServer, memory: Memory | None = None, *, market: bool = False
    ) -> None:
        self.clock, self.wall = SteppedClock(), ManualClock()
        self.wall.advance(CREATED_S * US_PER_S)
        self.clock.advance(0 if market else CREATED_S * US_PER_S)
        self.server, self.memory = server, memory or Memory()
        self.told: list[tuple[str, str, str]] = []
        self.woken = 0
        self.file = TokenFile(folder / "token.json")
        settings = SchwabSettings(base_url=server.base_url, app_key=SecretStr("key"), app_secret=SecretStr("secret"),
                                  token_file=self.file.path)  # fmt: skip
        self.login = Login(settings, self._say, self.memory, self.clock, Turns(self.clock), market_time=market,
                           wall=self.wall)  # fmt: skip
        self.login.wake = self._wake

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.login.begin()
        loops = [asyncio.create_task(loop) for loop in (self.login.run(), self.login.told.count_down())]
        await settle()
        try:
            yield
            assert not [loop for loop in loops if loop.done()], loops
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    @property
    def titles(self) -> list[str]:
        return [title for title, _, _ in self.told]

    @property
    def posts(self) -> int:
        return sum(call.startswith("POST /v1/oauth/token") for call in self.server.calls)

    async def pass_s(self, seconds: float, steps: int = 1) -> None:
        """Both clocks go on; the login looks about at each step."""
        for _ in range(steps):
            self.wall.advance(self.wall.now_us() + round(seconds * US_PER_S))
            self.clock.advance(self.clock.now_us() + round(seconds * US_PER_S))
            await self.clock.step(seconds)

    async def go_to(self, at_s: float) -> None:
        """Market time alone."""
        self.clock.advance(round(at_s * US_PER_S))
        await settle()

    def _say(self, title: str, text: str, severity: str = "", memory: Mapping[str, str] = MappingProxyType({})) -> None:
        self.told.append((title, text, severity))
        self.memory.kept.update(memory)

    def _wake(self) -> None:
        self.woken += 1


@asynccontextmanager
async def a_desk(folder: Path, *, running: bool = True, memory: Memory | None = None, market: bool = False,
                 **codes: int) -> AsyncIterator[Desk]:  # fmt: skip
    server = SchwabServer(**codes)
    server.token = (200, content(0)["token"] | {"access_token": "access-1", "expires_at": EXPIRES_S + 1500})
    async with server.running():
        desk = Desk(folder, server, memory, market=market)
        desk.file.write(content())
        if not running:
            await desk.login.begin()
            yield desk
            return
        async with desk.running():
            yield desk
