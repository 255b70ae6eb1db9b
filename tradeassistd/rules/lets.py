"""Reads `let` and `values` maps into a scope of names."""

from __future__ import annotations

from collections.abc import Iterator

from tradeassistd.base.yaml12 import Mapping, Node, Problem, Scalar, did_you_mean, path_text
from tradeassistd.engine.language.expression import Expression
from tradeassistd.engine.language.kinds import ExpressionError
from tradeassistd.engine.language.walk import walk
from tradeassistd.rules.names import Let, Location, Origins, Scope, is_number, name_problem, undefined_uses

NAMES_MAX = 200
"""Names of one map."""


def read_lets(node: Node | None, location: Location, outer: Scope) -> tuple[Scope, list[Problem]]:
    """A scope with the names of a `let` map over those of `outer`, and what is wrong with the map.

    A name may use those above it; a rule's own name hides the file's. The new scope shares `used` with nobody.
    """
    scope = Scope(outer.origins, dict(outer.lets), set(outer.broken))
    entries, problems = _entries(node, location)
    names = [key.text for key, _ in entries]
    for number, (key, value) in enumerate(entries):
        where = (*location, key.text)
        scope.lets.pop(key.text, None)
        scope.broken.add(key.text)  # until it is read: a name never stands for itself
        let = _read_let(key, value, where, names[number:], scope, problems)
        if let is not None:
            scope.lets[key.text] = let
            scope.broken.discard(key.text)
    return scope, problems


def read_values(node: Node | None, location: Location, symbols: list[str], scope: Scope) -> list[Problem]:
    """Fill `scope.values`; gives what is wrong with the map."""
    problems: list[Problem] = []
    if node is None:
        return problems
    if not isinstance(node, Mapping):
        return [_problem(node, location, "must be a map", "write e.g. values: {/ES: {r1: 5200}}")]
    for symbol, names in node.items:
        where = (*location, symbol.text)
        if symbol.text not in symbols:
            hint = did_you_mean(symbol.text, symbols) or "add it to symbols, or remove it here"
            problems.append(_problem(symbol, where, f"{symbol.text} is no symbol of this rule", hint))
            continue
        entries, found = _entries(names, where)
        problems += found
        read = scope.values.setdefault(symbol.text, {})
        for key, value in entries:
            if key.text in scope.lets or key.text in scope.broken:
                hint = "a name stands for one thing: rename one of them"
                problems.append(_problem(key, (*where, key.text), f"{key.text!r} is a `let` name too", hint))
            elif (tree := _read_number(value, (*where, key.text), scope.origins, problems)) is not None:
                read[key.text] = tree
                scope.value_names.add(key.text)
            else:
                scope.broken.add(key.text)
    return problems


def unused(scope: Scope, node: Node | None, location: Location) -> Iterator[Problem]:
    """A warning for each name of a `let` map that nothing uses."""
    for key, _ in node.items if isinstance(node, Mapping) else ():
        if key.text in scope.lets and key.text not in scope.used:
            yield Problem(key.place, path_text((*location, key.text)), f"nothing uses {key.text!r}", "remove it",
                          "unused-name")  # fmt: skip


def unused_values(scope: Scope, node: Node | None, location: Location) -> Iterator[Problem]:
    """A warning for each name of a `values` map that nothing uses, at the first symbol that has it."""
    told: set[str] = set()
    for symbol, names in node.items if isinstance(node, Mapping) else ():
        for key, _ in names.items if isinstance(names, Mapping) else ():
            if key.text in scope.value_names and key.text not in scope.used_values | told:
                told.add(key.text)
                path = path_text((*location, symbol.text, key.text))
                yield Problem(key.place, path, f"nothing uses {key.text!r}", "remove it", "unused-name")


def _read_let(
    key: Scalar, value: Node, where: Location, later: list[str], scope: Scope, problems: list[Problem]
) -> Let | None:
    if not isinstance(value, Scalar):
        problems.append(_problem(value, where, "an expression is due here", "write one text, e.g. 'close(5m) - price'"))
        return None
    try:
        tree = scope.origins.parse(value, where)
        for use in undefined_uses(tree, later):
            if use.name == key.text:
                raise ExpressionError(f"{use.name!r} stands inside of itself", use.at, hint="write it out")
            raise ExpressionError(f"{use.name!r} stands below", use.at, hint="a name may use the names above it")
        whole = scope.replaced(tree)
    except ExpressionError as error:
        problems.append(problem_of(error, scope.origins, value, where))
        return None
    return None if whole is None else Let(whole, sum(1 for _ in walk(whole)), key)


def _read_number(value: Node, where: Location, origins: Origins, problems: list[Problem]) -> Expression | None:
    if not isinstance(value, Scalar):
        problems.append(_problem(value, where, "a number is due here", "write e.g. 5200 or -0.5%"))
        return None
    try:
        tree = origins.parse(value, where)
    except ExpressionError as error:
        problems.append(problem_of(error, origins, value, where))
        return None
    if is_number(tree):
        return tree
    problems.append(_problem(value, where, f"{value.text!r} is not a number", "write one; expressions go into let"))
    return None


def problem_of(error: ExpressionError, origins: Origins, scalar: Scalar, where: Location) -> Problem:
    """An error of the text `scalar` - or of a name it uses, which has a place of its own - as a problem."""
    place, location = origins.find(error.at) or (scalar.place_at(error.at), where)
    return Problem(place, path_text(location), error.message, flow_hint(scalar, error))


def flow_hint(scalar: Scalar, error: ExpressionError) -> str:
    """Inside [ ] or { } an unquoted expression ends at its first comma, so half of it arrives here."""
    if scalar.in_flow and not scalar.style and ("never closed" in error.message or "closes nothing" in error.message):
        return "quote an expression that holds a comma: 'sma(close, 20, 1m) > price'"
    return error.hint


def _entries(node: Node | None, location: Location) -> tuple[list[tuple[Scalar, Node]], list[Problem]]:
    """The entries of a map of names that are fit to be names."""
    if node is None:
        return [], []
    if not isinstance(node, Mapping):
        return [], [_problem(node, location, "must be a map", "write name: value lines")]
    if not 1 <= len(node.items) <= NAMES_MAX:
        hint = "write one, or remove the key" if not node.items else "remove some"
        return [], [_problem(node, location, f"takes 1 to {NAMES_MAX} names, not {len(node.items)}", hint)]
    entries, problems = [], []
    for key, value in node.items:
        if wrong := name_problem(key.text):
            problems.append(_problem(key, (*location, key.text), *wrong))
        else:
            entries.append((key, value))
    return entries, problems


def _problem(node: Node, location: Location, message: str, hint: str) -> Problem:
    return Problem(node.place, path_text(location), message, hint)
