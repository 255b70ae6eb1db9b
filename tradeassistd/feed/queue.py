"""The bounded line between the socket's reader and the engine's loop."""

from __future__ import annotations

import asyncio
from collections import deque

from tradeassistd.feed.conflate import conflate
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.states import ConnectionChange

FRAMES_QUEUED_MAX = 2_000
"""Past this the reader stops reading until the engine has caught up; the socket then holds the sender back."""
CONFLATE_FROM = 500
"""So many entries behind, rows that bring no new price are merged into the next (feed.conflate)."""
CONFLATED_AT_ONCE = 1_000


class FrameQueue:
    """Frames and connection changes in order of arrival. `put` never waits: the decoder hook may not."""

    def __init__(self) -> None:
        self._line: deque[Frame | ConnectionChange] = deque()
        self._merged: deque[Frame | ConnectionChange] = deque()
        """The head of the line, merged already."""
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.held_back = 0
        """How often the reader had to wait for the engine."""
        self.conflated = 0
        """How many rows were merged into later ones because the engine was behind."""

    def __len__(self) -> int:
        return len(self._merged) + len(self._line)

    def put(self, entry: Frame | ConnectionChange) -> None:
        self._line.append(entry)
        self._filled.set()
        if len(self) >= FRAMES_QUEUED_MAX:
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
        taken: list[Frame | ConnectionChange] = []
        while len(taken) < most and self:
            self._merge()
            source = self._merged or self._line
            taken += [source.popleft() for _ in range(min(most - len(taken), len(source)))]
        if not self:
            self._filled.clear()
        if len(self) < FRAMES_QUEUED_MAX // 2:
            self._room.set()
        return taken

    def _merge(self) -> None:
        """Shorten the head of a line that has become long."""
        if not self._merged and len(self._line) >= CONFLATE_FROM:
            self._merged.extend(self._line.popleft() for _ in range(min(CONFLATED_AT_ONCE, len(self._line))))
            self.conflated += conflate(self._merged)
