"""Conditions at work: leaves that compare, and the Kleene logic above them.

A judging has two steps. First every leaf takes a look (`look`), which may move its side; then the tree combines what
the leaves saw. A crossing at the first look after a cut was *missed*: it counts in `full` but not in `live`, so one
judging tells apart what happened now and what happened while nobody watched.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from tradeassistd.engine.functions import Unit, Value

ValueOf = Callable[[], Value | None]
BELOW, NO_SIDE, ABOVE = -1, 0, 1
OUTSIDE, INSIDE = -1, 1

_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Outcome(NamedTuple):
    """True, False or None (unknown): counting only what happened now, and counting missed crossings too."""

    live: bool | None
    full: bool | None


UNKNOWN = Outcome(None, None)


class Condition(Protocol):
    """Anything with an outcome after its leaves have looked."""

    def outcome(self) -> Outcome: ...


class Leaf:
    """One comparison. After `look`: its outcome, and the values of both sides for the alert's text."""

    def __init__(self, text: str, unit: Unit, left: ValueOf) -> None:
        self.text = text
        self.unit = unit
        self.left: Value | None = None
        self.right: Value | None = None
        self._left_of = left
        self._outcome = UNKNOWN

    def look(self) -> None:
        """Read the values and move the sides; `outcome` tells until the next look."""
        raise NotImplementedError

    def glimpse(self) -> Self:
        """A copy of its own that has taken the look; this leaf stays as it is."""
        seen = copy(self)
        seen.look()
        return seen

    def outcome(self) -> Outcome:
        return self._outcome

    def target(self) -> Value | None:
        """The right value that decides next, as of the last look: what `left` has to reach or to leave."""
        return self.right


class Comparison(Leaf):
    """A state: left against right."""

    def __init__(self, text: str, unit: Unit, op: str, left: ValueOf, right: ValueOf) -> None:
        super().__init__(text, unit, left)
        self._compare = _COMPARE[op]
        self._right_of = right

    def look(self) -> None:
        self.left, self.right = left, right = self._left_of(), self._right_of()
        if left is None or right is None:
            self._outcome = UNKNOWN
        else:
            holds = self._compare(left, right)
            self._outcome = Outcome(holds, holds)


class SidedLeaf(Leaf):
    """A leaf that remembers on which side it was: `sides[first : first + width]` of its rule's state is its memory."""

    width = 1

    def __init__(self, text: str, unit: Unit, left: ValueOf) -> None:
        super().__init__(text, unit, left)
        self._sides: list[int] = []
        self._first = 0
        self._cut: set[int] = set()

    def attach(self, sides: list[int], first: int) -> None:
        """Keep the sides in the rule's stored state from now on."""
        self._sides, self._first = sides, first

    def cut(self) -> None:
        """Nobody watches until the next look: a change of side seen then was missed."""
        self._cut = set(range(self.width))

    def glimpse(self) -> Self:
        detached = copy(self)
        detached._sides, detached._cut = list(self._sides), set(self._cut)
        detached.look()
        return detached

    @property
    def sides(self) -> tuple[int, ...]:
        """On which side it was at the last look, per right value."""
        return tuple(self._sides[self._first : self._first + self.width])

    def _move(self, position: int, side: int) -> tuple[int, bool]:
        """Set a side; gives the side it came from (NO_SIDE when it did not change) and whether that was missed."""
        missed = position in self._cut
        self._cut.discard(position)
        if side == NO_SIDE:
            return NO_SIDE, False
        before = self._sides[self._first + position]
        self._sides[self._first + position] = side
        return (before if before != side else NO_SIDE), missed


