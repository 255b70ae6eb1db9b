"""A condition as a tree with the present value of every leaf, and how far each is from true.

Looking has no effect: leaves are looked at through copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import msgspec

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.kleene import kleene_all, kleene_any
from tradeassistd.engine.conditions.leaves import ABOVE, BELOW, NO_SIDE, FlagLeaf, Leaf, RangeLeaf, SidedLeaf
from tradeassistd.engine.conditions.reach import REARM, Reaches
from tradeassistd.engine.conditions.sequence import Seq
from tradeassistd.engine.conditions.values import natural
from tradeassistd.engine.describing.progress import events_of, stages
from tradeassistd.engine.describing.unknown import Unknowns
from tradeassistd.engine.language.expression import Call, Combine, Cross, Expression, InRange, Not, Number, render
from tradeassistd.engine.language.own import OwnFunctionError
from tradeassistd.engine.rule import Move
from tradeassistd.market.session import NEW_YORK

AND, OR, NOT, STATE, EVENT = "and", "or", "not", "state", "event"


class Leg(msgspec.Struct, frozen=True):
    """One node of a condition as it stands now: `and`, `or`, `not` with its items, or a leaf (`state`, `event`).

    An `event` with items is a seq: they are its events.
    """

    kind: str
    text: str
    outcome: bool | None
    """True, false or unknown; for an event, whether a judging at this moment would see it happen."""
    why: str = ""
    """Why it is unknown, what an event waits for, or, of a seq's event, when it happened."""
    distance_pct: float | None = None
    """How far the values are from making it true, in percent of the right side; 0 when it is true."""
    items: tuple[Leg, ...] = ()
    left: float | None = None
    right: float | None = None
    """The value that decides next; of several levels or bounds the nearest."""
    unit: str = ""
    distance: float | None = None
    """Right minus left, in `unit`: how far left has to go."""
    side: str = ""
    """Of an event: where left was last seen: below, above, reached, inside, outside or none (several levels: one
    each)."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Makes the legs of one machine's condition at the engine's present time."""

    now_us: int
    unknowns: Unknowns
    rearm: Move | None = None
    """How far `reaches` must leave a level; None: the default."""

    def of(self, tree: Expression, leaves: Iterator[Leaf], *, wanted: bool = True) -> Leg:
        """One node; `leaves` in written order. `wanted`: what it has to be for the rule to fire (false under `not`)."""
        match tree:
            case Combine():
                items = tuple(self.of(item, leaves, wanted=wanted) for item in tree.items)
                outcome = (kleene_all if tree.op == Combine.AND else kleene_any)(item.outcome for item in items)
                every = (tree.op == Combine.AND) == wanted
                return Leg(tree.op, render(tree), outcome, items=items, distance_pct=_joint(items, every=every))
            case Not():
                inner = self.of(tree.operand, leaves, wanted=not wanted)
                outcome = None if inner.outcome is None else not inner.outcome
                return Leg(NOT, render(tree), outcome, items=(inner,), distance_pct=inner.distance_pct)
        leaf = next(leaves)
        try:
            if isinstance(leaf, Seq) and isinstance(tree, Call):
                return self._sequence(tree, leaf)
            return self._leaf(tree, leaf, wanted=wanted)
        except OwnFunctionError as error:
            return Leg(EVENT if _is_event(tree) else STATE, leaf.text, None, error.message, unit=str(leaf.unit))

    def _leaf(self, tree: Expression, leaf: Leaf, *, wanted: bool) -> Leg:
        seen = leaf.glimpse(self.now_us)
        outcome, target = seen.outcome().full, seen.target()
        distance = distance_pct = None
        if seen.left is not None and target is not None:
            distance = None if isinstance(leaf, FlagLeaf) else natural(target - seen.left, seen.unit)
            if outcome is wanted:
                distance_pct = 0.0
            elif target and distance is not None:
                distance_pct = abs(float(Fraction(target - seen.left) / target)) * 100
        is_event = _is_event(tree)
        if outcome is None:
            why = self.unknowns.why(tree)
        else:
            why = self._waits_for(tree, leaf) if is_event and not outcome else ""
        return Leg(
            EVENT if is_event else STATE, seen.text, outcome, why, distance_pct, (), natural(seen.left, seen.unit),
            natural(target, seen.unit), str(seen.unit), distance, _side(leaf) if is_event else "",
        )  # fmt: skip

    def _sequence(self, tree: Call, leaf: Seq) -> Leg:
        """A seq: its events as items. How far it is: as far as the furthest event that has yet to happen."""
        seen = leaf.glimpse(self.now_us)
        outcome, target = seen.outcome().full, seen.target()
        nested = iter(events_of(leaf))
        items = [self.of(event, nested) for event in tree.args]
        done = 0
        for position, stage in enumerate(stages(leaf, self.now_us)):
            if stage is None:
                continue
            done = position + 1
            when = f" at {_time_text(stage.happened_us)}" if stage.happened_us else ""
            why = f"happened{when}, counts until {_time_text(stage.until_us)} New York"
            items[position] = msgspec.structs.replace(items[position], why=why, distance_pct=None)
        distance_pct = 0.0 if outcome else _joint(items[done:], every=True)
        why = "; ".join(dict.fromkeys(reasons(items))) if outcome is None else ""
        if outcome is False:
            why = f"waits for {items[done].text}"
        distance = natural(target - seen.left, seen.unit) if seen.left is not None and target is not None else None
        return Leg(
            EVENT, seen.text, outcome, why, distance_pct, tuple(items), natural(seen.left, seen.unit),
            natural(target, seen.unit), str(seen.unit), distance,
        )  # fmt: skip

    def _waits_for(self, tree: Expression, leaf: Leaf) -> str:
        """What an event needs before it can happen, when it cannot happen at the next row."""
        if not isinstance(leaf, SidedLeaf) or not isinstance(tree, Cross | InRange):
            return ""
        if isinstance(leaf, Reaches) and all(leaf.reached):
            rearm = self.rearm or REARM
            return f"has to be {render(Number(rearm.digits, rearm.suffix))} away first"
        if all(side == NO_SIDE for side in leaf.sides):
            return "the next value only sets its side"
        from_side = {"crosses_above": BELOW, "crosses_below": ABOVE, "enters": BELOW, "exits": ABOVE}.get(tree.op)
        if from_side is None or from_side in leaf.sides:
            return ""
        before = {"crosses_above": "below", "crosses_below": "above", "enters": "outside", "exits": "inside"}[tree.op]
        return f"has to be {before} first"


