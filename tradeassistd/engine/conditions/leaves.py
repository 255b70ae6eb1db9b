"""Conditions at work: leaves that compare two values, some of which remember on which side they were.

A judging has two steps. First every leaf takes a look (`look`), which may move its side; then the tree combines what
the leaves saw (kleene.py). A crossing at the first look after a cut was *missed*: it counts in `full` but not in
`live`, so one judging tells apart what happened now and what happened while nobody watched.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from copy import copy
from typing import NamedTuple, Protocol, Self

from tradeassistd.engine.conditions.kleene import UNKNOWN, Outcome
from tradeassistd.engine.conditions.values import ValueOf, apart
from tradeassistd.engine.language.functions import NUMBER, Unit, Value

BELOW, NO_SIDE, ABOVE = -1, 0, 1
OUTSIDE, INSIDE = -1, 1

_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Step(Protocol):
    """Anything that looks once per judging, at event time `now_us`."""

    def look(self, now_us: int) -> None: ...


class Sided(Protocol):
    """Anything a cut or a new condition concerns; `width` is how many numbers of the rule's stored state it keeps."""

    @property
    def width(self) -> int: ...

    def attach(self, memory: list[int], first: int) -> None:
        """Keep its numbers in `memory[first : first + width]` from now on."""
        ...

    def cut(self) -> None:
        """Nobody watches until the next look."""
        ...

    def forget(self) -> None:
        """Be as on the first day."""
        ...


class Anchor(NamedTuple):
    """When the session of a value began (a day value, vwap, an opening range), and which right values that concerns."""

    start_us: Callable[[], int]
    """0 while it is not known."""
    positions: frozenset[int]


class Leaf:
    """One comparison. After `look`: its outcome, and the values of both sides for the alert's text."""

    def __init__(self, text: str, unit: Unit) -> None:
        self.text = text
        self.unit = unit
        self.left: Value | None = None
        self.right: Value | None = None
        self._outcome = UNKNOWN

    def look(self, now_us: int) -> None:
        """Read the values and move the sides; `outcome` tells until the next look."""
        raise NotImplementedError

    def glimpse(self, now_us: int) -> Self:
        """A copy of its own that has taken the look; this leaf stays as it is."""
        seen = copy(self)
        seen.look(now_us)
        return seen

    def outcome(self) -> Outcome:
        return self._outcome

    def target(self) -> Value | None:
        """The right value that decides next, as of the last look: what `left` has to reach or to leave."""
        return self.right


class Comparison(Leaf):
    """A state: left against right."""

    def __init__(self, text: str, unit: Unit, op: str, left: ValueOf, right: ValueOf) -> None:
        super().__init__(text, unit)
        self._compare = _COMPARE[op]
        self._left_of = left
        self._right_of = right

    def look(self, now_us: int) -> None:
        self.left, self.right = left, right = self._left_of(), self._right_of()
        if left is None or right is None:
            self._outcome = UNKNOWN
        else:
            holds = self._compare(left, right)
            self._outcome = Outcome(holds, holds)


class FlagLeaf(Leaf):
    """A state that a symbol says of itself, such as `halted`; shown as 1 or 0 beside 1."""

    def __init__(self, text: str, flag: ValueOf) -> None:
        super().__init__(text, NUMBER)
        self._flag = flag
        self.right = 1

    def look(self, now_us: int) -> None:
        self.left = value = self._flag()
        holds = None if value is None else bool(value)
        self._outcome = Outcome(holds, holds)


class RememberingLeaf(Leaf):
    """A leaf with numbers of its own in its rule's stored state (RuleState.sides)."""

    def __init__(self, text: str, unit: Unit, width: int) -> None:
        super().__init__(text, unit)
        self.width = width
        self._memory = [0] * width
        self._first = 0

    def attach(self, memory: list[int], first: int) -> None:
        """Keep its numbers in the rule's stored state from now on: `memory[first : first + width]`."""
        self._memory, self._first = memory, first

    def cut(self) -> None:
        """Nobody watches until the next look."""
        raise NotImplementedError

    def forget(self) -> None:
        """Be as on the first day: a new condition, another contract."""
        self._memory[self._first : self._first + self.width] = [0] * self.width


