"""Three-valued logic: True, False and None for unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from tests.oracle.expression import Condition, Either, Every, Not


def signs(condition: Condition, *, positive: bool) -> Iterator[bool]:
    """Of each leaf in written order, whether it counts as it is or turned round."""
    match condition:
        case Every(parts) | Either(parts):
            for part in parts:
                yield from signs(part, positive=positive)
        case Not(part):
            yield from signs(part, positive=not positive)
        case _:
            yield positive


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
