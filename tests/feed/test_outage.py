"""Who is told of an outage, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from tests.feed.streams import SteppedClock, settle
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import Turns
from tradeassistd.feed.connection import REPLACED_WAITS_S
from tradeassistd.feed.outage import OutageWatch

TEN_OCLOCK_US = int(datetime.fromisoformat("2026-11-16T10:00:00-05:00").timestamp()) * US_PER_S


class Desk:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.clock.advance(TEN_OCLOCK_US)
        self.told: list[tuple[str, str]] = []
        self.opens_us = 0
        self.watch = OutageWatch(
            lambda title, text: self.told.append((title, text)), lambda us: us >= self.opens_us, self.clock,
            Turns(self.clock),
        )  # fmt: skip

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.told]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        await settle()
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def enter(self, *states: str, reason: str = "") -> None:
        for state in states:
            self.watch.entered(state, reason)
        await settle()

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            await self.clock.step(5)


async def test_a_short_drop_is_told_to_nobody() -> None:
    desk = Desk()
    async with desk.running():
        await desk.enter("live", "backoff", reason="reset")
        await desk.wait(25)
        await desk.enter("connecting", "logging_in", "subscribing", "live")
        await desk.wait(300)
    assert desk.told == []


async def test_a_long_one_is_told_once_with_its_reason_and_its_end_with_its_length() -> None:
    desk = Desk()
    async with desk.running():
        await desk.enter("live", "backoff", reason="no answer while live")
        for _ in range(6):
            await desk.wait(30)
            await desk.enter("connecting", "logging_in", "backoff", reason="503")
        await desk.wait(10)
        await desk.enter("live")
        await desk.enter("degraded", reason="not watched: QQQ")
        await desk.wait(60)
    assert [title for title, _ in desk.told] == ["The feed is down", "The feed is back"]
    assert "since 10:00:00 New York: no answer while live" in desk.told[0][1]
    assert "down for 3 m 10 s" in desk.told[1][1]


async def test_each_outage_is_told_anew() -> None:
    desk = Desk()
    async with desk.running():
        for _ in range(2):
            await desk.enter("backoff", reason="reset")
            await desk.wait(40)
            await desk.enter("live")
    assert desk.titles == ["The feed is down", "The feed is back"] * 2


async def test_nobody_is_told_while_nothing_trades_but_when_it_opens() -> None:
    desk = Desk()
    desk.opens_us = TEN_OCLOCK_US + 3600 * US_PER_S
    async with desk.running():
        await desk.enter("backoff", reason="reset")
        await desk.wait(3595)
        assert desk.told == []
        await desk.wait(10)
        assert desk.titles == ["The feed is down"]


async def test_another_program_is_told_at_once_and_once() -> None:
    desk = Desk()
    async with desk.running():
        await desk.enter("live", "replaced", reason="code 12")
        await desk.wait(600)
        await desk.enter("connecting", "replaced", reason="code 12")
        await desk.wait(600)
        await desk.enter("live")
    assert desk.titles == ["Another program took the Schwab stream", "The feed is back"]
    first, last = (wait_s // 60 for wait_s in (REPLACED_WAITS_S[0], REPLACED_WAITS_S[-1]))
    assert f"tried again in {first:.0f} to {last:.0f} minutes" in desk.told[0][1]


async def test_a_login_that_is_needed_has_words_elsewhere_but_its_end_is_told() -> None:
    desk = Desk()
    async with desk.running():
        await desk.enter("live", "auth_needed", reason="dead")
        await desk.wait(7200)
        await desk.enter("connecting", "live")
    assert desk.titles == ["The feed is back"]
    assert "down for 2 h 0 m" in desk.told[0][1]


@pytest.mark.parametrize("state", ["connecting", "backoff"])
async def test_a_start_without_a_feed_is_told_too(state: str) -> None:
    desk = Desk()
    async with desk.running():
        await desk.enter(state, reason="no route")
        await desk.wait(35)
    assert desk.titles == ["The feed is down"]