class Crossing(SidedLeaf):
    """An event: left goes from one side of a right value to the other; equal keeps the side (rules.md 4.2)."""

    def __init__(self, text: str, unit: Unit, op: str, left: ValueOf, rights: tuple[ValueOf, ...]) -> None:
        super().__init__(text, unit, left)
        self.width = len(rights)
        self._wanted = {"crosses": (BELOW, ABOVE), "crosses_above": (BELOW,), "crosses_below": (ABOVE,)}[op]
        self._rights_of = rights

    def look(self) -> None:
        left = self.left = self._left_of()
        rights = [right_of() for right_of in self._rights_of]
        self.right = rights[0]
        live, full, unknown = False, False, left is None
        for position, right in enumerate(rights):
            if left is None or right is None:
                unknown = True
                continue
            came_from, missed = self._move(position, (left > right) - (left < right))
            if came_from in self._wanted and came_from != NO_SIDE:
                full = True
                live = live or not missed
                self.right = right
        self._outcome = Outcome(live or (None if unknown else False), full or (None if unknown else False))

    def target(self) -> Value | None:
        """The nearest level it can cross from where it is; when it can cross none, the nearest."""
        left, sides = self.left, self.sides
        if left is None:
            return self.right
        levels = [(side, right) for side, right_of in zip(sides, self._rights_of, strict=True)
                  if (right := right_of()) is not None]  # fmt: skip
        ahead = [right for side, right in levels if side in self._wanted] or [right for _, right in levels]
        return min(ahead, key=lambda right: _apart(right, left), default=None)


class RangeLeaf(SidedLeaf):
    """inside / outside (states) and enters / exits (events) of [low, high], bounds included."""

    def __init__(self, text: str, unit: Unit, op: str, left: ValueOf, low: ValueOf, high: ValueOf) -> None:
        super().__init__(text, unit, left)
        self._op = op
        self._low_of = low
        self._high_of = high

    def look(self) -> None:
        left, low, high = self._left_of(), self._low_of(), self._high_of()
        self.left = left
        if left is None or low is None or high is None:
            self.right, self._outcome = None, UNKNOWN
            return
        inside = low <= left <= high
        self.right = high if left > high else low
        if self._op in ("inside", "outside"):
            holds = inside == (self._op == "inside")
            self._outcome = Outcome(holds, holds)
            return
        came_from, missed = self._move(0, INSIDE if inside else OUTSIDE)
        happened = came_from == (OUTSIDE if self._op == "enters" else INSIDE)
        self._outcome = Outcome(happened and not missed, happened)

    def target(self) -> Value | None:
        """The nearest bound."""
        left, bounds = self.left, (self._low_of(), self._high_of())
        known = [bound for bound in bounds if bound is not None]
        return min(known, key=lambda bound: _apart(bound, left), default=None) if left is not None else self.right


@dataclass(frozen=True, slots=True)
class All:
    """Kleene and: false if one is false, else unknown if one is unknown."""

    items: tuple[Condition, ...]

    def outcome(self) -> Outcome:
        outcomes = [item.outcome() for item in self.items]
        return Outcome(kleene_all(one.live for one in outcomes), kleene_all(one.full for one in outcomes))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Kleene or: true if one is true, else unknown if one is unknown."""

    items: tuple[Condition, ...]

    def outcome(self) -> Outcome:
        outcomes = [item.outcome() for item in self.items]
        return Outcome(kleene_any(one.live for one in outcomes), kleene_any(one.full for one in outcomes))


@dataclass(frozen=True, slots=True)
class Negation:
    """Kleene not: unknown stays unknown."""

    operand: Condition

    def outcome(self) -> Outcome:
        live, full = self.operand.outcome()
        return Outcome(None if live is None else not live, None if full is None else not full)


def _apart(one: Value, other: Value) -> Value:
    return one - other if one > other else other - one


def kleene_all(values: Iterable[bool | None]) -> bool | None:
    """Three-valued and."""
    result: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is None:
            result = None
    return result


def kleene_any(values: Iterable[bool | None]) -> bool | None:
    """Three-valued or."""
    result: bool | None = False
    for value in values:
        if value is True:
            return True
        if value is None:
            result = None
    return result
