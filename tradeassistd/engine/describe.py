"""How a rule stands: its condition as a tree with the present value of every leaf, and how far it is from firing.

Looking has no effect: leaves are looked at through copies, and nothing is made that is not there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction

import msgspec

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.compile import natural
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.expression import Combine, Compare, Cross, Expression, InRange, Not, render
from tradeassistd.engine.leaves import (
    ABOVE,
    BELOW,
    NO_SIDE,
    Leaf,
    RangeLeaf,
    SidedLeaf,
    kleene_all,
    kleene_any,
)
from tradeassistd.engine.machine import Machine
from tradeassistd.engine.unknown import Unknowns
from tradeassistd.market.session import NEW_YORK

AND, OR, NOT, STATE, EVENT = "and", "or", "not", "state", "event"
OPENING_SOUGHT_H = 24 * 10
"""How far ahead the next opening is looked for: past any long weekend."""
HOUR_US = 3600 * US_PER_S


class Leg(msgspec.Struct, frozen=True):
    """One node of a condition as it stands now: `and`, `or`, `not` with its items, or a leaf (`state`, `event`)."""

    kind: str
    text: str
    outcome: bool | None
    """True, false or unknown; for an event, whether a judging at this moment would see it happen."""
    why: str = ""
    """Why it is unknown, or what an event waits for."""
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
    """Of an event: where left was last seen: below, above, inside, outside or none (several levels: one each)."""


class Standing(msgspec.Struct, frozen=True):
    """One rule for one symbol as it stands now. Times are UTC microseconds, 0 for never."""

    rule_id: str
    symbol: str
    state: str
    since_us: int
    judged_us: int
    told_us: int
    due_us: int
    """When `for` is over and it fires, or when a firing nobody was told about may be told."""
    untold: bool
    why: str
    """Why it is not judged at present, or comes out unknown; empty when it is known."""
    condition: Leg


def describe(engine: Engine, rule_id: str) -> list[Standing]:
    """How the rule stands for each of its symbols, in its order; none for a rule that is off or is not there."""
    now_us = max((state.now_us for state in engine.symbols.values()), default=0)
    return [_standing(engine, machine, now_us) for machine in engine.machines if machine.rule.id == rule_id]


def _standing(engine: Engine, machine: Machine, now_us: int) -> Standing:
    state = machine.state
    unknowns = Unknowns(engine.symbols, machine.symbol)
    condition = _leg(machine.rule.when, iter(machine.leaves), unknowns, wanted=True)
    return Standing(
        rule_id=machine.rule.id, symbol=machine.symbol, state=state.state.value, since_us=state.since_us,
        judged_us=state.judged_us, told_us=state.told_us, due_us=machine.due_us, untold=state.untold,
        why=_not_judged(engine, machine, now_us) or _why_unknown(condition), condition=condition,
    )  # fmt: skip


def _not_judged(engine: Engine, machine: Machine, now_us: int) -> str:
    if not now_us:
        return "nothing received yet"
    until_us = engine.left_out_until_us(machine)
    if now_us < until_us:
        return f"left out until {_clock_text(until_us)}: it raised too often"
    if machine.window_at(now_us) is None:
        opens_us = _next_opening(machine, now_us)
        return f"session closed until {_clock_text(opens_us)}" if opens_us else "session closed"
    return ""


def _next_opening(machine: Machine, now_us: int) -> int:
    """When the rule's session opens next, 0 when not within OPENING_SOUGHT_H; no session is shorter than an hour."""
    for hours in range(1, OPENING_SOUGHT_H + 1):
        window = machine.window_at(now_us + hours * HOUR_US)
        if window is not None:
            return window.open_us
    return 0


def _clock_text(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%a %H:%M} New York"


def _why_unknown(leg: Leg) -> str:
    """The reasons of all unknown leaves, each once, when the whole is unknown."""
    return "; ".join(dict.fromkeys(_reasons(leg))) if leg.outcome is None else ""


def _reasons(leg: Leg) -> Iterator[str]:
    for item in leg.items:
        yield from _reasons(item)
    if not leg.items and leg.outcome is None:
        yield leg.why


def _leg(tree: Expression, leaves: Iterator[Leaf], unknowns: Unknowns, *, wanted: bool) -> Leg:
    """One node; `leaves` in written order. `wanted` is what it has to be for the rule to fire (false under `not`)."""
    match tree:
        case Combine():
            items = tuple(_leg(item, leaves, unknowns, wanted=wanted) for item in tree.items)
            outcome = (kleene_all if tree.op == Combine.AND else kleene_any)(item.outcome for item in items)
            every = (tree.op == Combine.AND) == wanted
            return Leg(tree.op, render(tree), outcome, items=items, distance_pct=_joint(items, every=every))
        case Not():
            inner = _leg(tree.operand, leaves, unknowns, wanted=not wanted)
            outcome = None if inner.outcome is None else not inner.outcome
            return Leg(NOT, render(tree), outcome, items=(inner,), distance_pct=inner.distance_pct)
        case Compare() | Cross() | InRange():
            return _leaf(tree, next(leaves), unknowns, wanted=wanted)
    raise TypeError(f"not a condition: {render(tree)}")


def _joint(items: Iterable[Leg], *, every: bool) -> float | None:
    """Where every item must come true the furthest counts, and it is unknown while one is; else the nearest."""
    distances = [item.distance_pct for item in items]
    known = [distance for distance in distances if distance is not None]
    if every:
        return max(known) if len(known) == len(distances) else None
    return min(known, default=None)


def _leaf(tree: Compare | Cross | InRange, leaf: Leaf, unknowns: Unknowns, *, wanted: bool) -> Leg:
    seen = leaf.glimpse()
    outcome, target = seen.outcome().full, seen.target()
    distance = distance_pct = None
    if seen.left is not None and target is not None:
        distance = natural(target - seen.left, seen.unit)
        if outcome is wanted:
            distance_pct = 0.0
        elif target:
            distance_pct = abs(float(Fraction(target - seen.left) / target)) * 100
    is_event = isinstance(tree, Cross) or tree.op in ("enters", "exits")
    why = unknowns.why(tree) if outcome is None else _waits_for(tree, leaf) if is_event and not outcome else ""
    return Leg(
        EVENT if is_event else STATE, seen.text, outcome, why, distance_pct, (), natural(seen.left, seen.unit),
        natural(target, seen.unit), str(seen.unit), distance, _side(leaf) if is_event else "",
    )  # fmt: skip


def _side(leaf: Leaf) -> str:
    """Where the values were at the last judging, one word per level."""
    if not isinstance(leaf, SidedLeaf):
        return ""
    words = ("outside", "none", "inside") if isinstance(leaf, RangeLeaf) else ("below", "none", "above")
    return ", ".join(words[side + 1] for side in leaf.sides)


def _waits_for(tree: Compare | Cross | InRange, leaf: Leaf) -> str:
    """What an event needs before it can happen, when it cannot happen at the next row."""
    if not isinstance(leaf, SidedLeaf):
        return ""
    from_side = {"crosses_above": BELOW, "crosses_below": ABOVE, "enters": BELOW, "exits": ABOVE}.get(tree.op)
    if all(side == NO_SIDE for side in leaf.sides):
        return "the next value only sets its side"
    if from_side is None or from_side in leaf.sides:
        return ""
    before = {"crosses_above": "below", "crosses_below": "above", "enters": "outside", "exits": "inside"}[tree.op]
    return f"has to be {before} first"
