"""The shipped rules: they load without a word, show every kind of rule, and watch the instruments traders watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tradeassistd.engine.language.expression import Call, Cross, Expression, InRange, Name, Number, Other
from tradeassistd.engine.language.walk import parts
from tradeassistd.engine.rule import Rule
from tradeassistd.rules.load import load_directory

LOADED = load_directory(Path(__file__).parents[2] / "rules.d")


def nodes(tree: Expression) -> Iterator[Expression]:
    yield tree
    for child in parts(tree):
        yield from nodes(child)


def calls(rule: Rule) -> set[str]:
    return {node.name for node in nodes(rule.when) if isinstance(node, Call)}


def test_they_load_without_problems_or_warnings() -> None:
    assert (LOADED.problems, LOADED.warnings, LOADED.rejected) == ((), (), ())
    assert {rule.file for rule in LOADED.rule_set.rules} == {
        "commodities.yaml", "equities.yaml", "index-futures.yaml", "internals.yaml"
    }  # fmt: skip


def test_they_watch_futures_indices_internals_and_stocks() -> None:
    symbols = {symbol for rule in LOADED.rule_set.rules for symbol in rule.symbols}
    assert symbols >= {"/ES", "/NQ", "/CL", "/GC", "$VIX", "$TICK", "SPY"}


@pytest.mark.parametrize("rule", LOADED.rule_set.rules, ids=lambda rule: rule.id)
def test_each_says_what_it_is_for(rule: Rule) -> None:
    assert rule.description.endswith(".")


def test_each_kind_of_rule_is_shown() -> None:
    rules = LOADED.rule_set.rules
    crosses = [(rule, rule.when) for rule in rules if isinstance(rule.when, Cross)]
    assert any(all(isinstance(right, Number) for right in when.rights) for _, when in crosses)
    assert any(calls(rule) == {"ema"} and rule.evaluate.interval for rule, _ in crosses)
    assert any(when.left == Name("price") and "sma" in calls(rule) for rule, when in crosses)
    assert any("pct_change" in calls(rule) for rule in rules)
    assert any({"volume", "avg"} <= calls(rule) for rule in rules)
    assert any(isinstance(rule.when, InRange) and rule.session == "rth" and "$TICK" in rule.symbols for rule in rules)
    assert any(isinstance(node, Other) for rule in rules for node in nodes(rule.when))
    assert any(rule.mode == "shadow" for rule in rules)
