"""A rule's `when` - text, or a map with exactly one of all, any, not - as one checked expression."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Many

from tradeassistd.base.yaml12 import Mapping, Node, Place, Problem, Scalar, Sequence, did_you_mean, path_text
from tradeassistd.engine.expression import Combine, Expression, Not
from tradeassistd.engine.kinds import EVENT, ExpressionError, check
from tradeassistd.market.instrument import Instrument
from tradeassistd.rules.grammar import DEPTH_MAX, depth, parse

ITEMS_MAX = 64
_COMBINES = {"all": Combine.AND, "any": Combine.OR}
_KEYS = ("all", "any", "not")

Location = tuple[str | int, ...]


def read_condition(
    node: Node, location: Location, instruments: Many[Instrument]
) -> tuple[Expression | None, list[Problem]]:
    """The tree of a condition, checked for each instrument; None and every problem when there are any."""
    reader = _Reader(instruments)
    read = reader.read(node, location)
    if read is not None and depth(read[0]) > DEPTH_MAX:
        reader.refuse(node.place, location, f"more than {DEPTH_MAX} levels deep", "split it into several rules")
    return (None if reader.problems or read is None else read[0]), reader.problems


class _Reader:
    """Reads from the leaves up, so that what is wrong with a map as a whole can only be the map's fault."""

    def __init__(self, instruments: Many[Instrument]) -> None:
        self._instruments = instruments
        self.problems: list[Problem] = []

    def refuse(self, place: Place, location: Location, message: str, hint: str) -> None:
        problem = Problem(place, path_text(location), message, hint)
        if problem not in self.problems:  # the same for each of the rule's symbols
            self.problems.append(problem)

    def read(self, node: Node, location: Location) -> tuple[Expression, str] | None:
        """The tree and its kind ("" without instruments), or None when a problem was noted."""
        if isinstance(node, Scalar):
            return self._text(node, location)
        if isinstance(node, Sequence):
            hint = "write all: or any: above the list"
            self.refuse(node.place, location, "a list does not say how its items combine", hint)
            return None
        return self._map(node, location)

    def _text(self, scalar: Scalar, location: Location) -> tuple[Expression, str] | None:
        try:
            tree = parse(scalar.text)
        except ExpressionError as error:
            self.refuse(scalar.place_at(error.at), location, error.message, _flow_hint(scalar, error))
            return None
        return self._checked(tree, location, lambda error: scalar.place_at(error.at))

    def _map(self, mapping: Mapping, location: Location) -> tuple[Expression, str] | None:
        for key, _ in mapping.items:
            if key.text not in _KEYS:
                hint = did_you_mean(key.text, _KEYS) or "write one of all, any, not"
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
        if len(known) == 1:  # `all` of one condition is that condition
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
        for instrument in self._instruments:
            try:
                kinds.append(check(tree, instrument))
            except ExpressionError as error:
                self.refuse(place(error), location, error.message, error.hint)
        if len(kinds) < len(self._instruments):
            return None
        return tree, kinds[0] if kinds else ""


def _flow_hint(scalar: Scalar, error: ExpressionError) -> str:
    """Inside [ ] or { } an unquoted expression ends at its first comma, so half of it arrives here."""
    if scalar.in_flow and not scalar.style and ("never closed" in error.message or "closes nothing" in error.message):
        return "quote an expression that holds a comma: 'sma(close, 20, 1m) > price'"
    return error.hint
