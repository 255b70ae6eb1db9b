"""Held, folded, escalated and fallback deliveries over a real store and the dispatcher."""

from __future__ import annotations

import msgspec
import pytest

from tests.alerts.dispatched import dispatching
from tests.alerts.fakes import FakeChannel
from tests.store.makers import FRIDAY_US, a_transition
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import PermanentError
from tradeassistd.cli.queries import fate_text
from tradeassistd.engine.transition import Kind, State
from tradeassistd.store import queries
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState, Why
from tradeassistd.store.writer import Store

MINUTE_US = 60_000_000
DUE_US = FRIDAY_US + 30 * MINUTE_US


async def held(store: Store, number: int, severity: str = "warning", **changes: object) -> Decided:
    """A stored alert with one delivery to slack, which is due later."""
    transition = a_transition(FRIDAY_US + number, f"rule-{number}")
    alert = Alert(transition.alert_id, transition, severity, f"title {number}", f"text {number}", "hash")
    fields: dict[str, object] = {"not_before_us": DUE_US, "why": Why.QUIET, "fallback": ("mail",)} | changes
    delivery = Delivery(alert.id, "slack", created_us=FRIDAY_US + number, **fields)  # type: ignore[arg-type]
    decided = Decided(FRIDAY_US + number, (transition,), (alert,), (delivery,))
    await store.commit(decided, [])
    return decided


def fates(store: Store) -> dict[tuple[str, str], Delivery]:
    """Every delivery by title of its alert and channel."""
    return {
        (one.alert.title, delivery.channel): delivery
        for one in queries.alerts(store.directory)
        for delivery in one.deliveries
    }


async def test_what_is_held_goes_when_it_is_due_as_one_message_led_by_the_most_severe(store: Store) -> None:
    clock, slack = ManualClock(FRIDAY_US), FakeChannel()
    async with dispatching(store, slack, clock=clock) as dispatcher:
        decisions = [await held(store, n, severity) for n, severity in enumerate(("info", "critical", "warning"))]
        for one in decisions:
            dispatcher.wake(one)
        later = await held(store, 3, not_before_us=DUE_US + MINUTE_US)
        dispatcher.wake(later)
        clock.advance(DUE_US - 1)
        await until(lambda: dispatcher.status()["slack"]["held"] == 4)
        assert slack.attempts == []
        clock.advance(DUE_US)
        await until(lambda: fates(store)["title 1", "slack"].state is DeliveryState.SENT)
        (message,) = slack.taken
        assert (message.title, message.key, message.severity) == (
            "3 alerts while it was quiet", decisions[1].alerts[0].id, "critical",
        )  # fmt: skip
        assert [line.partition(", ")[2] for line in message.body.splitlines()[:3]] == [
            "critical: title 1", "warning: title 2", "info: title 0",
        ]  # fmt: skip
        assert "Held for quiet hours until 10:00:00." in message.body
        found = fates(store)
        assert found["title 1", "slack"].carries == 2
        assert {found[f"title {n}", "slack"].folded_into for n in (0, 2)} == {message.key}
        assert (dispatcher.status()["slack"]["folded"], dispatcher.status()["slack"]["held"]) == (2, 1)
        clock.advance(DUE_US + MINUTE_US)
        await until(lambda: len(slack.taken) == 2)
        assert slack.taken[1].title == "title 3"


async def test_one_that_is_held_alone_is_a_message_like_any_other(store: Store) -> None:
    clock, slack = ManualClock(DUE_US), FakeChannel()
    await held(store, 1)
    async with dispatching(store, slack, clock=clock):
        await until(lambda: slack.taken)
    assert (slack.taken[0].title, "text 1" in slack.taken[0].body) == ("title 1", True)


async def test_a_long_night_is_cut_short_in_the_message_and_counted(store: Store) -> None:
    for number in range(40):
        await held(store, number)
    slack = FakeChannel()
    async with dispatching(store, slack, clock=ManualClock(DUE_US)):
        await until(lambda: slack.taken)
    assert slack.taken[0].title == "40 alerts while it was quiet"
    assert "and 10 more: tradeassist alerts --limit 40" in slack.taken[0].body


async def test_when_a_message_that_carries_others_fails_all_of_them_go_to_the_fallback_as_one(store: Store) -> None:
    await held(store, 0, "critical")
    await held(store, 1)
    await held(store, 2, fallback=())
    slack, mail = FakeChannel("slack", PermanentError("error=404")), FakeChannel("mail")
    async with dispatching(store, slack, mail, clock=ManualClock(DUE_US)) as dispatcher:
        await until(lambda: mail.taken)
        assert dispatcher.status()["slack"]["fell_back"] == 2
    assert len(mail.taken) == 1
    assert mail.taken[0].title == "2 alerts that slack did not get"
    assert "Sent here because it could not be delivered to slack." in mail.taken[0].body
    found = fates(store)
    assert (found["title 0", "mail"].instead_of, found["title 0", "mail"].why) == ("slack", Why.FALLBACK)
    assert found["title 1", "mail"].folded_into == found["title 0", "mail"].alert_id
    assert ("title 2", "mail") not in found


