"""Routed deliveries against crashes at every await: held, folded, escalated and stood in for, none lost or repeated."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from structlog.testing import capture_logs

from tests.alerts.crashing import NEVER, CrashError, CrashingChannel, CrashingOutbox, Fuse, Key, outcomes
from tests.alerts.fakes import HastyClock
from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.message import Message
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import Routing
from tradeassistd.engine.language.expression import Number
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, RuleState, State, Transition
from tradeassistd.rules.routes_file import read_routes_file
from tradeassistd.store import queries
from tradeassistd.store.records import OPEN_STATES, Alert, Decided, Delivery, DeliveryState, Why
from tradeassistd.store.writer import Store

MINUTE_US = 60_000_000
BEGIN_US = FRIDAY_US + 12 * 60 * MINUTE_US
"""21:30 New York, the first of many quiet hours."""
CHANNELS = ("slack", "phone", "pager", "mail")
ROUTES = """
version: 1
routes:
  - match: {rule: pages}
    channels: [slack]
    fallback: [mail]
    escalate: {after: 5m, channels: [pager, phone]}
  - match: {rule: sleeps}
    channels: [slack, phone]
    quiet:
      hours: [mon-sun 21:30-21:40, mon-sun 21:45-22:00, mon-sun 22:05-22:20, mon-sun 22:30-23:00, mon-sun 23:10-06:00]
      channels: [phone]
    fallback: [mail, pager]
  - match: {rule: both}
    channels: [slack]
    quiet: {hours: [mon-sun 21:35-21:50, mon-sun 22:10-22:25, mon-sun 23:00-06:00]}
    fallback: [phone]
    escalate: {after: 10m, channels: [pager]}
