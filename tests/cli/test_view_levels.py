"""The live view of ladders, of rules that have expired or are spent, and of reminders, ends and a rule's own words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.snapshots import a_rule
from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import alert_of
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.look import ASCII, UNICODE
from tradeassistd.cli.view.rows import alert_row, rule_rows
from tradeassistd.cli.view.rules import firing_line, rules
from tradeassistd.cli.view.snapshot import Rule
from tradeassistd.cli.view.standings import Condition, Standing, with_standings
from tradeassistd.cli.view.tally import Tally
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence, Silences
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.rules.load import load_texts
from tradeassistd.store.outbox import StoredAlert

RULES = """version: 1
rules:
  - id: ladder
    symbols: [/ES, /NQ]
    values: {/ES: {floor: 5200}, /NQ: {floor: 18000}}
    levels:
      - {severity: notice, when: price < floor}
      - {severity: warning, when: price < floor - 50}
      - {severity: critical, when: price < floor - 100}
  - {id: one, symbols: [SPY], when: price > 1, fire: once}
  - {id: old, symbols: [SPY], when: price > 1, expires: 2026-11-19}
"""


def rule_set() -> RuleSet:
    found = load_texts({"rules.yaml": RULES})
    assert not found.problems, found.problems
    return found.rule_set


def rows(tmp_path: Path, *states: RuleState, now_us: int = FRIDAY_US) -> dict[str, Rule]:
    tally = Tally(tmp_path)
    tally.told = Counter()
    return {row.id: row for row in rule_rows(rule_set().rules, states, tally, now_us)}


def state(rule: str, symbol: str, level: int, where: State, **changes: Any) -> RuleState:
    fingerprint = rule_set().by_id[rule].fingerprint(symbol, level)
    return RuleState(rule, symbol, level, fingerprint, where, FRIDAY_US, **changes)


def test_of_a_ladder_the_highest_level_that_fires_is_shown_with_its_severity(tmp_path: Path) -> None:
    quiet = rows(tmp_path, state("ladder", "/ES", 1, State.OK))["ladder"]
    assert (quiet.state, quiet.level, quiet.steps, quiet.severity) == (view.OK, 0, 3, "notice")
    fires = rows(
        tmp_path, state("ladder", "/NQ", 1, State.FIRING, since_us=9), state("ladder", "/NQ", 2, State.FIRING),
        state("ladder", "/ES", 3, State.OK), state("ladder", "/ES", 1, State.PENDING),
    )["ladder"]  # fmt: skip
    assert (fires.state, fires.symbol, fires.level, fires.severity) == (view.FIRING, "/NQ", 2, "warning")


def test_a_state_of_another_level_symbol_or_condition_says_nothing(tmp_path: Path) -> None:
    gone = state("ladder", "/ES", 1, State.FIRING)
    gone.level = 4
    other = state("ladder", "/ES", 1, State.FIRING)
    other.symbol = "/NQ"  # its floor is another one, and so is the condition
    assert rows(tmp_path, gone, other)["ladder"].state == view.UNKNOWN


def test_what_has_expired_or_is_spent_is_shown_as_such(tmp_path: Path) -> None:
    firing = state("old", "SPY", 0, State.FIRING)
    found = rows(tmp_path, firing, state("one", "SPY", 0, State.OK, told_count=1))
    assert (found["old"].state, found["old"].symbol) == (view.EXPIRED, "")
    assert (found["one"].state, found["one"].spent) == (view.OK, True)
    assert rows(tmp_path, firing, now_us=FRIDAY_US - 3 * 86_400_000_000)["old"].state == view.FIRING
    assert not rows(tmp_path, state("one", "SPY", 0, State.OK))["one"].spent


@pytest.mark.parametrize("look", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_the_screen_says_how_far_a_ladder_has_come(look: Any) -> None:
    shown = (
        Rule("ladder", ("/ES",), view.FIRING, "/ES", "critical", level=2, steps=3),
        Rule("old", ("SPY",), view.EXPIRED), Rule("one", ("SPY",), view.OK, spent=True),
    )  # fmt: skip
    lines = [line.plain for line in rules(shown, 80, 10, look)]
    assert "ladder 2/3" in lines[1]
    assert lines[2].startswith(look.states[view.EXPIRED])
    assert "spent" in lines[3]
    assert "ladder 2/3 /ES" in firing_line(shown, 80, look).plain
    assert len(set(look.states.values())) == len(look.states)


def test_the_api_says_which_level_fires() -> None:
    condition = Condition("state", True, "", 0.0)
    rule = with_standings(
        a_rule("ladder", "/ES /NQ"),
        [
            Standing("/ES", "firing", "", condition, 1, "notice"),
            Standing("/NQ", "firing", "", condition, 2, "warning"),
            Standing("/NQ", "ok", "", Condition("state", False, "", 0.1, 1.0, "price"), 3, "critical"),
        ],
    )  # fmt: skip
    assert (rule.state, rule.symbol, rule.level, rule.severity) == (view.FIRING, "/NQ", 2, "warning")
    over = with_standings(rule, [Standing("/NQ", "ok", "", condition, 2, "warning")])
    assert (over.state, over.level) == (view.OK, 0)
    expired = a_rule("old", "/ES", view.EXPIRED)
    assert with_standings(expired, [Standing("/ES", "ok", "", condition)]) == expired


@pytest.mark.parametrize(
    ("changes", "words", "remark"),
    [
        ({}, "price crossed above 5200", ""),
        ({"message": "below the low\nand more"}, "below the low", ""),
        ({"kind": Kind.REMINDED, "since_us": FRIDAY_US - 1}, "price crossed above 5200", "still firing"),
        ({"kind": Kind.CLEARED, "tell": True}, "price crossed above 5200", "over"),
        ({"kind": Kind.CLEARED, "tell": True, "late": True}, "price crossed above 5200", "over"),
        ({"kind": Kind.CLEARED, "tell": True, "message": "below the low"}, "below the low", "over"),
    ],
)
def test_an_alert_shows_what_happened_whatever_kind_it_is(changes: dict[str, Any], words: str, remark: str) -> None:
    shown = alert_row(StoredAlert(alert_of(a_transition(FRIDAY_US, **changes), None, "hash"), ()))
    assert (shown.words, shown.remark) == (words, remark)


def test_a_rule_is_shown_as_silenced_when_the_symbol_that_matters_is(tmp_path: Path) -> None:
    firing = state("ladder", "/NQ", 1, State.FIRING)

    def silenced(symbols: tuple[str, ...], *states: RuleState) -> bool:
        silences = Silences([Silence(0, FRIDAY_US + 1, rules=("lad*",), symbols=symbols)])
        found = rule_rows(rule_set().rules, states, Tally(tmp_path), FRIDAY_US, silences)
        assert not any(row.silenced for row in found if row.id != "ladder")
        return next(row.silenced for row in found if row.id == "ladder")

    assert silenced(())
    assert not silenced(("/ES",))
    assert silenced(("/NQ",), firing)
    assert not silenced(("/ES",), firing)


def test_the_screen_says_that_it_is_silenced_before_when_it_last_told() -> None:
    shown = (Rule("one", ("SPY",), view.FIRING, "SPY", told=1, told_us=FRIDAY_US, silenced=True),)
    assert "silenced" in [line.plain for line in rules(shown, 80, 10, UNICODE)][1]
