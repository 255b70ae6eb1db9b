"""The words a trader reads: a title, a line for each comparison, and every remark that belongs below."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.alerts.composed import LADDER, MINUTE_US, SETUP, lines_of, rules, the_alert
from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.message import duration_text, message_for, scaled_price_text, value_text
from tradeassistd.alerts.routing import Routing
from tradeassistd.alerts.text import setup_text
from tradeassistd.engine.language.expression import Name, Other
from tradeassistd.engine.rule import Fire
from tradeassistd.engine.transition import Kind, Operand, State
from tradeassistd.market.price import price_from_text
from tradeassistd.store.records import Delivery


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
    assert "Held back until now: true since 09:29:00, for 1 m." in held.text
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
    assert [duration_text(seconds) for seconds in (0, 4, 60, 200, 7_500, 7_205)] == [
        "0 s", "4 s", "1 m", "3 m 20 s", "2 h 5 m", "2 h",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "severity", "line"),
    [
        (1, "notice", "notice, level 1 of 3, at Fri 2026-11-20 09:30:00 New York"),
        (3, "critical", "critical, level 3 of 3, at Fri 2026-11-20 09:30:00 New York"),
        (4, "warning", "warning, level 4, at Fri 2026-11-20 09:30:00 New York"),  # the ladder is shorter by now
    ],
)
def test_a_level_has_its_own_severity_and_says_which_it_is(level: int, severity: str, line: str) -> None:
    alert = the_alert(a_transition(FRIDAY_US, level=level), LADDER)
    assert alert.severity == severity
    assert line in alert.text.splitlines()


def test_the_rules_own_title_and_message_stand_in_the_place_of_ours_and_the_remarks_stay() -> None:
    own: dict[str, Any] = {"title": "Below the low", "message": "/ES 5200.25 is -2.10% on the day\nwatch 5190"}
    on_time = the_alert(a_transition(FRIDAY_US, **own))
    assert on_time.title == "Below the low"
    assert on_time.text.splitlines() == [
        "/ES 5200.25 is -2.10% on the day", "watch 5190", "warning at Fri 2026-11-20 09:30:00 New York",
    ]  # fmt: skip
    late = the_alert(a_transition(FRIDAY_US, late=True, kind=Kind.TOLD, since_us=FRIDAY_US - MINUTE_US, **own))
    assert late.title == "Below the low (late)"
    assert late.text.splitlines()[1:4] == [
        "watch 5190", "Late: it may have become true earlier, while nothing was received.",
        "Held back until now: true since 09:29:00, for 1 m.",
    ]  # fmt: skip
    missed = the_alert(a_transition(FRIDAY_US, kind=Kind.MISSED, since_us=FRIDAY_US - MINUTE_US, **own))
    assert missed.title == "Below the low (missed)"
    assert "Missed between 09:29:00 and 09:30:00: nothing was received in that time." in missed.text
    assert lines_of(message="only the message")[0] == "only the message"
    assert the_alert(a_transition(FRIDAY_US, message="only the message")).title == "/ES 5,200.25 - es-levels"


def test_a_reminder_says_since_when_and_how_to_end_it() -> None:
    alert = the_alert(a_transition(FRIDAY_US, kind=Kind.REMINDED, since_us=FRIDAY_US - 12 * MINUTE_US))
    assert alert.title == "/ES 5,200.25 - es-levels (still firing)"
    assert alert.text.splitlines() == [
        "price crossed above 5200 (now 5,200.25)",
        "Still firing since 09:18:00, for 12 m. Acknowledge: tradeassist ack es-levels /ES",
        "warning at Fri 2026-11-20 09:30:00 New York",
    ]
    long = lines_of(kind=Kind.REMINDED, since_us=FRIDAY_US - 1_500 * MINUTE_US)[1]
    assert long.startswith("Still firing since Thu 2026-11-19 08:30:00 New York, for 25 h.")


def test_the_command_of_a_reminder_can_be_pasted_into_a_shell() -> None:
    told = a_transition(FRIDAY_US, symbol="$VIX", kind=Kind.REMINDED)
    line = next(line for line in the_alert(told).text.splitlines() if "Acknowledge" in line)
    assert shlex.split(line.partition("Acknowledge: ")[2]) == ["tradeassist", "ack", "es-levels", "$VIX"]
    assert "'$VIX'" in line


def test_an_end_that_is_told_says_so_first() -> None:
    ended: dict[str, Any] = {
        "kind": Kind.CLEARED,
        "state": State.OK,
        "tell": True,
        "since_us": FRIDAY_US - 15 * MINUTE_US - 8_000_000,
    }
    alert = the_alert(a_transition(FRIDAY_US, setup=SETUP, **ended))
    assert alert.title == "/ES 5,200.25 - es-levels (over)"
    assert alert.text.splitlines() == [
        "Over at 09:30:00, after 15 m 8 s.",
        "price crossed above 5200 (now 5,200.25)",
        "warning at Fri 2026-11-20 09:30:00 New York",
    ]
    assert lines_of(late=True, **ended)[:2] == [
        "Over at 09:30:00, after 15 m 8 s.", "It may have been over earlier, while nothing was received.",
    ]  # fmt: skip


def test_the_setup_is_a_line_with_each_value_in_its_unit() -> None:
    wanted = "mean-reversion: entry 5,200.25, stop 5,190.00, target n/a, confidence 62.5%"
    assert wanted in lines_of(setup=SETUP)
    assert setup_text((("entry", 5200.25), ("confidence", 0.6))) == "setup: entry 5,200.25, confidence 60%"
    assert setup_text((("type", "breakout"),)) == "breakout"
    assert setup_text((("stop", "below the low"), ("confidence", 1.0))) == "setup: stop below the low, confidence 100%"


def test_an_alert_of_each_bar_says_since_when_it_is_true() -> None:
    each_bar = rules(fire=Fire("each_bar", "5m"))
    first = lines_of(each_bar)
    again = lines_of(each_bar, since_us=FRIDAY_US - 5 * MINUTE_US)
    assert [line for line in again if line not in first] == ["True since 09:25:00, for 5 m."]
    assert lines_of(rules(for_s=30), since_us=FRIDAY_US - 30_000_000) == first


# --- delayed data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delayed", "named"),
    [((), ""), (("SPY",), ""), (("/ES",), "/ES"), (("$VIX", "SPY"), "$VIX"), (("/ES", "$VIX"), "$VIX /ES")],
)
def test_an_alert_on_delayed_data_says_so_of_the_symbols_that_the_rule_reads(
    delayed: tuple[str, ...], named: str
) -> None:
    rule_set = rules(when=Other("$VIX", Name("price")))
    (alert,) = decide(
        FRIDAY_US, [a_transition(FRIDAY_US)], rule_set, Routing(("slack",)), delayed=frozenset(delayed)
    ).alerts
    told = [line for line in alert.text.splitlines() if line.startswith("Delayed data")]
    assert told == ([f"Delayed data: what Schwab sends of {named} is not of this moment."] if named else [])


def test_an_alert_whose_rule_is_gone_knows_its_own_symbol() -> None:
    gone = a_transition(FRIDAY_US, rule_id="gone")
    (alert,) = decide(FRIDAY_US, [gone], rules(), Routing(("slack",)), delayed=("/ES", "$VIX")).alerts
    assert "Delayed data: what Schwab sends of /ES is not" in alert.text
