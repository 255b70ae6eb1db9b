"""Texts of a rule that hold expressions: message and title templates, the parts of `setup`."""

from __future__ import annotations

import re
from collections.abc import Sequence as Many
from fractions import Fraction

from tradeassistd.base.yaml12 import Mapping, Node, Problem, Scalar, ValueProblem, did_you_mean, path_text, plain
from tradeassistd.engine.language.expression import Expression, Name, Negative, Number
from tradeassistd.engine.language.functions import PRICE, RATIO, Unit
from tradeassistd.engine.language.kinds import ExpressionError, unit_of
from tradeassistd.engine.language.walk import shifted, walk
from tradeassistd.engine.rule import Setup
from tradeassistd.engine.template import WORDS, NumberFormat, Slot, Template
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.fields import label
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.lets import problem_of
from tradeassistd.rules.names import Location, Scope

SETUP_KEYS = ("type", "entry", "stop", "target", "confidence")
NUMBER_WORDS = ("level", "value")
"""Words of the alert that are numbers and take a format."""
_FORMAT = re.compile(r"(\+?)(,?)(?:\.([0-9]))?([f%])")
_DUE = {PRICE: "write e.g. price - 8t", RATIO: "write e.g. 0.6"}
_FORMAT_HINT = "write e.g. {price:,.2f} or {net_pct:+.2%}"


def read_template(
    scalar: Scalar, location: Location, symbols: Many[str], scope: Scope
) -> tuple[Template | None, list[Problem]]:
    """The template that a text is, its expressions checked for every symbol; None and every problem when it is none."""
    problems: list[Problem] = []
    parts: list[str | Slot] = []
    text, at, written = scalar.text, 0, ""
    while at < len(text):
        sign = text[at]
        if text[at : at + 2] in ("{{", "}}"):
            written, at = written + sign, at + 2
        elif sign == "{":
            end, slot, error = _slot(text, at, symbols, scope)
            if slot is not None:
                parts += [written, slot] if written else [slot]
                written = ""
            if error is not None:
                problems.append(problem_of(error, scope.origins, scalar, location))
            at = end
        elif sign == "}":
            error = ExpressionError("'}' closes nothing", at, hint="write }} for a brace")
            problems.append(problem_of(error, scope.origins, scalar, location))
            at += 1
        else:
            written, at = written + sign, at + 1
    parts += [written] if written else []
    return (None if problems else Template(_stripped(parts))), problems


def read_setup(node: Node, location: Location, symbols: Many[str], scope: Scope) -> tuple[Setup | None, list[Problem]]:
    """The setup that a map is, its expressions checked for every symbol; None and every problem when it is none."""
    if not isinstance(node, Mapping):
        hint = "write e.g. setup: {type: breakout, entry: price}"
        return None, [Problem(node.place, path_text(location), "must be a map", hint)]
    problems: list[Problem] = []
    kind, parts = "", []
    for key, value in node.items:
        where = (*location, key.text)
        if key.text not in SETUP_KEYS:
            hint = did_you_mean(key.text, SETUP_KEYS) or f"one of {' '.join(SETUP_KEYS)}"
            problems.append(Problem(key.place, path_text(where), f"unknown key {key.text!r}", hint))
        elif key.text == "type":
            try:
                kind = label("type of setup")(plain(value))
            except ValueProblem as wrong:
                problems.append(Problem(value.place, path_text(where), wrong.message, wrong.hint))
        elif not isinstance(value, Scalar):
            hint = "write one text, e.g. 'price - 8t'"
            problems.append(Problem(value.place, path_text(where), "an expression is due here", hint))
        else:
            tree, error = _part(key.text, value.text, symbols, scope)
            if error is not None:
                problems.append(problem_of(error, scope.origins, value, where))
            elif tree is not None:
                parts.append((key.text, tree))
    return (None if problems else Setup(kind, tuple(parts))), problems


def _part(name: str, text: str, symbols: Many[str], scope: Scope) -> tuple[Expression | None, ExpressionError | None]:
    try:
        tree = scope.replaced(parse(text))
        if tree is None:
            return None, None
        _check(tree, symbols, scope, RATIO if name == "confidence" else PRICE)
    except ExpressionError as error:
        return None, error
    if name == "confidence" and (number := _literal(tree)) is not None and not 0 <= number <= 1:
        better = f"write {float(number / 100):g}" if 2 <= number <= 100 else "write e.g. 0.6"
        return None, ExpressionError("confidence goes from 0 to 1", tree.at, hint=better)
    return tree, None


