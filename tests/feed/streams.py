"""A stream with ways to break, and a clock whose deadlines a test moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.frames import Frame

PATIENCE_S = 60.0


class SteppedClock(ManualClock):
    """A manual clock whose deadlines run on its machine time too."""

    def __init__(self) -> None:
        super().__init__()
        self._deadlines: list[tuple[float, asyncio.Timeout]] = []

    def deadline(self, seconds: float) -> asyncio.Timeout:
        timeout = asyncio.timeout(None)
        self._deadlines.append((self.elapsed_s() + seconds, timeout))
        return timeout

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        due = [timeout for at_s, timeout in self._deadlines if at_s <= self.elapsed_s()]
        self._deadlines = [entry for entry in self._deadlines if entry[0] > self.elapsed_s()]
        for timeout in due:
            with suppress(RuntimeError):  # what it limited was done in time
                timeout.reschedule(0.0)

    async def step(self, seconds: float) -> None:
        """Let machine time go on, and let everybody act on it."""
        self.pass_time(seconds)
        await settle()


async def settle() -> None:
    """Let every task that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let everybody go on until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for may come over a socket, which tells nobody here
            await asyncio.sleep(0)


class FakeStream:
    """Stands in for feed.schwab.Stream. Each step does as it is told: pass, raise, or never answer."""

    def __init__(
        self,
        put: Callable[[Frame], None],
        *,
        frames: int | None = None,
        refuses: dict[str, str] | None = None,
        **faults: Exception | str,
    ) -> None:
        """`frames`: how many come by themselves before the line drops (None: only those that `send` gives).

        A fault for `login`, `subscribe`, `add`, `chart`, `drop` or `close` is an error to raise, or "hangs".
        """
        self.refuses = refuses or {}
        """Symbols that it does not send, and why; a test may change it on the way."""
        self.subscribed: tuple[str, ...] = ()
        self.charted: tuple[str, ...] = ()
        self.changes: list[tuple[str, tuple[str, ...]]] = []
        self.closed = 0
        self.received = 0
        self._put = put
        self._faults = faults
        self._frames = frames
        self._line: asyncio.Queue[Frame | Exception] = asyncio.Queue()

    def send(self, frame: Frame | Exception) -> None:
        """One frame comes over the line, or it breaks."""
        self._line.put_nowait(frame)

    async def login(self) -> None:
        await self._meet("login")

    async def subscribe(self, symbols: tuple[str, ...]) -> dict[str, str]:
        await self._meet("subscribe")
        self.subscribed = symbols
        return self._refused(symbols)

    async def add(self, symbols: tuple[str, ...]) -> dict[str, str]:
        await self._meet("add")
        self.changes.append(("add", symbols))
        return self._refused(symbols)

    async def chart(self, symbols: tuple[str, ...]) -> None:
        self.charted = symbols
        await self._meet("chart")

    async def drop(self, symbols: tuple[str, ...]) -> None:
        await self._meet("drop")
        self.changes.append(("drop", symbols))

    async def receive(self) -> None:
        if self._frames is not None:
            if self.received == self._frames:
                raise TransientError("the line dropped")
            await asyncio.sleep(0)
            self._take(Frame(self.received + 1))
            return
        entry = await self._line.get()
        if isinstance(entry, Exception):
            raise entry
        self._take(entry)

    async def close(self) -> None:
        self.closed += 1
        await self._meet("close")

    def _refused(self, symbols: tuple[str, ...]) -> dict[str, str]:
        return {symbol: self.refuses[symbol] for symbol in symbols if symbol in self.refuses}

    def _take(self, frame: Frame) -> None:
        self.received += 1
        self._put(frame)

    async def _meet(self, step: str) -> None:
        fault = self._faults.get(step)
        if isinstance(fault, Exception):
            raise fault
        if fault == "hangs":
            await asyncio.Event().wait()
