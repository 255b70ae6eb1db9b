"""Who is judged when: every machine of the rules in force, indexed by what it reads.

A reload builds a new roster from the old one. Machines whose condition is the same go over as they are; states of rules
that went away wait on the shelf for the same rule and condition to come back (a git checkout and back). Rules that are
the very objects they were cost next to nothing: of thousands of them only the few that changed are looked at, for the
swap stands between two ticks.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from operator import is_
from typing import TypeVar

from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.conditions.counting import Streak
from tradeassistd.engine.machine import DAY_US, RULE_CHANGED, RULE_REMOVED, Ladder, Machine
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.silences import Silences
from tradeassistd.engine.symbol.symbols import SECOND_TURNED, SymbolState
from tradeassistd.engine.transition import STATE_KEPT_US, RuleState, Transition
from tradeassistd.market.session import series_session

Shelf = dict[tuple[str, str, int, str], RuleState]
"""Stored states by rule, symbol, level and fingerprint that no machine has taken up."""
Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


class Roster:
    """The machines of one rule set, in the order they are judged."""

    def __init__(self, silences: Silences) -> None:
        self.silences = silences
        self.machines: list[Machine] = []
        self.watchers: dict[str, list[tuple[int, Machine]]] = {}
        """Per symbol: which changes concern whom."""
        self.at_close: dict[tuple[str, str], list[Machine]] = {}
        """Per symbol and interval: who is judged when that bar closes."""
        self.each_bar: dict[tuple[str, str], list[Machine]] = {}
        """Per symbol and interval: who fires again when that bar closes."""
        self.streaks: dict[tuple[str, str, str], list[Streak]] = {}
        """Per symbol, interval and session: what counts those bars."""
        self.by_second: list[Machine] = []
        """Who reads what moves with each second."""
        self.shelf: Shelf = {}
        self.come: list[Machine] = []
        """Who is new or under new terms since the roster before."""
        self.gone: set[Machine] = set()
        """Who of the roster before is not here any more, or under new terms."""
        self._cleared_us = 0
        self._unsaved: list[RuleState] = []
        """States on the shelf that the store has not got as they are."""
        self._rules: tuple[Rule, ...] = ()
        self._first: list[int] = [0]
        """For each rule the position of its first machine; behind the last rule, how many machines there are."""
        self._by_rule: dict[str, tuple[Rule, tuple[Machine, ...]]] = {}
        """By id a rule that is not off, and its machines in order."""
        self._tracks: Counter[Track] = Counter()
        """How many times machines use each track of bars."""
        self._watched: Counter[object] = Counter()
        """How many times machines use what is watched tick by tick."""
        self._symbols: Counter[str] = Counter()
        """How many machines read each symbol."""

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """Every symbol some rule reads; the feed asks with every frame."""
        return tuple(sorted(self._symbols))

    def restore(self, states: Iterable[RuleState]) -> dict[Machine, RuleState]:
        """Give stored states to the machines they belong to, which it tells; the others go on the shelf."""
        self.shelf.update({_key(state): state for state in states})
        taken = ((machine, self._take_from_shelf(machine)) for machine in self.machines)
        return {machine: state for machine, state in taken if state is not None}

    def replaced_by(
        self, rule_set: RuleSet, state_of: Callable[[str], SymbolState], now_us: int
    ) -> tuple[Roster, list[Transition]]:
        """The roster of another rule set, and how firings of rules that changed or went away ended."""
        change = _Change(self, state_of, now_us)
        head, tail = _same_ends(self._rules, rule_set.rules)
        rules = rule_set.rules[head : len(rule_set.rules) - tail]
        if tail and any(rule.was for rule in rules):  # it may take the machines of a rule behind it
            tail, rules = 0, rule_set.rules[head:]
        change.keep_all(head, tail)
        for rule in rules:
            change.put(rule)
        return change.done(rule_set, tail), change.transitions

    def dirty_states(self) -> Iterator[RuleState]:
        """The states that changed since the last call; each is marked as known."""
        unsaved, self._unsaved = self._unsaved, []
        yield from unsaved
        for machine in self.machines:
            if machine.dirty:
                machine.dirty = False
                yield machine.state

    def _put_on_shelf(self, machine: Machine) -> None:
        self.shelf[_key(machine.state)] = machine.state
        if machine.dirty:
            self._unsaved.append(machine.state)

    def _take_from_shelf(self, machine: Machine, now_us: int = 0) -> RuleState | None:
        """Give it its stored state, or that of the id it had before, unless that has waited too long by `now_us`."""
        key = _key(machine.state)
        state = self.shelf.pop(key, None) or self.shelf.pop((machine.rule.was, *key[1:]), None)
        if state is None or state.judged_us < now_us - STATE_KEPT_US or not machine.restore(state):
            return None
        return state

    def _clear_shelf(self, now_us: int) -> None:
        """Once a day: forget what has waited too long."""
        if now_us < self._cleared_us + DAY_US:
            return
        self._cleared_us = now_us
        for key in [key for key, state in self.shelf.items() if state.judged_us < now_us - STATE_KEPT_US]:
            del self.shelf[key]

    def _let_go(self, state_of: Callable[[str], SymbolState]) -> None:
        """Drop the bar series, and what is watched tick by tick, that no rule needs any more."""
        waited: dict[str, set[str]] = {}
        for symbol, interval in (*self.at_close, *self.each_bar):
            waited.setdefault(symbol, set()).add(interval)
        counted: dict[str, set[tuple[str, str]]] = {}
        for symbol, interval, word in self.streaks:
            counted.setdefault(symbol, set()).add((interval, word))
        tracks, watched = set(self._tracks), set(self._watched)
        for symbol in self._symbols:
            state = state_of(symbol)
            session = series_session(state.instrument)
            series = {(interval, session) for interval in waited.get(symbol, ())} | counted.get(symbol, set())
            state.retain(tracks, series)
            state.retain_watched(watched)


class _Change:
    """One roster becoming another: what is kept goes over whole, the indexes are mended where something else is."""

    def __init__(self, before: Roster, state_of: Callable[[str], SymbolState], now_us: int) -> None:
        self.transitions: list[Transition] = []
        self._state_of = state_of
        self._now_us = now_us
        self._before = before
        self._left: dict[str, tuple[Rule | None, tuple[Machine, ...]]] = {}
        """Machines of the old roster that nothing has taken over yet, by rule; None for a rule that lacks some."""
        self._new = new = Roster(before.silences)
        new.shelf, new._unsaved, new._cleared_us = before.shelf, before._unsaved, before._cleared_us
        new._tracks, new._watched = before._tracks.copy(), before._watched.copy()
        new._symbols = before._symbols.copy()
        self._left_indexes = _Indexes()
        """What the machines that are gone had in the indexes; one under new terms goes and comes."""
        self._last = self._head_machines = 0
        self._reordered = False

    def keep_all(self, head: int, tail: int) -> None:
        """Take over whole what stands for the first and the last so many rules."""
        old, new = self._before, self._new
        end = len(old._rules) - tail
        new.machines = old.machines[: old._first[head]]
        new._first = old._first[: head + 1]
        self._last = self._head_machines = len(new.machines)
        new._by_rule = old._by_rule.copy()
        for rule in old._rules[head:end]:
            if (entry := new._by_rule.pop(rule.id, None)) is not None:
                self._left[rule.id] = entry

    def put(self, rule: Rule) -> None:
        """The machines of one rule of the new rule set."""
        if not self._keep(rule) and rule.mode != "off":
            self._take_over(rule)
        self._new._first.append(len(self._new.machines))

    def done(self, rule_set: RuleSet, tail: int) -> Roster:
        """Add the machines of the last so many rules, end what was not taken over, and give the new roster."""
        old, new = self._before, self._new
        first, start = old._first[len(old._first) - 1 - tail :], len(new.machines)
        moved = start - first[0]
        new.machines += old.machines[first[0] :]
        new._first += [one + moved for one in first[1:]] if moved else first[1:]
        new._rules = rule_set.rules
        for machine in [machine for _, machines in self._left.values() for machine in machines]:
            reason = RULE_CHANGED if machine.rule.id in new._by_rule else RULE_REMOVED
            self.transitions += machine.close(self._now_us, reason)
            new._put_on_shelf(machine)
            self._drop(machine)
        head = self._head_machines
        for order in range(head, len(new.machines) if moved else start):
            new.machines[order].order = order
        self._mend_indexes()
        new._let_go(self._state_of)
        new._clear_shelf(self._now_us)
        return new

    def _keep(self, rule: Rule) -> bool:
        """Take the machines of a rule that is the same object it was; False when there is nothing of that kind."""
        kept = self._left.get(rule.id)
        if kept is None or kept[0] is not rule:
            return False
        del self._left[rule.id]
        machines = kept[1]
        self._new.machines += machines
        self._new._by_rule[rule.id] = (rule, machines)
        if machines:
            self._reordered = self._reordered or machines[0].order < self._last
            self._last = machines[-1].order
        return True

    def _take_over(self, rule: Rule) -> None:
        """The machines of a rule that is new, or not quite what it was."""
        first = len(self._new.machines)
        for symbol in rule.symbols:
            ladder = Ladder()
            for level in reversed(rule.numbers):  # the highest level is judged first
                before = self._pop(rule.id, symbol, level) or self._pop(rule.was, symbol, level)
                self.transitions += self._one(rule, symbol, level, ladder, before)
        self._new._by_rule[rule.id] = (rule, tuple(self._new.machines[first:]))

    def _one(self, rule: Rule, symbol: str, level: int, ladder: Ladder, before: Machine | None) -> Iterator[Transition]:
        """One machine of the new rule set; `before` is the one it takes the place of."""
        new, order = self._new, len(self._new.machines)
        if before is not None:
            self._drop(before)
            if before.rule == rule or before.state.fingerprint == rule.fingerprint(symbol, level):
                self._add(before.adopt(rule, order, ladder, self._state_of))
                return
        machine = Machine(rule, symbol, level, order, ladder, self._state_of, new.silences)
        self._add(machine)
        if before is not None:
            new._put_on_shelf(before)
        taken = new._take_from_shelf(machine, self._now_us)
        if before is not None:
            yield from (before.close(self._now_us, RULE_CHANGED) if taken else machine.succeed(before, self._now_us))

    def _pop(self, rule_id: str, symbol: str, level: int) -> Machine | None:
        _, machines = self._left.get(rule_id, (None, ()))
        for machine in machines:
            if machine.symbol == symbol and machine.state.level == level:
                self._left[rule_id] = (None, tuple(one for one in machines if one is not machine))
                return machine
        return None

    def _add(self, machine: Machine) -> None:
        new, rule = self._new, machine.rule
        new.machines.append(machine)
        new.come.append(machine)
        new._tracks.update(machine.tracks)
        new._watched.update(machine.watched)
        new._symbols.update(machine.symbols)
        if rule.fire.mode == "each_bar":
            self._state_of(machine.symbol).bar_series(rule.fire.interval)
        if rule.evaluate.interval:
            self._state_of(machine.symbol).bar_series(rule.evaluate.interval)

    def _drop(self, machine: Machine) -> None:
        """Nothing of the old roster's indexes concerns this machine any more, as it is now."""
        _take_away(self._new._tracks, machine.tracks)
        _take_away(self._new._watched, machine.watched)
        _take_away(self._new._symbols, machine.symbols)
        self._left_indexes.note(machine)
        self._new.gone.add(machine)

    def _mend_indexes(self) -> None:
        old, new, left, come = self._before, self._new, self._left_indexes, _Indexes()
        for machine in new.come:
            come.note(machine)
        new.watchers = _mended(old.watchers, left.watchers, come.watchers, _order)
        new.at_close = _mended(old.at_close, left.at_close, come.at_close)
        new.each_bar = _mended(old.each_bar, left.each_bar, come.each_bar)
        new.streaks = _mended(old.streaks, left.streaks, come.streaks)
        gone = set(left.by_second)
        new.by_second = [machine for machine in old.by_second if machine not in gone] + come.by_second
        if self._reordered:
            for entries in new.watchers.values():
                entries.sort(key=_order)


