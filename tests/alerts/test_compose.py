"""Transitions become alerts, deliveries and the words a trader reads."""

from __future__ import annotations

import pytest

from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.message import duration_text, message_for, scaled_price_text, value_text
from tradeassistd.engine.expression import Name, Number
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, Operand, State, Transition
from tradeassistd.market.price import price_from_text
from tradeassistd.store.records import Alert, Decided, Delivery

CONDITION = Name("halted")
MINUTE_US = 60_000_000


def rules(**changes: object) -> RuleSet:
    fields: dict[str, object] = {"id": "es-levels", "symbols": ("/ES",), "when": CONDITION}
    return RuleSet((Rule("other", ("SPY",), Number(1)), Rule(**(fields | changes))), "sethash")  # type: ignore[arg-type]


def decided(*transitions: Transition, rule_set: RuleSet | None = None, ttl_s: float = 600) -> Decided:
    return decide(FRIDAY_US, transitions, rule_set or rules(), ["slack", "phone"], ttl_s)


def the_alert(transition: Transition, rule_set: RuleSet | None = None) -> Alert:
    (alert,) = decided(transition, rule_set=rule_set).alerts
    return alert


def test_a_told_alert_goes_to_the_default_channels_and_expires() -> None:
    told = a_transition(FRIDAY_US)
    result = decided(told)
    assert result.transitions == (told,)
    assert result.deliveries == tuple(
        Delivery(told.alert_id, channel, created_us=FRIDAY_US, expires_us=FRIDAY_US + 600_000_000)
        for channel in ("slack", "phone")
    )
    (alert,) = result.alerts
    assert (alert.id, alert.severity, alert.rules_hash) == (told.alert_id, "warning", "sethash")


def test_a_rule_with_notify_goes_there_only_and_once() -> None:
    result = decided(a_transition(FRIDAY_US), rule_set=rules(notify=("desk", "desk"), severity="critical"))
    assert [delivery.channel for delivery in result.deliveries] == ["desk"]
    assert result.alerts[0].severity == "critical"


def test_a_suppressed_alert_is_stored_and_sent_nowhere() -> None:
    result = decided(a_transition(FRIDAY_US, suppressed="cooldown"))
    assert (len(result.alerts), result.deliveries) == (1, ())


@pytest.mark.parametrize("kind", [Kind.CLEARED, Kind.CLOSED])
def test_an_end_is_a_transition_only(kind: Kind) -> None:
    result = decided(a_transition(FRIDAY_US, kind=kind, state=State.OK))
    assert (len(result.transitions), result.alerts, result.deliveries) == (1, (), ())


def test_without_a_time_to_live_nothing_expires() -> None:
    assert {delivery.expires_us for delivery in decided(a_transition(FRIDAY_US), ttl_s=0).deliveries} == {0}


def test_a_rule_that_is_gone_still_tells() -> None:
    result = decided(a_transition(FRIDAY_US, "removed"))
    assert [delivery.channel for delivery in result.deliveries] == ["slack", "phone"]


def test_the_message_of_a_crossing() -> None:
    alert = the_alert(a_transition(FRIDAY_US), rules(description="R1 of the floor pivots"))
    message = message_for(alert, Delivery(alert.id, "slack", created_us=FRIDAY_US), FRIDAY_US)
    assert message.title == "/ES 5,200.25 - es-levels"
    assert message.body.splitlines() == [
        "price crossed above 5200 (now 5,200.25)",
        "warning at Fri 2026-11-20 09:30:00 New York",
        "R1 of the floor pivots",
        f"id {alert.id}",
    ]
    assert (message.severity, message.key) == ("warning", alert.id)


