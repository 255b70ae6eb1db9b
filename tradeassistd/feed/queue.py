"""The bounded line between the socket's reader and the engine's loop."""

from __future__ import annotations

import asyncio
from collections import deque

from tradeassistd.feed.frames import Frame

FRAMES_QUEUED_MAX = 2_000
"""Past this the reader stops reading until the engine has caught up; the socket then holds the sender back."""


class ConnectionChange:
    """The connection's state moved, in its place between the frames."""

    __slots__ = ("reason", "state")

    def __init__(self, state: str, reason: str = "") -> None:
        self.state = state
        self.reason = reason


class FrameQueue:
    """Frames and connection changes in order of arrival. `put` never waits: the decoder hook may not."""

    def __init__(self) -> None:
        self._line: deque[Frame | ConnectionChange] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.held_back = 0
        """How often the reader had to wait for the engine."""

    def __len__(self) -> int:
        return len(self._line)

    def put(self, entry: Frame | ConnectionChange) -> None:
        self._line.append(entry)
        self._filled.set()
        if len(self._line) >= FRAMES_QUEUED_MAX:
            self._room.clear()

    async def room(self) -> None:
        """Wait until the line is short enough to read on."""
        if not self._room.is_set():
            self.held_back += 1
            await self._room.wait()

    async def filled(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    def take(self, most: int) -> list[Frame | ConnectionChange]:
        """Up to `most` entries, oldest first."""
        taken = [self._line.popleft() for _ in range(min(most, len(self._line)))]
        if not self._line:
            self._filled.clear()
        if len(self._line) < FRAMES_QUEUED_MAX // 2:
            self._room.set()
        return taken
