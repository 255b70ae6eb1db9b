"""The engine: one ordered sequence of events in, transitions of rule states out.

No clock, no files, no await: live, replay and tests are the same path. Before an event at t the bars due close, then
timers run, then `close()` rules; then the event is applied whole and every rule that reads a changed value is judged
once, in the order of the rule files (rules.md 4.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import (
    FILLS,
    ON_LINE,
    Ack,
    Bars,
    ClockTurn,
    Connection,
    Event,
    Facts,
    Gap,
    RulesSwap,
    Start,
)
from tradeassistd.engine.failing import Failing, Fault
from tradeassistd.engine.machine import Machine
from tradeassistd.engine.rolls import Roll, has_absolute_price
from tradeassistd.engine.roster import Roster
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence, SilenceEnd, Silences
from tradeassistd.engine.symbol.symbols import BARS_MOVED, FACTS_MOVED, SymbolState
from tradeassistd.engine.transition import RuleState, Transition
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.derived import streamed
from tradeassistd.market.session import ALWAYS, series_session
from tradeassistd.market.tick import Field, Tick

ANOTHER_CONTRACT = int(Field.LAST | Field.BID | Field.ASK | Field.VOLUME)
"""What has changed with the first row after a roll, whatever its numbers are."""


class Engine:
    """All rules over all symbols."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self.silences = Silences(rule_set.silences)
        self.symbols: dict[str, SymbolState] = {}
        self.bars: list[Bar] = []
        """Bars closed since the caller last took them."""
        self.now_us = 0
        """Event time of the last event, 0 before the first."""
        self._stretches: list[Stretch] = []
        """Of symbols that are not watched any more."""
        self.rolls: list[Roll] = []
        """Contracts that changed since the caller last took them."""
        self._rolled: set[str] = set()
        """Symbols of which no row has come since they rolled."""
        self._cut_us: dict[str, int] = {}
        """By symbol when the last gap in what we know of it was told."""
        self._filled: dict[str, SymbolState] = {}
        """Of these holes were told, which goes into their windows once they all are: a start may bring hundreds."""
        self._timed: dict[int, Machine] = {}
        self._failing = Failing()
        self._offered: RuleSet = rule_set
        self._roster, _ = Roster(self.silences).replaced_by(rule_set, self._state_of, 0)
        self._streamed: tuple[Roster | None, tuple[str, ...]] = (None, ())

    @property
    def machines(self) -> list[Machine]:
        """Every rule for every symbol, in the order they are judged."""
        return self._roster.machines

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every symbol some rule reads."""
        return self._roster.wanted

    @property
    def streamed(self) -> tuple[str, ...]:
        """What the feed must subscribe to: `wanted`, and of derived symbols their components."""
        if self._streamed[0] is not self._roster:
            self._streamed = (self._roster, streamed(self.wanted, self.rule_set.derived))
        return self._streamed[1]

    def left_out_until_us(self, machine: Machine) -> int:
        """Until when a rule that raised too often is not judged, 0 when it never was left out."""
        return self._failing.until_us(machine)

    def offer(self, rule_set: RuleSet) -> None:
        """The rule set that the next RulesSwap with its hash puts in force."""
        self._offered = rule_set

    def on_event(self, event: Event) -> list[Transition]:
        """Take the next event; event times must increase. Gives the transitions it caused, in order."""
        before_us, self.now_us = self.now_us, event.event_us
        if self._filled:
            self._refill(event)
        match event:
            case Tick():
                return list(self._tick(event))
            case ClockTurn():
                return list(self._clock(event.event_us))
            case Start():
                self.silences.restore(event.silences)
                if event.relived is None:
                    self._roster.restore(event.states)
                else:  # `reliving` has given the states to the rules; nobody has watched since the last event
                    self._cut(before_us, 0, ())
                self._keep_times()
            case RulesSwap():
                return self._swap(event)
            case Connection(state=state) if state not in ON_LINE:
                self._cut(event.event_us, 0, ())  # until when nothing was seen, the gap says that follows
            case Gap():
                self._cut(event.from_us, event.to_us, event.symbols)
            case Facts():
                return list(self._facts(event))
            case Bars():
                self._take_past(event)
            case Ack():
                for machine in self.machines:
                    if machine.rule.id == event.rule_id and event.symbol in ("", machine.symbol):
                        machine.acknowledge(event.event_us)
                        self._keep_time(machine)
            case Silence():
                self.silences.begin(event)
            case SilenceEnd():
                self.silences.end(event.number)
                self._hear()
        return []

    def relive(self, event: Event) -> None:
        """Take an event of an earlier life into what is known of the symbols; no rule is judged (engine.reliving)."""
        now_us = self.now_us = event.event_us
        if self._filled:
            self._refill(event)
        match event:
            case Tick() if (state := self.symbols.get(event.symbol)) is not None:
                state.turn(now_us)
                self._count_closed(state.close_bars(event), now_us)
                state.apply(event)
            case ClockTurn():
                closed: list[Bar] = []
                for state in self.symbols.values():
                    state.turn(now_us)
                    closed += state.close_bars_by_clock(now_us)
                self._count_closed(closed, now_us)
            case Facts() if (state := self.symbols.get(event.symbol)) is not None:
                state.turn(now_us)
                state.take_facts(event)
            case Connection(state=state_word) if state_word not in ON_LINE:
                self._cut(now_us, 0, ())
            case Gap():
                self._cut(event.from_us, event.to_us, event.symbols)
            case Bars(source=source) if source in FILLS and event.symbol in self.symbols:
                self._fill(self.symbols[event.symbol], event)

    def lose(self, from_us: int, symbols: tuple[str, ...] = ()) -> None:
        """Nobody has watched these symbols (none named: all) from then on until now."""
        self._refill()
        self._cut(from_us, 0 if not symbols else self.now_us, symbols)

    def take_up(self, states: Iterable[RuleState], since_us: int) -> dict[Machine, RuleState]:
        """Give stored states to their rules, and leave out those that have none until `judge_all`.

        A rule that was judged since it was last cut has no cut open, as far as it knew anything then; of cuts before
        `since_us`, when reliving began, nobody knows.
        """
        self._refill()
        taken = self._roster.restore(states)
        self._failing.leave_out(one for one in self.machines if one not in taken)
        by_second, second_us = set(self._roster.by_second), self.now_us // US_PER_S * US_PER_S
        for machine in taken:
            row_us = max((self.symbols[symbol].row_us for symbol in machine.reads), default=0)
            cut_us = max((self._cut_us.get(symbol, 0) for symbol in machine.reads), default=0)
            if machine.was_judged(self.now_us, cut_us, second_us if machine in by_second else row_us):
                self._guard(machine, self.now_us, machine.judge)
            machine.rejoin(self.now_us, max(cut_us, since_us))
        self._keep_times()
        return taken

    def judge_all(self) -> None:
        """No rule is left out any more."""
        self._failing.leave_out(())

    def go_on_with(self, states: Mapping[Machine, RuleState]) -> None:
        """The rules that were taken up go on from these states as of now; what was found up to here is known."""
        for machine, state in states.items():
            machine.resume(state, self.now_us)
        self._failing.faults, self.rolls = [], []
        self._keep_times()

    def take_states(self) -> list[RuleState]:
        """The rule states that changed since the last call, for the store."""
        # Copies: the engine goes on while a writer still reads them.
        return [replace(state, sides=list(state.sides)) for state in self._roster.dirty_states()]

    def take_bars(self) -> list[Bar]:
        """The bars closed since the last call."""
        bars, self.bars = self.bars, []
        return bars

    def take_stretches(self) -> list[Stretch]:
        """What began or ended since the last call of the spans in which every trade of a symbol is seen."""
        stretches, self._stretches = self._stretches, []
        for state in self.symbols.values():
            if state.stretches:
                stretches += state.stretches
                state.stretches = []
        return stretches

    def take_rolls(self) -> list[Roll]:
        """The rolls since the last call."""
        rolls, self.rolls = self.rolls, []
        return rolls

    def take_faults(self) -> list[Fault]:
        """The faults since the last call."""
        faults, self._failing.faults = self._failing.faults, []
        return faults

    def _tick(self, tick: Tick) -> Iterator[Transition]:
        now_us = tick.event_us
        state = self._state_of(tick.symbol)
        moved = state.turn(now_us)
        bars = state.close_bars(tick)
        yield from self._timers(now_us)
        yield from self._closed(bars, now_us)
        moved |= state.apply(tick)
        if tick.symbol in self._rolled:
            # The new contract's price may be the number the old one had: it is another price all the same.
            self._rolled.discard(tick.symbol)
            moved |= ANOTHER_CONTRACT
        yield from self._judge(tick.symbol, tick.changed | moved | (BARS_MOVED if bars else 0), now_us)

    def _facts(self, facts: Facts) -> Iterator[Transition]:
        """Slow values of a symbol's day; a new contract behind a root makes everything seen of the old one void."""
        now_us = facts.event_us
        state = self._state_of(facts.symbol)
        moved = state.turn(now_us) | FACTS_MOVED
        yield from self._timers(now_us)
        before = state.contract
        if state.take_facts(facts):
            self._roll(state, before, facts)
        yield from self._judge(facts.symbol, moved, now_us)

    def _roll(self, state: SymbolState, before: str, facts: Facts) -> None:
        self._rolled.add(facts.symbol)
        concerned = [machine for machine in self.machines if facts.symbol in machine.reads]
        for machine in concerned:
            machine.roll(facts.event_us)
        absolute = dict.fromkeys(
            machine.rule.id for machine in concerned if has_absolute_price(machine.when, machine.symbol, facts.symbol)
        )
        self.rolls.append(Roll(facts.event_us, facts.symbol, before, facts.contract, tuple(absolute)))

    def _judge(self, symbol: str, changed: int, now_us: int) -> Iterator[Transition]:
        """Judge who reads one of the changes, each once, in order."""
        for reads, machine in self._roster.watchers.get(symbol, ()):
            if reads & changed or now_us >= machine.closes_us:
                found = self._guard(machine, now_us, machine.judge)
                if found:
                    yield from found

    def _clock(self, now_us: int) -> Iterator[Transition]:
        bars: list[Bar] = []
        moved: dict[str, int] = {}
        for symbol, state in self.symbols.items():
            changed = state.turn(now_us)
            closed = state.close_bars_by_clock(now_us)
            bars += closed
            if closed or changed:
                moved[symbol] = changed | (BARS_MOVED if closed else 0)
        yield from self._timers(now_us)
        yield from self._closed(bars, now_us)
        touched = {
            machine.order
            for symbol, changed in moved.items()
            for reads, machine in self._roster.watchers.get(symbol, ())
            if reads & changed
        }
        touched.update(machine.order for machine in self._roster.by_second)
        for order in sorted(touched):
            yield from self._guard(self.machines[order], now_us, self.machines[order].judge)

    def _timers(self, now_us: int) -> Iterator[Transition]:
        if not self._timed:
            return
        for order in sorted(order for order, machine in self._timed.items() if machine.due_us <= now_us):
            machine = self._timed[order]
            yield from self._guard(machine, now_us, machine.run_timer)
            if not machine.due_us:
                del self._timed[order]

    def _closed(self, bars: list[Bar], now_us: int) -> Iterator[Transition]:
        """Keep the bars, and judge the rules that wait for one of them."""
        if not bars:
            return
        self._count_closed(bars, now_us)
        due: dict[int, Machine] = {}
        again: dict[int, Machine] = {}
        for bar in bars:
            if bar.session == series_session(self.symbols[bar.symbol].instrument):
                key = (bar.symbol, bar.interval)
                due.update({machine.order: machine for machine in self._roster.at_close.get(key, ())})
                again.update({machine.order: machine for machine in self._roster.each_bar.get(key, ())})
        for order in sorted(due | again):
            if order in due:
                yield from self._guard(due[order], now_us, due[order].judge)
            if order in again:
                yield from self._guard(again[order], now_us, again[order].bar_closed)

    def _count_closed(self, bars: list[Bar], now_us: int) -> None:
        """Keep bars that have just closed, and count them where a rule does."""
        self.bars += [bar for bar in bars if bar.session == ALWAYS]
        for bar in bars:
            for streak in self._roster.streaks.get((bar.symbol, bar.interval, bar.session), ()):
                streak.bar_closed(now_us)

    def _swap(self, event: RulesSwap) -> list[Transition]:
        """Put the offered rule set in force, between two events."""
        if event.rules_hash != self._offered.hash:
            raise ValueError(f"rule set {event.rules_hash} was not offered")
        before, self.rule_set = self.rule_set, self._offered
        self._take_instruments(before)
        self._roster, transitions = self._roster.replaced_by(self.rule_set, self._state_of, event.event_us)
        if self.silences.use(self.rule_set.silences):
            self._hear()
        self._let_go(event.event_us)
        self._keep_times_after_swap()
        return transitions

    def _let_go(self, now_us: int) -> None:
        """Forget symbols that the feed does not deliver any more: what comes when they are back has a hole before."""
        for symbol in self.symbols.keys() - {*self.wanted, *self.streamed}:
            state = self.symbols.pop(symbol)
            state.end_watch(now_us)
            self._stretches += state.stretches

    def _take_past(self, past: Bars) -> None:
        state = self._state_of(past.symbol)
        if past.source in FILLS:
            self._fill(state, past)
            return
        state.take_bars(past)
        if past.interval != "1d":  # the days come first, and are reckoned from the first instant of this life
            state.turn(past.event_us)
            state.relive_ranges()

    def _fill(self, state: SymbolState, past: Bars) -> None:
        state.fill(past)
        self._filled[past.symbol] = state

    def _refill(self, event: Event | None = None) -> None:
        """Unless `event` is one more hole."""
        if not (isinstance(event, Bars) and event.source in FILLS):
            filled, self._filled = self._filled, {}
            for state in filled.values():
                state.refill()

    def _cut(self, from_us: int, until_us: int, symbols: tuple[str, ...]) -> None:
        """A gap in what we know of `symbols` (none named: of all)."""
        named = set(symbols) or set(self.symbols)
        for symbol in named & set(self.symbols):
            self.symbols[symbol].cut(from_us, until_us)
            self._cut_us[symbol] = self.now_us
        for machine in self.machines:
            if named & set(machine.reads):
                machine.cut()

    def _state_of(self, symbol: str) -> SymbolState:
        state = self.symbols.get(symbol)
        if state is None:
            state = self.symbols[symbol] = SymbolState(self.rule_set.instrument_of(symbol))
        return state

    def _take_instruments(self, before: RuleSet) -> None:
        """Symbols whose hours or formula are others begin anew; the feed follows up with what they stand at."""
        if (before.instruments, before.derived) == (self.rule_set.instruments, self.rule_set.derived):
            return
        formulas = {one.symbol for one in {*before.derived} ^ {*self.rule_set.derived}}
        for symbol, state in list(self.symbols.items()):
            instrument = self.rule_set.instrument_of(symbol)
            if symbol in formulas or instrument.hours != state.instrument.hours:
                del self.symbols[symbol]
            else:
                state.instrument = instrument

    def _hear(self) -> None:
        """Silences are gone: what they kept back is told with the next event."""
        for machine in self.machines:
            machine.hear()
            self._keep_time(machine)

    def _keep_times(self) -> None:
        self._timed = {machine.order: machine for machine in self.machines if machine.due_us}

    def _keep_times_after_swap(self) -> None:
        """Of thousands of machines only those that are others are looked at."""
        roster = self._roster
        timed = [machine for machine in self._timed.values() if machine not in roster.gone] + roster.come
        self._timed = {machine.order: machine for machine in timed if machine.due_us}
        roster.gone, roster.come = set(), []  # the rules of before need not stay for them

    def _keep_time(self, machine: Machine) -> None:
        if machine.due_us:
            self._timed[machine.order] = machine

    def _guard(
        self, machine: Machine, now_us: int, step: Callable[[int], Iterable[Transition]]
    ) -> Iterable[Transition]:
        """Run one step of one rule so that a defect in it stops nobody else (rules.md 4.9)."""
        if self._failing.ever and self._failing.is_left_out(machine, now_us):
            return ()
        try:
            transitions = step(now_us)
            if transitions != ():
                transitions = list(transitions)
                self._keep_time(machine)
                for error in machine.take_text_errors():
                    self._failing.report(machine, now_us, error)
            return transitions
        except Exception as error:  # noqa: BLE001 - whatever a rule raises must not take the others down; it is reported
            self._failing.count(machine, now_us, error)
            return []
