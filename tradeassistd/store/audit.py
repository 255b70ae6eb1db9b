"""What the daemon did and who asked it to, on its way into the audit: noted without waiting, stored in batches."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.store.journal import insert_audit

WRITE_EVERY_S = 1.0
RETRY_AFTER_S = 5.0
NOTES_WAITING_MAX = 10_000
"""Notes held while the disk does not take them; beyond, new ones are counted and left out."""
NOTES_AT_ONCE_MAX = 1_000
LEFT_OUT = "audit.left_out"
"""The kind of the note that says how many there is no room for."""
T = TypeVar("T")

Note = Callable[[str, Mapping[str, Any]], None]
"""Takes (kind, body) into the audit; never waits and never raises. No secret may be in a body."""

_log = structlog.get_logger(__name__)


class AuditStore(Protocol):
    """What it needs of the store."""

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


class AuditLog:
    """The notes that are not stored yet."""

    def __init__(self, store: AuditStore, clock: Clock, last_us: int, turns: Turns | None = None) -> None:
        """`last_us`: the greatest event time stored; before the market's time is known notes stand under it."""
        self._store = store
        self._clock = clock
        self._last_us = last_us
        self._waiting: deque[tuple[int, str, Mapping[str, Any]]] = deque()
        self._left_out = 0
        self._some = asyncio.Event()
        self._turn = (turns or Turns(clock)).join("audit")

    def note(self, kind: str, body: Mapping[str, Any]) -> None:
        """Take a note of something that happens now; it is stored within some seconds."""
        if len(self._waiting) >= NOTES_WAITING_MAX:
            self._left_out += 1
            return
        self._last_us = max(self._last_us, self._clock.now_us())
        self._waiting.append((self._last_us, kind, body))
        self._some.set()

    async def run(self) -> None:
        """Store what is noted, until cancelled. Raises FatalError."""
        while True:
            self._turn(IDLE)
            await self._some.wait()
            self._turn(2 * WRITE_EVERY_S)
            await self._clock.pause(WRITE_EVERY_S)
            self._turn(DISK_WITHIN_S)
            try:
                await self.flush()
            except TransientError as error:
                _log.debug("audit.waiting", notes=len(self._waiting), reason=str(error))
                self._turn(2 * RETRY_AFTER_S)
                await self._clock.pause(RETRY_AFTER_S)

    async def flush(self) -> None:
        """Store every note there is. Raises TransientError (all are kept) or FatalError."""
        while self._waiting:
            known_us = self._clock.now_us()  # of what happened before the market's time was known
            batch = [
                (event_us or known_us, kind, body) for event_us, kind, body in islice(self._waiting, NOTES_AT_ONCE_MAX)
            ]
            await self._store.transaction(lambda raw, batch=batch: _write(raw, batch))  # type: ignore[misc]
            for _ in batch:
                self._waiting.popleft()
            if self._left_out:
                left_out, self._left_out = self._left_out, 0
                self.note(LEFT_OUT, {"notes": left_out})
        self._some.clear()


def _write(raw: sqlite3.Connection, batch: Sequence[tuple[int, str, Mapping[str, Any]]]) -> None:
    for event_us, kind, body in batch:
        insert_audit(raw, event_us, kind, body)
