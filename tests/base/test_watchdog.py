"""The watchdog is fed while every loop turns or is within its limit, and not otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from tests.base.test_clock import settle
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.turns import IDLE, Turns
from tradeassistd.base.watchdog import Watchdog

UNDER_SYSTEMD = {"NOTIFY_SOCKET": "@somewhere", "WATCHDOG_USEC": "30000000"}


class Machine:
    """A watchdog on a clock moved by hand, and all that it says."""

    def __init__(self, environment: dict[str, str] = UNDER_SYSTEMD) -> None:
        self.clock = ManualClock()
        self.turns = Turns(self.clock)
        self.said: list[str] = []
        self.line = "live"
        notifier = Notifier(environment, self.said.append)
        self.watchdog = Watchdog(notifier, self.turns, self.clock, lambda: self.line)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watchdog.run())
        await settle()
        yield
        assert not task.done()
        task.cancel()

    async def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.pass_time(1.0)
            await settle()

    @property
    def fed(self) -> int:
        return self.said.count("WATCHDOG=1")


async def test_fed_at_half_the_interval_while_all_turn() -> None:
    machine = Machine()
    engine, ledger = machine.turns.join("engine"), machine.turns.join("ledger")
    async with machine.running():
        for second in range(60):
            engine()
            ledger()
            await machine.pass_s(1)
            assert machine.fed == (second + 1) // 15


async def test_one_loop_that_stops_starves_it_and_is_named() -> None:
    machine = Machine()
    engine, ledger = machine.turns.join("engine"), machine.turns.join("ledger")
    async with machine.running():
        engine()
        ledger()
        await machine.pass_s(15)
        assert machine.fed == 1
        with capture_logs() as logs:
            for _ in range(29):
                engine()
                await machine.pass_s(1)
            assert machine.fed == 1
            assert logs == [{
                "event": "watchdog.late", "loops": ["ledger"], "killed_after_s": 30.0, "log_level": "error"
            }]  # fmt: skip
            assert machine.said[-1] == "STATUS=stuck: ledger"
            # Fed as soon as the last one has turned, not at the next half interval.
            ledger()
            await machine.pass_s(1)
            assert machine.fed == 2
            assert logs[1]["event"] == "watchdog.caught_up"
            assert machine.said[-1] == "STATUS=live"


async def test_a_wait_with_a_limit_is_no_hang_until_the_limit_has_passed() -> None:
    machine = Machine()
    connection = machine.turns.join("connection")
    async with machine.running():
        connection(60.0)
        await machine.pass_s(59)
        assert machine.fed == 3  # at 15, 30 and 45 s
        await machine.pass_s(60)
        assert machine.fed == 3
        connection()
        await machine.pass_s(1)
        assert machine.fed == 4


async def test_a_loop_without_work_and_one_that_has_left_are_not_waited_for() -> None:
    machine = Machine()
    machine.turns.join("idle")(IDLE)
    machine.turns.join("gone")
    assert machine.turns.late() == ("gone",)
    machine.turns.leave("gone")
    async with machine.running():
        await machine.pass_s(600)
        assert machine.fed == 40


async def test_every_turn_counts_once() -> None:
    turns = Turns(ManualClock())
    engine = turns.join("engine")
    assert not turns.all_turned()
    engine()
    assert turns.all_turned()
    assert not turns.all_turned()
    engine(IDLE)
    engine()  # the next turn takes the promise of the last one back
    assert turns.all_turned()
    assert turns.late() == ("engine",)


async def test_the_status_line_is_said_at_once_and_when_it_changes() -> None:
    machine = Machine()
    async with machine.running():
        assert machine.said == ["STATUS=live"]
        await machine.pass_s(5)
        machine.line = "backoff"
        await machine.pass_s(5)
        assert machine.said == ["STATUS=live", "STATUS=backoff"]


async def test_without_a_watchdog_it_still_says_who_is_stuck() -> None:
    machine = Machine({})
    machine.turns.join("engine")
    async with machine.running():
        with capture_logs() as logs:
            await machine.pass_s(5)
    assert machine.said == []
    assert machine.watchdog.late == ("engine",)
    assert [(entry["event"], entry["loops"]) for entry in logs] == [("watchdog.late", ["engine"])]
