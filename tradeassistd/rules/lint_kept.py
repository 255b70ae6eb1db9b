"""Windows of bars that reach further back than the settings keep bars: they are never known again after a start."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tradeassistd.base.amounts import span_words
from tradeassistd.base.yaml12 import Problem, compose, path_text, place_of
from tradeassistd.engine.language.expression import Call, Expression, Index, Other, render
from tradeassistd.engine.language.walk import parts, substitute
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument
from tradeassistd.rules.lint_spent import location_of
from tradeassistd.rules.lint_values import window_of

_DAYS_A_WEEK, _TRADING_DAYS_A_WEEK = 7, 5


def kept_problems(rule_set: RuleSet, kept_s: int | None, prefix: str) -> Iterator[Problem]:
    """Rules with a condition on bars of longer ago than `kept_s` (`store.keep.bars`; None: for ever).

    `prefix` comes before a file's name in its place. Bars of a day are made of minutes, and so are kept as long.
    """
    if kept_s is None:
        return
    texts = dict(rule_set.texts)
    tree = cache(lambda file: compose(texts[file], prefix + file))
    for rule in rule_set.rules:
        found = [one for one in _windows(rule, rule_set) if one[0] > kept_s] if rule.mode != "off" else []
        if found:
            length_s, window = max(found)
            node = tree(rule.file)
            location = location_of(node, rule.id, "when", "levels")
            message = (
                f"`{window}` needs bars of {span_words(length_s)}, and the settings keep them {span_words(kept_s)}"
            )
            hint = "raise store.keep.bars, or take a shorter window"
            yield Problem(place_of(node, location), path_text(location), message, hint, "unkept-window")


def _windows(rule: Rule, rule_set: RuleSet) -> Iterator[tuple[int, str]]:
    """How far each window of the rule's conditions reaches back, in seconds of the calendar, and its text."""
    conditions = [tree for level in rule.levels for tree in (level.when, level.clear_when) if tree is not None]
    for symbol in rule.symbols:
        values = rule.values.get(symbol, {})
        for tree in conditions:
            yield from _reaching(substitute(tree, values), rule_set.instrument_of(symbol))


def _reaching(node: Expression, instrument: Instrument) -> Iterator[tuple[int, str]]:
    if isinstance(node, Other):
        instrument = instrument.beside(node.symbol)
    back = node.bars_back if isinstance(node, Index) else 0
    call = node.base if isinstance(node, Index) else node
    if isinstance(call, Call):
        minutes, of_a_day = window_of(call, back, instrument)
        days = -(-minutes // of_a_day) * _DAYS_A_WEEK // _TRADING_DAYS_A_WEEK
        if days:
            yield days * INTERVALS_S["1d"], render(node)
    for part in parts(call):
        yield from _reaching(part, instrument)