async def test_a_delivery_that_is_too_late_falls_back_and_the_fallback_has_no_fallback_of_its_own(store: Store) -> None:
    await held(store, 1, why=Why.DIRECT, not_before_us=0, expires_us=FRIDAY_US + MINUTE_US)
    slack, mail = FakeChannel(), FakeChannel("mail", PermanentError("no"))
    async with dispatching(store, slack, mail, clock=ManualClock(DUE_US)):
        await until(lambda: fates(store).get(("title 1", "mail"), Delivery("", "")).state is DeliveryState.FAILED)
    assert (slack.attempts, len(mail.attempts)) == ([], 1)
    assert fates(store)["title 1", "slack"].state is DeliveryState.EXPIRED


@pytest.mark.parametrize(
    ("of_mail", "sent"),
    [
        ({"not_before_us": DUE_US * 2, "why": Why.QUIET}, True),  # it would go later: it goes now
        ({"not_before_us": DUE_US * 2, "why": Why.ESCALATION, "state": DeliveryState.WITHDRAWN}, True),
        ({"state": DeliveryState.SENT, "attempts": 1}, False),
        ({"state": DeliveryState.FAILED, "attempts": 1}, False),
    ],
)
async def test_a_fallback_channel_that_has_the_alert_is_not_told_twice(
    store: Store, of_mail: dict[str, object], sent: bool
) -> None:
    decided = await held(store, 1, why=Why.DIRECT, not_before_us=0)
    other = Delivery(decided.alerts[0].id, "mail", created_us=FRIDAY_US, **of_mail)  # type: ignore[arg-type]
    await store.commit(msgspec.structs.replace(decided, deliveries=(other,)), [])
    slack, mail = FakeChannel("slack", PermanentError("no")), FakeChannel("mail")
    async with dispatching(store, slack, mail, clock=ManualClock(DUE_US)):
        await until(lambda: fates(store)["title 1", "slack"].state is DeliveryState.FAILED)
        await until(lambda: bool(mail.taken) is sent)
    assert (fates(store)["title 1", "mail"].why is Why.FALLBACK) is sent


async def test_what_carries_others_takes_on_no_more_and_is_not_folded_itself(store: Store) -> None:
    await held(store, 0)
    await held(store, 1)
    assert (await store.due_deliveries("slack", DUE_US)).folded == 1
    await held(store, 2, "critical")
    await held(store, 3)
    due = await store.due_deliveries("slack", DUE_US)
    assert due.folded == 1
    assert {(alert.title, delivery.carries) for delivery, alert in due.deliveries} == {("title 0", 1), ("title 2", 1)}


async def test_a_carrier_lives_as_long_as_the_longest_and_what_is_too_late_does_not_fold(store: Store) -> None:
    await held(store, 0, expires_us=DUE_US)
    await held(store, 1, expires_us=DUE_US + 1)
    await held(store, 2, expires_us=DUE_US + 5)
    due = await store.due_deliveries("slack", DUE_US)
    assert [(alert.title, delivery.expires_us) for delivery, alert in due.deliveries] == [
        ("title 0", DUE_US), ("title 1", DUE_US + 5),
    ]  # fmt: skip
    await held(store, 3, expires_us=0)
    await held(store, 4, expires_us=DUE_US + 9)
    due = await store.due_deliveries("slack", DUE_US)
    assert (due.deliveries[2][1].title, due.deliveries[2][0].expires_us) == ("title 3", 0)


async def test_what_is_not_due_yet_does_not_fold(store: Store) -> None:
    await held(store, 0)
    await held(store, 1)
    due = await store.due_deliveries("slack", DUE_US - 1)
    assert (due.deliveries, due.held, due.next_us, due.folded) == ([], 2, DUE_US, 0)


# --- escalation -------------------------------------------------------------------------------------------------------


async def escalating(store: Store, number: int = 1) -> Decided:
    return await held(store, number, why=Why.ESCALATION)


def ended(event_us: int, number: int = 1, **changes: object) -> Decided:
    fields: dict[str, object] = {"kind": Kind.CLEARED, "state": State.OK, "since_us": FRIDAY_US + number} | changes
    return Decided(event_us, (a_transition(event_us, f"rule-{number}", **fields),))  # type: ignore[arg-type]


