"""A rule as the oracle sees it, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from tests.oracle.expression import Condition, Day, Node, OpeningRange, Quote, Value, Vwap, is_event, read_by

Kind = Literal["pending", "lapsed", "fired", "missed", "told", "cleared", "reminded", "closed"]
OfDay = ("net_change", "net_pct", "settle")


@dataclass(frozen=True, slots=True)
class Distance:
    """`0.5%` of the price it is measured from, or `8t`, tick sizes of the symbol."""

    digits: Fraction
    percent: bool = False

    def measured(self, price: Fraction, tick_size: Fraction) -> Fraction:
        """In points."""
        return abs(price) * self.digits / 100 if self.percent else self.digits * tick_size


@dataclass(frozen=True, slots=True)
class OracleLevel:
    """One condition with what ends it."""

    when: Condition
    clear_when: Condition | None = None


@dataclass(frozen=True, slots=True)
class OracleRule:
    """A rule. `evaluate` is `tick`, `close(INTERVAL)` or `at(HH:MM)`; `fire` is every, once, once_per_bar(INTERVAL) or
    each_bar(INTERVAL). With a `ladder` (mildest first) `when` and `clear_when` are those of its first level.

    `active`: (weekdays the window begins on, from minute, to minute) by the clock of New York.
    """

    id: str
    when: Condition
    evaluate: str = "tick"
    cooldown_s: int = 60
    at_load: Literal["quiet", "fire"] = "quiet"
    symbols: tuple[str, ...] = ()
    clear_when: Condition | None = None
    ladder: tuple[OracleLevel, ...] = ()
    for_s: int = 0
    keep_firing_for_s: int = 0
    fire: str = "every"
    max_per_session: int = 0
    rearm: Distance | None = None
    repeat_s: tuple[int, ...] = ()
    on_clear: Literal["silent", "tell"] = "silent"
    session: str = ""
    active: tuple[tuple[frozenset[int], int, int], ...] = ()
    expires_us: int = 0
    stale_after_s: int = 0
    mode: Literal["live", "shadow", "off"] = "live"
    catch_up: Literal["report", "log"] = "report"
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    was: str = ""
    rev: str = ""

    @property
    def levels(self) -> tuple[OracleLevel, ...]:
        """The ladder, or the one condition."""
        return self.ladder or (OracleLevel(self.when, self.clear_when),)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the levels: 1, 2, ... of a ladder, 0 without one."""
        return tuple(range(1, len(self.ladder) + 1)) if self.ladder else (0,)

    def level(self, number: int) -> OracleLevel:
        """The level of that number."""
        return self.levels[max(number - 1, 0)]

    def same_condition(self, other: OracleRule, symbol: str, number: int) -> bool:
        """Whether state is kept when one takes the other's place (rules.md 6.6, `rev` among it)."""
        return self._condition(symbol, number) == other._condition(symbol, number)

    def _condition(self, symbol: str, number: int) -> object:
        if (not self.ladder and number) or number > len(self.ladder):
            return None
        names = self.values.get(symbol, {})
        return self.level(number), dict(names), self.evaluate, self.fire, self.rev

    def conditions(self, number: int) -> tuple[Condition, ...]:
        """`when` of a level, and its `clear_when` if there is one."""
        level = self.level(number)
        return (level.when,) if level.clear_when is None else (level.when, level.clear_when)

    def reads_day(self, number: int) -> bool:
        """Whether `when` reads a day value."""
        return any(is_of_day(node) for _, node in read_by(self.level(number).when, ""))

    def is_event(self, number: int) -> bool:
        """Whether `when` is an event."""
        return is_event(self.level(number).when)


def is_of_day(node: Node) -> bool:
    """Whether a value belongs to a day or a session of it."""
    return isinstance(node, Day | OpeningRange | Vwap) or (isinstance(node, Quote) and node.name in OfDay)


@dataclass(frozen=True, slots=True)
class OracleTransition:
    """One change of one rule's state for one symbol and level, as the engine must say it."""

    event_us: int
    rule: str
    symbol: str
    level: int
    kind: Kind
    suppressed: str = ""
    value: float | None = None
    since_us: int = 0
    late: bool = False
    tell: bool = False
