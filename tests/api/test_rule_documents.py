"""Rules and their states as documents: every field in the words of a rule file."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.api import models
from tradeassistd.api.rule_documents import active_text, is_spent, rearm_text, rule_document, state_document
from tradeassistd.base.instant import iso
from tradeassistd.engine.rule import Move, Rule
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.market.active import ActiveWindow
from tradeassistd.rules.fields import rearm
from tradeassistd.rules.load import load_texts
from tradeassistd.rules.times import active_window

FULL = """version: 1
rules:
  - id: day-drawdown
    was: drawdown
    rev: b
    description: What it is for.
    tags: [index]
    symbols: [/ES]
    evaluate: close(5m)
    fire: each_bar(5m)
    max_per_session: 3
    rearm: move 0.5%
    cooldown: 5m
    for: 30s
    keep_firing_for: 2m
    repeat: [5m, 15m, 1h]
    on_clear: tell
    session: rth
    active: ['mon-fri 09:45-11:30 America/New_York', 'sat,sun 10:00-11:00 Europe/Berlin']
    expires: 2026-12-18T15:00-05:00
    stale_after: 30s
    notify: [desk]
    setup: {type: fade, entry: price, stop: 'price - 8t', confidence: 0.6}
    levels:
      - {severity: warning, when: price < 5200, clear_when: price > 5210}
      - {severity: critical, when: price < 5100}
  - {id: timed, symbols: [SPY], evaluate: at(15:50), when: price > 1, fire: once}
  - {id: plain, symbols: [SPY], when: price > 1}
"""
EXPIRES_US = 1_797_624_000_000_000
"""2026-12-18 20:00 UTC."""


def loaded() -> dict[str, Rule]:
    found = load_texts({"rules.yaml": FULL})
    assert not found.problems, found.problems
    return found.rule_set.by_id


def test_every_field_of_a_rule_reads_as_it_was_written() -> None:
    document = rule_document(loaded()["day-drawdown"], EXPIRES_US - 1)
    assert document | {"file": "", "line": 0} == {
        "id": "day-drawdown", "was": "drawdown", "rev": "b", "description": "What it is for.", "tags": ["index"],
        "symbols": ["/ES"], "when": "price < 5200", "evaluate": "close(5m)", "fire": "each_bar(5m)",
        "max_per_session": 3, "rearm": "move 0.5%", "cooldown_s": 300, "for_s": 30, "keep_firing_for_s": 120,
        "repeat_s": [300, 900, 3600], "on_clear": "tell", "session": "rth", "at_load": "quiet", "catch_up": "report",
        "active": ["mon-fri 09:45-11:30 America/New_York", "sat,sun 10:00-11:00 Europe/Berlin"],
        "expires": iso(EXPIRES_US), "expired": False, "stale_after_s": 30, "severity": "critical", "mode": "live",
        "notify": ["desk"], "file": "", "line": 0,
        "setup": {"type": "fade", "entry": "price", "stop": "price - 8t", "confidence": "0.6"},
        "levels": [
            {"level": 1, "severity": "warning", "when": "price < 5200", "clear_when": "price > 5210"},
            {"level": 2, "severity": "critical", "when": "price < 5100", "clear_when": ""},
        ],
    }  # fmt: skip
    assert models.Rule(**document, states=[])
    assert set(document) == set(models.Rule.model_fields) - {"states"}


def test_a_plain_rule_has_the_plain_words_and_one_level() -> None:
    document = rule_document(loaded()["plain"], 0)
    assert document["levels"] == [{"level": 0, "severity": "warning", "when": "price > 1", "clear_when": ""}]
    words = ("evaluate", "fire", "rearm", "on_clear", "active", "expires", "repeat_s", "setup")
    assert [document[name] for name in words] == ["tick", "every", "clear", "silent", [], None, [], {}]
    assert rule_document(loaded()["timed"], 0)["evaluate"] == "at(15:50)"


@pytest.mark.parametrize(("now_us", "expired"), [(0, False), (EXPIRES_US - 1, False), (EXPIRES_US, True)])
def test_a_rule_has_expired_from_that_very_instant_on(now_us: int, expired: bool) -> None:
    assert rule_document(loaded()["day-drawdown"], now_us)["expired"] is expired
    assert rule_document(loaded()["plain"], now_us)["expired"] is False


def test_a_state_has_the_severity_of_its_level() -> None:
    rule = loaded()["day-drawdown"]
    state = RuleState(rule.id, "/ES", 2, "f", State.FIRING, 9, 8, 7, acked=True, reminded=3, told_count=4)
    document = state_document(rule, state)
    assert document == {
        "symbol": "/ES", "level": 2, "severity": "critical", "state": "firing", "since": iso(8), "judged": iso(9),
        "told": iso(7), "untold": False, "acked": True, "reminded": 3, "spent": False,
        "silenced_until": None, "silence_reason": "",
    }  # fmt: skip
    assert set(document) == set(models.RuleState.model_fields)


def test_only_what_fires_once_and_has_told_is_spent() -> None:
    timed, plain = loaded()["timed"], loaded()["plain"]
    told, untold = (RuleState("r", "SPY", 0, "f", told_count=count) for count in (1, 0))
    assert [is_spent(rule, state) for rule in (timed, plain) for state in (told, untold)] == [
        True, False, False, False,
    ]  # fmt: skip


windows = st.builds(
    ActiveWindow, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1440),
    st.sampled_from(["America/New_York", "Europe/Berlin", "UTC"]),
).filter(lambda window: window.from_minute != window.to_minute)  # fmt: skip


@given(windows)
def test_an_active_window_reads_as_a_file_would_write_it(window: ActiveWindow) -> None:
    assert active_window(active_text(window)) == window


@given(st.integers(1, 999_999_999), st.integers(0, 9), st.sampled_from("%t"))
def test_a_move_reads_as_a_file_would_write_it(digits: int, places: int, suffix: str) -> None:
    move = Move(Fraction(digits, 10**places), suffix)
    assert rearm(rearm_text(move)) == move


def test_every_field_that_a_file_may_write_is_shown() -> None:
    """A rule's own field that the API does not show is one of these, for a reason."""
    unseen = {
        "clear_when", "ladder",  # in `levels`
        "expires_us",  # `expires`
        "facts",  # of instruments, not of the rule
        "values", "message", "title",  # only in the file, whose place is shown
    }  # fmt: skip
    assert {field.name for field in fields(Rule)} - unseen <= set(models.Rule.model_fields)
