"""A channel that does what a test tells it, and clocks whose pauses take no time or whose deadlines are held."""

from __future__ import annotations

import asyncio
from collections import deque

from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import ManualClock, WallClock


class FakeChannel:
    """Raises the next of `script` (None: takes the message); once that is used up it takes every message."""

    def __init__(self, name: str = "slack", *script: Exception | None) -> None:
        self.name = name
        self.script = deque(script)
        self.attempts: list[Message] = []
        self.taken: list[Message] = []
        self.slow: asyncio.Event | None = None
        """When set, `send` waits for it."""

    async def send(self, message: Message) -> None:
        self.attempts.append(message)
        if self.slow is not None:
            await self.slow.wait()
        problem = self.script.popleft() if self.script else None
        if problem is not None:
            raise problem
        self.taken.append(message)

    async def close(self) -> None:
        return


class HastyClock(ManualClock):
    """A pause moves machine time on at once, so hours of back-off pass in no time."""

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.pass_time(seconds)


class HeldClock(WallClock):
    """Deadlines are noted, and pass when the test says so."""

    def __init__(self) -> None:
        self.limits_s: list[float] = []

    def deadline(self, seconds: float) -> asyncio.Timeout:
        self.limits_s.append(seconds)
        self._last = asyncio.timeout(None)
        return self._last

    def expire(self) -> None:
        """The deadline that began last is over."""
        self._last.reschedule(0.0)


class Highest:
    """Chance that always draws the upper end: back-offs become 1, 2, 4 .. 60 s."""

    @staticmethod
    def uniform(low: float, high: float) -> float:
        return high
