"""A connection loop over streams made to order, and chance that always waits to the limit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.feed.streams import FakeStream, SteppedClock, settle
from tradeassistd.feed.connection import ConnectionLoop
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.states import ConnectionChange


class NoLuck(random.Random):
    """Full jitter that always waits to the limit, so that the limits can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        assert a == 0.0
        self.limits.append(b)
        return b


class Line:
    """A connection loop over streams made to order: `plans` says how each breaks, the last one again and again."""

    def __init__(self, *plans: dict[str, Any], wanted: tuple[str, ...] = ("/ES", "QQQ")) -> None:
        self.clock = SteppedClock()
        self.queue = FrameQueue()
        self.chance = NoLuck()
        self.streams: list[FakeStream] = []
        self.wanted = wanted
        self._plans = plans
        self.loop = ConnectionLoop(self._open, self.queue, lambda: self.wanted, self.clock, chance=self.chance)

    def _open(self, put: Callable[[Frame], None]) -> FakeStream:
        plan = self._plans[min(len(self.streams), len(self._plans) - 1)]
        if "open" in plan:
            raise plan["open"]
        self.streams.append(FakeStream(put, **plan))
        return self.streams[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.loop.run())
        await settle()
        yield task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @property
    def waits_s(self) -> float:
        """How long the pause under way still lasts."""
        (end_s,) = self.clock.pauses_s
        return end_s - self.clock.elapsed_s()

    def story(self) -> list[str]:
        """States and frames in the order the engine sees them, taken off the queue."""
        entries = self.queue.take(len(self.queue))
        return [
            f"{entry.state}: {entry.reason}".rstrip(": ") if isinstance(entry, ConnectionChange) else "frame"
            for entry in entries
        ]


BEGIN = ["connecting", "logging_in", "subscribing", "live"]