def _literal(tree: Expression) -> Fraction | None:
    """The number that is written, with or without a minus; None for what has to be worked out."""
    if isinstance(tree, Negative):
        return -tree.operand.value if isinstance(tree.operand, Number) else None
    return tree.value if isinstance(tree, Number) else None


def _slot(text: str, begin: int, symbols: Many[str], scope: Scope) -> tuple[int, Slot | None, ExpressionError | None]:
    """Behind the closing brace of the slot that begins at `begin`; the slot, or what is wrong with it."""
    end = _closing(text, begin)
    if end is None:
        return len(text), None, ExpressionError("'{' is never closed", begin, hint="add '}', or write {{ for a brace")
    inside = text[begin + 1 : end]
    if "{" in inside:
        at = begin + 1 + inside.index("{")
        return end + 1, None, ExpressionError("'{' inside of braces", at, hint="write {{ for a brace")
    try:
        return end + 1, _filled(inside, begin + 1, symbols, scope), None
    except ExpressionError as error:
        return end + 1, None, error


def _filled(inside: str, begin: int, symbols: Many[str], scope: Scope) -> Slot | None:
    """The slot for what stands between two braces, from offset `begin` on; None when a name in it is broken."""
    expression, colon, written = _split_format(inside)
    name = expression.strip()
    if not name:
        raise ExpressionError("braces with nothing in them", begin, hint="write an expression, or {{ }} for braces")
    style = _format(written, begin + len(expression) + 1) if colon else None
    if name in WORDS:
        if style is not None and name not in NUMBER_WORDS:
            raise ExpressionError(f"{name} is no number", begin + len(expression), hint=f"write {{{name}}}")
        return Slot(word=name, format=style)
    try:
        parsed = parse(expression)
    except ExpressionError as error:
        raise ExpressionError(error.message, begin + error.at, hint=error.hint) from None
    for node in walk(parsed):
        if isinstance(node, Name) and node.name in WORDS:
            hint = f"write {{{node.name}}}, or the expression itself"
            raise ExpressionError(f"{node.name} stands alone in its braces", begin + node.at, hint=hint)
    tree = scope.replaced(shifted(parsed, begin))
    if tree is None:
        return None
    try:
        _check(tree, symbols, scope, None)
    except ExpressionError as error:
        hint = error.hint or (did_you_mean(parsed.name, WORDS) if isinstance(parsed, Name) else "")
        raise ExpressionError(error.message, error.at, hint=hint) from None
    return Slot(expression=tree, format=style)


def _check(tree: Expression, symbols: Many[str], scope: Scope, unit: Unit | None) -> None:
    """That it is a value for every symbol, in `unit` when one is asked for. Raises ExpressionError."""
    if wrong := scope.unknown(tree):
        raise wrong
    for symbol in symbols:
        resolved = scope.for_symbol(tree, symbol)
        if resolved is None:
            continue
        found = unit_of(resolved, instrument_of(symbol))
        if unit is not None and found is not None and found != unit:
            raise ExpressionError(f"a {unit} is due here, not a {found}", tree.at, hint=_DUE[unit])


def _split_format(inside: str) -> tuple[str, str, str]:
    """The expression, ":" when there is a format, and the format; no expression holds a colon."""
    return inside.rpartition(":") if ":" in inside else (inside, "", "")


def _format(written: str, at: int) -> NumberFormat:
    match = _FORMAT.fullmatch(written)
    if not match:
        raise ExpressionError(f"unknown format {written!r}", at, hint=_FORMAT_HINT)
    places = int(match[3]) if match[3] is not None else None
    return NumberFormat(bool(match[1]), bool(match[2]), places, match[4] == "%")


def _closing(text: str, begin: int) -> int | None:
    """Where the brace that opens at `begin` is closed."""
    end = text.find("}", begin)
    return None if end < 0 else end


def _stripped(parts: list[str | Slot]) -> tuple[str | Slot, ...]:
    """Without blanks at both ends, which a block text has."""
    if parts and isinstance(parts[0], str):
        parts[0] = parts[0].lstrip()
    if parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip()
    return tuple(part for part in parts if part != "")
