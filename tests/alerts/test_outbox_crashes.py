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

from tests.alerts.crashing import NEVER, CrashError, CrashingChannel, CrashingOutbox, Fuse, Key, outcomes
from tests.alerts.fakes import HastyClock
from tests.store.makers import FRIDAY_US, a_decision
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.message import Message
from tradeassistd.store import queries
from tradeassistd.store.records import OPEN_STATES, Decided, Delivery, DeliveryState
from tradeassistd.store.writer import Store

CHANNELS = ("slack", "phone")


class World:
    """What people received and what was broken; it outlives every crash."""

    def __init__(self) -> None:
        self.handed_over: Counter[Key] = Counter()
        self.arrived: Counter[Key] = Counter()
        self.settled: dict[Key, DeliveryState] = {}
        self.broken: list[str] = []
        """Broken promises; noted rather than raised, because the dispatcher outlives whatever a channel raises."""

    def attempt(self, channel: str, message: Message) -> list[Key]:
        key = (message.key, channel)
        says_repeat = "May be a repeat" in message.body
        if key in self.settled:
            self.broken.append(f"sent again after it was {self.settled[key]}")
        if self.arrived[key] and not says_repeat:
            self.broken.append("a repeat that does not say so")
        if says_repeat and self.handed_over[key] < 2:
            self.broken.append("a first attempt that calls itself a repeat")
        return [key]

    def take(self, keys: list[Key]) -> None:
        self.arrived.update(keys)

    def marking(self, delivery: Delivery) -> None:
        self.handed_over[delivery.alert_id, delivery.channel] += delivery.state is DeliveryState.SENDING

    def settle(self, delivery: Delivery) -> None:
        if delivery.state not in OPEN_STATES:
            self.settled[delivery.alert_id, delivery.channel] = delivery.state

    def look_into(self, store: Store) -> None:
        """What the file says is settled, also where the crash came before anybody heard of it."""
        for item in queries.alerts(store.directory, limit=NEVER):
            for delivery in item.deliveries:
                self.settle(delivery)


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
        outbox = CrashingOutbox(store, fuse, marking=self.world.marking, settled=self.world.settle)
        dispatcher = Dispatcher(outbox, channels, clock=HastyClock(FRIDAY_US), random=Random(steps))
        running = asyncio.create_task(dispatcher.run())
        for severity in late:
            (decision,) = await self._commit(store, [severity])
            if not running.done():
                dispatcher.wake(decision)
        async with asyncio.timeout(60):
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
