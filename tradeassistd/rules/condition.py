"""A condition - text, or a map with exactly one of all, any, not - as one checked expression."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Many

from tradeassistd.base.yaml12 import Mapping, Node, Place, Problem, Scalar, Sequence, did_you_mean, path_text
from tradeassistd.engine.language.expression import Combine, Expression, Not
from tradeassistd.engine.language.kinds import EVENT, ExpressionError, check
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import DEPTH_MAX, depth, parse
from tradeassistd.rules.lets import flow_hint
from tradeassistd.rules.names import Location, Scope, Source

ITEMS_MAX = 64
_COMBINES = {"all": Combine.AND, "any": Combine.OR}
_KEYS = ("all", "any", "not")
_MEANT = {"and": "all", "or": "any", "every": "all", "some": "any", "one": "any", "none": "not: and any: below it"}
"""What people write for these; `and` is even nearer to `any` by its letters."""


def read_condition(
    node: Node, location: Location, symbols: Many[str], scope: Scope
) -> tuple[tuple[Expression, str] | None, list[Problem]]:
    """The tree of a condition and its kind (state or event), checked for each symbol; `let` names are replaced.

    None when it is not sound, and every problem; there may be none when a name it uses was told about already.
    """
    reader = _Reader(symbols, scope)
    read = reader.read(node, location)
    if read is not None and depth(read[0]) > DEPTH_MAX:
        reader.refuse(node.place, location, f"more than {DEPTH_MAX} levels deep", "split it into several rules")
    return (None if reader.problems else read), reader.problems


class _Reader:
    """Reads from the leaves up, so that what is wrong with a map as a whole can only be the map's fault."""

    def __init__(self, symbols: Many[str], scope: Scope) -> None:
        self._symbols = symbols
        self._scope = scope
        self.problems: list[Problem] = []

    def refuse(self, place: Place, location: Location, message: str, hint: str) -> None:
        problem = Problem(place, path_text(location), message, hint)
        if problem not in self.problems:  # the same for each of the rule's symbols
            self.problems.append(problem)

    def read(self, node: Node, location: Location) -> tuple[Expression, str] | None:
        """The tree and its kind ("" without symbols), or None when something is wrong."""
        if isinstance(node, Scalar):
            return self._text(node, location)
        if isinstance(node, Sequence):
            hint = "write all: or any: above the list"
            self.refuse(node.place, location, "a list does not say how its items combine", hint)
            return None
        return self._map(node, location)

    def _text(self, scalar: Scalar, location: Location) -> tuple[Expression, str] | None:
        def place(error: ExpressionError) -> Place:
            return scalar.place_at(error.at)

        try:
            tree = self._scope.replaced(parse(scalar.text))
            if tree is not None and (wrong := self._scope.unknown(tree)):
                raise wrong
        except ExpressionError as error:
            self._note(ExpressionError(error.message, error.at, hint=flow_hint(scalar, error)), location, place)
            return None
        if tree is None:
            return None
        self._scope.sources[id(tree)] = Source(tree, scalar, location)
        return self._checked(tree, location, place)

    def _map(self, mapping: Mapping, location: Location) -> tuple[Expression, str] | None:
        for key, _ in mapping.items:
            if key.text not in _KEYS:
                word = _MEANT.get(key.text.lower())
                hint = f"write {word}" if word else did_you_mean(key.text, _KEYS) or "write one of all, any, not"
                self.refuse(key.place, (*location, key.text), f"unknown key {key.text!r}", hint)
                return None
        if len(mapping.items) != 1:
            message = f"exactly one of all, any, not is due here, not {len(mapping.items)}"
            self.refuse(mapping.place, location, message, "put one inside the other, as an item of its list")
            return None
        key, value = mapping.items[0]
        inside = (*location, key.text)
        return self._not(key, value, inside) if key.text == "not" else self._combine(key, value, inside)

    def _not(self, key: Scalar, value: Node, location: Location) -> tuple[Expression, str] | None:
        read = self.read(value, location)
        return read and self._checked(Not(read[0]), location, lambda _: key.place)

    def _combine(self, key: Scalar, value: Node, location: Location) -> tuple[Expression, str] | None:
        if not isinstance(value, Sequence):
            hint = "write each condition on a line of its own, behind '- '"
            self.refuse(value.place, location, "must be a list", hint)
            return None
        if not 1 <= len(value.items) <= ITEMS_MAX:
            hint = "nest some in a list of their own" if value.items else "write one, or remove the key"
            self.refuse(value.place, location, f"takes 1 to {ITEMS_MAX} conditions, not {len(value.items)}", hint)
            return None
        reads = [self.read(item, (*location, number)) for number, item in enumerate(value.items)]
        known = [read for read in reads if read is not None]
        if len(known) != len(reads):
            return None
        if len(known) == 1:  # `all` of one condition is that condition, and an expression could not write it otherwise
            return known[0]
        events = [item.place for item, (_, kind) in zip(value.items, known, strict=True) if kind == EVENT]
        culprit = events[1] if key.text == "all" and len(events) > 1 else events[0] if events else key.place
        tree = Combine(_COMBINES[key.text], tuple(tree for tree, _ in known))
        return self._checked(tree, location, lambda _: culprit)

    def _checked(
        self, tree: Expression, location: Location, place: Callable[[ExpressionError], Place]
    ) -> tuple[Expression, str] | None:
        """The tree with its kind when it means something for every symbol. Parts were checked before the whole."""
        kinds: list[str] = []
        for symbol in self._symbols:
            try:
                resolved = self._scope.for_symbol(tree, symbol)
                if resolved is not None:
                    kinds.append(check(resolved, instrument_of(symbol)))
            except ExpressionError as error:
                self._note(error, location, place)
        if len(kinds) < len(self._symbols):
            return None
        return tree, EVENT if EVENT in kinds else kinds[0] if kinds else ""

    def _note(self, error: ExpressionError, location: Location, place: Callable[[ExpressionError], Place]) -> None:
        """What is wrong with a name's own text is told at that text."""
        found = self._scope.origins.find(error.at)
        where, path = found or (place(error), location)
        self.refuse(where, path, error.message, error.hint)
