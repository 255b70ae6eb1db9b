"""A delivery that does not come through: back-off, pauses asked for, the probe of a channel, limits and expiry."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.dispatched import DOWN, committed, dispatching, settled, stored
from tests.alerts.fakes import FakeChannel
from tests.store.makers import FRIDAY_US
from tests.store.waiting import until
from tradeassistd.alerts import worker
from tradeassistd.alerts.backoff import LONGEST_S, backoff_s
from tradeassistd.alerts.channels import UnsureError
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.store.records import DeliveryState
from tradeassistd.store.writer import Store


async def test_an_attempt_without_an_answer_makes_the_next_one_a_possible_repeat(store: Store) -> None:
    slack = FakeChannel("slack", TransientError(DOWN), UnsureError("cut off"), TransientError(DOWN))
    async with dispatching(store, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        await settled(store, DeliveryState.SENT)
    assert ["repeat" in message.body for message in slack.attempts] == [False, False, True, True]


async def test_back_off_doubles_and_honours_what_the_other_side_asks(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    slack = FakeChannel("slack", *[TransientError(DOWN)] * 3, TransientError("429", retry_after_s=45.0))
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await committed(store))
        waits = []
        for attempt in range(1, 5):
            await until(lambda attempt=attempt: len(slack.attempts) == attempt and clock.pauses_s)  # type: ignore[misc]
            waits.append(round(clock.pauses_s[0] - clock.elapsed_s(), 3))
            delivery = await settled(store, DeliveryState.RETRYING)
            assert delivery.attempts == attempt
            clock.pass_time(waits[-1] - 0.01)
            await asyncio.sleep(0.005)
            assert len(slack.attempts) == attempt
            clock.pass_time(0.02)
        await settled(store, DeliveryState.SENT)
    assert waits == [1, 2, 4, 45]


async def test_while_the_other_side_asks_for_a_pause_nothing_is_sent(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    slack = FakeChannel("slack", TransientError("429", retry_after_s=30.0))
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await committed(store, 0))
        await settled(store, DeliveryState.RETRYING)
        dispatcher.wake(await committed(store, 1, severity="critical"))
        await until(lambda: clock.pauses_s)
        assert dispatcher.status()["slack"]["blocked_s"] == 30
        assert len(slack.attempts) == 1
        clock.pass_time(30.01)
        await until(lambda: len(slack.taken) == 2)


async def test_a_failing_delivery_does_not_hold_the_next_of_its_channel(store: Store) -> None:
    slack = FakeChannel("slack", TransientError(DOWN))
    async with dispatching(store, slack, clock=ManualClock(FRIDAY_US)) as dispatcher:
        dispatcher.wake(await committed(store, 0))
        await settled(store, DeliveryState.RETRYING)
        dispatcher.wake(await committed(store, 1))
        await settled(store, DeliveryState.SENT)
    assert [each.state for each in stored(store)] == [DeliveryState.RETRYING, DeliveryState.SENT]


async def test_after_five_failures_one_delivery_probes_and_the_others_wait(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    slack = FakeChannel("slack", *[TransientError(DOWN)] * 7)
    for number in range(20):
        await committed(store, number)
    async with dispatching(store, slack, clock=clock) as dispatcher:
        for attempts, wait_s in ((5, 16), (6, 32), (7, 60)):
            await until(lambda attempts=attempts: len(slack.attempts) == attempts)  # type: ignore[misc]
            await until(lambda: clock.pauses_s)
            assert dispatcher.status()["slack"]["blocked_s"] == wait_s
            clock.pass_time(wait_s + 0.01)
        await until(lambda: len(slack.taken) == 20)
        assert dispatcher.status()["slack"]["failures_in_a_row"] == 0


async def test_what_cannot_succeed_fails_at_once(store: Store) -> None:
    slack = FakeChannel("slack", PermanentError("error=404", hint="Check the URL"))
    async with dispatching(store, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        delivery = await settled(store, DeliveryState.FAILED)
        assert (delivery.attempts, delivery.error) == (1, "error=404 (Check the URL)")
        assert dispatcher.status()["slack"]["failed"] == 1


async def test_attempts_have_a_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ATTEMPTS_MAX", 4)
    slack = FakeChannel("slack", *[TransientError(DOWN)] * 10)
    async with dispatching(store, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        delivery = await settled(store, DeliveryState.FAILED)
    assert (delivery.attempts, delivery.error) == (4, f"given up after 4 attempts: {DOWN}")


async def test_what_became_noise_is_not_sent(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    slack = FakeChannel("slack", TransientError(DOWN))
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await committed(store, 0, ttl_s=600))
        await settled(store, DeliveryState.RETRYING)
        await until(lambda: clock.pauses_s)
        clock.advance(FRIDAY_US + 600_000_000)
        clock.pass_time(1.01)
        delivery = await settled(store, DeliveryState.EXPIRED)
    assert (delivery.attempts, delivery.error, delivery.settled_us) == (1, DOWN, FRIDAY_US + 600_000_000)
    assert slack.taken == []


async def test_what_expires_while_the_channel_is_down_is_settled_without_waiting_for_it(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    slack = FakeChannel("slack", TransientError("429", retry_after_s=3_000.0))
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await committed(store, 0, ttl_s=60))
        await settled(store, DeliveryState.RETRYING)
        clock.advance(FRIDAY_US + 60_000_000)
        dispatcher.wake(await committed(store, 1))
        await until(lambda: stored(store)[0].state is DeliveryState.EXPIRED)
        assert len(slack.attempts) == 1


async def test_a_send_that_never_ends_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SEND_LIMIT_S", 0.01)
    slack = FakeChannel()
    slack.slow = asyncio.Event()
    async with dispatching(store, slack, clock=ManualClock(FRIDAY_US)) as dispatcher:
        dispatcher.wake(await committed(store))
        delivery = await settled(store, DeliveryState.RETRYING)
    assert (delivery.error, delivery.maybe_repeat) == ("no answer within 0 s", True)


@given(st.integers(1, 10**6), st.integers())
def test_a_back_off_is_within_its_bounds(failures: int, seed: int) -> None:
    wait_s = backoff_s(failures, Random(seed))
    assert 0 <= wait_s <= min(LONGEST_S, 2.0 ** min(failures - 1, 10))
