"""The watchdog and the real loops, on a clock moved by hand: ten minutes of any outage never starve it, a hang does.

What is outside (Schwab, a channel, the disk) is a fake with two ways to break: it fails, or it never answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.alerts.fakes import FakeChannel
from tests.e2e.test_process import AT_ONCE, MONDAY_US
from tests.e2e.under_watchdog import FULL, OUTAGE_S, WATCHDOG_S, Fault, Machine, meet
from tests.feed.streams import FakeStream
from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.message import Message
from tradeassistd.alerts.worker import SEND_LIMIT_S
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import DISK_WITHIN_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Gap, Start
from tradeassistd.engine.transition import RuleState
from tradeassistd.feed.connection import LOGIN_WITHIN_S, ConnectionLoop
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.refusals import LoginNeeded, Replaced
from tradeassistd.live.path import Live
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.rules.load import load_texts
from tradeassistd.store.records import Alert, Decided, Delivery
from tradeassistd.store.settling import Due
from tradeassistd.store.tape_writer import TapeWriter

# --- Schwab ----------------------------------------------------------------------------------------------------------


class Stream(FakeStream):
    """A stream whose login has a fault."""

    def __init__(self, put: Callable[[Frame], None], fault: Fault, freed: asyncio.Event) -> None:
        super().__init__(put)
        self._fault, self._freed = fault, freed

    async def login(self) -> None:
        await meet(self._fault, self._freed)


def connection(machine: Machine, fault: Fault) -> ConnectionLoop:
    return ConnectionLoop(
        lambda put: Stream(put, fault, machine.freed), FrameQueue(), lambda: ("/ES",), machine.clock,
        chance=Random(1), turns=machine.turns,
    )  # fmt: skip


@pytest.mark.parametrize(
    "fault", [TransientError("refused"), "hangs", Replaced("taken"), LoginNeeded("dead"), None], ids=str
)
async def test_a_dead_schwab_does_not_starve_it(fault: Fault) -> None:
    """None: it logs in, and then no frame ever comes."""
    machine = Machine()
    async with machine.running(connection(machine, fault).run()):
        assert await machine.hunger_s() < WATCHDOG_S


async def test_a_connection_that_ignores_its_deadline_starves_it() -> None:
    machine = Machine()
    async with machine.running(connection(machine, "stuck").run()):
        assert await machine.killed_for(LOGIN_WITHIN_S + WATCHDOG_S + 5) == ("connection",)


# --- channels and the outbox ------------------------------------------------------------------------------------------


class Channel(FakeChannel):
    """A channel with a fault."""

    def __init__(self, fault: Fault, freed: asyncio.Event) -> None:
        super().__init__()
        self._fault, self._freed = fault, freed

    async def send(self, message: Message) -> None:
        await meet(self._fault, self._freed)
        await super().send(message)


class Latest(Random):
    """Chance that always draws the longest back-off."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Outbox:
    """An outbox in memory with a fault."""

    def __init__(self, fault: Fault, freed: asyncio.Event) -> None:
        self._fault, self._freed = fault, freed

    async def open_channels(self) -> list[str]:
        return []

    async def due_deliveries(self, channel: str, now_us: int, limit: int = 1) -> Due:
        return Due([])

    async def mark(self, delivery: Delivery) -> bool:
        await meet(self._fault, self._freed)
        return True

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
        return 0, []

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        await meet(self._fault, self._freed)
        return []


def dispatcher(machine: Machine, *, channel: Fault = None, outbox: Fault = None) -> Dispatcher:
    """One with a delivery to make."""
    one = Dispatcher(
        Outbox(outbox, machine.freed), [Channel(channel, machine.freed)], clock=machine.clock, random=Random(1),
        turns=machine.turns,
    )  # fmt: skip
    one.wake(a_decision(FRIDAY_US, "slack"))
    return one


@pytest.mark.parametrize(
    "faults",
    [{"channel": TransientError("refused")}, {"channel": "hangs"}, {"outbox": FULL}, {}],
    ids=["a channel refuses", "a channel never answers", "the disk is full", "nothing to do"],
)
async def test_a_dead_channel_or_a_full_disk_does_not_starve_it(faults: dict[str, Fault]) -> None:
    machine = Machine()
    async with machine.running(dispatcher(machine, **faults).run()):
        assert await machine.hunger_s() < WATCHDOG_S


async def test_a_disk_that_is_slow_to_fail_does_not_starve_it() -> None:
    class Slow(Outbox):
        async def mark(self, delivery: Delivery) -> bool:
            await machine.clock.pause(DISK_WITHIN_S - 1)
            raise FULL

    machine = Machine()
    one = Dispatcher(
        Slow(None, machine.freed), [Channel(None, machine.freed)], clock=machine.clock, random=Latest(),
        turns=machine.turns,
    )  # fmt: skip
    one.wake(a_decision(FRIDAY_US, "slack"))
    async with machine.running(one.run()):
        assert await machine.hunger_s(3 * OUTAGE_S) < WATCHDOG_S


