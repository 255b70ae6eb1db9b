"""How far conditions that are watched over time have come: the counts, streaks and sequences of one machine."""

from __future__ import annotations

from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.counting import Count, Streak
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.conditions.sequence import Seq
from tradeassistd.engine.language.expression import Call, render
from tradeassistd.engine.language.walk import walk
from tradeassistd.engine.machine import Machine


class Stage(NamedTuple):
    """An event of a sequence that happened when all before it had. Times are UTC microseconds."""

    happened_us: int
    """0 when that was before a restart: only how long it counts is stored."""
    until_us: int
    """Until when the sequence it belongs to can still be completed."""


def watchers(machine: Machine) -> dict[str, Count | Streak]:
    """What watches each `count(...)` and `streak(...)` of the condition, by its canonical text."""
    # The machine keeps them in the order in which they are written.
    counts = iter(machine.counts)
    streaks = iter(machine.streaks)
    found: dict[str, Count | Streak] = {}
    for node in walk(machine.when):
        if isinstance(node, Call) and node.name in ("count", "streak"):
            found[render(node)] = next(counts) if node.name == "count" else next(streaks)
    return found


def watched_s(count: Count, now_us: int) -> int:
    """For how many whole seconds the event has been watched without a break."""
    return max(now_us - count.since_us, 0) // US_PER_S if count.since_us else 0


def events_of(seq: Seq) -> tuple[Leaf, ...]:
    """The leaves of all its events, in written order."""
    return tuple(step for step in seq.steps if isinstance(step, Leaf))


def stages(seq: Seq, now_us: int) -> tuple[Stage | None, ...]:
    """Per event but the last whether it and all before it happened, recently enough to be completed; else None."""
    return tuple(
        Stage(reached_us, start_us + seq.within_us) if start_us and now_us <= start_us + seq.within_us else None
        for start_us, reached_us in seq.reached
    )
