"""How long the connection waits before it tries again: doubling, by chance, and minutes where a human is needed."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feed.line import Line
from tests.feed.streams import settle
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.connection import (
    BACKOFF_MAX_S,
    LOGIN_DENIED_WAIT_S,
    LOGIN_NEEDED_WAIT_S,
    LOGIN_WITHIN_S,
    REPLACED_WAITS_S,
    STEADY_AFTER_S,
)
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Replaced


async def test_the_limit_doubles_with_each_failure_up_to_a_minute() -> None:
    line = Line({"login": TransientError("503")})
    async with line.running():
        for expected_s in (1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60):
            assert line.waits_s == expected_s
            await line.clock.step(expected_s)
    assert max(line.chance.limits) == BACKOFF_MAX_S


@given(st.integers())
def test_the_wait_lies_anywhere_below_the_limit_and_the_same_chance_waits_the_same(seed: int) -> None:
    async def waits(chance: random.Random) -> list[float]:
        line = Line({"login": TransientError("503")})
        line.loop._chance = chance
        found = []
        async with line.running():
            for _ in range(8):
                found.append(line.waits_s)
                await line.clock.step(line.waits_s)
        return found

    first, again = (asyncio.run(waits(random.Random(seed))) for _ in range(2))
    assert first == again
    assert len(set(first)) > 1
    assert all(0 <= wait_s <= limit_s for wait_s, limit_s in zip(first, (1, 2, 4, 8, 16, 32, 60, 60), strict=True))


@pytest.mark.parametrize(("live_s", "next_limit_s"), [(STEADY_AFTER_S - 0.5, 16), (STEADY_AFTER_S, 1)])
async def test_only_a_connection_that_lived_a_minute_starts_the_back_off_anew(
    live_s: float, next_limit_s: float
) -> None:
    line = Line(*[{"login": TransientError("503")}] * 4, {})
    async with line.running():
        for wait_s in (1, 2, 4, 8):
            await line.clock.step(wait_s)
        assert line.loop.state == "live"
        lived_s = 0.0
        while lived_s < live_s:  # frames keep coming
            part_s = min(30.0, live_s - lived_s)
            await line.clock.step(part_s)
            lived_s += part_s
            line.streams[-1].send(Frame(1))
            await settle()
        line.streams[-1].send(TransientError("reset"))
        await settle()
        assert line.waits_s == next_limit_s


async def test_time_spent_logging_in_is_not_time_spent_live() -> None:
    line = Line({"login": "hangs"})
    async with line.running():
        await line.clock.step(LOGIN_WITHIN_S)
        await line.clock.step(1)
        await line.clock.step(LOGIN_WITHIN_S)
        await line.clock.step(2)
        await line.clock.step(LOGIN_WITHIN_S)
        assert line.waits_s == 4


@pytest.mark.parametrize(
    ("error", "state", "wait_s"),
    [
        (Replaced("taken"), "replaced", REPLACED_WAITS_S[0]),
        (LoginNeeded("dead"), "auth_needed", LOGIN_NEEDED_WAIT_S),
        (LoginDenied("denied"), "auth_needed", LOGIN_DENIED_WAIT_S),
    ],
)
async def test_another_program_s_stream_and_a_dead_token_wait_minutes_and_count_as_no_failure(
    error: Exception, state: str, wait_s: float
) -> None:
    line = Line({}, {"login": error}, {"login": TransientError("503")})
    async with line.running():
        line.streams[0].send(TransientError("reset"))
        await settle()
        await line.clock.step(1)
        assert line.loop.state == state
        assert line.waits_s == wait_s
        await line.clock.step(wait_s - 1)
        assert line.loop.state == state
        await line.clock.step(1)
        assert line.waits_s == 2, "the back-off goes on where it was"


async def test_who_is_replaced_again_and_again_waits_longer_and_does_not_fight() -> None:
    line = Line({"login": Replaced("taken")})
    async with line.running():
        for wait_s in (300, 600, 900, 900):
            assert line.waits_s == wait_s
            await line.clock.step(wait_s)


@pytest.mark.parametrize("error", [Replaced("taken"), LoginNeeded("dead"), TransientError("503")])
async def test_who_waits_can_be_woken(error: Exception) -> None:
    line = Line({"login": error}, {})
    async with line.running():
        line.loop.wake()
        await settle()
        assert line.loop.state == "live"
        assert not line.clock.pauses_s, "the rest of the wait is given up"
