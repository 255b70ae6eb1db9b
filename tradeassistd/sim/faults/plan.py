"""When faults come: at set times, every day, or by chance; the same for the same seed. Market time, no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.sim.daytime import NewYorkDay, instant_us
from tradeassistd.sim.faults.kinds import Fault

NEVER = 2**63


@dataclass(frozen=True, slots=True)
class When:
    """An instant, or so long after the market's start."""

    at_us: int | None = None
    after_s: float = 0.0

    def instant_us(self, start_us: int) -> int:
        """UTC microseconds, for a market that starts then."""
        return start_us + round(self.after_s * US_PER_S) if self.at_us is None else self.at_us


START = When()


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault at a time; with `daily` every day at that minute of New York instead."""

    fault: Fault
    at: When = START
    daily: int | None = None


@dataclass(frozen=True, slots=True)
class Chance:
    """Again and again one of some faults, each `least_s` to `most_s` after the one before."""

    one_of: tuple[Fault, ...]
    least_s: int
    most_s: int
    begins: When = START
    ends: When | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is going to go wrong."""

    entries: tuple[Entry, ...] = ()
    chances: tuple[Chance, ...] = ()
    seed: int = 1

    def faults(self) -> Iterator[Fault]:
        """Every fault that may come."""
        yield from (entry.fault for entry in self.entries)
        for chance in self.chances:
            yield from chance.one_of


class Plan:
    """The faults of a scenario in order of time; of one instant in the order they are written."""

    def __init__(self, scenario: Scenario, start_us: int) -> None:
        self._order = count()
        self._due: list[tuple[int, int, Fault, Iterator[tuple[int, Fault]]]] = []
        for entry in scenario.entries:
            self._push(_entry(entry, start_us))
        for number, chance in enumerate(scenario.chances):
            self._push(_chance(chance, start_us, Random(f"{scenario.seed}:faults:{number}")))

    def next_us(self) -> int:
        """When the next fault comes; NEVER when none does."""
        return self._due[0][0] if self._due else NEVER

    def take(self, at_us: int) -> list[Fault]:
        """The faults that come at or before that instant; they will not come again."""
        taken = []
        while self._due and self._due[0][0] <= at_us:
            _, _, fault, more = heapq.heappop(self._due)
            taken.append(fault)
            self._push(more)
        return taken

    def ahead(self) -> list[tuple[int, Fault]]:
        """The next fault of each entry, soonest first."""
        return [(at_us, fault) for at_us, _, fault, _ in sorted(self._due, key=lambda one: one[:2])]

    def clear(self) -> None:
        """Nothing comes any more."""
        self._due.clear()

    def _push(self, coming: Iterator[tuple[int, Fault]]) -> None:
        for at_us, fault in coming:
            heapq.heappush(self._due, (at_us, next(self._order), fault, coming))
            return


def _entry(entry: Entry, start_us: int) -> Iterator[tuple[int, Fault]]:
    if entry.daily is None:
        yield entry.at.instant_us(start_us), entry.fault
        return
    day = NewYorkDay(start_us).date
    while True:
        if (at_us := instant_us(day, entry.daily)) >= start_us:
            yield at_us, entry.fault
        day += timedelta(days=1)


def _chance(chance: Chance, start_us: int, dice: Random) -> Iterator[tuple[int, Fault]]:
    at_us = chance.begins.instant_us(start_us)
    until_us = NEVER if chance.ends is None else chance.ends.instant_us(start_us)
    while True:
        gap_ms = dice.randint(chance.least_s * 1000, chance.most_s * 1000)
        at_us += gap_ms * US_PER_MS
        if at_us >= until_us:
            return
        yield at_us, dice.choice(chance.one_of)
