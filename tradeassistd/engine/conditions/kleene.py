"""Three-valued logic: what a condition came out as, and `all`, `any`, `not` over it.

An outcome is told twice: counting only what happened at this judging (`live`), and counting also what happened while
nobody watched (`full`), so one judging tells a crossing from a missed one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Outcome(NamedTuple):
    """True, False or None (unknown): counting only what happened now, and counting missed crossings too."""

    live: bool | None
    full: bool | None


UNKNOWN = Outcome(None, None)


class Condition(Protocol):
    """Anything with an outcome after its leaves have looked."""

    def outcome(self) -> Outcome: ...


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