async def test_a_worker_that_ignores_its_deadline_starves_it() -> None:
    machine = Machine()
    async with machine.running(dispatcher(machine, channel="stuck").run()):
        assert await machine.killed_for(SEND_LIMIT_S + WATCHDOG_S + 5) == ("channel.slack",)


async def test_an_outbox_that_never_answers_starves_it() -> None:
    machine = Machine()
    async with machine.running(dispatcher(machine, outbox="hangs").run()):
        assert await machine.killed_for(DISK_WITHIN_S + WATCHDOG_S + 5) == ("channel.slack",)


# --- the tape ---------------------------------------------------------------------------------------------------------


class Tape(TapeWriter):
    """A tape whose disk has a fault."""

    def break_with(self, fault: Fault, freed: asyncio.Event) -> None:
        self._fault, self._freed = fault, freed

    async def _flush(self) -> None:
        await meet(self._fault, self._freed)


def tape(machine: Machine, folder: Path, fault: Fault) -> Tape:
    one = Tape(folder, clock=machine.clock, turns=machine.turns)
    one.break_with(fault, machine.freed)
    one.record(a_tick(FRIDAY_US))
    return one


async def test_a_full_disk_under_the_tape_does_not_starve_it(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.running(tape(machine, tmp_path, FULL).run()):
        assert await machine.hunger_s() < WATCHDOG_S


async def test_a_tape_that_never_answers_starves_it(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.running(tape(machine, tmp_path, "hangs").run()):
        assert await machine.killed_for(DISK_WITHIN_S + WATCHDOG_S + 5) == ("tape",)


# --- engine, ledger, house --------------------------------------------------------------------------------------------


class Store:
    """Keeps nothing; a commit and a save each have a fault."""

    def __init__(self, commit: Fault, save: Fault, freed: asyncio.Event) -> None:
        self._commit, self._save, self._freed = commit, save, freed

    def record(self, event: Event) -> None:
        pass

    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None:
        await meet(self._commit, self._freed)

    async def save_states(self, states: Sequence[RuleState], until_us: int = 0) -> None:
        await meet(self._save, self._freed)

    async def save_bars(self, closed: Sequence[Bar], stretches: Sequence[Stretch], until_us: int) -> int:
        await meet(self._save, self._freed)
        return 0

    async def save_gaps(self, gaps: Sequence[Gap]) -> None:
        await meet(self._save, self._freed)

    async def save_status(self, status: Mapping[str, Any]) -> None:
        await meet(self._save, self._freed)

    async def escalating(self, rule_id: str, symbol: str) -> list[tuple[str, int, int]]:
        return []

    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None:
        await meet(self._save, self._freed)


class Queue(FrameQueue):
    """A queue that may forget to wake the engine."""

    def __init__(self, fault: Fault, freed: asyncio.Event) -> None:
        super().__init__()
        self._fault, self._freed = fault, freed

    async def filled(self) -> None:
        await meet(self._fault, self._freed)
        await super().filled()


@asynccontextmanager
async def living(*, commit: Fault = None, save: Fault = None, queue: Fault = None) -> AsyncIterator[Machine]:
    """The live path after one frame, which is the last: market time stands still. One message is on its way."""
    machine = Machine()
    rules = load_texts({"rules.yaml": AT_ONCE}).rule_set
    frames = Queue(None, machine.freed)
    live = Live(
        Engine(rules), Intake(machine.clock, Start(0, rules.hash, ()), last_us=0, last_known_us=0), frames,
        Store(commit, save, machine.freed), lambda decided: None, machine.clock, {}, ("slack",), machine.turns,
    )  # fmt: skip
    frames.put(Frame(MONDAY_US // 1_000))
    live.take_turn()
    live.say("a title", "a text")
    frames._fault = queue
    loops = live.run(), live.tick_seconds(), live.ledger.keep(), live.house.keep(dict)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(machine.running(*loops))
        yield machine


@pytest.mark.parametrize(("commit", "save"), [(None, None), (FULL, None), (None, FULL), (FULL, FULL)], ids=repr)
async def test_a_market_that_stands_still_and_a_full_disk_do_not_starve_it(commit: Fault, save: Fault) -> None:
    async with living(commit=commit, save=save) as machine:
        assert await machine.hunger_s() < WATCHDOG_S
        assert len(machine.clock._sleepers) <= 1  # each second gives up waiting for the market, and leaves nothing


async def test_an_engine_that_takes_no_turn_starves_it() -> None:
    async with living(queue="hangs") as machine:
        assert await machine.killed_for(WATCHDOG_S + 5) == ("engine",)


async def test_a_ledger_whose_writer_never_answers_starves_it() -> None:
    async with living(commit="hangs") as machine:
        assert await machine.killed_for(DISK_WITHIN_S + WATCHDOG_S + 5) == ("ledger",)


async def test_a_house_whose_writer_never_answers_starves_it() -> None:
    async with living(save="hangs") as machine:
        assert await machine.killed_for(DISK_WITHIN_S + WATCHDOG_S + 5) == ("house",)
