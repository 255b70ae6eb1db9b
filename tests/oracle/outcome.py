"""Three-valued outcomes of conditions, and the sides that crossings keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.expression import Compare, Condition, Cross, Either, Every, Leaf, Not, Value, Within

Read = Callable[[Value], Fraction | None]


class Outcome(NamedTuple):
    """A leaf at one judging: its truth as watched, whether it crossed unwatched, and the value of its left side."""

    live: bool | None
    missed: bool
    left: Fraction | None


@dataclass(slots=True)
class Side:
    """Where the left of a crossing stands to one level: -1 below, 1 above, 0 none yet."""

    side: int = 0
    after_cut: bool = False

    def step(self, left: Fraction, right: Fraction) -> tuple[int, bool]:
        """(direction of a crossing, 0 for none; whether it happened unwatched). Equal keeps the side."""
        unwatched, self.after_cut = self.after_cut, False
        now = (left > right) - (left < right)
        if now in (0, self.side):
            return 0, False
        before, self.side = self.side, now
        return (now, unwatched) if before else (0, False)


class LeafState:
    """A leaf and, for a crossing, one side for each level."""

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        self._sides = [Side() for _ in leaf.levels] if isinstance(leaf, Cross) else []

    def cut(self) -> None:
        """The next known comparison is the first after a cut."""
        for side in self._sides:
            side.after_cut = side.side != 0

    def judge(self, read: Read) -> Outcome:
        """The outcome with the values of this judging; every level of a crossing is compared."""
        left = read(self.leaf.left)
        match self.leaf:
            case Compare(_, operator, right):
                return Outcome(compare(left, operator, read(right)), False, left)
            case Within(_, low, high, inside):
                held = conjunction([compare(read(low), "<=", left), compare(left, "<=", read(high))])
                return Outcome(held if inside else negation(held), False, left)
            case Cross(_, kind, levels):
                return self._cross(kind, left, [read(level) for level in levels])

    def _cross(self, kind: str, left: Fraction | None, levels: Iterable[Fraction | None]) -> Outcome:
        wanted = {"crosses": (1, -1), "crosses_above": (1,), "crosses_below": (-1,)}[kind]
        crossed: list[bool | None] = []
        missed = False
        for side, level in zip(self._sides, levels, strict=True):
            if left is None or level is None:
                crossed.append(None)
                continue
            direction, unwatched = side.step(left, level)
            crossed.append(direction in wanted and not unwatched)
            missed = missed or (direction in wanted and unwatched)
        return Outcome(disjunction(crossed), missed, left)


def combine(condition: Condition, truths: Iterator[bool | None]) -> bool | None:
    """The truth of a condition from those of its leaves in written order; takes one truth for each leaf."""
    match condition:
        case Every(parts):
            return conjunction([combine(part, truths) for part in parts])
        case Either(parts):
            return disjunction([combine(part, truths) for part in parts])
        case Not(part):
            return negation(combine(part, truths))
        case _:
            return next(truths)


def conjunction(truths: Iterable[bool | None]) -> bool | None:
    """Kleene's and."""
    found = set(truths)
    return False if False in found else None if None in found else True


def disjunction(truths: Iterable[bool | None]) -> bool | None:
    """Kleene's or."""
    found = set(truths)
    return True if True in found else None if None in found else False


def negation(truth: bool | None) -> bool | None:
    """Kleene's not."""
    return None if truth is None else not truth


def compare(left: Fraction | None, operator: str, right: Fraction | None) -> bool | None:
    """A comparison; unknown when a side is."""
    if left is None or right is None:
        return None
    match operator:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "==":
            return left == right
        case "!=":
            return left != right
    raise ValueError(f"no operator {operator!r}")
