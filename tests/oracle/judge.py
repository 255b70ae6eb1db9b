"""One rule over all events: when it is judged, and which alerts must be stored."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tests.oracle.expression import Condition, OfBars, PctChange, Value, is_event, leaves, values
from tests.oracle.outcome import LeafState, Outcome, combine
from tests.oracle.tape import US_PER_S, Event, Kind
from tests.oracle.world import World

AlertKind = Literal["fired", "told", "missed"]
Reason = Literal["at_load", "cooldown"]


@dataclass(frozen=True, slots=True)
class OracleRule:
    """A rule for one symbol. `evaluate` is `tick` or `close(INTERVAL)`."""

    id: str
    when: Condition
    evaluate: str = "tick"
    cooldown_s: int = 60
    at_load: Literal["quiet", "fire"] = "quiet"


@dataclass(frozen=True, slots=True)
class OracleAlert:
    """An alert the daemon must store.

    `suppressed` is None for one that is told. `value`: points, shares, or a fraction for percent. `late`: it is a state
    rule's first known result after a cut.
    """

    rule: str
    symbol: str
    event_us: int
    kind: AlertKind
    suppressed: Reason | None
    value: float | None
    late: bool = False


class Judge:
    """The state of one rule while it goes through the events."""

    def __init__(self, world: World, rule: OracleRule) -> None:
        self._world, self._rule = world, rule
        self._leaves = [LeafState(leaf) for leaf in leaves(rule.when)]
        self._is_event = is_event(rule.when)
        self._on_close = rule.evaluate != "tick"
        self._reads_clock = any(isinstance(value, PctChange) for value in values(rule.when))
        self._closings = self._events_that_close()
        self._alerts: list[OracleAlert] = []
        self._firing: bool | None = None  # of a state rule; None before its first known result
        self._untold = False  # it fires, and the cooldown kept it quiet
        self._told_us: int | None = None
        self._value: Fraction | None = None  # at the last judging that was true
        self._late = False
        self._watched: tuple[int, int] | None = None  # cuts so far, opening of the session, at the last judging

    def run(self) -> list[OracleAlert]:
        """Every alert of the rule, in order."""
        for index, event in enumerate(self._world.events):
            window = self._world.trading.window(event.event_us)
            if event.kind is Kind.CUT or window is None:
                continue
            self._tell_when_due(event.event_us)
            if self._is_due(index, event):
                self._enter((event.cuts, window[0]))
                self._judge(index, event.event_us)
        return self._alerts

    def _events_that_close(self) -> set[int]:
        """The events at which a bar closes that makes the rule due."""
        if self._on_close:
            series: set[tuple[str, str | None]] = {(self._rule.evaluate.removeprefix("close(").removesuffix(")"), None)}
        else:
            series = {(value.interval, value.session) for value in values(self._rule.when) if isinstance(value, OfBars)}
        return {closing.index for key in series for closing in self._world.series(*key).closings}

    def _is_due(self, index: int, event: Event) -> bool:
        if self._on_close or (event.kind is Kind.CLOCK and not self._reads_clock):
            return index in self._closings
        return True

    def _enter(self, watched: tuple[int, int]) -> None:
        """The first judging after a cut, or in a session that is not the last judging's, finds crossings unwatched."""
        if self._watched is not None and watched != self._watched:
            self._late = True
            for leaf in self._leaves:
                leaf.cut()
        self._watched = watched

    def _judge(self, index: int, event_us: int) -> None:
        def read(value: Value) -> Fraction | None:
            return self._world.value(value, index, before_row=self._on_close)

        outcomes = [leaf.judge(read) for leaf in self._leaves]
        if self._is_event:
            self._cross(event_us, outcomes)
        else:
            self._turn(event_us, outcomes)

    def _cross(self, event_us: int, outcomes: list[Outcome]) -> None:
        """An event rule: it fires at each judging that is true; what happened unwatched is reported, not fired."""
        if combine(self._rule.when, iter([outcome.live for outcome in outcomes])) is True:
            self._raise(event_us, "fired", _first_left(outcomes, [outcome.live for outcome in outcomes]))
            return
        counted = [outcome.missed or outcome.live for outcome in outcomes]
        if any(outcome.missed for outcome in outcomes) and combine(self._rule.when, iter(counted)) is True:
            self._raise(event_us, "missed", _first_left(outcomes, counted))

    def _turn(self, event_us: int, outcomes: list[Outcome]) -> None:
        """A state rule: it fires when it turns true, and must be seen false before it can turn again."""
        truths = [outcome.live for outcome in outcomes]
        holds = combine(self._rule.when, iter(truths))
        if holds is None:
            return
        before, self._firing = self._firing, holds
        late, self._late = self._late, False
        if not holds:
            self._untold = False
            return
        self._value = _first_left(outcomes, truths)
        if before is None and self._rule.at_load == "quiet":
            self._store(event_us, "fired", "at_load", self._value)
        elif not before:
            self._untold = not self._raise(event_us, "fired", self._value, late=late)

    def _tell_when_due(self, event_us: int) -> None:
        """What the cooldown kept quiet is told once it is over, if the rule still fires."""
        if self._untold and not self._cooling(event_us):
            self._untold = not self._raise(event_us, "told", self._value)

    def _cooling(self, event_us: int) -> bool:
        return self._told_us is not None and event_us - self._told_us < self._rule.cooldown_s * US_PER_S

    def _raise(self, event_us: int, kind: AlertKind, value: Fraction | None, *, late: bool = False) -> bool:
        """Stores an alert that passes the cooldown or is suppressed by it; true when it is told."""
        if self._cooling(event_us):
            self._store(event_us, kind, "cooldown", value, late=late)
            return False
        self._told_us = event_us
        self._store(event_us, kind, None, value, late=late)
        return True

    def _store(
        self,
        event_us: int,
        kind: AlertKind,
        suppressed: Reason | None,
        value: Fraction | None,
        *,
        late: bool = False,
    ) -> None:
        natural = None if value is None else float(value)
        self._alerts.append(OracleAlert(self._rule.id, self._world.symbol, event_us, kind, suppressed, natural, late))


def _first_left(outcomes: list[Outcome], truths: list[bool | None]) -> Fraction | None:
    """The left side of the first leaf that is true, in written order."""
    for outcome, truth in zip(outcomes, truths, strict=True):
        if truth is True and outcome.left is not None:
            return outcome.left
    return None
