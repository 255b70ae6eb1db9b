"""Clocks: market time and machine time, who is woken when, and event times."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.clock import EventClock, ManualClock, MarketClock, WallClock
from tradeassistd.base.instant import US_PER_S, iso


async def settle() -> None:
    """Let every task that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


class Sleepers:
    """Tasks that sleep until given times and note the order in which they wake."""

    def __init__(self, clock: MarketClock, *times_us: int) -> None:
        self.woken: list[int] = []
        self._clock = clock
        self.tasks = [asyncio.create_task(self._sleep(at_us)) for at_us in times_us]

    async def _sleep(self, at_us: int) -> None:
        await self._clock.sleep_until(at_us)
        assert self._clock.now_us() >= at_us
        self.woken.append(at_us)


# --- market time -----------------------------------------------------------------------------------------------------


async def test_market_time_stands_still_until_it_is_moved_and_wakes_who_waited() -> None:
    clock = MarketClock(100)
    sleepers = Sleepers(clock, 300, 200, 100, 50)
    await settle()
    assert sorted(sleepers.woken) == [50, 100], "who waits for the past does not wait"
    clock.advance(199)
    await settle()
    assert len(sleepers.woken) == 2
    clock.advance(300)
    await settle()
    assert sleepers.woken[2:] == [200, 300]
    assert all(task.done() for task in sleepers.tasks)


async def test_sleepers_of_one_instant_wake_in_the_order_they_went_to_sleep() -> None:
    clock, order = MarketClock(), []

    async def sleep(name: str) -> None:
        await clock.sleep_until(10)
        order.append(name)

    tasks = [asyncio.create_task(sleep(name)) for name in "abcd"]
    await settle()
    clock.advance(10)
    await asyncio.gather(*tasks)
    assert order == list("abcd")


async def test_a_sleeper_that_was_cancelled_disturbs_nobody() -> None:
    clock = MarketClock()
    sleepers = Sleepers(clock, 10, 20)
    await settle()
    sleepers.tasks[0].cancel()
    await settle()
    clock.advance(30)
    await settle()
    assert sleepers.woken == [20]


@given(st.lists(st.integers(0, 1_000), max_size=20))
def test_market_time_never_runs_backwards(moves: list[int]) -> None:
    clock, latest = MarketClock(5), 5
    for to_us in moves:
        clock.advance(to_us)
        latest = max(latest, to_us)
        assert clock.now_us() == latest


# --- by hand ---------------------------------------------------------------------------------------------------------


async def test_by_hand_market_and_machine_time_move_apart() -> None:
    clock = ManualClock(7)
    pausing = asyncio.create_task(clock.pause(2.5))
    sleeping = asyncio.create_task(clock.sleep_until(10))
    await settle()
    assert clock.pauses_s == [2.5]
    clock.advance(9)
    clock.pass_time(2.4)
    await settle()
    assert not pausing.done() and not sleeping.done()
    assert (clock.now_us(), clock.elapsed_s()) == (9, 2.4)
    clock.pass_time(0.1)
    await settle()
    assert pausing.done() and not sleeping.done()
    clock.advance(10)
    await settle()
    assert sleeping.done()
    assert clock.pauses_s == []


async def test_pauses_under_way_are_listed_soonest_first_and_cancelled_ones_are_not() -> None:
    clock = ManualClock()
    clock.pass_time(1)
    tasks = [asyncio.create_task(clock.pause(seconds)) for seconds in (5, 3, 4)]
    await settle()
    assert clock.pauses_s == [4.0, 5.0, 6.0]
    tasks[1].cancel()
    await settle()
    assert clock.pauses_s == [5.0, 6.0]
    clock.pass_time(60)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_pause_of_nothing_does_not_wait() -> None:
    clock = ManualClock()
    await clock.pause(0)
    assert clock.pauses_s == []


# --- the computer's --------------------------------------------------------------------------------------------------


async def test_the_wall_clock_is_the_computer_s() -> None:
    clock = WallClock()
    before_us, before_s = time.time_ns() // 1_000, time.monotonic()
    assert before_us <= clock.now_us() <= time.time_ns() // 1_000
    assert before_s <= clock.elapsed_s() <= time.monotonic()
    await clock.sleep_until(clock.now_us() - US_PER_S)
    at_us = clock.now_us() + 2_000
    await clock.sleep_until(at_us)
    assert clock.now_us() >= at_us
    await clock.pause(0)


async def test_a_wall_clock_that_is_set_back_while_somebody_sleeps_is_looked_at_again() -> None:
    class SetBack(WallClock):
        """Shows the past at its second look."""

        looks = 0

        def now_us(self) -> int:
            self.looks += 1
            return [1_000, 500, 2_000][min(self.looks, 3) - 1]

    clock = SetBack()
    await clock.sleep_until(1_500)
    assert clock.looks == 3


async def test_a_deadline_raises_when_machine_time_is_over() -> None:
    with pytest.raises(TimeoutError):
        async with WallClock().deadline(0.001):
            await asyncio.Event().wait()
    async with WallClock().deadline(60):
        await asyncio.sleep(0)


# --- event times -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-3, 3), max_size=50), st.integers(0, 20))
def test_event_times_increase_strictly_and_are_never_behind_the_clock(steps_us: list[int], last_us: int) -> None:
    class Jumpy(MarketClock):
        """Goes back and forth, as a computer's clock may."""

        def now_us(self) -> int:
            return at_us

    at_us = 10
    events = EventClock(Jumpy(), last_us)
    for step_us in steps_us:
        at_us += step_us
        before_us, event_us = events.last_us, events.next_us()
        assert event_us == max(at_us, before_us + 1)
        assert events.last_us == event_us


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)))
def test_iso_is_the_instant_in_utc_with_microseconds(instant: datetime) -> None:
    instant = instant.replace(tzinfo=UTC)
    us = int(instant.replace(microsecond=0).timestamp()) * US_PER_S + instant.microsecond
    assert iso(us).endswith("Z")
    assert datetime.fromisoformat(iso(us)) == instant


def test_iso_is_written_in_one_width() -> None:
    assert iso(1_795_185_000_000_001) == "2026-11-20T14:30:00.000001Z"
    assert iso(0) == "1970-01-01T00:00:00.000000Z"
