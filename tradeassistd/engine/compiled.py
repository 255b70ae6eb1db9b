"""A rule's conditions and texts at work for one symbol and level: what they read, and what they remember."""

from __future__ import annotations

from collections.abc import Callable

from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.conditions.compile import Compiler
from tradeassistd.engine.conditions.counting import Count
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.language.kinds import EVENT, check
from tradeassistd.engine.language.own import OwnFunctionError
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.texts import Texts
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.tick import Field


class Compiled:
    """The compiled `when`, `clear_when`, templates and setup of one level."""

    def __init__(self, rule: Rule, symbol: str, level: int, state_of: Callable[[str], SymbolState]) -> None:
        self.rule, self.symbol = rule, symbol
        self._own = state_of(symbol)
        instrument, written = self._own.instrument, rule.level(level)
        self.when = rule.resolved(written.when, symbol)
        """The condition, with the symbol's values in it."""
        self.clear_when = None if written.clear_when is None else rule.resolved(written.clear_when, symbol)
        when = Compiler(instrument, state_of, rearm=rule.rearm, stale_after_s=rule.stale_after_s)
        clear = Compiler(instrument, state_of, rearm=rule.rearm, stale_after_s=rule.stale_after_s)
        self._condition = when.condition(self.when)
        self._clear = None if self.clear_when is None else clear.condition(self.clear_when)
        self._leaves = tuple(when.leaves)
        self._is_event = check(self.when, instrument) == EVENT
        self._reads_day = when.reads_day
        # What ends it is looked at as well while it does not fire: its crossings must know their sides by then.
        self._steps = (*when.steps, *clear.steps)
        self._sided = (*when.sided, *clear.sided)
        self._texts = Texts(rule, instrument, state_of)
        self.streaks = (*when.streaks, *clear.streaks)
        self.counts = tuple(step for step in self._sided if isinstance(step, Count))
        self._tracks = (*when.tracks, *clear.tracks)
        self._watched = (*when.watched, *clear.watched)
        self.reads = dict(when.reads)
        """Per symbol the changes after which it must be judged."""
        for other, bits in clear.reads.items():
            self.reads[other] = self.reads.get(other, 0) | bits
        if rule.rearm is not None:  # which watches how far the price goes
            self.reads[symbol] = self.reads.get(symbol, 0) | int(Field.LAST)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The comparisons of the condition, in written order."""
        return self._leaves

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What it reads of bars; its texts may be others after a reload, which drops what nobody reads."""
        return (*self._tracks, *self._texts.tracks)

    @property
    def watched(self) -> tuple[object, ...]:
        """What it reads of what is watched tick by tick."""
        return (*self._watched, *self._texts.watched)

    @property
    def symbols(self) -> set[str]:
        """Every symbol whose ticks it needs: its own, and those that its conditions and its texts read."""
        return {self.symbol, *self.reads, *self._texts.symbols}

    def take_text_errors(self) -> list[OwnFunctionError]:
        """What users' functions raised in its texts since the last call."""
        if not self._texts.errors:
            return []
        errors, self._texts.errors = self._texts.errors, []
        return errors

    def _attach(self, state: RuleState) -> None:
        """Give each leaf with a memory its place in the stored state."""
        if not state.sides:
            state.sides = [0] * sum(leaf.width for leaf in self._sided)
        first = 0
        for leaf in self._sided:
            leaf.attach(state.sides, first)
            first += leaf.width
