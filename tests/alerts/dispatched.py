"""A dispatcher over a real store with a way to break, and what became of each delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import cast

from tests.alerts.fakes import FakeChannel, HastyClock, Highest
from tests.store.makers import FRIDAY_US, a_decision
from tests.store.waiting import until
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.base.clock import Clock
from tradeassistd.store import queries
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.settling import Due
from tradeassistd.store.writer import Store

DOWN = "fake channel is down"


class BreakableOutbox:
    """The real store with a way to break: `problems` are raised one after another before a call reaches it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.problems: list[Exception] = []
        self.calls = 0

    async def open_channels(self) -> list[str]:
        self._count()
        return await self._store.open_channels()

    async def due_deliveries(self, channel: str, now_us: int, limit: int = 1) -> Due:
        self._count()
        return await self._store.due_deliveries(channel, now_us, limit)

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
        self._count()
        return await self._store.carried(delivery, limit)

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        self._count()
        return await self._store.give_up(delivery, expiry_us)

    async def mark(self, delivery: Delivery) -> bool:
        self._count()
        return await self._store.mark(delivery)

    def _count(self) -> None:
        self.calls += 1
        if self.problems:
            raise self.problems.pop(0)


@asynccontextmanager
async def dispatching(
    store: Store | BreakableOutbox, *channels: FakeChannel, clock: Clock | None = None
) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(store, channels, clock=clock or HastyClock(FRIDAY_US), random=cast(Random, Highest()))
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def committed(
    store: Store, number: int = 0, *channels: str, severity: str = "warning", ttl_s: int = 0
) -> Decided:
    decided = a_decision(FRIDAY_US + number, *(channels or ("slack",)), severity=severity, ttl_us=ttl_s * 1_000_000)
    await store.commit(decided, [])
    return decided


def stored(store: Store, channel: str = "slack") -> list[Delivery]:
    """What became of every delivery of a channel, oldest first."""
    found = [delivery for item in queries.alerts(store.directory) for delivery in item.deliveries]
    return sorted((each for each in found if each.channel == channel), key=lambda each: each.created_us)


async def settled(store: Store, state: DeliveryState, channel: str = "slack") -> Delivery:
    """The newest delivery of a channel, once it is in that state."""
    await until(lambda: stored(store, channel)[-1].state is state)
    return stored(store, channel)[-1]
