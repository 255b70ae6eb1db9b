"""Sends deliveries: one worker per channel, so that a slow one holds nobody, and everything resumes from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from tradeassistd.alerts.channels.channel import Channel
from tradeassistd.alerts.message import Message
from tradeassistd.alerts.routing import Routing
from tradeassistd.alerts.worker import ChannelWorker, FellBack, Outbox
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.turns import Turns
from tradeassistd.engine.transition import Kind
from tradeassistd.store.records import Alert, Decided, Delivery

STORE_PAUSE_S = 1.0


class MissingChannel:
    """Stands for a channel that rules or stored deliveries name and the settings do not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, message: Message) -> None:
        raise PermanentError(
            f"no channel is called {self.name}", hint=f"Add it to the settings under channels.{self.name}"
        )

    async def close(self) -> None:
        return


class Dispatcher:
    """Every stored delivery that is not settled gets sent at least once, or expires, or fails for good."""

    def __init__(
        self,
        store: Outbox,
        channels: Sequence[Channel],
        *,
        clock: Clock,
        random: Random,
        turns: Turns | None = None,
        routing: Routing | None = None,
        fell_back: FellBack | None = None,
    ) -> None:
        """`turns` is where each channel's worker says that it turns; `routing` knows how long fallback deliveries live,
        and `fell_back` hears of those that were made."""
        self._store = store
        self._clock = clock
        self._random = random
        self._turns = turns
        self._routing = routing
        self._tell_fallback = fell_back
        self._group: asyncio.TaskGroup | None = None
        self._workers: dict[str, ChannelWorker] = {}
        for channel in channels:
            self._employ(channel)

    def wake(self, decided: Decided) -> None:
        """Send what was just committed; call it after `commit` has returned. Never waits."""
        alerts = {alert.id: alert for alert in decided.alerts}
        for delivery in decided.deliveries:
            worker = self._worker(delivery.channel)
            if delivery.not_before_us:
                worker.look()
            else:
                worker.add(delivery, alerts[delivery.alert_id])
        if any(worker.holds for worker in self._workers.values()) and _may_withdraw(decided):
            for worker in self._workers.values():
                worker.look()

    async def send_unstored(self, channel: str, message: Message) -> bool:
        """Send past the outbox, while the disk takes nothing; whether the channel has taken it. Never raises."""
        return await self._worker(channel).send_unstored(message)

    async def run(self) -> None:
        """Take up what the last run left, then send whatever comes, until cancelled. Raises FatalError."""
        for name in await self._stored_channels():
            self._worker(name)
        try:
            async with asyncio.TaskGroup() as self._group:
                for worker in self._workers.values():
                    self._start(worker)
                await asyncio.get_running_loop().create_future()  # also without any channel it runs until cancelled
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            self._group = None

    async def drain(self, within_s: float) -> bool:
        """Let every worker send what it can send now; False when that took longer. What is left stays in the outbox."""
        try:
            async with self._clock.deadline(within_s):
                for worker in list(self._workers.values()):
                    await worker.at_rest.wait()
        except TimeoutError:
            return False
        return True

    def status(self) -> dict[str, dict[str, Any]]:
        """Counters and latencies by channel (see ChannelWorker.status)."""
        return {name: worker.status() for name, worker in self._workers.items()}

    async def _stored_channels(self) -> list[str]:
        while True:
            try:
                return await self._store.open_channels()
            except TransientError:
                await self._clock.pause(STORE_PAUSE_S)

    def _fell_back(self, made: Sequence[tuple[Delivery, Alert]]) -> None:
        """A channel gave up: the ones that stand in for it have something to send."""
        for name in {delivery.channel for delivery, _ in made}:
            self._worker(name).look()
        if self._tell_fallback is not None:
            self._tell_fallback(made)

    def _worker(self, name: str) -> ChannelWorker:
        return self._workers.get(name) or self._employ(MissingChannel(name))

    def _employ(self, channel: Channel) -> ChannelWorker:
        worker = ChannelWorker(
            channel, self._store, self._clock, self._random, self._turns,
            routing=self._routing, fell_back=self._fell_back,
        )  # fmt: skip
        self._workers[channel.name] = worker
        if self._group is not None:
            self._start(worker)
        return worker

    def _start(self, worker: ChannelWorker) -> None:
        assert self._group is not None
        self._group.create_task(worker.run(), name=f"channel.{worker.channel.name}")


def _may_withdraw(decided: Decided) -> bool:
    """Whether storing it may have taken back escalations."""
    return bool(decided.acked) or any(one.kind in (Kind.CLEARED, Kind.CLOSED) for one in decided.transitions)