def _is_event(tree: Expression) -> bool:
    return isinstance(tree, Cross | Call) or (isinstance(tree, InRange) and tree.op in ("enters", "exits"))


def reasons(legs: Iterable[Leg]) -> Iterator[str]:
    """Why each unknown leaf of the legs is unknown."""
    for leg in legs:
        yield from reasons(leg.items)
        if not leg.items and leg.outcome is None:
            yield leg.why


def _joint(items: Iterable[Leg], *, every: bool) -> float | None:
    """Where every item must come true the furthest counts, and it is unknown while one is; else the nearest."""
    distances = [item.distance_pct for item in items]
    known = [distance for distance in distances if distance is not None]
    if every:
        return max(known, default=None) if len(known) == len(distances) else None
    return min(known, default=None)


def _side(leaf: Leaf) -> str:
    """Where the values were at the last judging, one word per level."""
    if not isinstance(leaf, SidedLeaf):
        return ""
    words = ["outside", "none", "inside"] if isinstance(leaf, RangeLeaf) else ["below", "none", "above"]
    sides = [words[side + 1] for side in leaf.sides]
    if isinstance(leaf, Reaches):
        sides = ["reached" if reached else side for side, reached in zip(sides, leaf.reached, strict=True)]
    return ", ".join(sides)


def _time_text(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%H:%M:%S}"
