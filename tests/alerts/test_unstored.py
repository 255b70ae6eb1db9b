"""Alerts that the disk does not take are told past the outbox: once per channel, and the next time as a repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.feed.streams import SteppedClock, settle
from tests.store.makers import FRIDAY_US, a_decision
from tradeassistd.alerts.message import CARRIED_SHOWN_MAX, Message
from tradeassistd.alerts.unstored import TOLD_AFTER_S, Unstored
from tradeassistd.store.records import Decided

FULL = "main.db: database or disk is full (Free some space)"


class Told:
    """Channels that keep what they are sent; those in `deaf` take nothing."""

    def __init__(self, *deaf: str) -> None:
        self.deaf = set(deaf)
        self.messages: list[tuple[str, Message]] = []
        self.slow: asyncio.Event | None = None

    async def __call__(self, channel: str, message: Message) -> bool:
        if self.slow is not None:
            await self.slow.wait()
        if channel in self.deaf:
            return False
        self.messages.append((channel, message))
        return True


@asynccontextmanager
async def telling(told: Told, clock: SteppedClock) -> AsyncIterator[Unstored]:
    unstored = Unstored(told, clock)
    running = asyncio.create_task(unstored.run())
    try:
        yield unstored
    finally:
        running.cancel()


async def wait_for_disk(unstored: Unstored, clock: SteppedClock, waiting: list[Decided], seconds: float) -> None:
    """The disk refuses once a second for so long."""
    for _ in range(round(seconds)):
        unstored.note(lambda: waiting, FULL)
        await clock.step(1.0)
        await settle()


async def test_a_disk_that_is_busy_for_a_moment_is_no_news() -> None:
    clock, told = SteppedClock(), Told()
    waiting = [a_decision(FRIDAY_US, "slack")]
    async with telling(told, clock) as unstored:
        await wait_for_disk(unstored, clock, waiting, TOLD_AFTER_S)
        unstored.stored()
        await wait_for_disk(unstored, clock, waiting, TOLD_AFTER_S)
        unstored.stored()
    assert told.messages == [] and not waiting[0].deliveries[0].maybe_repeat


async def test_what_waits_is_told_once_per_channel_and_what_joins_later_by_itself() -> None:
    clock, told = SteppedClock(), Told("phone")
    first, second = a_decision(FRIDAY_US, "slack", "phone"), a_decision(FRIDAY_US + 1, "slack")
    waiting = [first]
    async with telling(told, clock) as unstored:
        await wait_for_disk(unstored, clock, waiting, TOLD_AFTER_S + 10)
        ((channel, message),) = told.messages
        assert (channel, message.title, message.severity, message.key) == (
            "slack", "The disk takes no alerts: 1 alert not stored", "critical", first.alerts[0].id,
        )  # fmt: skip
        assert FULL in message.body and first.alerts[0].title in message.body and "come again" in message.body
        assert [one.maybe_repeat for one in first.deliveries] == [one.channel == "slack" for one in first.deliveries]
        waiting.append(second)
        told.deaf.clear()
        await wait_for_disk(unstored, clock, waiting, 3)
        assert sorted(name for name, _ in told.messages[1:]) == ["phone", "slack"]
        assert dict(told.messages[1:])["slack"].key == second.alerts[0].id
        assert dict(told.messages[1:])["phone"].key == first.alerts[0].id
        assert unstored.status() == {"reason": FULL, "told": 3}
        waiting.clear()
        unstored.stored()
        assert unstored.status()["reason"] == ""
        await wait_for_disk(unstored, clock, waiting, 3)
    assert len(told.messages) == 3


async def test_what_is_held_has_time_and_many_alerts_are_one_message() -> None:
    clock, told = SteppedClock(), Told()
    held = a_decision(FRIDAY_US, "slack")
    held = msgspec.structs.replace(
        held, deliveries=tuple(msgspec.structs.replace(one, not_before_us=FRIDAY_US + 9) for one in held.deliveries)
    )
    waiting = [held, *(a_decision(FRIDAY_US + number, "slack") for number in range(1, 41))]
    async with telling(told, clock) as unstored:
        await wait_for_disk(unstored, clock, waiting, TOLD_AFTER_S + 3)
    ((_, message),) = told.messages
    assert message.title.endswith(": 40 alerts not stored")
    assert f"and {40 - CARRIED_SHOWN_MAX} more" in message.body


async def test_last_words_reach_every_channel_and_a_slow_one_keeps_nobody() -> None:
    clock, told = SteppedClock(), Told()
    waiting = [a_decision(FRIDAY_US, "slack")]
    unstored = Unstored(told, clock)
    await unstored.last_words("main.db is damaged", ("slack", "phone"))
    assert [(name, one.title, one.body) for name, one in told.messages] == [
        ("slack", "tradeassist has stopped", "main.db is damaged"),
        ("phone", "tradeassist has stopped", "main.db is damaged"),
    ]
    unstored.note(lambda: waiting, FULL)
    await unstored.last_words("main.db is damaged", ("phone",))
    last = dict(told.messages[2:])
    assert last["slack"].title == "tradeassist has stopped: 1 alert not stored" and "phone" in last
    told.slow = asyncio.Event()
    ending = asyncio.create_task(unstored.last_words("again", ("phone",)))
    await settle()
    await clock.step(10.0)
    await settle()
    assert ending.done()