default: {channels: [mail], fallback: [slack]}
"""
ROUTING = Routing(("mail",), ttl_s=900.0, routes=read_routes_file("_routes.yaml", ROUTES, ""))
RULES = ("sleeps", "both", "pages", "plain")
RULE_SET = RuleSet(tuple(Rule(name, ("/ES",), Number(Fraction(1)), on_clear="tell") for name in RULES), "hash")
moves = st.lists(
    st.tuples(st.sampled_from(["sleeps", *RULES]), st.sampled_from(["event", "fire", "event", "clear", "ack"])),
    max_size=5,
)


@dataclass
class Row:
    """What the store has of one delivery."""

    alert: Alert
    delivery: Delivery


class World:
    """What people received and did, and what was broken; it outlives every crash."""

    def __init__(self) -> None:
        self.arrived: Counter[Key] = Counter()
        self.seen_us: dict[str, int] = {}
        """By alert when it was acknowledged or its firing ended."""
        self.alert_of: dict[str, str] = {}
        self.broken: list[str] = []

    def attempt(self, channel: str, message: Message, rows: dict[Key, Row], now_us: int) -> list[Key]:
        keys = [
            (self.alert_of[word], channel) for word in re.findall(r"number \d+\.", f"{message.title}\n{message.body}")
        ]
        if (message.key, channel) not in keys:
            self.broken.append(f"a message without its own alert: {message.title}")
        for key in keys:
            row = rows[key].delivery
            if self.arrived[key] and "May be a repeat" not in message.body:
                self.broken.append(f"a silent repeat to {channel}: {message.title}")
            if row.not_before_us > now_us:
                self.broken.append(f"sent to {channel} before its time")
            carrier = row.folded_into or row.alert_id
            if carrier != message.key:
                self.broken.append(f"{key} is carried by {carrier}, and went with {message.key}")
        return keys


def stored(directory: Path) -> dict[Key, Row]:
    return {
        (one.alert.id, delivery.channel): Row(one.alert, delivery)
        for one in queries.alerts(directory, limit=NEVER)
        for delivery in one.deliveries
    }


class People:
    """Who receives while one dispatcher runs: they look at what the store has of what they get."""

    def __init__(self, world: World, store: Store, clock: HastyClock) -> None:
        self._world, self._store, self._clock = world, store, clock

    def attempt(self, channel: str, message: Message) -> list[Key]:
        return self._world.attempt(channel, message, stored(self._store.directory), self._clock.now_us())

    def take(self, keys: list[Key]) -> None:
        self._world.arrived.update(keys)


class RoutedOutboxMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="routed-"))
        self.runner = asyncio.Runner()
        self.world = World()
        self.now_us = BEGIN_US
        self.count = 0
        self.planned: set[Key] = set()
        self.firing: dict[str, int] = {}
        """By rule since when it fires."""

    @rule(minutes=st.sampled_from([1, 3, 6, 10, 16, 240]))
    def time_passes(self, minutes: int) -> None:
        self.now_us += minutes * MINUTE_US

    @rule(moves=moves)
    def decide_while_nobody_sends(self, moves: list[tuple[str, str]]) -> None:
        async def work(store: Store) -> None:
            recipients = await self._recipients(store)
            for move in moves:
                await self._move(store, recipients, *move)

        self.runner.run(self._with_store(work))

    @rule(steps=st.integers(0, 60), script=st.lists(outcomes, max_size=8), late=moves, leap=st.booleans())
    def run_and_crash(self, steps: int, script: list[str], late: list[tuple[str, str]], leap: bool) -> None:
        self.runner.run(self._with_store(lambda store: self._dispatch(store, steps, script, late, leap)))

    @rule(script=st.lists(outcomes, max_size=8), late=moves, leap=st.booleans())
    def run_until_nothing_is_due(self, script: list[str], late: list[tuple[str, str]], leap: bool) -> None:
        self.runner.run(self._with_store(lambda store: self._dispatch(store, NEVER, script, late, leap)))

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.runner.run(self._with_store(self._settle_all))
            rows = stored(self.directory)
            assert self.planned <= rows.keys()
            for key, row in rows.items():
                self._check(key, row, rows)
        finally:
            self.runner.close()
            shutil.rmtree(self.directory)

    def _check(self, key: Key, row: Row, rows: dict[Key, Row]) -> None:
        delivery, (alert_id, channel) = row.delivery, key
        match delivery.state:
            case DeliveryState.SENT:
                assert self.world.arrived[key] >= 1
            case DeliveryState.FOLDED:
                carrier = rows[delivery.folded_into, channel].delivery
                assert carrier.carries >= 1 and carrier.state not in (DeliveryState.FOLDED, DeliveryState.WITHDRAWN)
                if carrier.state is DeliveryState.SENT:
                    assert self.world.arrived[key] >= 1
                else:
                    self._check_stood_in_for(delivery, rows)
            case DeliveryState.WITHDRAWN:
                assert alert_id in self.world.seen_us or row.alert.transition.tell
                assert not self.world.arrived[key] or delivery.maybe_repeat
            case _:
                assert delivery.state in (DeliveryState.FAILED, DeliveryState.EXPIRED)
                self._check_stood_in_for(delivery, rows)
        seen_us = self.world.seen_us.get(alert_id, 2**62)
        if delivery.why is Why.ESCALATION and seen_us <= delivery.not_before_us:
            assert delivery.state is DeliveryState.WITHDRAWN, (row, seen_us)

    def _check_stood_in_for(self, lost: Delivery, rows: dict[Key, Row]) -> None:
        for channel in lost.fallback:
            instead = rows[lost.alert_id, channel].delivery
            assert instead.state is not DeliveryState.WITHDRAWN or instead.settled_us > lost.settled_us

    async def _with_store(self, work: Callable[[Store], Awaitable[object]]) -> None:
        store = await Store.open(self.directory, clock=HastyClock(self.now_us))
        try:
            with capture_logs():
                await work(store)
        finally:
            await store.close()

    async def _recipients(self, store: Store) -> Recipients:
        """As after a restart."""
        states = [
            RuleState(name, "/ES", 0, "f" * 16, State.FIRING, since_us, since_us, was_told=True)
            for name, since_us in self.firing.items()
        ]
        return Recipients(await store.recipients(states))

    async def _move(self, store: Store, recipients: Recipients, name: str, what: str) -> Decided | None:
        self.now_us += 1
        if what == "ack":
            decided = Decided(self.now_us, (), acked=((name, ""),))
            recipients.acknowledge(name, "", self.now_us)
        elif what == "clear" and name not in self.firing:
            return None
        else:
            transition = self._transition(name, what)
            decided = decide(self.now_us, [transition], RULE_SET, ROUTING, recipients)
            for alert in decided.alerts:
                self.world.alert_of[transition.title] = alert.id
            self.planned |= {(one.alert_id, one.channel) for one in decided.deliveries}
        ended = [one.alert for one in stored(store.directory).values() if one.alert.transition.rule_id == name]
        await store.commit(decided, [])
        await store.commit(decided, [])  # a writer that is not sure writes again
        if what in ("ack", "clear"):
            for alert in ended:
                if not alert.transition.tell:
                    self.world.seen_us.setdefault(alert.id, self.now_us)
        return decided

    def _transition(self, name: str, what: str) -> Transition:
        self.count += 1
        titled = {"title": f"number {self.count}."}
        if what == "clear":
            since_us = self.firing.pop(name)
            return a_transition(self.now_us, name, kind=Kind.CLEARED, state=State.OK, since_us=since_us, tell=True,
                                **titled)  # fmt: skip
        if what == "event" and name not in self.firing:
            return a_transition(self.now_us, name, state=State.OK, **titled)
        since_us = self.firing.setdefault(name, self.now_us)
        return a_transition(self.now_us, name, since_us=since_us, **titled)

    async def _dispatch(
        self, store: Store, steps: int, script: list[str], late: list[tuple[str, str]], leap: bool = False
    ) -> None:
        """Run a dispatcher, decide some more meanwhile, until it crashes or nothing that is due is open any more.

        With `leap` time then goes on to when the next one is due, and the dispatcher has to notice.
        """
        fuse, clock = Fuse(steps), HastyClock(self.now_us)
        people = People(self.world, store, clock)
        channels = [CrashingChannel(name, people, fuse, script) for name in CHANNELS]
        recipients = await self._recipients(store)
        dispatcher = Dispatcher(
            CrashingOutbox(store, fuse), channels, clock=clock, random=Random(steps), routing=ROUTING,
        )  # fmt: skip
        running = asyncio.create_task(dispatcher.run())
        for move in late:
            decided = await self._move(store, recipients, *move)
            clock.advance(self.now_us)
            if decided is not None and not running.done():
                dispatcher.wake(decided)
        async with asyncio.timeout(60):
            await self._until_nothing_is_due(store, running, clock)
            if leap and (later := [one.not_before_us for one, _ in await store.open_deliveries()]):
                self.now_us = max(self.now_us, min(later))
                clock.advance(self.now_us)
                await self._until_nothing_is_due(store, running, clock)
        running.cancel()
        with suppress(CrashError, asyncio.CancelledError):
            await running
        assert self.world.broken == []

    async def _until_nothing_is_due(self, store: Store, running: asyncio.Task[None], clock: HastyClock) -> None:
        while not running.done() and await store.open_deliveries(limit=1, due_us=clock.now_us()):
            pass  # each turn is a hop to the store

    async def _settle_all(self, store: Store) -> None:
        while open_rows := [
            one.delivery for one in stored(self.directory).values() if one.delivery.state in OPEN_STATES
        ]:
            self.now_us = max(self.now_us, min(one.not_before_us for one in open_rows))
            await self._dispatch(store, NEVER, [], [])


RoutedOutboxMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRoutedOutbox = RoutedOutboxMachine.TestCase
