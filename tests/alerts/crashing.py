"""A process that may end before and after everything it awaits outside: its fuse, its channels, its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hypothesis import strategies as st

from tradeassistd.alerts.channels import UnsureError
from tradeassistd.alerts.message import Message
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.store.records import Alert, Delivery
from tradeassistd.store.settling import Due
from tradeassistd.store.writer import Store

NEVER = 10**9
Key = tuple[str, str]
"""Alert, channel."""

outcomes = st.sampled_from(["taken", "taken", "down", "cut off", "cut off after it arrived", "refused"])
"""What a channel's other end does with a message."""


class CrashError(BaseException):
    """The process is gone: nothing of the daemon may run after this."""


class Fuse:
    """Burns one step before and after everything that is awaited outside; the last one is the crash."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def burn(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise CrashError


class Receiver(Protocol):
    """Who gets what a channel sends."""

    def attempt(self, channel: str, message: Message) -> list[Key]:
        """It is being sent; gives what the message carries."""
        ...

    def take(self, keys: list[Key]) -> None:
        """It has arrived."""
        ...


class CrashingChannel:
    """Its messages meet the outcomes of `script` one after the other, and then are taken."""

    def __init__(self, name: str, receiver: Receiver, fuse: Fuse, script: list[str]) -> None:
        self.name = name
        self._receiver, self._fuse, self._script = receiver, fuse, script

    async def send(self, message: Message) -> None:
        keys = self._receiver.attempt(self.name, message)
        self._fuse.burn()
        await asyncio.sleep(0)
        outcome = self._script.pop(0) if self._script else "taken"
        if outcome in ("taken", "cut off after it arrived"):
            self._receiver.take(keys)
        self._fuse.burn()
        if outcome.startswith("cut off"):
            raise UnsureError("cut off")
        if outcome == "down":
            raise TransientError("down")
        if outcome == "refused":
            raise PermanentError("refused")

    async def close(self) -> None:
        return


class CrashingOutbox:
    """The real store; the process may end before and after each thing it is asked."""

    def __init__(
        self, store: Store, fuse: Fuse, *, marking: Callable[[Delivery], None] = lambda _: None,
        settled: Callable[[Delivery], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """`marking` hears what is about to be written, `settled` what the store has."""
        self._store, self._fuse = store, fuse
        self._marking, self._settled = marking, settled

    async def open_channels(self) -> list[str]:
        self._fuse.burn()
        return await self._store.open_channels()

    async def due_deliveries(self, channel: str, now_us: int, limit: int = 1) -> Due:
        self._fuse.burn()
        due = await self._store.due_deliveries(channel, now_us, limit)
        self._fuse.burn()
        return due

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
        self._fuse.burn()
        return await self._store.carried(delivery, limit)

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        self._fuse.burn()
        made = await self._store.give_up(delivery, expiry_us)
        if made is not None:
            self._settled(delivery)
        self._fuse.burn()
        return made

    async def mark(self, delivery: Delivery) -> bool:
        self._fuse.burn()
        self._marking(delivery)
        changed = await self._store.mark(delivery)
        if changed:
            self._settled(delivery)
        self._fuse.burn()
        return changed
