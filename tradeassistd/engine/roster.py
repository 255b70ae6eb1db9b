"""Who is judged when: every machine of the rules in force, indexed by what it reads.

A reload builds a new roster from the old one. Machines whose condition is the same go over as they are; states of rules
that went away wait on the shelf for the same rule and condition to come back (a git checkout and back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from tradeassistd.engine.machine import Machine
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.symbols import SECOND_TURNED, SymbolState
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
        self.by_second: list[Machine] = []
        """Who reads a look-back, which moves each second."""
        self.shelf: Shelf = {}

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
        new.shelf = self.shelf
        old = {(machine.rule.id, machine.symbol): machine for machine in self.machines}
        for rule in rule_set.rules:
            for symbol in rule.symbols if rule.mode != "off" else ():
                before = old.pop((rule.id, symbol), None)
                if before is not None and before.rule.fingerprint == rule.fingerprint:
                    before.adopt(rule, len(new.machines))
                    new._add(before, state_of)
                    continue
                machine = Machine(rule, symbol, len(new.machines), state_of)
                new._add(machine, state_of)
                if before is not None:
                    new.shelf[_key(before.state)] = before.state
                if not new._take_from_shelf(machine) and before is not None:
                    transitions += machine.succeed(before, now_us)
        for machine in old.values():
            transitions += machine.close(now_us)
            new.shelf[_key(machine.state)] = machine.state
        new._let_go(state_of)
        return new, transitions

    def dirty_states(self) -> Iterator[RuleState]:
        """The states that changed since the last call; each is marked as known."""
        for machine in self.machines:
            if machine.dirty:
                machine.dirty = False
                yield machine.state

    def _take_from_shelf(self, machine: Machine) -> bool:
        state = self.shelf.pop(_key(machine.state), None)
        return state is not None and machine.restore(state)

    def _add(self, machine: Machine, state_of: Callable[[str], SymbolState]) -> None:
        self.machines.append(machine)
        interval = machine.rule.evaluate.interval
        if interval:
            state_of(machine.symbol).bar_series(interval)
            self.at_close.setdefault((machine.symbol, interval), []).append(machine)
            return
        for symbol, reads in machine.reads.items():
            self.watchers.setdefault(symbol, []).append((reads, machine))
        if any(reads & SECOND_TURNED for reads in machine.reads.values()):
            self.by_second.append(machine)

    def _let_go(self, state_of: Callable[[str], SymbolState]) -> None:
        """Drop the bar series that no rule needs any more."""
        used = {track for machine in self.machines for track in machine.tracks}
        symbols = {symbol for machine in self.machines for symbol in (machine.symbol, *machine.reads)}
        for symbol in symbols:
            state = state_of(symbol)
            session = series_session(state.instrument)
            state.retain(used, {(interval, session) for one, interval in self.at_close if one == symbol})


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)
