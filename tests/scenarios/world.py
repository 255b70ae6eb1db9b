"""A world with one time, which passes only when nobody in it has anything left to do.

Daemon and simulator run in one process, over real sockets and on real files, with everything between them unmodified.
Their clock is the world's: when all tasks wait, no socket has anything to read and no thread is at work, it jumps to
the next instant somebody waits for. So 35 s of silence cost milliseconds, and the same run gives the same result.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
import time
from asyncio import selector_events
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from types import TracebackType
from typing import Any, cast

import aiosqlite

from tests.scenarios.wire import WIRE
from tradeassistd.base.instant import US_PER_S

ON_ITS_WAY_S = 10.0
"""Longer than this nothing takes from one end of a connection to the other."""
_HOPS = ("_connect", "_execute", "close")
"""The calls of an SQLite connection that wait for its thread."""


class Deadline(asyncio.Timeout):  # type: ignore[misc]
    """A timeout that somebody else fires, and that says when it is not needed any more."""

    over = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True
        return await super().__aexit__(kind, error, trace)


class WorldClock:
    """Market time and machine time in one, moved by the world alone. A tradeassistd.base.clock.Clock."""

    def __init__(self, start_us: int) -> None:
        self._start_us = self._now_us = start_us
        self._order = count()
        self._due: list[tuple[int, int, asyncio.Future[None] | Deadline]] = []

    def now_us(self) -> int:
        return self._now_us

    def elapsed_s(self) -> float:
        return (self._now_us - self._start_us) / US_PER_S

    async def sleep_until(self, at_us: int) -> None:
        if at_us <= self._now_us:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wait(at_us, future)
        await future

    async def pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            await self.sleep_until(self._now_us + math.ceil(seconds * US_PER_S))

    def deadline(self, seconds: float) -> asyncio.Timeout:
        if seconds <= 0:
            return asyncio.timeout(0)
        timeout = Deadline(None)
        self._wait(self._now_us + math.ceil(seconds * US_PER_S), timeout)
        return timeout

    def next_us(self) -> int | None:
        """The next instant that somebody waits for."""
        while self._due and _is_over(self._due[0][2]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def advance(self, to_us: int) -> None:
        """Let time go on, and wake whoever waited for it."""
        self._now_us = max(self._now_us, to_us)
        while self._due and self._due[0][0] <= self._now_us:
            _, _, waiting = heapq.heappop(self._due)
            if isinstance(waiting, Deadline):
                with suppress(RuntimeError):  # what it limited was never begun, or has ended
                    waiting.reschedule(0.0)
            elif not waiting.done():
                waiting.set_result(None)

    def _wait(self, at_us: int, waiting: asyncio.Future[None] | Deadline) -> None:
        heapq.heappush(self._due, (at_us, next(self._order), waiting))


def _is_over(waiting: asyncio.Future[None] | Deadline) -> bool:
    return waiting.over if isinstance(waiting, Deadline) else waiting.done()


class _Selector(selectors.DefaultSelector):
    """Says when the loop has nothing to do."""

    idle: Callable[[], bool] | None = None
    """Asked then; True when it gave the loop something to do."""
    stirred = True
    """Something has been sent, opened or closed since the loop last had nothing to do."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            # Somebody has something to do; with nothing sent there is nothing that could have come meanwhile.
            return super().select(timeout) if self.stirred else []
        if found := super().select(0):
            return found
        end_s = time.monotonic() + ON_ITS_WAY_S
        while WIRE.carries_something(self) and time.monotonic() < end_s:
            if found := super().select(0.001):
                return found
        self.stirred = False
        if self.idle is not None and self.idle():
            return []
        return super().select(timeout)


class _Transport(selector_events._SelectorSocketTransport):  # type: ignore[misc, name-defined]
    """A connection that tells the selector of what it sends."""

    def __init__(self, loop: WorldLoop, *args: Any, **named: Any) -> None:
        self._selector = loop.selector
        self._selector.stirred = True
        super().__init__(loop, *args, **named)

    def write(self, data: Any) -> None:
        self._selector.stirred = True
        super().write(data)

    def writelines(self, parts: Any) -> None:
        self._selector.stirred = True
        super().writelines(parts)

    def write_eof(self) -> None:
        self._selector.stirred = True
        super().write_eof()

    def _call_connection_lost(self, error: Exception | None) -> None:
        self._selector.stirred = True
        super()._call_connection_lost(error)


