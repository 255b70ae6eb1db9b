"""The dispatcher over a real store: order, resumption, isolation, and a store that is busy."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from tests.alerts.dispatched import DOWN, BreakableOutbox, committed, dispatching, settled, stored
from tests.alerts.fakes import FakeChannel, HastyClock
from tests.store.makers import FRIDAY_US
from tests.store.waiting import until
from tradeassistd.alerts import worker
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.base.errors import FatalError, PermanentError, TransientError
from tradeassistd.store.records import DeliveryState
from tradeassistd.store.writer import Store


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
