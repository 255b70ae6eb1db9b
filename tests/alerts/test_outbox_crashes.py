"""The promise of the outbox, held against crashes at every await: at least once, never again once marked sent."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from structlog.testing import capture_logs

from tests.alerts.fakes import HastyClock
from tests.store.makers import FRIDAY_US, a_decision
from tradeassistd.alerts.channels import UnsureError
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.message import Message
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.store import queries
from tradeassistd.store.records import OPEN_STATES, Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.settling import Due
from tradeassistd.store.writer import Store

CHANNELS = ("slack", "phone")
NEVER = 10**9
Key = tuple[str, str]

outcomes = st.sampled_from(["taken", "taken", "down", "cut off", "cut off after it arrived", "refused"])


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


class World:
    """What people received and what was broken; it outlives every crash."""

    def __init__(self) -> None:
        self.handed_over: Counter[Key] = Counter()
        self.arrived: Counter[Key] = Counter()
        self.settled: dict[Key, DeliveryState] = {}
        self.broken: list[str] = []
        """Broken promises; noted rather than raised, because the dispatcher outlives whatever a channel raises."""

    def attempt(self, key: Key, message: Message) -> None:
        says_repeat = "May be a repeat" in message.body
        if key in self.settled:
            self.broken.append(f"sent again after it was {self.settled[key]}")
        if self.arrived[key] and not says_repeat:
            self.broken.append("a repeat that does not say so")
        if says_repeat and self.handed_over[key] < 2:
            self.broken.append("a first attempt that calls itself a repeat")

    def look_into(self, store: Store) -> None:
        """What the file says is settled, also where the crash came before anybody heard of it."""
        for item in queries.alerts(store.directory, limit=NEVER):
            for delivery in item.deliveries:
                if delivery.state not in OPEN_STATES:
                    self.settled[delivery.alert_id, delivery.channel] = delivery.state


class CrashingChannel:
    def __init__(self, name: str, world: World, fuse: Fuse, script: list[str]) -> None:
        self.name = name
        self._world = world
        self._fuse = fuse
        self._script = script

    async def send(self, message: Message) -> None:
        key = (message.key, self.name)
        self._world.attempt(key, message)
        self._fuse.burn()
        await asyncio.sleep(0)
        outcome = self._script.pop(0) if self._script else "taken"
        if outcome in ("taken", "cut off after it arrived"):
            self._world.arrived[key] += 1
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
    def __init__(self, store: Store, world: World, fuse: Fuse) -> None:
        self._store = store
        self._world = world
        self._fuse = fuse

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
            self._world.settled[delivery.alert_id, delivery.channel] = delivery.state
        self._fuse.burn()
        return made

    async def mark(self, delivery: Delivery) -> bool:
        self._fuse.burn()
        key = (delivery.alert_id, delivery.channel)
        self._world.handed_over[key] += delivery.state is DeliveryState.SENDING
        changed = await self._store.mark(delivery)
        if changed and delivery.state not in OPEN_STATES:
            self._world.settled[key] = delivery.state
        self._fuse.burn()
        return changed


class OutboxMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.runner = asyncio.Runner()
        self.world = World()
        self.decided: list[Decided] = []

    @rule(severities=st.lists(st.sampled_from(["info", "warning", "critical"]), min_size=1, max_size=4))
    def decide_while_nobody_sends(self, severities: list[str]) -> None:
        self.runner.run(self._with_store(lambda store: self._commit(store, severities)))

    @rule(
        steps=st.integers(0, 60), script=st.lists(outcomes, max_size=8), late=st.lists(st.just("warning"), max_size=3)
    )
    def run_and_crash(self, steps: int, script: list[str], late: list[str]) -> None:
        self.runner.run(self._with_store(lambda store: self._dispatch(store, steps, script, late)))

    @rule(script=st.lists(outcomes, max_size=8), late=st.lists(st.just("critical"), max_size=3))
    def run_until_all_is_settled(self, script: list[str], late: list[str]) -> None:
        self.runner.run(self._with_store(lambda store: self._dispatch(store, NEVER, script, late)))

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.runner.run(self._with_store(lambda store: self._dispatch(store, NEVER, [], [])))
            for decision in self.decided:
                for delivery in decision.deliveries:
                    key = (delivery.alert_id, delivery.channel)
                    state = self.world.settled[key]
                    assert state in (DeliveryState.SENT, DeliveryState.FAILED)
                    assert self.world.arrived[key] >= 1 or state is DeliveryState.FAILED
        finally:
            self.runner.close()
            shutil.rmtree(self.directory)

    async def _with_store(self, work: Callable[[Store], Awaitable[object]]) -> None:
        store = await Store.open(self.directory, clock=HastyClock(FRIDAY_US))
        try:
            with capture_logs():
                await work(store)
        finally:
            await store.close()

    async def _commit(self, store: Store, severities: Sequence[str]) -> list[Decided]:
        fresh = []
        for severity in severities:
            decision = a_decision(FRIDAY_US + len(self.decided), *CHANNELS, severity=severity)
            await store.commit(decision, [])
            self.decided.append(decision)
            fresh.append(decision)
        return fresh

    async def _dispatch(self, store: Store, steps: int, script: list[str], late: list[str]) -> None:
        """Run a dispatcher, commit some more meanwhile, until it crashes or nothing is open any more."""
        self.world.look_into(store)
        fuse = Fuse(steps)
        channels = [CrashingChannel(name, self.world, fuse, script) for name in CHANNELS]
        outbox = CrashingOutbox(store, self.world, fuse)
        dispatcher = Dispatcher(outbox, channels, clock=HastyClock(FRIDAY_US), random=Random(steps))
        running = asyncio.create_task(dispatcher.run())
        for severity in late:
            (decision,) = await self._commit(store, [severity])
            if not running.done():
                dispatcher.wake(decision)
        async with asyncio.timeout(20):
            while not running.done() and await store.open_deliveries(limit=1):  # each turn is a hop to the store
                pass
        running.cancel()
        with suppress(CrashError, asyncio.CancelledError):
            await running
        self.world.look_into(store)
        assert self.world.broken == []


OutboxMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestOutbox = OutboxMachine.TestCase
