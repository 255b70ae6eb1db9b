"""The dispatcher over a real store: order, back-off, breaker, expiry, resumption, isolation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.alerts.fakes import FakeChannel, HastyClock, Highest
from tests.store.makers import FRIDAY_US, a_decision
from tests.store.waiting import until
from tradeassistd.alerts import worker
from tradeassistd.alerts.backoff import LONGEST_S, backoff_s
from tradeassistd.alerts.channels import UnsureError
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.base.clock import Clock, ManualClock
from tradeassistd.base.errors import FatalError, PermanentError, TransientError
from tradeassistd.store import queries
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.settling import Due
from tradeassistd.store.writer import Store

DOWN = "fake channel is down"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path, clock=ManualClock(FRIDAY_US))
    yield opened
    await opened.close()


class BreakableOutbox:
    """The real store with a way to break: `problems` are raised one after another before a call reaches it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.problems: list[Exception] = []
        self.calls = 0

    async def open_channels(self) -> list[str]:
        self._count()
        return await self._store.open_channels()

    async def due_deliveries(self, channel: str, now_us: int, limit: int = 1) -> Due:
        self._count()
        return await self._store.due_deliveries(channel, now_us, limit)

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
        self._count()
        return await self._store.carried(delivery, limit)

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        self._count()
        return await self._store.give_up(delivery, expiry_us)

    async def mark(self, delivery: Delivery) -> bool:
        self._count()
        return await self._store.mark(delivery)

    def _count(self) -> None:
        self.calls += 1
        if self.problems:
            raise self.problems.pop(0)


@asynccontextmanager
async def dispatching(
    store: Store | BreakableOutbox, *channels: FakeChannel, clock: Clock | None = None
) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(store, channels, clock=clock or HastyClock(FRIDAY_US), random=cast(Random, Highest()))
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def committed(
    store: Store, number: int = 0, *channels: str, severity: str = "warning", ttl_s: int = 0
) -> Decided:
    decided = a_decision(FRIDAY_US + number, *(channels or ("slack",)), severity=severity, ttl_us=ttl_s * 1_000_000)
    await store.commit(decided, [])
    return decided


def stored(store: Store, channel: str = "slack") -> list[Delivery]:
    """What became of every delivery of a channel, oldest first."""
    found = [delivery for item in queries.alerts(store.directory) for delivery in item.deliveries]
    return sorted((each for each in found if each.channel == channel), key=lambda each: each.created_us)


async def settled(store: Store, state: DeliveryState, channel: str = "slack") -> Delivery:
    """The newest delivery of a channel, once it is in that state."""
    await until(lambda: stored(store, channel)[-1].state is state)
    return stored(store, channel)[-1]


async def test_a_decision_reaches_each_of_its_channels_and_is_marked_sent(store: Store) -> None:
    slack, phone = FakeChannel("slack"), FakeChannel("phone")
    async with dispatching(store, slack, phone) as dispatcher:
        decided = await committed(store, 0, "slack", "phone")
        dispatcher.wake(decided)
        for channel in (slack, phone):
            delivery = await settled(store, DeliveryState.SENT, channel.name)
            assert (delivery.attempts, delivery.settled_us, delivery.maybe_repeat) == (1, FRIDAY_US, False)
            assert [message.key for message in channel.taken] == [decided.alerts[0].id]
        status = dispatcher.status()["slack"]
        assert (status["sent"], status["waiting"], status["last_error"]) == (1, 0, "")
        assert status["latency_ms_p50"] is not None


