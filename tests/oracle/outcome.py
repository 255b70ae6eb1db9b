"""Three-valued outcomes of conditions, and what events remember from one judging to the next: sides and occurrences."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from tests.oracle.events import US_PER_S
from tests.oracle.expression import (
    Compare,
    Condition,
    Cross,
    Day,
    Flag,
    Leaf,
    Move,
    Node,
    OpeningRange,
    Quote,
    Seq,
    Value,
    Vwap,
    Within,
    leaves,
    read_by,
)
from tests.oracle.hours import own_word, series_session
from tests.oracle.kleene import combine, compare, conjunction, disjunction, negation, signs
from tests.oracle.rule import is_of_day
from tests.oracle.world import Reader, is_running_extreme

Distance = Callable[[Fraction], Fraction]
"""How far a value must leave a level before it can reach it again, by the level."""


class Outcome(NamedTuple):
    """A leaf at one judging: its truth as watched, whether it happened unwatched, and the value of its left side."""

    live: bool | None
    missed: bool
    left: Fraction | None


class Ground(NamedTuple):
    """What a comparison stands on: another `watch` is a cut, other `anchors` (roll, session) a beginning."""

    watch: tuple[object, ...]
    anchors: tuple[object, ...]


def session_of(symbol: str, node: Node, at_us: int) -> object:
    """The present session (or week) of a day value; None for what is none."""
    match node:
        case Day("year"):
            return None
        case Day("prev_week"):
            return tuple(series_session(symbol).week_before(at_us))
        case Day(group):
            word = {"day": own_word(symbol), "prev_day": own_word(symbol)}.get(group, group.removeprefix("prev_"))
        case OpeningRange(_, _, session):
            word = session or "rth"
        case Vwap(session):
            word = session or own_word(symbol)
        case Quote("net_change" | "net_pct" | "settle"):
            word = own_word(symbol)
        case _:
            return None
    return series_session(symbol, word).latest(at_us)


class Side:
    """Where the left of a crossing stands to one level: -1 below, 1 above, 0 none yet."""

    def __init__(self, symbol: str, nodes: tuple[Value, ...]) -> None:
        read = [found for node in nodes for found in read_by(node, symbol)]
        self._symbols = sorted({of for of, _ in read})
        self._anchored = [(of, node) for of, node in read if is_of_day(node)]
        self.side = 0
        self.away = True  # of `reaches`: it has left the level
        self._ground: Ground | None = None
        self._here: object = None
        self._cut = False

    def stand(self, reader: Reader, watch: tuple[object, ...]) -> None:
        """Notices a cut or a new beginning since the last judging."""
        here = (watch, reader.world.changes[reader.last])
        if here == self._here and not self._anchored:
            return
        self._here = here
        held = [reader.held(symbol) for symbol in self._symbols]
        sessions = (session_of(symbol, node, reader.at_us) for symbol, node in self._anchored)
        anchors = (*(one.rolls for one in held), *(one for one in sessions if one is not None))
        ground = Ground((*watch, *(one.cuts for one in held)), anchors)
        if self._ground is not None and ground.anchors != self._ground.anchors:
            self.side, self.away = 0, True
        if self._ground is None or ground.watch != self._ground.watch:
            self._cut = self.side != 0
        self._ground = ground

    def cross(self, left: Fraction, right: Fraction) -> tuple[int, bool]:
        """(direction of a crossing, 0 for none; whether it happened unwatched). Equal keeps the side."""
        unwatched, self._cut = self._cut, False
        now = (left > right) - (left < right)
        if now in (0, self.side):
            return 0, False
        before, self.side = self.side, now
        return (now, unwatched) if before else (0, False)

    def reach(self, left: Fraction, right: Fraction, distance: Fraction) -> tuple[bool, bool]:
        """(whether it came to the level or went through it; whether that happened unwatched)."""
        unwatched, self._cut = self._cut, False
        now = (left > right) - (left < right)
        reached = self.away and self.side != 0 and now != self.side
        if reached or (self.side == 0 and now == 0):
            self.away = False  # it stands at the level, and nobody saw it come if it began there
        if not self.away and abs(left - right) >= distance:
            self.away = True
        if now and self.away:
            self.side = now
        return reached, unwatched

    def enter(self, inside: bool) -> tuple[int, bool]:
        """(1 when it came inside, -1 when it left; whether that happened unwatched)."""
        return self.cross(Fraction(1 if inside else -1), Fraction(0))

    def restart(self) -> None:
        """The daemon starts again: only the side was stored."""
        self._here = None
        self._ground = None if self._ground is None else Ground((), self._ground.anchors)


class LeafState:
    """A leaf and what it remembers."""

    def __init__(self, leaf: Leaf, symbol: str, distance: Distance) -> None:
        self.leaf = leaf
        self._distance = distance
        self.sides: list[Side] = []
        self._events: list[ConditionState] = []
        self._happened: list[list[tuple[int, bool]]] = []  # of each event of a seq: when, and whether unwatched
        match leaf:
            case Cross(left, _, levels):
                self.sides = [Side(symbol, (left, level)) for level in levels]
            case Move(left, _, low, high):
                self.sides = [Side(symbol, (left, low, high))]
            case Seq(events):
                self._events = [ConditionState(event, symbol, distance) for event in events]
                self._happened = [[] for _ in events]

    def restart(self) -> None:
        """Sides survive, and what happened of a sequence."""
        for side in self.sides:
            side.restart()
        for event in self._events:
            event.restart()

    def judge(self, reader: Reader, watch: tuple[object, ...]) -> Outcome:
        """The outcome with the values of this judging; every level of a crossing is compared."""
        for side in self.sides:
            side.stand(reader, watch)
        match self.leaf:
            case Flag():
                shown = reader.flag(self.leaf)
                return Outcome(shown, False, None if shown is None else Fraction(shown))
            case Seq(_, within_s):
                return self._sequence(reader, watch, within_s)
            case Compare(left, operator, right):
                first, second = side_by_side(reader, left, right)
                return Outcome(compare(first, operator, second), False, first)
            case Within(left, low, high, inside):
                held, value = inside_of(reader, left, low, high)
                return Outcome(held if inside else negation(held), False, value)
            case Move(left, kind, low, high):
                held, value = inside_of(reader, left, low, high)
                if held is None:
                    return Outcome(None, False, value)
                direction, unwatched = self.sides[0].enter(held)
                happened = direction == (1 if kind == "enters" else -1)
                return Outcome(happened and not unwatched, happened and unwatched, value)
            case Cross():
                return self._cross(reader, self.leaf)

    def _cross(self, reader: Reader, leaf: Cross) -> Outcome:
        wanted = {"crosses": (1, -1), "crosses_above": (1,), "crosses_below": (-1,)}.get(leaf.kind, ())
        crossed: list[bool | None] = []
        missed = False
        shown = reader(leaf.left)
        for side, right in zip(self.sides, leaf.levels, strict=True):
            left, level = side_by_side(reader, leaf.left, right)
            if left is None or level is None:
                crossed.append(None)
                continue
            if leaf.kind == "reaches":
                happened, unwatched = side.reach(left, level, self._distance(level))
            else:
                direction, unwatched = side.cross(left, level)
                happened = direction in wanted
            crossed.append(happened and not unwatched)
            missed = missed or (happened and unwatched)
            if happened:
                shown = left
        return Outcome(disjunction(crossed), missed, shown)

    def _sequence(self, reader: Reader, watch: tuple[object, ...], within_s: int) -> Outcome:
        """Whether the last event happens now, the others having happened before it in order and in time."""
        found = [event.judge(reader, watch) for event in self._events]
        live, missed, outcomes = found[-1]
        shown = first_left(self._events[-1].condition, outcomes, missed=missed)
        now_us = reader.at_us
        for unwatched in (False, True):
            if (live is True or (unwatched and missed)) and self._begun(
                now_us, unwatched
            ) >= now_us - within_s * US_PER_S:
                self._happened = [[] for _ in self._events]
                return Outcome(not unwatched, unwatched, shown)
        for happened, (truth, unseen, _) in zip(self._happened, found, strict=True):
            if truth is True or unseen:
                happened.append((now_us, truth is not True))
        return Outcome(False if live is True else live, False, shown)

    def _begun(self, now_us: int, unwatched: bool) -> int:
        """When the latest chain before now began; with or without what happened unwatched."""
        latest = now_us
        for happened in reversed(self._happened[:-1]):
            latest = max((at_us for at_us, unseen in happened if at_us < latest and unseen <= unwatched), default=-1)
        return latest


class ConditionState:
    """A whole condition and what its leaves remember."""

    def __init__(self, condition: Condition, symbol: str, distance: Distance) -> None:
        self.condition = condition
        self._leaves = [LeafState(leaf, symbol, distance) for leaf in leaves(condition)]

    def judge(self, reader: Reader, watch: tuple[object, ...]) -> tuple[bool | None, bool, list[Outcome]]:
        """(truth as watched; whether it is one with what happened unwatched taken as true; each leaf)."""
        outcomes = [leaf.judge(reader, watch) for leaf in self._leaves]
        live = combine(self.condition, iter([outcome.live for outcome in outcomes]))
        missed = False
        if live is not True and any(outcome.missed for outcome in outcomes):
            missed = combine(self.condition, iter([outcome.missed or outcome.live for outcome in outcomes])) is True
        return live, missed, outcomes

    def restart(self) -> None:
        """The daemon starts again."""
        for leaf in self._leaves:
            leaf.restart()


def side_by_side(reader: Reader, left: Value, right: Value) -> tuple[Fraction | None, Fraction | None]:
    """Both sides of a comparison: a running extreme beside a live quote as it was before the row."""
    if not (moves_with_rows(left) or moves_with_rows(right)):
        return reader(left), reader(right)
    return (reader.beside([right]) or reader)(left), (reader.beside([left]) or reader)(right)


@lru_cache
def moves_with_rows(value: Value) -> bool:
    """Whether a running extreme is part of a value."""
    return any(is_running_extreme(node) for _, node in read_by(value, ""))


def inside_of(reader: Reader, left: Value, low: Value, high: Value) -> tuple[bool | None, Fraction | None]:
    """Whether a value is within bounds, which are included; and the value."""
    value, bounds = (reader.beside([low, high]) or reader)(left), reader.beside([left]) or reader
    return conjunction([compare(bounds(low), "<=", value), compare(value, "<=", bounds(high))]), value


def first_left(condition: Condition, outcomes: list[Outcome], *, missed: bool = False) -> Fraction | None:
    """The left side of the first leaf that holds, in written order; under a `not`, of the first that does not."""
    for positive, outcome in zip(signs(condition, positive=True), outcomes, strict=True):
        if (outcome.live is positive or (missed and outcome.missed)) and outcome.left is not None:
            return outcome.left
    return None