class SidedLeaf(RememberingLeaf):
    """A leaf that remembers per right value on which side it was, and behind the sides the anchors it has seen.

    When an anchor has moved since the last look, the sides it concerns are none: yesterday's side of today's high means
    nothing (rules.md 4.2). The anchors are stored with the sides, so a restart within a session keeps both.
    """

    def __init__(self, text: str, unit: Unit, left: ValueOf, count: int, anchors: Sequence[Anchor] = ()) -> None:
        super().__init__(text, unit, count + len(anchors))
        self._left_of = left
        self._count = count
        self._anchors = tuple(anchors)
        self._cut: set[int] = set()

    def cut(self) -> None:
        """Nobody watches until the next look: a change of side seen then was missed."""
        self._cut = set(range(self._count))

    def rejoin(self) -> None:
        """The cut is over: it has been looked at since, with every value known."""
        self._cut.clear()

    def forget(self) -> None:
        super().forget()
        self._cut.clear()

    def glimpse(self, now_us: int) -> Self:
        detached = copy(self)
        detached._memory, detached._cut = list(self._memory), set(self._cut)
        detached.look(now_us)
        return detached

    @property
    def sides(self) -> tuple[int, ...]:
        """On which side it was at the last look, per right value."""
        return tuple(self._memory[self._first : self._first + self._count])

    def _drop_anchor(self) -> None:
        """Take the sides whose session began anew since the last look to none."""
        for slot, anchor in enumerate(self._anchors, self._first + self._count):
            start_us = anchor.start_us()
            if start_us and start_us != self._memory[slot]:
                for position in anchor.positions if self._memory[slot] else ():
                    self._memory[self._first + position] = NO_SIDE
                self._memory[slot] = start_us

    def _move(self, position: int, side: int) -> tuple[int, bool]:
        """Set a side; gives the side it came from (NO_SIDE when it did not change) and whether that was missed."""
        missed = self._was_cut(position)
        if side == NO_SIDE:
            return NO_SIDE, False
        before = self._memory[self._first + position]
        self._memory[self._first + position] = side
        return (before if before != side else NO_SIDE), missed

    def _was_cut(self, position: int) -> bool:
        """Whether this is the first known look after a cut."""
        missed = position in self._cut
        self._cut.discard(position)
        return missed


class LevelsLeaf(SidedLeaf):
    """An event of left and one or several right values, `any [..]`: it happens when it happens at one of them."""

    def __init__(
        self, text: str, unit: Unit, left: ValueOf, rights: tuple[ValueOf, ...], anchors: Sequence[Anchor] = ()
    ) -> None:
        super().__init__(text, unit, left, len(rights), anchors)
        self._rights_of = rights

    def look(self, now_us: int) -> None:
        self._drop_anchor()
        left = self.left = self._left_of()
        rights = [right_of() for right_of in self._rights_of]
        self.right = rights[0]
        live, full, unknown = False, False, left is None
        for position, right in enumerate(rights):
            if left is None or right is None:
                unknown = True
                continue
            happened, missed = self._meet(position, left, right)
            if happened:
                full = True
                live = live or not missed
                self.right = right
        self._outcome = Outcome(live or (None if unknown else False), full or (None if unknown else False))

    def _meet(self, position: int, left: Value, right: Value) -> tuple[bool, bool]:
        """Move one side; whether it happened at this level, and whether that was missed."""
        raise NotImplementedError

    def _awaits(self, side: int) -> bool:
        """Whether it can happen next at a level with that side."""
        raise NotImplementedError

    def target(self) -> Value | None:
        """The nearest level it can happen at from where it is; when it can at none, the nearest."""
        left = self.left
        if left is None:
            return self.right
        sides = self._memory[self._first : self._first + self._count]
        levels = [(side, right) for side, right_of in zip(sides, self._rights_of, strict=True)
                  if (right := right_of()) is not None]  # fmt: skip
        ahead = [right for side, right in levels if self._awaits(side)] or [right for _, right in levels]
        return min(ahead, key=lambda right: apart(right, left), default=None)


class Crossing(LevelsLeaf):
    """An event: left goes from one side of a right value to the other; equal keeps the side (rules.md 4.2)."""

    def __init__(
        self, text: str, unit: Unit, op: str, left: ValueOf, rights: tuple[ValueOf, ...], anchors: Sequence[Anchor] = ()
    ) -> None:
        super().__init__(text, unit, left, rights, anchors)
        self._wanted = {"crosses": (BELOW, ABOVE), "crosses_above": (BELOW,), "crosses_below": (ABOVE,)}[op]

    def _meet(self, position: int, left: Value, right: Value) -> tuple[bool, bool]:
        came_from, missed = self._move(position, (left > right) - (left < right))
        return came_from in self._wanted, missed

    def _awaits(self, side: int) -> bool:
        return side in self._wanted


class RangeLeaf(SidedLeaf):
    """inside / outside (states) and enters / exits (events) of [low, high], bounds included."""

    def __init__(
        self, text: str, unit: Unit, op: str, left: ValueOf, low: ValueOf, high: ValueOf, anchors: Sequence[Anchor] = ()
    ) -> None:
        super().__init__(text, unit, left, 1, anchors)
        self._op = op
        self._low_of = low
        self._high_of = high

    def look(self, now_us: int) -> None:
        self._drop_anchor()
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
        return min(known, key=lambda bound: apart(bound, left), default=None) if left is not None else self.right
