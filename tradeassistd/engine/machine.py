"""One rule for one symbol: judges its condition, moves its state, and asks the gates whether to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.compile import Compiler, natural
from tradeassistd.engine.kinds import EVENT, check
from tradeassistd.engine.leaves import Leaf, Outcome, SidedLeaf
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbols import SymbolState
from tradeassistd.engine.transition import Kind, Operand, RuleState, State, Transition
from tradeassistd.market.session import Window, trading_window_at, window_at

AT_LOAD, COOLDOWN, MODE, LOG = "at_load", "cooldown", "mode", "log"
"""Why an alert was not told."""
RULE_CHANGED, RULE_REMOVED = "rule_changed", "rule_removed"
"""Why a firing ended with its rule."""


class _Evidence(NamedTuple):
    value: float | None
    unit: str
    operands: tuple[Operand, ...]


class Machine:
    """The state machine of one (rule, symbol). Times are event times; nothing here knows another clock."""

    def __init__(self, rule: Rule, symbol: str, order: int, state_of: Callable[[str], SymbolState]) -> None:
        self.rule = rule
        self.symbol = symbol
        self.order = order
        self.due_us = 0
        """When `for` is over, or a suppressed firing may be told; 0 when there is neither."""
        self.dirty = False
        """The stored state is behind."""
        self.closes_us = 0
        """End of the session it was last judged in: at the first event past it, it is judged whatever changed."""
        self._own = state_of(symbol)
        compiler = Compiler(self._own.instrument, state_of)
        self._condition = compiler.condition(rule.when)
        self._is_event = check(rule.when, self._own.instrument) == EVENT
        self._leaves = compiler.leaves
        self.reads = compiler.reads
        self.tracks = compiler.tracks
        self._window: Window | None = None
        self._cut = False
        self._cooldown_us = rule.cooldown_s * US_PER_S
        self._evidence: _Evidence | None = None
        """What an untold firing last held by: when it is told, the values may be unknown."""
        self.state = RuleState(rule.id, symbol, 0, rule.fingerprint)
        self._attach()

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.rule.id, self.symbol, self.state.level)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The comparisons of the condition, in written order."""
        return tuple(self._leaves)

    def window_at(self, now_us: int) -> Window | None:
        """The window of the rule's session that holds the instant, None outside."""
        instrument, word = self._own.instrument, self.rule.session
        return window_at(instrument, word, now_us) if word else trading_window_at(instrument, now_us)

    def restore(self, state: RuleState) -> bool:
        """Take up a stored state; False when its condition was another one, so that it means nothing here."""
        if state.fingerprint != self.rule.fingerprint or len(state.sides) != len(self.state.sides):
            return False
        self.state = replace(state, sides=list(state.sides))  # the event it came with must stay as it is on the tape
        self._attach()
        self._set_timer()
        self.cut()
        return True

    def adopt(self, rule: Rule, order: int) -> None:
        """The rule was reloaded with the same condition: the state is kept, what else changed counts from now on."""
        if rule.session != self.rule.session:
            self._window, self.closes_us = None, 0
        self.rule, self.order = rule, order
        self._cooldown_us = rule.cooldown_s * US_PER_S
        self._set_timer()

    def succeed(self, old: Machine, now_us: int) -> Iterator[Transition]:
        """The rule was reloaded with another condition: armed anew; a firing alert is judged once, else it ends."""
        self.state.told_us = old.state.told_us
        if old.state.state is not State.FIRING:
            return
        for leaf in self._leaves:
            leaf.look()
        self.state.since_us = old.state.since_us
        if not self._is_event and self._condition.outcome().live:
            self.state.state, self.state.untold, self.state.judged_us = State.FIRING, old.state.untold, now_us
            self.dirty = True
            self._set_timer()
        else:
            yield self._transition(now_us, Kind.CLOSED, RULE_CHANGED)
            self.state.since_us = 0

    def close(self, now_us: int) -> Iterator[Transition]:
        """The rule is gone: a firing alert ends. The state stays as it is, for the rule may come back."""
        if self.state.state is State.FIRING:
            ended = self._transition(now_us, Kind.CLOSED, RULE_REMOVED)
            yield replace(ended, state=State.OK)

    def cut(self) -> None:
        """Nobody watches until the next judging: what has changed by then was missed or is late."""
        self._cut = bool(self.state.judged_us)
        for leaf in self._sided():  # a side may be known before the whole condition ever was
            leaf.cut()
        if self.state.state is State.PENDING:
            # `for` counts time known to hold, and begins anew after a cut (rules.md 4.7).
            self.state.held_us = self.state.holding_us = 0
            self._set_timer()

    def judge(self, now_us: int) -> Iterator[Transition]:
        """Judge the condition once; every leg, no short circuit."""
        if not self._watching(now_us):
            return
        for leaf in self._leaves:
            leaf.look()
        outcome = self._condition.outcome()
        if outcome.full is None and outcome.live is None:
            self._pause(now_us)
            self.dirty = self.dirty or bool(self.state.sides)  # a side may have moved all the same
            return
        late, self._cut = self._cut, False
        since_us, self.state.judged_us = self.state.judged_us, now_us
        self.dirty = True
        if self._is_event:
            yield from self._happened(now_us, outcome, since_us)
        else:
            yield from self._stands(now_us, bool(outcome.live), first=not since_us, late=late)

    def run_timer(self, now_us: int) -> Iterator[Transition]:
        """What was due by now: `for` is over and it fires, or a cooldown is over and an untold firing is told."""
        # Coming back into the session is a cut, and a cut takes the time that `for` has counted.
        if not self._is_due(now_us) or not self._watching(now_us) or not self._is_due(now_us):
            return
        self.due_us = 0
        if self.state.state is State.PENDING:
            yield from self._rise(now_us, evidence=self._evidence)
        elif self.state.untold and self.state.state is State.FIRING:
            self._told(now_us)
            yield self._transition(now_us, Kind.TOLD, evidence=self._evidence)

    def _is_due(self, now_us: int) -> bool:
        return 0 < self.due_us <= now_us

    def _happened(self, now_us: int, outcome: Outcome, since_us: int) -> Iterator[Transition]:
        """An event rule: it fires and is over at once."""
        if not outcome.full:
            return
        kind = Kind.FIRED if outcome.live else Kind.MISSED
        suppressed = self._gate(now_us)
        if kind is Kind.MISSED and self.rule.catch_up == LOG:
            suppressed = suppressed or LOG
        if not suppressed:
            self._told(now_us)
        self.state.since_us = now_us if kind is Kind.FIRED else since_us
        yield self._transition(now_us, kind, suppressed, late=kind is Kind.MISSED)
        self.state.since_us = 0

    def _stands(self, now_us: int, holds: bool, *, first: bool, late: bool) -> Iterator[Transition]:
        """A state rule: it fires when it rises and has held for `for`, and clears when it is known not to hold."""
        state = self.state
        if not holds:
            yield from self._falls(now_us, late=late)
        elif state.state is State.OK and first and self.rule.at_load == "quiet":
            state.state, state.since_us = State.FIRING, now_us
            yield self._transition(now_us, Kind.FIRED, AT_LOAD, late=late)
        elif state.state is State.OK and self.rule.for_s:
            state.state, state.since_us, state.holding_us = State.PENDING, now_us, now_us
            yield self._transition(now_us, Kind.PENDING, late=late)
        elif state.state is State.OK:
            state.since_us = now_us
            yield from self._rise(now_us, late=late)
        elif state.state is State.PENDING and not state.holding_us:
            state.holding_us = now_us  # it was unknown, or cut off, and holds again
        if holds and (state.untold or state.state is State.PENDING):
            self._evidence = self._gather()
        self._set_timer()

    def _rise(self, now_us: int, *, late: bool = False, evidence: _Evidence | None = None) -> Iterator[Transition]:
        """It fires; the gates say whether anybody is told now."""
        state = self.state
        state.state, state.held_us, state.holding_us = State.FIRING, 0, 0
        suppressed = self._gate(now_us)
        if not suppressed:
            self._told(now_us)
        state.untold = suppressed == COOLDOWN
        yield self._transition(now_us, Kind.FIRED, suppressed, late=late, evidence=evidence)
        self._set_timer()

    def _falls(self, now_us: int, *, late: bool) -> Iterator[Transition]:
        """It is known not to hold."""
        state = self.state
        if state.state is State.OK:
            return
        kind = Kind.CLEARED if state.state is State.FIRING else Kind.LAPSED
        state.state, state.untold, state.held_us, state.holding_us = State.OK, False, 0, 0
        yield self._transition(now_us, kind, late=late)
        state.since_us = 0

    def _pause(self, now_us: int) -> None:
        """Unknown pauses `for` (rules.md 4.1): what has been held counts, the time from now on does not."""
        state = self.state
        if state.holding_us:
            state.held_us, state.holding_us, self.dirty = state.held_us + now_us - state.holding_us, 0, True
            self._set_timer()

    def _set_timer(self) -> None:
        """When the clock next has something to say to this machine."""
        state = self.state
        self.due_us = 0
        if state.state is State.PENDING and state.holding_us:
            self.due_us = state.holding_us + self.rule.for_s * US_PER_S - state.held_us
        elif state.untold:
            self.due_us = state.told_us + self._cooldown_us

    def _gate(self, now_us: int) -> str:
        """Why nobody is told, "" when somebody is: the first refusal in the order of rules.md 4.8."""
        if self.rule.mode == "shadow":
            return MODE
        if self.state.told_us and now_us - self.state.told_us < self._cooldown_us:
            return COOLDOWN
        return ""

    def _told(self, now_us: int) -> None:
        self.state.told_us, self.state.untold = now_us, False

    def _watching(self, now_us: int) -> bool:
        """Whether the rule's session is open; coming back into it is a cut."""
        window = self._window
        if window is not None and window.open_us <= now_us < window.close_us:
            return True
        self._window = self.window_at(now_us)
        if self._window is None:
            return False
        self.closes_us = self._window.close_us
        self.cut()
        return True

    def _transition(
        self, now_us: int, kind: Kind, suppressed: str = "", *, late: bool = False, evidence: _Evidence | None = None
    ) -> Transition:
        value, unit, operands = evidence or self._gather()
        tick = self._own.tick
        return Transition(
            event_us=now_us, rule_id=self.rule.id, symbol=self.symbol, level=self.state.level,
            fingerprint=self.rule.fingerprint, kind=kind, state=self.state.state, suppressed=suppressed,
            value=value, unit=unit, price=tick.last if tick else None, since_us=self.state.since_us, late=late,
            operands=operands,
        )  # fmt: skip

    def _gather(self) -> _Evidence:
        """The left side of the first comparison that holds, and every comparison with its sides."""
        shown = next((leaf for leaf in self._leaves if leaf.outcome().full), self._leaves[0])
        return _Evidence(natural(shown.left, shown.unit), str(shown.unit), tuple(map(_operand, self._leaves)))

    def _sided(self) -> list[SidedLeaf]:
        return [leaf for leaf in self._leaves if isinstance(leaf, SidedLeaf)]

    def _attach(self) -> None:
        """Give each leaf with a side its place in the stored state."""
        sided = self._sided()
        if not self.state.sides:
            self.state.sides = [0] * sum(leaf.width for leaf in sided)
        first = 0
        for leaf in sided:
            leaf.attach(self.state.sides, first)
            first += leaf.width


def _operand(leaf: Leaf) -> Operand:
    return Operand(leaf.text, natural(leaf.left, leaf.unit), natural(leaf.right, leaf.unit))
