"""Rules that raise: which, how often, and until when each is left out so that it takes no other rule with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.machine import Machine

FAULTS_MAX = 3
FAULT_SPAN_US = 60 * US_PER_S
DISABLED_S = (60, 300, 1800)
"""A rule that raises FAULTS_MAX times within FAULT_SPAN_US is left out for these times in turn (rules.md 4.9)."""


@dataclass(slots=True)
class Fault:
    """A rule raised: a defect of ours, isolated so that the other rules go on."""

    event_us: int
    rule_id: str
    symbol: str
    error: Exception
    disabled_s: int = 0


class Failing:
    """What the rules of one engine raised. Times are event times, UTC microseconds."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        """Since somebody last took them."""
        self.ever = False
        """Whether any rule ever raised or was left out; asked before every judging."""
        self._raised: dict[tuple[str, str, int], _Raised] = {}

    def is_left_out(self, machine: Machine, now_us: int) -> bool:
        """Whether it is not to be judged now."""
        return now_us < self.until_us(machine)

    def until_us(self, machine: Machine) -> int:
        """Until when it is left out, 0 when it never was."""
        raised = self._raised.get(machine.key)
        return raised.until_us if raised else 0

    def leave_out(self, machines: Iterable[Machine]) -> None:
        """Only these are left out from now on, and for as long as nobody says otherwise."""
        self._raised = {machine.key: _Raised(until_us=NEVER_US) for machine in machines}
        self.ever = bool(self._raised)

    def report(self, machine: Machine, now_us: int, error: Exception, disabled_s: int = 0) -> None:
        """It raised, which is told and does not count: its state is as good as if it had not."""
        self.faults.append(Fault(now_us, machine.rule.id, machine.symbol, error, disabled_s))

    def count(self, machine: Machine, now_us: int, error: Exception) -> None:
        """It raised while it was judged: once more, and it may be left out for some time."""
        self.ever = True
        disabled_s = self._raised.setdefault(machine.key, _Raised()).again(now_us)
        if disabled_s:
            machine.cut()  # nobody watches it until then: a crossing meanwhile is missed, not live
        self.report(machine, now_us, error, disabled_s)


@dataclass(slots=True)
class _Raised:
    """How often one rule raised lately, and until when it is left out."""

    until_us: int = 0
    times_us: list[int] = field(default_factory=list)
    times_left_out: int = 0

    def again(self, now_us: int) -> int:
        """One more fault; gives for how many seconds the rule is left out now (0: not yet)."""
        self.times_us = [at_us for at_us in self.times_us if at_us > now_us - FAULT_SPAN_US] + [now_us]
        if len(self.times_us) < FAULTS_MAX:
            return 0
        seconds = DISABLED_S[min(self.times_left_out, len(DISABLED_S) - 1)]
        self.times_us, self.times_left_out, self.until_us = [], self.times_left_out + 1, now_us + seconds * US_PER_S
        return seconds