def _same_ends(old: tuple[Rule, ...], new: tuple[Rule, ...]) -> tuple[int, int]:
    """How many rules at the beginning and how many at the end are the very same objects, none of them twice."""
    head = _same_from(old, new)
    tail = min(_same_from(old[head:][::-1], new[head:][::-1]), len(old) - head, len(new) - head)
    return head, tail


def _same_from(old: tuple[Rule, ...], new: tuple[Rule, ...]) -> int:
    """How many rules at the beginning are the very same objects."""
    same = [*map(is_, old, new)]  # thousands of them: no loop of our own
    return same.index(False) if False in same else len(same)


class _Indexes:
    """What some machines have in a roster's indexes."""

    def __init__(self) -> None:
        self.watchers: dict[str, list[tuple[int, Machine]]] = {}
        self.at_close: dict[tuple[str, str], list[Machine]] = {}
        self.each_bar: dict[tuple[str, str], list[Machine]] = {}
        self.streaks: dict[tuple[str, str, str], list[Streak]] = {}
        self.by_second: list[Machine] = []

    def note(self, machine: Machine) -> None:
        """Add what the machine has in them as it is now."""
        rule = machine.rule
        if rule.fire.mode == "each_bar":
            self.each_bar.setdefault((machine.symbol, rule.fire.interval), []).append(machine)
        for streak in machine.streaks:
            self.streaks.setdefault((streak.symbol, streak.interval, streak.session), []).append(streak)
        if rule.evaluate.at_minute is not None:
            return
        if rule.evaluate.interval:
            self.at_close.setdefault((machine.symbol, rule.evaluate.interval), []).append(machine)
            return
        for other, reads in machine.reads.items():
            # A plain number: an operator of IntFlag costs more than a judging.
            self.watchers.setdefault(other, []).append((int(reads), machine))
        if any(reads & SECOND_TURNED for reads in machine.reads.values()):
            self.by_second.append(machine)


def _order(entry: tuple[int, Machine]) -> int:
    return entry[1].order


def _mended(
    old: dict[Key, list[Entry]], gone: dict[Key, list[Entry]], come: dict[Key, list[Entry]],
    place: Callable[[Entry], int] | None = None,
) -> dict[Key, list[Entry]]:  # fmt: skip
    """The lists of `old` without what is gone and with what has come: at its place by `place`, else behind. A list
    that stays the same is shared."""
    new = dict(old)
    for key in (*gone, *(key for key in come if key not in gone)):
        without = set(gone.get(key, ()))
        entries = [entry for entry in old.get(key, ()) if entry not in without] if without else [*old.get(key, ())]
        for entry in come.get(key, ()):
            if place is None:
                entries.append(entry)
            else:
                insort(entries, entry, key=place)
        if entries:
            new[key] = entries
        else:
            new.pop(key, None)
    return new


def _take_away(counter: Counter[Key], used: Iterable[Key]) -> None:
    for one in used:
        if counter[one] > 1:
            counter[one] -= 1
        else:
            del counter[one]


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)
