"""`reaches`: left comes to a level, or goes through it, from either side.

It happens once per visit: a level that was reached is armed again only after left was the rearm distance away from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from tradeassistd.engine.conditions.leaves import ABOVE, BELOW, NO_SIDE, Anchor, LevelsLeaf
from tradeassistd.engine.conditions.values import ValueOf, apart
from tradeassistd.engine.language.functions import Unit, Value
from tradeassistd.engine.rule import Move

REACHED = 2
"""Beside the sides below and above, which mean armed: reached, and not armed again yet."""
REARM = Move(Fraction(4), "t")
"""How far left must leave a level before it can reach it again, unless the rule says otherwise."""

DistanceFrom = Callable[[Value], Value]
"""From a level to its rearm distance, both scaled."""


class Reaches(LevelsLeaf):
    """An event: left, seen below a level, is at or above it now, or the other way round.

    The first value, and the first after a new anchor, only sets the side; one that stands at the level counts as having
    reached it. A level reached in a cut is missed, also when left stands exactly at it at the first look.
    """

    def __init__(
        self,
        text: str,
        unit: Unit,
        left: ValueOf,
        rights: tuple[ValueOf, ...],
        rearm: DistanceFrom,
        anchors: Sequence[Anchor] = (),
    ) -> None:
        super().__init__(text, unit, left, rights, anchors)
        self._rearm = rearm

    @property
    def sides(self) -> tuple[int, ...]:
        """From which side it would reach each level; NO_SIDE where it is not armed."""
        return tuple(NO_SIDE if side == REACHED else side for side in super().sides)

    @property
    def reached(self) -> tuple[bool, ...]:
        """Which levels have been reached and not been left since."""
        return tuple(side == REACHED for side in super().sides)

    def _meet(self, position: int, left: Value, right: Value) -> tuple[bool, bool]:
        missed = self._was_cut(position)
        slot = self._first + position
        before = self._memory[slot]
        side = (left > right) - (left < right)
        happened = (before == BELOW and side >= 0) or (before == ABOVE and side <= 0)
        if before == NO_SIDE:
            self._memory[slot] = side or REACHED
        elif happened or before == REACHED:
            away = side != NO_SIDE and apart(left, right) >= self._rearm(right)
            self._memory[slot] = side if away else REACHED
        return happened, missed

    def _awaits(self, side: int) -> bool:
        return side in (BELOW, ABOVE)


def distance_from(rearm: Move, tick_size: int) -> DistanceFrom:
    """The rearm distance of a level; a percentage is one of the level itself."""
    return lambda level: rearm.from_price(round(level), tick_size)
