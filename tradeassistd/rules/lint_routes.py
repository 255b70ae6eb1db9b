"""What there is to warn of in routes that read well: ones that no alert takes, channels that nobody could look up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.engine.rule import Rule
from tradeassistd.rules.routes import Routes

OWN_MESSAGES = ("warning", (), "!tradeassist", "-")
"""Severity, tags, rule and symbol of the daemon's own messages."""


def route_problems(
    routes: Routes, rules: Iterable[Rule], file: str, channels: frozenset[str] | None
) -> Iterator[Problem]:
    """Routes that no rule's alerts and no message of the daemon's own takes; `channels` is None when nobody knows them.

    `file` is how the file is called in places.
    """
    taken = {id(route) for asked in _alerts(rules) for route in routes.of(*asked)}
    for number, route in enumerate(routes.routes):
        if id(route) not in taken:
            place = Place(file, route.line, route.column)
            message = "no alert of these rules takes it: none fits, or routes above have them all"
            yield Problem(place, f"routes[{number}]", message, "look at match, or at the order", "idle-route")
    if channels is None:
        message = "whether the channels it names are there is not known without the settings"
        yield Problem(Place(file, 1, 1), "", message, "check with --config FILE", "unchecked-channels")


def _alerts(rules: Iterable[Rule]) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    yield OWN_MESSAGES
    for rule in rules:
        for severity in {level.severity for level in rule.levels}:
            for symbol in rule.symbols:
                yield severity, rule.tags, rule.id, symbol