@pytest.mark.parametrize(
    ("operand", "unit", "line"),
    [
        (Operand("net_pct <= -1%", -0.01234, -0.01), "ratio", "net_pct <= -1% (now -1.23%)"),
        (
            Operand("volume(1m) > 4x * avg(volume, 20, 1m)[1]", 1_234_567.0, 300_000.0), "volume",
            "volume(1m) > 4x * avg(volume, 20, 1m)[1] (now 1,234,567 against 300,000)",
        ),
        (
            Operand("price crosses_below sma(close, 20, 1m)", 5200.25, 5200.3333333), "price",
            "price crossed below sma(close, 20, 1m) (now 5,200.25 against 5,200.3333)",
        ),
        (Operand("age > 30s", 95.2, 30.0), "seconds", "age > 30s (now 1 m 35 s)"),
        (Operand("rsi(close, 14, 5m) < 30", 29.5, 30.0), "number", "rsi(close, 14, 5m) < 30 (now 29.5)"),
        (Operand("price inside [5190, 5210]", 5200.0, None), "price", "price is inside [5190, 5210] (now 5,200.00)"),
        (Operand("price crosses 5200", None, 5200.0), "price", "price crossed 5200 (now n/a)"),
    ],
)  # fmt: skip
def test_values_are_written_in_their_unit(operand: Operand, unit: str, line: str) -> None:
    alert = the_alert(a_transition(FRIDAY_US, value=operand.left, unit=unit, operands=(operand,)))
    assert alert.text.splitlines()[0] == line


def test_each_comparison_of_a_rule_has_its_line_and_its_own_unit() -> None:
    operands = (
        Operand("price > 5200", 5200.25, 5200.0),
        Operand("volume(1m) > 50k", 61_000.0, 50_000.0),
        Operand("net_pct > 1%", 0.012, 0.01),
        Operand("sym($VIX).price > 20", 21.5, 20.0),
    )
    alert = the_alert(a_transition(FRIDAY_US, operands=operands))
    assert alert.text.splitlines()[:4] == [
        "price > 5200 (now 5,200.25)",
        "volume(1m) > 50k (now 61,000)",
        "net_pct > 1% (now 1.20%)",
        "sym($VIX).price > 20 (now 21.5)",
    ]


def test_what_was_missed_says_between_when() -> None:
    alert = the_alert(a_transition(FRIDAY_US, kind=Kind.MISSED, since_us=FRIDAY_US - 4 * MINUTE_US))
    assert alert.title == "/ES 5,200.25 - es-levels (missed)"
    assert "Missed between 09:26:00 and 09:30:00: nothing was received in that time." in alert.text

    older = the_alert(a_transition(FRIDAY_US, kind=Kind.MISSED, since_us=FRIDAY_US - 3 * 1_440 * MINUTE_US))
    assert "Missed between Tue 2026-11-17 09:30:00 New York and 09:30:00" in older.text
    never = the_alert(a_transition(FRIDAY_US, kind=Kind.MISSED, since_us=0))
    assert "Missed: it happened before 09:30:00" in never.text


def test_what_is_late_or_was_held_back_says_so() -> None:
    late = the_alert(a_transition(FRIDAY_US, late=True, price=None))
    assert late.title == "/ES - es-levels (late)"
    assert "Late: it may have become true earlier" in late.text
    held = the_alert(a_transition(FRIDAY_US, kind=Kind.TOLD, since_us=FRIDAY_US - MINUTE_US))
    assert "Held back until now: true since 09:29:00, for 1 m 0 s." in held.text
    assert "Late" not in the_alert(a_transition(FRIDAY_US)).text


def test_a_message_sent_late_or_again_says_so_before_its_id() -> None:
    alert = the_alert(a_transition(FRIDAY_US))
    delivery = Delivery(alert.id, "slack", created_us=FRIDAY_US, maybe_repeat=True)
    lines = message_for(alert, delivery, FRIDAY_US + 200_000_000).body.splitlines()
    assert lines[-3:] == [
        "Sent 3 m 20 s after it happened.",
        "May be a repeat: an earlier attempt may have arrived.",
        f"id {alert.id}",
    ]
    on_time = message_for(alert, Delivery(alert.id, "slack", created_us=FRIDAY_US), FRIDAY_US + 59_000_000).body
    assert "Sent" not in on_time
    assert "repeat" not in on_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [("5200.25", "5,200.25"), ("0.00390625", "0.00390625"), ("-1234567", "-1,234,567.00"), ("-0.5", "-0.50")],
)
def test_a_price_is_written_exactly(text: str, shown: str) -> None:
    assert scaled_price_text(price_from_text(text)) == shown


def test_small_texts() -> None:
    assert value_text(-812.5, "") == "-812.5"
    assert value_text(20.0, "number") == "20"
    assert [duration_text(seconds) for seconds in (4, 200, 7_500)] == ["4 s", "3 m 20 s", "2 h 5 m"]
