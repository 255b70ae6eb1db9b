"""Reliving: a life goes on from the tape of the ones before it, and is as after a gap of the same length.

A daemon that was stopped or killed has its rule states in the store, and on the tape everything they came from. What is
known of the symbols (windows over ticks, average price, day values, sessions under way, streaks of bars) is in neither,
so the tape is taken into a new engine again. It is done by one function of what a `Start` carries and of the events
before it, live and in a replay alike: so both are the same from that start on, bit for bit, whatever is relived.

Three stretches of the tape are told apart:

1. From `from_us` on only symbols and streaks take it in. That is quick, and what most of the time goes into. What stood
   at that instant (the last tick of each symbol that was live, the facts that count) and closed bars from before it
   come first; a bar that was forming then is not made, and what belongs to a session that was under way is not whole.
2. From `judged_from_us` on rules with a stored state are judged as well, and nobody hears of it. By `saved_until_us`
   they know what is not stored with a state: which crossings a cut has left open, what they counted, what a firing held
   by. Then each goes on from its stored state.
3. What came after `saved_until_us` was on the tape when the daemon was killed, but its outcome was not in the store: it
   is decided now. Its transitions have the times, and so the alert ids, they had or would have had then; a replay drops
   those of the life that ended in the middle of it, and takes these.

The start itself is a cut: nobody has watched since the last event of the tape. A rule without a stored state was never
judged: in the third stretch it is when the rule set of the start was in force then, else it is new. A symbol that gets
an image while it is live was not subscribed for a while (no rule read it), since nobody knows when: that is a hole
since its last row. What a firing was last held by is not stored: where that was before the second stretch, a reminder
after the restart shows the values of its own time.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import FILLS, Bars, Event, Facts, Relived, RulesSwap, Start
from tradeassistd.engine.machine import Machine
from tradeassistd.engine.transition import RuleState, Transition
from tradeassistd.market.tick import Field, Tick

_IMAGE = int(Field.IMAGE)
PRACTICE_S = 30
"""How long rules are judged before the stretch that is decided: by then what a cut leaves open is closed."""
RELIVED_EVENTS_MAX = 300_000
"""Most events that are relived, some seconds' worth; of a longer day the last ones."""
WHOLE_EVENTS_MAX = 2_000_000
"""Most of them where a rule reads what a session has made since it began: without its beginning that would be unknown
for the rest of the session, and a start that takes some seconds longer is the smaller evil."""
JUDGED_EVENTS_MAX = 50_000
"""Most events of which rules are judged before the stretch that is decided."""


class Late(NamedTuple):
    """What an event on the tape of an earlier life caused, which was not stored then."""

    event_us: int
    transitions: list[Transition]
    states: list[RuleState]
    """The rule states that it left changed."""


def practice_us(engine: Engine) -> int:
    """How long the rules of that engine have to be judged until they know what they count."""
    longest_s = max((count.seconds for machine in engine.machines for count in machine.counts), default=0)
    return (PRACTICE_S + longest_s) * US_PER_S


def relive(engine: Engine, start: Start, events: Iterable[Event]) -> list[Late]:
    """Take the events from `start.relived.from_us` on into a new engine; `start` itself is its next event.

    Gives what came of those after `saved_until_us`, which nobody has heard of yet. Without `relived` nothing is done.
    """
    relived = start.relived
    if relived is None:
        return []
    _stand(engine, relived)
    life = _Life(engine, start, relived)
    for event in events:
        life.take(event)
    return life.end()


class _Life:
    """The engine on its way through the tape."""

    def __init__(self, engine: Engine, start: Start, relived: Relived) -> None:
        self._engine = engine
        self._start = start
        self._relived = relived
        self._taken: dict[Machine, RuleState] | None = None
        """The stored states by rule, once rules are judged."""
        self._decides = False
        self._rules_hash = relived.rules_hash
        self._late: list[Late] = []

    def take(self, event: Event) -> None:
        relived, event_us = self._relived, event.event_us
        if self._taken is None and event_us >= min(relived.judged_from_us, relived.saved_until_us + 1):
            self._take_up()
        if self._taken is not None and not self._decides and event_us > relived.saved_until_us:
            self._go_on()
        self._take(event, judged=self._taken is not None)
        self._engine.now_us = event_us  # also where it concerned nobody: so long somebody watched

    def end(self) -> list[Late]:
        """The tape is at its end."""
        self._take_up()
        self._go_on()
        self._engine.judge_all()
        return self._late

    def _take_up(self) -> None:
        if self._taken is None:
            self._engine.silences.restore(self._start.silences)
            self._taken = self._engine.take_up(self._start.states, self._relived.from_us)

    def _go_on(self) -> None:
        if not self._decides:
            self._decides = True
            self._engine.go_on_with(self._taken or {})
            self._engine.take_states()  # the store has them
            self._judge_new()

    def _judge_new(self) -> None:
        """A rule that was never judged is from when it was in force."""
        if self._rules_hash == self._start.rules_hash:
            self._engine.judge_all()

    def _take(self, event: Event, *, judged: bool) -> None:
        engine = self._engine
        match event:
            case Start() | RulesSwap():
                self._rules_hash = event.rules_hash
                if isinstance(event, Start):
                    engine.lose(engine.now_us)
                if self._decides:
                    self._judge_new()
                return
            case Bars(source=source) if source not in FILLS:
                return  # the start brings newer ones
            case Tick() | Facts() | Bars():
                state = engine.symbols.get(event.symbol)
                if state is None:
                    return
                if isinstance(event, Tick) and event.changed & _IMAGE and state.live:
                    engine.lose(state.row_us, (event.symbol,))
        if not judged:
            engine.relive(event)
        elif (transitions := engine.on_event(event)) and self._decides:
            self._late.append(Late(event.event_us, transitions, engine.take_states()))


def _stand(engine: Engine, relived: Relived) -> None:
    """Everything as it was at `from_us`, as far as it is known."""
    engine.now_us = relived.from_us
    for past in relived.past:
        if (state := engine.symbols.get(past.symbol)) is not None:
            state.take_bars(past)
    live = {tick.symbol for tick in relived.ticks}
    for symbol, state in engine.symbols.items():
        if symbol in live:
            state.begin_at(relived.from_us)
    before: list[Tick | Facts] = [*relived.facts, *relived.ticks]
    for event in sorted(before, key=attrgetter("event_us")):
        # The trade that a tick was is in the bars before: here it only says where the symbol stood.
        engine.relive(replace(event, size=None) if isinstance(event, Tick) else event)
    engine.now_us = relived.from_us
    for state in engine.symbols.values():
        state.turn(relived.from_us)
        state.relive_ranges()
