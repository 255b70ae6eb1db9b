"""Loops under a watchdog that systemd would wait for, and faults for what is outside of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from tests.feed.streams import SteppedClock, settle
from tests.store.makers import FRIDAY_US
from tradeassistd.base.errors import TransientError
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.turns import Turns
from tradeassistd.base.watchdog import Watchdog

WATCHDOG_S = 30
OUTAGE_S = 600
Fault = Exception | str | None
"""An error to raise, "hangs" (until it is cancelled), "stuck" (not even then), or nothing."""
FULL = TransientError("main.db: database or disk is full")


async def meet(fault: Fault, freed: asyncio.Event) -> None:
    """What a fake does in place of its work."""
    if isinstance(fault, Exception):
        raise fault
    while fault is not None and not freed.is_set():
        try:
            await freed.wait()
        except asyncio.CancelledError:
            if fault == "hangs":
                raise


class Machine:
    """Loops under a watchdog that systemd would wait WATCHDOG_S for."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.clock.advance(FRIDAY_US)
        self.turns = Turns(self.clock)
        self.freed = asyncio.Event()
        self.fed_s: list[float] = [0.0]
        environment = {"NOTIFY_SOCKET": "@somewhere", "WATCHDOG_USEC": f"{WATCHDOG_S}000000"}
        self.watchdog = Watchdog(Notifier(environment, self._hear), self.turns, self.clock)

    def _hear(self, lines: str) -> None:
        if lines == "WATCHDOG=1":
            self.fed_s.append(self.clock.elapsed_s())

    @asynccontextmanager
    async def running(self, *loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(loop) for loop in (*loops, self.watchdog.run())]
        await settle()
        try:
            yield
            assert not [task for task in tasks if task.done()], tasks
        finally:
            self.freed.set()
            await settle()  # what is stuck would swallow the cancellation too
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            await self.clock.step(1.0)

    async def hunger_s(self, seconds: float = OUTAGE_S) -> float:
        """The longest it was not fed in that time; from WATCHDOG_S on systemd kills it."""
        await self.pass_s(seconds)
        times_s = [*self.fed_s, self.clock.elapsed_s()]
        return max(later - earlier for earlier, later in pairwise(times_s))

    async def killed_for(self, within_s: float) -> tuple[str, ...]:
        """The loops named as stuck when it was not fed for so long that systemd kills it; none: it was fed."""
        for _ in range(round(within_s)):
            await self.clock.step(1.0)
            if self.clock.elapsed_s() - self.fed_s[-1] >= WATCHDOG_S:
                return self.watchdog.late
        return ()