async def test_it_is_marked_sending_before_it_is_handed_over(store: Store) -> None:
    slack = FakeChannel()
    slack.slow = asyncio.Event()
    async with dispatching(store, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        await until(lambda: slack.attempts)
        assert [(each.state, each.attempts) for each in stored(store)] == [(DeliveryState.SENDING, 1)]


async def test_the_most_severe_goes_first(store: Store) -> None:
    slack = FakeChannel()
    decisions = [
        await committed(store, n, severity=severity) for n, severity in enumerate(("info", "warning", "critical"))
    ]
    async with dispatching(store, slack):
        await until(lambda: len(slack.taken) == 3)
    assert [message.key for message in slack.taken] == [each.alerts[0].id for each in reversed(decisions)]


async def test_a_slow_channel_holds_no_other(store: Store) -> None:
    slack, phone = FakeChannel("slack"), FakeChannel("phone")
    slack.slow = asyncio.Event()
    async with dispatching(store, slack, phone) as dispatcher:
        for number in range(5):
            dispatcher.wake(await committed(store, number, "slack", "phone"))
        await until(lambda: len(phone.taken) == 5)
        assert (len(slack.attempts), slack.taken) == (1, [])


async def test_what_the_last_run_left_is_sent_by_the_next(store: Store) -> None:
    first, second = await committed(store, 0), await committed(store, 1)
    slack = FakeChannel()
    async with dispatching(store, slack):
        await settled(store, DeliveryState.SENT)
        await until(lambda: len(slack.taken) == 2)
    assert {message.key for message in slack.taken} == {first.alerts[0].id, second.alerts[0].id}
    assert not any("repeat" in message.body for message in slack.taken)


async def test_what_was_being_sent_when_the_daemon_died_may_be_a_repeat_and_says_so(store: Store) -> None:
    slack = FakeChannel()
    slack.slow = asyncio.Event()
    async with dispatching(store, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        await until(lambda: slack.attempts)
    again = FakeChannel()
    async with dispatching(store, again):
        delivery = await settled(store, DeliveryState.SENT)
    assert (delivery.maybe_repeat, delivery.attempts) == (True, 2)
    assert "May be a repeat" in again.taken[0].body
    assert again.taken[0].key == slack.attempts[0].key


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


async def test_a_channel_that_raises_anything_is_isolated_and_its_text_kept_out(store: Store) -> None:
    slack, phone = FakeChannel("slack", ValueError("https://secret.example/token")), FakeChannel("phone")
    with capture_logs() as logs:
        async with dispatching(store, slack, phone) as dispatcher:
            dispatcher.wake(await committed(store, 0, "slack", "phone"))
            await settled(store, DeliveryState.SENT, "phone")
            await settled(store, DeliveryState.SENT, "slack")
    retrying = next(entry for entry in logs if entry["event"] == "delivery.retrying")
    assert "ValueError in fakes.py" in retrying["error"]
    assert "secret" not in repr(logs)


async def test_a_channel_nobody_configured_fails_its_deliveries_and_says_which(store: Store) -> None:
    await committed(store, 0, "gone")
    async with dispatching(store) as dispatcher:
        stale = await settled(store, DeliveryState.FAILED, "gone")
        dispatcher.wake(await committed(store, 1, "other"))
        fresh = await settled(store, DeliveryState.FAILED, "other")
    assert "no channel is called gone" in stale.error
    assert "channels.other" in fresh.error


async def test_an_old_copy_of_a_sent_delivery_is_not_sent_again(store: Store) -> None:
    slack = FakeChannel()
    async with dispatching(store, slack) as dispatcher:
        decided = await committed(store)
        dispatcher.wake(decided)
        await settled(store, DeliveryState.SENT)
        dispatcher.wake(decided)
        dispatcher.wake(await committed(store, 1))
        await until(lambda: len(slack.taken) == 2)
    assert len({message.key for message in slack.taken}) == 2


async def test_more_than_memory_holds_waits_in_the_store_and_critical_ones_pass(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WAITING_MAX", 4)
    slack = FakeChannel()
    slack.slow = asyncio.Event()
    async with dispatching(store, slack) as dispatcher:
        await asyncio.sleep(0)
        for number in range(20):
            severity = "critical" if number == 19 else "info"
            dispatcher.wake(await committed(store, number, severity=severity))
            assert dispatcher.status()["slack"]["waiting"] <= 4
        await until(lambda: slack.attempts)
        slack.slow.set()
        await until(lambda: len(slack.taken) == 20)
    assert len({message.key for message in slack.taken}) == 20
    assert "critical" in [message.severity for message in slack.taken[:2]]


async def test_a_store_that_is_busy_delays_and_loses_nothing(store: Store) -> None:
    outbox, slack = BreakableOutbox(store), FakeChannel()
    outbox.problems = [TransientError("main.db: locked")] * 3  # while it starts
    async with dispatching(outbox, slack) as dispatcher:
        await until(lambda: outbox.calls >= 5 and not outbox.problems)
        decided = await committed(store)
        outbox.problems = [TransientError("main.db: locked")] * 4  # before it is marked sending
        dispatcher.wake(decided)
        await settled(store, DeliveryState.SENT)
    assert len(slack.taken) == 1


async def test_a_store_that_is_busy_after_the_send_is_asked_until_it_knows(store: Store) -> None:
    outbox, slack = BreakableOutbox(store), FakeChannel()
    slack.slow = asyncio.Event()
    async with dispatching(outbox, slack) as dispatcher:
        dispatcher.wake(await committed(store))
        await until(lambda: slack.attempts)
        outbox.problems = [TransientError("main.db: disk is full")] * 5
        slack.slow.set()
        await settled(store, DeliveryState.SENT)
    assert len(slack.taken) == 1


async def test_a_store_that_cannot_go_on_ends_the_dispatcher(store: Store) -> None:
    outbox = BreakableOutbox(store)
    dispatcher = Dispatcher(outbox, [FakeChannel()], clock=HastyClock(), random=Random(1))
    await committed(store)
    task = asyncio.create_task(dispatcher.run())
    outbox.problems = [FatalError("main.db: malformed")]
    with pytest.raises(FatalError, match="malformed"):
        await task
    again = asyncio.create_task(dispatcher.run())
    await settled(store, DeliveryState.SENT)
    outbox.problems = [FatalError("main.db: malformed")]
    dispatcher.wake(await committed(store, 1))
    with pytest.raises(FatalError, match="malformed"):
        await again


async def test_without_any_channel_it_runs_on(store: Store) -> None:
    outbox = BreakableOutbox(store)
    task = asyncio.create_task(Dispatcher(outbox, [], clock=HastyClock(), random=Random(1)).run())
    await until(lambda: outbox.calls)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_log_events_have_fixed_names_and_keys(store: Store) -> None:
    slack = FakeChannel("slack", TransientError(DOWN), None, PermanentError("no"))
    with capture_logs() as logs:
        async with dispatching(store, slack) as dispatcher:
            dispatcher.wake(await committed(store, 0))
            await settled(store, DeliveryState.SENT)
            dispatcher.wake(await committed(store, 1))
            await settled(store, DeliveryState.FAILED)
    told = [entry for entry in logs if entry["event"].startswith("delivery.")]
    assert [entry["event"] for entry in told] == ["delivery.retrying", "delivery.sent", "delivery.failed"]
    assert all(entry["channel"] == "slack" and entry["attempt"] >= 1 and entry["alert"] for entry in told)
    assert told[0]["error"] == DOWN


@given(st.integers(1, 10**6), st.integers())
def test_a_back_off_is_within_its_bounds(failures: int, seed: int) -> None:
    wait_s = backoff_s(failures, Random(seed))
    assert 0 <= wait_s <= min(LONGEST_S, 2.0 ** min(failures - 1, 10))
