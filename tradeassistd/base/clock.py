"""The one place that reads a clock; every other module is handed a `Clock`.

Two kinds of time live here, and they must not be mixed. *Market time* (`now_us`, `sleep_until`) is what rules, bars and
the tape mean: UTC microseconds since the epoch. *Machine time* (`elapsed_s`, `pause`, `deadline`) measures waiting:
back-off, socket deadlines, latency. Live both move together; under a `MarketClock` market time stands still between
frames, and a reconnect that waited for it would wait for ever.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from itertools import count
from typing import Protocol

from tradeassistd.base.instant import US_PER_S


class Clock(Protocol):
    """Time as the daemon sees it."""

    def now_us(self) -> int:
        """Market time, UTC microseconds since the epoch."""
        ...

    async def sleep_until(self, at_us: int) -> None:
        """Return once market time has reached `at_us`."""
        ...

    def elapsed_s(self) -> float:
        """Machine time in seconds from an arbitrary start; never runs backwards."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait that much machine time."""
        ...

    def deadline(self, seconds: float) -> asyncio.Timeout:
        """A context that raises TimeoutError after that much machine time."""
        ...


def computer_us() -> int:
    """What the computer's clock says, which somebody may set."""
    return time.time_ns() // 1_000


def machine_us() -> int:
    """Machine time that also counts while the computer sleeps, and that nobody can set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


class WallClock:
    """Market time is the computer's."""

    def now_us(self) -> int:
        return computer_us()

    async def sleep_until(self, at_us: int) -> None:
        # The wall clock may be set back while we sleep, so look again before returning.
        while (left_us := at_us - self.now_us()) > 0:  # noqa: ASYNC110 - time is the event waited for
            await asyncio.sleep(min(left_us / US_PER_S, 60.0))

    def elapsed_s(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def deadline(self, seconds: float) -> asyncio.Timeout:
        return asyncio.timeout(seconds)


class MarketClock(WallClock):
    """Market time is what the feed says it is: it stands at the last frame's header time until `advance` moves it.

    Machine time stays the computer's.
    """

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return self._now_us

    def advance(self, to_us: int) -> None:
        """Move market time forward to `to_us` and wake who waited for it; an earlier time is ignored."""
        self._now_us = max(self._now_us, to_us)
        while self._sleepers and self._sleepers[0][0] <= self._now_us:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def sleep_until(self, at_us: int) -> None:
        if at_us <= self._now_us:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (at_us, next(self._order), future)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await future
        except asyncio.CancelledError:
            if sleeper in self._sleepers:  # who gives up again and again while time stands still must not pile up
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
            raise


class ManualClock(MarketClock):
    """Both times move only when a test says so: `advance` for the market, `pass_time` for the machine."""

    def __init__(self, start_us: int = 0) -> None:
        super().__init__(start_us)
        self._machine = MarketClock()

    def elapsed_s(self) -> float:
        return self._machine.now_us() / US_PER_S

    async def pause(self, seconds: float) -> None:
        await self._machine.sleep_until(self._machine.now_us() + round(seconds * US_PER_S))

    def pass_time(self, seconds: float) -> None:
        """Let machine time go on by `seconds`; pauses that end by then return."""
        self._machine.advance(self._machine.now_us() + round(seconds * US_PER_S))

    @property
    def pauses_s(self) -> list[float]:
        """Ends of the pauses under way, in machine seconds, soonest first (for tests that wait for a back-off)."""
        return sorted(at_us / US_PER_S for at_us, _, future in self._machine._sleepers if not future.done())


class EventClock:
    """Event times: max(clock.now, previous + 1 us), so strictly increasing and unique (design: *Event time*)."""

    def __init__(self, clock: Clock, last_us: int = 0) -> None:
        self._clock = clock
        self.last_us = last_us

    def next_us(self) -> int:
        """The time of the event that is about to enter the engine."""
        self.last_us = max(self._clock.now_us(), self.last_us + 1)
        return self.last_us


def monotonic_us() -> int:
    """CLOCK_MONOTONIC in microseconds, for the one peer that compares it with its own: the service manager."""
    return time.monotonic_ns() // 1_000
