"""All rules over all events: what is due at each, in the order of rules.md 4.6."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from tests.oracle.events import US_PER_S, Ack, Clock, Event, Facts, Gap, Restart, Row, Silence, SilenceEnd, Swap
from tests.oracle.expression import Count, Flag, Look, OfBars, OpeningRange, Quote, Streak, read_by
from tests.oracle.hours import NEW_YORK, instant_us, series_session, trading_session
from tests.oracle.machine import Machine, Rise
from tests.oracle.outcome import session_of
from tests.oracle.rule import OracleRule, OracleTransition, is_of_day
from tests.oracle.touches import read, touched
from tests.oracle.world import World

LATE_US = 2 * US_PER_S
Key = tuple[str, str, int]


def expected_transitions(events: Sequence[Event], rules: Sequence[OracleRule]) -> list[OracleTransition]:
    """Everything the engine must say, in order of event time."""
    return list(Run(World(events), rules))


class Watched:
    """A machine, and what makes it due."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.learn()

    def learn(self) -> None:
        """What its rule reads."""
        machine, rule = self.machine, self.machine.rule
        found = [one for condition in rule.conditions(machine.number) for one in read_by(condition, machine.symbol)]
        self.tags = frozenset(tag for one in rule.conditions(machine.number) for tag in read(one, machine.symbol))
        if rule.rearm:
            self.tags |= {(machine.symbol, "price")}  # which says how far it has been
        self.on_clock = rule.stale_after_s > 0 or any(moves_with_the_clock(node) for _, node in found)
        self._anchored = [(of, node) for of, node in found if is_of_day(node) or isinstance(node, Flag)]
        self._stamp: object = None
        self._judged_cuts: object = None
        world = machine.world
        series = {world.series(of, node.interval, node.session) for of, node in found if isinstance(node, OfBars)}
        series |= {world.series(machine.symbol, node.interval) for _, node in found if isinstance(node, Streak)}
        self.closings = frozenset(index for one in series for index in one.closed_at)
        self.closes: frozenset[int] | None = None
        if rule.evaluate.startswith("close("):
            self.closes = world.series(machine.symbol, _argument(rule.evaluate)).closed_set
        self.each_bar: frozenset[int] = frozenset()
        if rule.fire.startswith("each_bar("):
            self.each_bar = world.series(machine.symbol, _argument(rule.fire)).closed_set

    def due_before(self, index: int, event: Event) -> bool:
        """Whether it is judged before the row is applied."""
        if self.closes is not None:
            return index in self.closes
        return self.machine.rule.evaluate.startswith("at(") and self._due_at(event) is not None

    def at_is_late(self, event: Event) -> bool:
        """Whether an `at(..)` rule is judged more than two seconds past its time."""
        due_us = self._due_at(event)
        return due_us is not None and event.at_us - due_us > LATE_US

    def _due_at(self, event: Event) -> int | None:
        """The instant of today's `at(..)`, once it is past and not judged yet."""
        machine = self.machine
        window = trading_session(machine.symbol).window(event.at_us)
        if not machine.rule.evaluate.startswith("at(") or window is None:
            return None
        hour, _, minute = _argument(machine.rule.evaluate).partition(":")
        day = datetime.fromtimestamp(window[1] // US_PER_S, NEW_YORK).date()
        due_us = instant_us(day, int(hour) * 60 + int(minute))
        if due_us >= window[1]:
            due_us = instant_us(day, int(hour) * 60 + int(minute) - 1440)
        if not window[0] <= due_us <= event.at_us or machine.judged_us >= due_us:
            return None
        return due_us if isinstance(event, Clock) or self._first_past(due_us, event.at_us) else None

    def _first_past(self, due_us: int, at_us: int) -> bool:
        times = self.machine.world.times
        return times[bisect_left(times, due_us)] == at_us

    def due_after(self, index: int, event: Event, touches: frozenset[tuple[str, str]], *, turned: bool) -> bool:
        """Whether it is judged after the event is applied."""
        if self.machine.rule.evaluate != "tick":
            return False
        cuts = self.machine.watch[1] if self.machine.watch else None
        due = (
            not self.tags.isdisjoint(touches)
            or index in self.closings
            or (self.on_clock and isinstance(event, Clock))
            or turned
            or (cuts != self._judged_cuts and self._judged_cuts is not None and not isinstance(event, Row | Clock))
            or (self.machine.entered and isinstance(event, Row | Facts) and event.symbol in self.machine.reads)
        )
        if due:
            self._judged_cuts = cuts
        return due

    def turned(self, at_us: int) -> bool:
        """Whether a session, or the day, of what it reads has begun anew, or an opening range is over."""
        if not self._anchored:
            return False
        stamp, before = self._stamp_at(at_us), self._stamp
        self._stamp = stamp
        return before is not None and stamp != before

    def _stamp_at(self, at_us: int) -> object:
        """The sessions its day values belong to, and which opening ranges are over."""
        found: list[object] = []
        times = self.machine.world.times
        for of, node in self._anchored:
            found += [session_of(of, node, at_us), series_session(of).latest(at_us)]
            if isinstance(node, OpeningRange):
                window = series_session(of, node.session or "rth").latest(at_us)
                closed = self.machine.world.day(of).closed(window[0] + node.duration_s * US_PER_S)
                found.append(closed < len(times) and times[closed] <= at_us)
        return found


def moves_with_the_clock(node: object) -> bool:
    """Whether a value moves each second."""
    return isinstance(node, Look | Count) or (isinstance(node, Quote) and node.name in ("age", "minutes_to_close"))


class Run:
    """The rules in force, going through the events."""

    def __init__(self, world: World, rules: Sequence[OracleRule]) -> None:
        self._world = world
        self._said: list[OracleTransition] = []
        self._kept: dict[Key, list[Watched]] = {}  # of rules that are gone, by condition
        self._watched: list[Watched] = [self._new(*place) for place in places(rules)]

    def __iter__(self) -> Iterator[OracleTransition]:
        for index, event in enumerate(self._world.events):
            if isinstance(event, Silence | SilenceEnd) or (isinstance(event, Gap) and event.timeless):
                continue
            if isinstance(event, Restart):
                for one in (*self._watched, *(one for kept in self._kept.values() for one in kept)):
                    one.machine.restart()
                    one.learn()
                continue
            self._before(index, event)
            if isinstance(event, Swap):
                self._swap(index, event)
            elif isinstance(event, Ack):
                self._acknowledge(event)
            else:
                self._after(index, event)
            yield from self._said
            self._said.clear()

    def _new(self, rule: OracleRule, symbol: str, number: int) -> Watched:
        return Watched(Machine(self._world, rule, symbol, number, self._said.append))

    def _before(self, index: int, event: Event) -> None:
        """Timers, then what is judged at the closing of bars and at times of the day; the row is not applied yet."""
        awake = [one for one in self._watched if self._awake(one.machine, index, event.at_us)]
        for one in awake:
            one.machine.close_bar(index)
        rising = [one for one in awake if one.machine.due_to_rise(event.at_us)]
        self._tell(index - 1, event.at_us, ((one, Rise(one.machine, "fired")) for one in rising))
        for one in awake:
            one.machine.timers(event.at_us, index - 1)
        for one in awake:
            self._again(one, index, event.at_us)
        due = [one for one in awake if one.due_before(index, event)]
        self._tell(index - 1, event.at_us, ((one, self._judge(one, index, event)) for one in due))

    def _awake(self, machine: Machine, index: int, at_us: int) -> bool:
        return not machine.end(at_us) and machine.enter(at_us, index - 1)

    def _again(self, one: Watched, index: int, at_us: int) -> None:
        machine = one.machine
        if index not in one.each_bar or machine.state != "firing":
            return
        if machine.holds(index):
            machine.again(at_us, index - 1)

    def _judge(self, one: Watched, index: int, event: Event) -> Rise | None:
        machine = one.machine
        if machine.rule.evaluate.startswith("at("):
            machine.late = one.at_is_late(event)
        return machine.judge(index, before=True)

    def _after(self, index: int, event: Event) -> None:
        """The row is applied, and every rule that reads what it changed is judged once."""
        touches = frozenset(touched(event))
        due = []
        for one in self._watched:
            turned = one.turned(event.at_us)
            sessions = one.machine.watched_at(event.at_us)
            if one.machine.expired or sessions is None:
                continue
            one.machine.notice(sessions, index, event.at_us)
            if one.due_after(index, event, touches, turned=turned):
                due.append(one)
        if due:
            self._tell(index, event.at_us, ((one, one.machine.judge(index, before=False)) for one in due))

    def _tell(self, index: int, at_us: int, rises: Iterable[tuple[Watched, Rise | None]]) -> None:
        """Of what rises in one rule and symbol the highest level is told."""
        for _, group in groupby(rises, key=lambda pair: (pair[0].machine.rule.id, pair[0].machine.symbol)):
            outranked = False
            for one, rise in group:
                if rise is not None:
                    one.machine.raised(at_us, index, rise, outranked=outranked)
                    outranked = outranked or not rise.quiet

    def _acknowledge(self, ack: Ack) -> None:
        for one in self._watched:
            if one.machine.rule.id == ack.rule and ack.symbol in ("", one.machine.symbol):
                one.machine.acked = one.machine.state == "firing"

    # --- reload -----------------------------------------------------------------------------------------------------

    def _swap(self, index: int, swap: Swap) -> None:
        """The rules in force are replaced; state stays where the condition stays (rules.md 6.6)."""
        old = {_key(one.machine): one for one in self._watched}
        self._watched = []
        for place in places(swap.rules):
            self._watched.append(self._successor(old, *place, index, swap.at_us))
        for key, one in old.items():
            if one.machine.state == "firing":
                there = any(rule.id == one.machine.rule.id and rule.mode != "off" for rule in swap.rules)
                one.machine.say(swap.at_us, "closed", "rule_changed" if there else "rule_removed")
            self._keep(key, one)

    def _successor(
        self, old: dict[Key, Watched], rule: OracleRule, symbol: str, number: int, index: int, at_us: int
    ) -> Watched:
        """What takes a rule's place: what was there, what had been there once, or something new."""
        for name in (rule.id, rule.was) if rule.was else (rule.id,):
            key = (name, symbol, number)
            before = old.get(key)
            if before is not None and before.machine.condition.same_condition(rule, symbol, number):
                return self._go_on(old.pop(key), rule)
            again = self._returned(key, rule)
            if before is not None and name == rule.id:
                self._keep(key, old.pop(key))
                return self._changed(before, again, rule, symbol, number, index, at_us)
            if again is not None:
                return self._go_on(again, rule)
        return self._new(rule, symbol, number)

    def _returned(self, key: Key, rule: OracleRule) -> Watched | None:
        """What is kept of the same condition."""
        kept = self._kept.get(key, [])
        found = [one for one in kept if one.machine.condition.same_condition(rule, *key[1:])]
        for one in found:
            kept.remove(one)
        return found[-1] if found else None

    def _go_on(self, one: Watched, rule: OracleRule) -> Watched:
        one.machine.take(rule)
        one.learn()
        return one

    def _keep(self, key: Key, one: Watched) -> None:
        """For the day the same condition returns; meanwhile it is not watched."""
        one.machine.watch = None
        self._kept.setdefault(key, []).append(one)

    def _changed(
        self, stored: Watched, again: Watched | None, rule: OracleRule, symbol: str, number: int, index: int, at_us: int
    ) -> Watched:
        """Armed anew, or as it stood when it last had this condition; a firing goes on if the condition is true now."""
        before = stored.machine
        if before.state == "firing":
            fresh = self._new(rule, symbol, number)
            if fresh.machine.goes_on(before, index, at_us):
                return fresh
            before.say(at_us, "closed", "rule_changed")
        if again is not None:
            return self._go_on(again, rule)
        fresh = self._new(rule, symbol, number)
        fresh.machine.gates.told_us = before.gates.told_us
        return fresh


def places(rules: Iterable[OracleRule]) -> Iterator[tuple[OracleRule, str, int]]:
    """(rule, symbol, level) in the order of judging: the highest level first."""
    for rule in rules:
        if rule.mode != "off":
            for symbol in rule.symbols:
                for number in reversed(rule.numbers):
                    yield rule, symbol, number


def _key(machine: Machine) -> Key:
    return machine.rule.id, machine.symbol, machine.number


def _argument(text: str) -> str:
    return text.partition("(")[2].removesuffix(")")
