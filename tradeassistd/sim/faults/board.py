"""Which faults are at work: begins and ends them in market time, counts how often each struck. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from random import Random
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.faults.kinds import Fault, Span, Stage
from tradeassistd.sim.faults.plan import NEVER, Entry, Plan, Scenario

OVER_KEPT_MAX = 1_000
"""So many faults that are over are remembered."""
_KEEP_AWAY = (Stage.CONNECTION, Stage.REQUEST, Stage.REST, Stage.TOKEN)


@dataclass(slots=True, eq=False)
class Running:
    """A fault that has begun. `hits` counts what it did; `memory` is what its distortion remembers, by symbol."""

    number: int
    fault: Fault
    begin_us: int
    end_us: int
    dice: Random
    hits: int = 0
    over_us: int | None = None
    memory: dict[str, int] = field(default_factory=dict)
    moments_s: deque[float] = field(default_factory=deque)
    """When it let calls pass of late, machine time."""


class Edge(NamedTuple):
    """A fault begins or ends."""

    running: Running
    begins: bool


class Faults:
    """The faults of a run. `data` are those that distort what the stream says, in the order they began."""

    def __init__(self, scenario: Scenario | None = None, start_us: int = 0) -> None:
        scenario = scenario or Scenario()
        self.data: list[Running] = []
        self.running: dict[int, Running] = {}
        self.over: deque[Running] = deque(maxlen=OVER_KEPT_MAX)
        self._plan = Plan(scenario, start_us)
        self._later: list[tuple[int, Fault]] = []
        self._seed = scenario.seed
        self._numbers = count(1)
        self._next_us = NEVER
        self._look_ahead()

    def next_us(self) -> int:
        """Market time of the next begin or end; NEVER when none is ahead."""
        return self._next_us

    def turn(self, at_us: int) -> list[Edge]:
        """Begin and end what is due at that instant; ends come first."""
        edges = [Edge(one, False) for one in list(self.running.values()) if one.end_us <= at_us]
        for edge in edges:
            self.end(edge.running, at_us)
        due = self._plan.take(at_us) + [fault for when_us, fault in self._later if when_us <= at_us]
        self._later = [one for one in self._later if one[0] > at_us]
        edges += [Edge(self.begin(fault, at_us), True) for fault in due]
        self._look_ahead()
        return edges

    def plan(self, entry: Entry, start_us: int) -> None:
        """Have one more fault come at its time, counted from `start_us`. Raises ValueError for one of every day."""
        if entry.daily is not None:
            raise ValueError("a fault of every day can only be planned in a scenario")
        self._later.append((entry.at.instant_us(start_us), entry.fault))
        self._look_ahead()

    def begin(self, fault: Fault, at_us: int) -> Running:
        """Begin a fault now; one of a moment is over at once."""
        number = next(self._numbers)
        end_us = NEVER if fault.for_s is None else at_us + fault.for_s * US_PER_S
        one = Running(number, fault, at_us, end_us, Random(f"{self._seed}:fault:{number}"))
        if fault.kind.span is Span.MOMENT:
            one.over_us = at_us
            self.over.append(one)
            return one
        self.running[number] = one
        if fault.kind.stage is Stage.DATA or fault.name == "mute":
            self.data.append(one)
        self._look_ahead()
        return one

    def end(self, one: Running, at_us: int) -> None:
        """End a fault that is at work."""
        del self.running[one.number]
        one.over_us = at_us
        self.over.append(one)
        if one in self.data:
            self.data.remove(one)
        self._look_ahead()

    def reconnected(self, at_us: int) -> list[Running]:
        """End the faults that last until a client connects anew."""
        ended = [one for one in self.running.values() if one.fault.until_reconnect]
        for one in ended:
            self.end(one, at_us)
        return ended

    def cancel(self) -> None:
        """Plan nothing any more."""
        self._plan.clear()
        self._later.clear()
        self._look_ahead()

    def ahead(self) -> list[tuple[int, Fault]]:
        """What is planned next, soonest first: of what comes again only its next time."""
        return sorted(self._plan.ahead() + self._later, key=lambda one: one[0])

    def find(self, name: str) -> Running | None:
        """The fault of that name that began first, if one is at work."""
        return next((one for one in self.running.values() if one.fault.name == name), None)

    def strike(self, name: str, at_us: int, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """Let a fault of that name do its work once, if one is at work that fits; it ends with its last time."""
        for one in self.running.values():
            if one.fault.name == name and fits(one.fault):
                one.hits += 1
                if one.hits == one.fault.times:
                    self.end(one, at_us)
                return one.fault
        return None

    def too_many(self, now_s: float, fits: Callable[[Fault], bool]) -> int | None:
        """After how many seconds a call may come again that is one too many by a `rate_limit`; None: it may come now.

        `now_s` is machine time; a call that may come counts.
        """
        limits = [one for one in self.running.values() if one.fault.name == "rate_limit" and fits(one.fault)]
        for one in limits:
            while one.moments_s and one.moments_s[0] <= now_s - one.fault["per"]:
                one.moments_s.popleft()
            if len(one.moments_s) >= one.fault["calls"]:
                one.hits += 1
                again_s: int = ceil(one.moments_s[0] + one.fault["per"] - now_s)
                return max(1, again_s)
        for one in limits:
            one.moments_s.append(now_s)
        return None

    def kept_away_until_us(self) -> int | None:
        """The soonest end of a fault that may keep clients away; None when none has one."""
        ends = (one.end_us for one in self.running.values() if one.fault.kind.stage in _KEEP_AWAY)
        return min((end_us for end_us in ends if end_us < NEVER), default=None)

    @property
    def is_mute(self) -> bool:
        """Whether nothing leaves on the stream, heartbeats aside."""
        return any(one.fault.name == "mute" for one in self.data)

    @property
    def stops_heartbeats(self) -> bool:
        """Whether no heartbeat leaves either."""
        return any(one.fault.name == "mute" and not one.fault["heartbeats"] for one in self.data)

    @property
    def skew_us(self) -> int:
        """How far the server's clock is off."""
        seconds: list[int] = [one.fault["by"] for one in self.data if one.fault.name == "skew"]
        return sum(seconds) * US_PER_S

    def _look_ahead(self) -> None:
        ends = min((one.end_us for one in self.running.values()), default=NEVER)
        later = min((at_us for at_us, _ in self._later), default=NEVER)
        self._next_us = min(self._plan.next_us(), ends, later)
