"""Rules that fire `once` and have: what the stored states say of them, each at its `fire`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import Node, Problem, compose, node_at, path_text, place_of, plain
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.session import NEW_YORK

NAMED_MAX = 3
"""How many symbols a finding names."""

_Told = dict[tuple[str, str, int, str], int]
"""By rule, symbol, level and fingerprint: when it was told."""


def spent_problems(rule_set: RuleSet, states: Iterable[RuleState], prefix: str) -> Iterator[Problem]:
    """Rules that have told their one alert: of all their symbols and levels (`spent`), or of some (`partly-spent`).

    `prefix` comes before a file's name in its place. A state counts for the condition it belongs to: another condition
    or `rev` has armed the rule anew. A rule that was renamed takes up the state of the id in its `was`.
    """
    told = {(one.rule_id, one.symbol, one.level, one.fingerprint): one.told_us for one in states if one.told_count}
    once = [rule for rule in rule_set.rules if rule.fire.mode == "once" and rule.mode != "off"] if told else []
    texts, ids = dict(rule_set.texts), {rule.id for rule in rule_set.rules}
    tree = cache(lambda file: compose(texts[file], prefix + file))
    for rule in once:
        names = (rule.id, rule.was) if rule.was and rule.was not in ids else (rule.id,)
        spent = {symbol: told_us for symbol in rule.symbols if (told_us := _told_us(rule, names, symbol, told))}
        if spent:
            node = tree(rule.file)
            location = location_of(node, rule.id, "fire")
            code, hint = "spent", "raise `rev` to arm it anew, or remove the rule"
            if len(spent) < len(rule.symbols):
                code, hint = "partly-spent", "raise `rev` to arm all of them anew"
            yield Problem(place_of(node, location), path_text(location), _message(rule, spent), hint, code)


def _told_us(rule: Rule, names: tuple[str, ...], symbol: str, told: _Told) -> int:
    """When the rule was last told of a symbol; 0 while one of its levels may still fire."""
    moments = [
        max(told.get((name, symbol, number, rule.fingerprint(symbol, number)), 0) for name in names)
        for number in rule.numbers
    ]
    return max(moments) if all(moments) else 0


def location_of(node: Node, rule_id: str, *keys: str) -> tuple[str | int, ...]:
    """Where the rule has the first of these keys that it has; the rule itself when it inherits them."""
    document = plain(node)
    assert isinstance(document, dict)  # the file was accepted
    number = next(number for number, rule in enumerate(document["rules"]) if rule["id"] == rule_id)
    rule = ("rules", number)
    return next((own for key in keys if node_at(node, own := (*rule, key)) is not None), rule)


def _message(rule: Rule, spent: Mapping[str, int]) -> str:
    named = ", ".join(f"{symbol} {_new_york(told_us)}" for symbol, told_us in [*spent.items()][:NAMED_MAX])
    more = f" and {len(spent) - NAMED_MAX} more" if len(spent) > NAMED_MAX else ""
    where = "it fires no more"
    if len(spent) < len(rule.symbols):
        where = f"{len(spent)} of its {len(rule.symbols)} symbols fire no more"
    return f"{rule.id!r} has told its one alert, {where}: {named}{more}"


def _new_york(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%Y-%m-%d %H:%M} New York"
