"""Who is judged when: every machine of the rules in force, indexed by what it reads.

A reload builds a new roster from the old one. Machines whose condition is the same go over as they are; states of rules
that went away wait on the shelf for the same rule and condition to come back (a git checkout and back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from tradeassistd.engine.conditions.counting import Streak
from tradeassistd.engine.machine import RULE_CHANGED, RULE_REMOVED, Ladder, Machine
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.symbol.symbols import SECOND_TURNED, SymbolState
from tradeassistd.engine.transition import RuleState, Transition
from tradeassistd.market.session import series_session

Shelf = dict[tuple[str, str, int, str], RuleState]
"""Stored states by rule, symbol, level and fingerprint that no machine has taken up."""


class Roster:
    """The machines of one rule set, in the order they are judged."""

    def __init__(self) -> None:
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
        self._unsaved: list[RuleState] = []
        """States on the shelf that the store has not got as they are."""

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """Every symbol some rule reads; the feed asks with every frame."""
        return tuple(sorted({symbol for machine in self.machines for symbol in (machine.symbol, *machine.reads)}))

    def restore(self, states: Iterable[RuleState]) -> None:
        """Give stored states to the machines they belong to; the others go on the shelf."""
        self.shelf.update({_key(state): state for state in states})
        for machine in self.machines:
            self._take_from_shelf(machine)

    def replaced_by(
        self, rule_set: RuleSet, state_of: Callable[[str], SymbolState], now_us: int
    ) -> tuple[Roster, list[Transition]]:
        """The roster of another rule set, and how firings of rules that changed or went away ended."""
        new = Roster()
        transitions: list[Transition] = []
        new.shelf, new._unsaved = self.shelf, self._unsaved
        old = {machine.key: machine for machine in self.machines}
        ids = {rule.id for rule in rule_set.rules if rule.mode != "off"}
        for rule in rule_set.rules:
            for symbol in rule.symbols if rule.mode != "off" else ():
                ladder = Ladder()
                for level in reversed(rule.numbers):  # the highest level is judged first
                    before = old.pop((rule.id, symbol, level), None) or old.pop((rule.was, symbol, level), None)
                    transitions += new._take_over(rule, symbol, level, ladder, before, state_of, now_us)
        for machine in old.values():
            transitions += machine.close(now_us, RULE_CHANGED if machine.rule.id in ids else RULE_REMOVED)
            new._put_on_shelf(machine)
        new._let_go(state_of)
        return new, transitions

    def _take_over(
        self, rule: Rule, symbol: str, level: int, ladder: Ladder, before: Machine | None,
        state_of: Callable[[str], SymbolState], now_us: int,
    ) -> Iterator[Transition]:  # fmt: skip
        """One machine of the new rule set; `before` is the one it takes the place of."""
        order = len(self.machines)
        if before is not None and before.state.fingerprint == rule.fingerprint(symbol, level):
            self._add(before.adopt(rule, order, ladder, state_of), state_of)
            return
        machine = Machine(rule, symbol, level, order, ladder, state_of)
        self._add(machine, state_of)
        if before is not None:
            self._put_on_shelf(before)
        taken = self._take_from_shelf(machine)
        if before is not None:
            yield from before.close(now_us, RULE_CHANGED) if taken else machine.succeed(before, now_us)

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

    def _take_from_shelf(self, machine: Machine) -> bool:
        """Give it its stored state, or that of the id it had before."""
        key = _key(machine.state)
        state = self.shelf.pop(key, None) or self.shelf.pop((machine.rule.was, *key[1:]), None)
        return state is not None and machine.restore(state)

    def _add(self, machine: Machine, state_of: Callable[[str], SymbolState]) -> None:
        self.machines.append(machine)
        rule, symbol = machine.rule, machine.symbol
        if rule.fire.mode == "each_bar":
            state_of(symbol).bar_series(rule.fire.interval)
            self.each_bar.setdefault((symbol, rule.fire.interval), []).append(machine)
        for streak in machine.streaks:
            self.streaks.setdefault((streak.symbol, streak.interval, streak.session), []).append(streak)
        if rule.evaluate.at_minute is not None:
            return
        if rule.evaluate.interval:
            state_of(symbol).bar_series(rule.evaluate.interval)
            self.at_close.setdefault((symbol, rule.evaluate.interval), []).append(machine)
            return
        for other, reads in machine.reads.items():
            # A plain number: an operator of IntFlag costs more than a judging.
            self.watchers.setdefault(other, []).append((int(reads), machine))
        if any(reads & SECOND_TURNED for reads in machine.reads.values()):
            self.by_second.append(machine)

    def _let_go(self, state_of: Callable[[str], SymbolState]) -> None:
        """Drop the bar series, and what is watched tick by tick, that no rule needs any more."""
        used = {track for machine in self.machines for track in machine.tracks}
        watched = {one for machine in self.machines for one in machine.watched}
        symbols = {symbol for machine in self.machines for symbol in (machine.symbol, *machine.reads)}
        for symbol in symbols:
            state = state_of(symbol)
            session = series_session(state.instrument)
            waited = {(interval, session) for one, interval in (*self.at_close, *self.each_bar) if one == symbol}
            counted = {(interval, word) for one, interval, word in self.streaks if one == symbol}
            state.retain(used, waited | counted)
            state.retain_watched(watched)


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)