async def test_an_escalation_nobody_answers_goes_and_says_since_when(store: Store) -> None:
    clock, slack = ManualClock(FRIDAY_US), FakeChannel()
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await escalating(store))
        clock.advance(DUE_US)
        await until(lambda: slack.taken)
    assert slack.taken[0].title == "title 1 (escalated)"
    said = "Escalated: since 09:30:00, for 29 m 59 s, nobody has acknowledged it: tradeassist ack rule-1 /ES"
    assert said in slack.taken[0].body


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (ended(FRIDAY_US + MINUTE_US), "over"),
        (ended(FRIDAY_US + MINUTE_US, kind=Kind.CLOSED, suppressed="rule_removed"), "over"),
        (Decided(FRIDAY_US + MINUTE_US, (), acked=(("rule-1", "/ES"),)), "acknowledged"),
        (Decided(FRIDAY_US + MINUTE_US, (), acked=(("rule-1", ""),)), "acknowledged"),
        (ended(FRIDAY_US + MINUTE_US, number=2), ""),
        (ended(FRIDAY_US + MINUTE_US, symbol="/NQ"), ""),
        (ended(FRIDAY_US + MINUTE_US, level=1), ""),
        (Decided(FRIDAY_US + MINUTE_US, (), acked=(("rule-1", "/NQ"),)), ""),
        (Decided(FRIDAY_US + MINUTE_US, (), acked=(("rule-2", ""),)), ""),
    ],
)
async def test_an_escalation_is_withdrawn_by_the_end_or_the_acknowledgement_of_its_own(
    store: Store, what: Decided, reason: str
) -> None:
    clock, slack = ManualClock(FRIDAY_US), FakeChannel()
    async with dispatching(store, slack, clock=clock) as dispatcher:
        dispatcher.wake(await escalating(store))
        await until(lambda: dispatcher.status()["slack"]["held"] == 1)
        await store.commit(what, [])
        dispatcher.wake(what)
        if reason:
            await until(lambda: dispatcher.status()["slack"]["held"] == 0)
        clock.advance(DUE_US)
        await until(lambda: reason or fates(store)["title 1", "slack"].state is DeliveryState.SENT)
    found = fates(store)["title 1", "slack"]
    assert (found.state, found.error) == ((DeliveryState.WITHDRAWN, reason) if reason else (DeliveryState.SENT, ""))


async def test_what_fires_with_the_end_of_the_one_before_keeps_its_escalation(store: Store) -> None:
    await escalating(store)
    over = ended(FRIDAY_US + MINUTE_US).transitions[0]
    fired = a_transition(FRIDAY_US + MINUTE_US, "rule-1")
    alert = Alert(fired.alert_id, fired, "warning", "again", "text", "hash")
    again = Delivery(alert.id, "slack", not_before_us=DUE_US, why=Why.ESCALATION)
    await store.commit(Decided(FRIDAY_US + MINUTE_US, (over, fired), (alert,), (again,)), [])
    assert {title: one.state for (title, _), one in fates(store).items()} == {
        "title 1": DeliveryState.WITHDRAWN, "again": DeliveryState.PENDING,
    }  # fmt: skip
    assert await store.escalating("rule-1", "") == [("/ES", 0, FRIDAY_US + MINUTE_US)]


async def test_the_end_is_not_told_to_a_channel_whose_escalation_was_withdrawn(store: Store) -> None:
    await escalating(store)
    over = ended(DUE_US + 1, tell=True).transitions[0]
    alert = Alert(over.alert_id, over, "warning", "over", "text", "hash")
    to = tuple(Delivery(alert.id, name, created_us=DUE_US + 1) for name in ("slack", "phone"))
    decided = Decided(DUE_US + 1, (over,), (alert,), to)
    await store.commit(decided, [])
    await store.commit(decided, [])
    found = fates(store)
    assert found["title 1", "slack"].state is DeliveryState.WITHDRAWN
    assert (found["over", "slack"].state, found["over", "phone"].state) == (
        DeliveryState.WITHDRAWN, DeliveryState.PENDING,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"why": Why.QUIET, "not_before_us": DUE_US}, "slack held until 2026-11-20 10:00:00 (quiet hours)"),
        ({"why": Why.ESCALATION, "not_before_us": DUE_US}, "slack escalates at 2026-11-20 10:00:00"),
        ({"state": DeliveryState.SENT, "why": Why.ESCALATION, "not_before_us": DUE_US}, "slack sent (escalated)"),
        ({"state": DeliveryState.FOLDED, "folded_into": "abc", "why": Why.QUIET}, "slack folded into abc"),
        ({"state": DeliveryState.WITHDRAWN, "error": "acknowledged"}, "slack withdrawn (acknowledged)"),
        ({"state": DeliveryState.SENT, "why": Why.FALLBACK, "instead_of": "phone", "carries": 2},
         "slack sent (with 2 more, instead of phone)"),
        ({"state": DeliveryState.FAILED}, "slack failed"),
    ],
)  # fmt: skip
def test_what_became_of_a_delivery_is_said_with_its_reason(fields: dict[str, object], said: str) -> None:
    assert fate_text(Delivery("id", "slack", **fields)) == said  # type: ignore[arg-type]


async def test_one_that_was_being_sent_when_the_daemon_died_is_waited_for_by_one_whose_time_is_earlier(
    store: Store,
) -> None:
    """A simulator's market has no time before its first frame, and a computer's clock may have been set back."""
    decided = await held(store, 1)
    assert await store.mark(msgspec.structs.replace(decided.deliveries[0], state=DeliveryState.SENDING, attempts=1))
    clock, slack = ManualClock(FRIDAY_US), FakeChannel()
    async with dispatching(store, slack, clock=clock) as dispatcher:
        await until(lambda: dispatcher.status()["slack"]["held"] == 1)
        assert slack.attempts == []
        clock.advance(DUE_US)
        await until(lambda: slack.taken)
    assert "May be a repeat" in slack.taken[0].body
