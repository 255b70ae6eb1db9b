"""Rules that fire once and have: found by the stored state, at the place of `fire`, for the condition it belongs to."""

from __future__ import annotations

import pytest

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import RuleState
from tradeassistd.rules.lint_spent import spent_problems
from tradeassistd.rules.load import load_texts

TOLD_US = 1_795_102_260 * US_PER_S
"""2026-11-19 10:31 in New York."""
RULES = """version: 1
rules:
  - id: line
    symbols: [/ES, SPY]
    fire: once
    when: price crosses 6900
  - {id: always, symbols: [/ES], when: price crosses 6900}
"""


def rule_set(text: str = RULES) -> RuleSet:
    loaded = load_texts({"a.yaml": text})
    assert loaded.problems == ()
    return loaded.rule_set


def told(rules: RuleSet, rule_id: str, *symbols: str, level: int = 0, count: int = 1) -> list[RuleState]:
    """States of a rule as the engine stores them once it has told of these symbols."""
    rule = rules.by_id[rule_id]
    return [
        RuleState(rule_id, symbol, level, rule.fingerprint(symbol, level), told_us=TOLD_US, told_count=count)
        for symbol in symbols
    ]


def said(rules: RuleSet, *states: RuleState) -> list[str]:
    return [f"{problem} [{problem.code}]" for problem in spent_problems(rules, states, "rules.d/")]


def test_a_spent_rule_is_told_at_its_fire_with_when_it_was() -> None:
    rules = rule_set()
    assert said(rules, *told(rules, "line", "/ES", "SPY")) == [
        "rules.d/a.yaml:5:11: rules[0].fire: 'line' has told its one alert, it fires no more: "
        "/ES 2026-11-19 10:31 New York, SPY 2026-11-19 10:31 New York "
        "(raise `rev` to arm it anew, or remove the rule) [spent]"
    ]


def test_a_rule_that_may_fire_of_another_symbol_is_an_info() -> None:
    rules = rule_set()
    assert said(rules, *told(rules, "line", "SPY")) == [
        "rules.d/a.yaml:5:11: rules[0].fire: 'line' has told its one alert, 1 of its 2 symbols fire no more: "
        "SPY 2026-11-19 10:31 New York (raise `rev` to arm all of them anew) [partly-spent]"
    ]


def test_a_rule_that_fires_often_is_never_spent_nor_one_that_has_told_nothing() -> None:
    rules = rule_set()
    assert said(rules, *told(rules, "always", "/ES")) == []
    assert said(rules, *told(rules, "line", "/ES", "SPY", count=0)) == []
    assert said(rules) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("fire: once\n", "fire: once\n    rev: 2\n"), ("crosses 6900", "crosses 6950"), ("fire: once", "mode: off"),
     ("fire: once", "fire: every"), ("fire: once\n", "fire: once\n    mode: off\n")],
)  # fmt: skip
def test_a_rule_that_was_armed_anew_or_is_off_is_not_spent(right: str, wrong: str) -> None:
    states = told(rule_set(), "line", "/ES", "SPY")
    assert said(rule_set(RULES.replace(right, wrong, 1)), *states) == []


def test_what_leaves_the_condition_as_it_is_leaves_it_spent() -> None:
    states = told(rule_set(), "line", "/ES", "SPY")
    text = RULES.replace("fire: once", "fire: once\n    cooldown: 1h\n    severity: critical")
    assert len(said(rule_set(text), *states)) == 1


def test_a_renamed_rule_takes_its_state_along() -> None:
    states = told(rule_set(), "line", "/ES", "SPY")
    renamed = RULES.replace("id: line\n", "id: lines\n    was: line\n")
    assert "'lines' has told its one alert" in said(rule_set(renamed), *states)[0]
    # The old id is still there and keeps its state.
    both = renamed + "  - {id: line, symbols: [/ES, SPY], when: price crosses 6900, fire: once}\n"
    (only,) = said(rule_set(both), *states)
    assert "'line' has told" in only


def test_each_level_has_an_alert_of_its_own() -> None:
    text = (
        "version: 1\ndefaults: {fire: once}\nrules:\n  - id: steps\n    symbols: [/ES]\n    levels:\n"
        "      - {severity: notice, when: price < 6900}\n      - {severity: warning, when: price < 6800}\n"
    )
    rules = rule_set(text)
    assert said(rules, *told(rules, "steps", "/ES", level=1)) == []
    (only,) = said(rules, *told(rules, "steps", "/ES", level=1), *told(rules, "steps", "/ES", level=2))
    assert only.startswith("rules.d/a.yaml:4:5: rules[0]: ")  # it inherits `fire`


def test_many_symbols_are_counted() -> None:
    text = RULES.replace("[/ES, SPY]", "[/ES, SPY, /NQ, QQQ, IWM]")
    rules = rule_set(text)
    (only,) = said(rules, *told(rules, "line", "/ES", "SPY", "/NQ", "QQQ", "IWM"))
    assert "/NQ 2026-11-19 10:31 New York and 2 more" in only