class WorldLoop(asyncio.SelectorEventLoop):
    """An event loop that a world can hook into."""

    def __init__(self) -> None:
        self.selector = _Selector()
        WIRE.begin_anew()
        super().__init__(self.selector)

    def _make_socket_transport(self, sock: Any, *args: Any, **named: Any) -> _Transport:
        with suppress(OSError):  # the other end is gone already
            WIRE.open(sock, accepted=named.get("server") is not None)
        return _Transport(self, sock, *args, **named)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self.selector.stirred = True
        WIRE.connecting += 1
        try:
            await super().sock_connect(sock, address)
        finally:
            WIRE.connecting -= 1


class Threads:
    """How much is under way in threads; time stands meanwhile."""

    def __init__(self) -> None:
        self.under_way = 0

    @contextmanager
    def counted(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Count the work of thread pools and of SQLite connections while the block runs."""
        submit, hops = ThreadPoolExecutor.submit, {name: getattr(aiosqlite.Connection, name) for name in _HOPS}

        def counting_submit(pool: ThreadPoolExecutor, *args: Any, **named: Any) -> Future[Any]:
            future = submit(pool, *args, **named)
            self.under_way += 1
            # Behind those of the caller, so that the loop has heard of the result before it is counted out.
            loop.call_soon_threadsafe(future.add_done_callback, lambda _: loop.call_soon_threadsafe(self._back))
            return future

        def counting(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def hop(*args: Any, **named: Any) -> Any:
                self.under_way += 1
                try:
                    return await original(*args, **named)
                finally:
                    self.under_way -= 1

            return hop

        ThreadPoolExecutor.submit = counting_submit  # type: ignore[method-assign, assignment]
        for name, hop in hops.items():
            setattr(aiosqlite.Connection, name, counting(hop))
        try:
            yield
        finally:
            ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
            for name, hop in hops.items():
                setattr(aiosqlite.Connection, name, hop)

    def _back(self) -> None:
        self.under_way -= 1


class World:
    """Moves its clock. `until` and `pass_time` are the only ways in which time goes on."""

    def __init__(self, start_us: int) -> None:
        self.clock = WorldClock(start_us)
        self._threads = Threads()
        self._waiter: asyncio.Future[None] | None = None
        self._holds: Callable[[], object] = bool
        self._limit_us = 0

    @property
    def writes(self) -> bool:
        """Whether some thread is at work, perhaps in the middle of writing a file."""
        return self._threads.under_way > 0

    async def until(self, holds: Callable[[], object], within_s: float = 600.0) -> None:
        """Return when `holds` does and everybody has come to rest. Raises AssertionError when it does not in time."""
        assert self._waiter is None, "somebody waits already"
        self._limit_us = self.clock.now_us() + round(within_s * US_PER_S)
        self._holds, self._waiter = holds, asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and everybody act on it."""
        end_us = self.clock.now_us() + round(seconds * US_PER_S)
        await self.until(lambda: self.clock.now_us() >= end_us, seconds + 1)

    @contextmanager
    def inhabited(self) -> Iterator[None]:
        """Time is the world's for everybody in this process, `time.time` included, by which tokens expire."""
        loop = cast(WorldLoop, asyncio.get_running_loop())
        real = time.time, time.time_ns
        time.time, time.time_ns = (lambda: self.clock.now_us() / US_PER_S), (lambda: self.clock.now_us() * 1_000)
        loop.selector.idle = self._idle
        try:
            with self._threads.counted(loop):
                yield
        finally:
            loop.selector.idle = None
            time.time, time.time_ns = real

    def _idle(self) -> bool:
        waiter = self._waiter
        if self._threads.under_way or waiter is None or waiter.done():
            return False
        try:
            if self._holds():
                waiter.set_result(None)
            elif self.clock.now_us() >= self._limit_us:
                raise AssertionError("it never came about")
            else:
                self.clock.advance(min(self.clock.next_us() or self._limit_us, self._limit_us))
        except Exception as error:  # noqa: BLE001 - the condition is the test's: what it raises is for the test
            waiter.set_exception(error)
        return True
