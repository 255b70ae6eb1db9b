"""A test played: its steps as events through the engine, in market time; no clock, no files.

Rows go through the same merge as live, so what Schwab's zero means and what a trade is are the same, and the ticks of
derived symbols are made as live. Of the plausible ranges only those count that `_instruments.yaml` itself says: a test
may well use small numbers. A clock event comes at each whole second, right before the rows of that second. Rows that
fall into a gap happened at the exchange: the image at its end shows where they left the quote. History is traded before
the rules are in force: stand-ins of the rules, with other ids, ask for the same bars and averages, and are replaced at
the start, when every bar due by then has closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.engine.bars.past import past_of
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Ack, Bars, ClockTurn, Connection, Event, Facts, Gap, RulesSwap, Start
from tradeassistd.engine.failing import Fault
from tradeassistd.engine.needs import needs_of
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import Transition
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar, Stretch
from tradeassistd.market.derived import DerivedTicks
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.session import ALWAYS
from tradeassistd.market.tick import Tick
from tradeassistd.rules.testing.inputs import Action, Happening, Row, Step, Told

BEFORE, NOW = "before the start", "the test"
"""Names of the two rule sets of a test."""
_ROLLED_FROM, _ROLLED_TO = "Z00", "H01"


@dataclass(slots=True)
class Played:
    """What happened from the start on."""

    transitions: list[Transition] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    came_true: set[tuple[str, str]] = field(default_factory=set)
    """(rule id, comparison) of every comparison that was true at some judging."""


def play(rule_set: RuleSet, steps: list[Step], start_us: int, end_us: int) -> Played:
    """Play the steps and the clock up to and with `end_us`."""
    player = _Player(rule_set, start_us)
    waiting = iter(steps)
    step = next(waiting, None)
    player.begin(step.at_us if step else start_us, [one.action for one in steps])
    while step is not None and step.at_us < start_us:
        player.act_before(step)
        step = next(waiting, None)
    player.in_force()
    while step is not None:
        player.turn_clock(step.at_us)
        player.act(step)
        step = next(waiting, None)
    player.turn_clock(end_us)
    return player.played


@dataclass(slots=True)
class _Exchange:
    """One symbol as it stands at the exchange, whether or not anybody listens."""

    symbol: str
    now: Change
    total: int = 0

    def take(self, row: Row, at_us: int) -> Change:
        """One row happens; gives the change Schwab sends."""
        change = Change(self.symbol, quote_ms=at_us // US_PER_MS)
        for name, value in row.values.items():
            setattr(change, "last" if name == "price" else name, float(value))
        if row.size is not None:
            self.total += row.size
            change.volume, change.trade_ms = self.total, at_us // US_PER_MS
            if change.last is None:
                change.last = self.now.last
        self._keep(change)
        return change

    def tell(self, told: Told) -> Change:
        values = {name: one if isinstance(one, str) else float(one) for name, one in told.values.items()}
        change = Change(self.symbol, **values)  # type: ignore[arg-type]
        if change.volume is not None:
            self.total = int(change.volume)
        self._keep(change)
        return change

    def _keep(self, change: Change) -> None:
        for name in Change.__struct_fields__:
            value = getattr(change, name)
            if value is not None:
                setattr(self.now, name, value)


class _Player:
    def __init__(self, rule_set: RuleSet, start_us: int) -> None:
        self.played = Played()
        self._start_us = start_us
        self._rules = replace(rule_set, hash=NOW)
        self._engine = Engine(self._rules)
        self._derived = DerivedTicks(rule_set.derived, rule_set.instrument_of)
        self._last_us = 0
        self._exchange: dict[str, _Exchange] = {}
        self._quotes: dict[str, Quote] = {}
        self._cut_us: dict[str, int] = {}
        """Since when nothing comes, by symbol; "" is the connection."""
        self._down_us = 0
        self._counts = False
        self._minutes: dict[str, list[Bar]] = {}
        self._stretches: dict[tuple[str, int], Stretch] = {}

    def begin(self, first_us: int, actions: list[Action]) -> None:
        """The daemon starts; every symbol of the input has its image, which says nothing of the price yet."""
        has_history = first_us < self._start_us
        self._last_us = min(first_us - US_PER_S if has_history else first_us, self._start_us) - 1
        rules = self._rules
        if has_history:
            stand_ins = tuple(replace(rule, id=f"{rule.id} {BEFORE}", was="") for rule in rules.rules)
            rules = replace(rules, rules=stand_ins, hash=BEFORE)
        self._engine = Engine(rules)
        self._counts = not has_history
        self._take(Start(self._next(), rules.hash))
        self._take(Connection(self._next(), "live"))
        rolled = {one.symbol for one in actions if isinstance(one, Happening) and one.event == "roll"}
        for symbol in dict.fromkeys(one.symbol for one in actions if not isinstance(one, Happening)):
            contract = f"{symbol}{_ROLLED_FROM}" if symbol in rolled else None
            before_ms = (self._last_us + 1) // US_PER_MS - 1
            now = Change(symbol, volume=0, trade_ms=before_ms, quote_ms=before_ms, status="Normal", contract=contract)
            self._exchange[symbol] = _Exchange(symbol, now)
            self._image(symbol)

    def act_before(self, step: Step) -> None:
        """A trade of the history."""
        self._last_us = max(self._last_us, step.at_us - 1)
        self.act(step)

    def in_force(self) -> None:
        """The start: bars due by now are closed, and the rules of the test begin."""
        if self._counts:
            return
        self._last_us = max(self._last_us, self._start_us - 1)
        for state in self._engine.symbols.values():
            state.close_bars_by_clock(self._start_us + BAR_GRACE_US)
        self._store_bars()
        self._engine.take_faults()
        self._engine.offer(self._rules)
        self._take(RulesSwap(self._next(), NOW))
        self.played = Played()
        self._counts = True

    def turn_clock(self, to_us: int) -> None:
        """Whole seconds pass up to and with `to_us`."""
        for second in range(self._last_us // US_PER_S + 1, to_us // US_PER_S + 1):
            self._last_us = second * US_PER_S
            if not self._down_us:
                self._take(ClockTurn(self._last_us))

    def act(self, step: Step) -> None:
        self._last_us = max(self._last_us, step.at_us - 1)
        match step.action:
            case Row() as row:
                change = self._exchange[row.symbol].take(row, max(step.at_us, 0))
                if self._hears(row.symbol):
                    self._send(change)
            case Told() as told:
                change = self._exchange[told.symbol].tell(told)
                if self._hears(told.symbol) and change.volume is not None:
                    self._image(told.symbol)  # another total is no trade
                elif self._hears(told.symbol):
                    self._tell(change)
            case Happening() as happening:
                self._happen(happening)

    def _happen(self, one: Happening) -> None:
        match one.event:
            case "gap":
                self._cut(one.symbol)
            case "resume":
                self._resume(one.symbol)
            case "restart":
                self._down_us = self._last_us
            case "started":
                self._restart()
            case "roll":
                contract = one.contract or f"{one.symbol}{_ROLLED_TO}"
                self._tell(self._exchange[one.symbol].tell(Told(one.symbol, {"contract": contract})))
            case "ack":
                self._take(Ack(self._next(), one.rule, one.symbol))
            case "silence":
                rules, symbols, tags = ((glob,) if glob else () for glob in (one.rule, one.symbol, one.tag))
                now_us = self._next()
                self._take(Silence(now_us, one.until_us, rules, symbols, tags, number=now_us))

    def _hears(self, symbol: str) -> bool:
        return not self._down_us and "" not in self._cut_us and symbol not in self._cut_us

    def _cut(self, symbol: str) -> None:
        self._cut_us[symbol] = self._last_us
        self._derived.forget(symbol)
        if symbol:
            self._take(Gap(self._next(), self._last_us, self._last_us, "stale", self._with_derived(symbol)))
        else:
            self._take(Connection(self._next(), "backoff", "cut"))

    def _resume(self, symbol: str) -> None:
        from_us = self._cut_us.pop(symbol)
        if not symbol:
            self._take(Connection(self._next(), "live"))
        self._take(Gap(self._next(), from_us, self._last_us, "cut", self._with_derived(symbol) if symbol else ()))
        self._images(symbol)

    def _restart(self) -> None:
        """Another engine with what the daemon stores of the old one: its states, its bars, when it watched."""
        from_us, self._down_us = self._down_us, 0
        states = tuple(msgspec.structs.replace(one.state, sides=list(one.state.sides)) for one in self._engine.machines)
        silences = self._engine.silences.in_force(self._last_us)
        self._store_bars()
        until_us = self._engine.now_us - BAR_GRACE_US
        self._stretches = {key: one._replace(to_us=one.to_us or until_us) for key, one in self._stretches.items()}
        self._engine = Engine(self._rules)
        self._take(Start(self._next(), NOW, states, silences))
        for past in self._past():
            self._take(msgspec.structs.replace(past, event_us=self._next()))
        self._take(Connection(self._next(), "live"))
        self._take(Gap(self._next(), from_us, self._last_us, "restart"))
        self._derived.forget()
        self._images("")

    def _with_derived(self, symbol: str) -> tuple[str, ...]:
        return (symbol, *self._derived.made_of(symbol))

    def _store_bars(self) -> None:
        for bar in self._engine.take_bars():
            if (bar.interval, bar.session) == (ARCHIVE_INTERVAL, ALWAYS):
                self._minutes.setdefault(bar.symbol, []).append(bar)
        self._stretches |= {(one.symbol, one.from_us): one for one in self._engine.take_stretches()}

    def _past(self) -> list[Bars]:
        """The bars that the rules of the test begin with after a restart."""

        def minutes(symbol: str, from_us: int, to_us: int) -> Iterator[Bar]:
            return (bar for bar in self._minutes.get(symbol, ()) if from_us <= bar.start_us and bar.end_us <= to_us)

        watched: dict[str, list[Stretch]] = {}
        for (symbol, _), one in sorted(self._stretches.items()):
            watched.setdefault(symbol, []).append(one)
        needs = needs_of(self._rules.rules, self._rules.instrument_of)
        return past_of(needs, watched, minutes, self._rules.instrument_of)

    def _images(self, symbol: str) -> None:
        for one in self._exchange:
            if symbol in ("", one) and self._hears(one):
                self._image(one)

    def _image(self, symbol: str) -> None:
        """The full quote, with the slow values before it, as after a subscription."""
        self._quotes[symbol] = Quote(symbol, self._facts_of(symbol))
        now = self._exchange[symbol].now
        self._tell(now)
        self._send(now)

    def _send(self, change: Change) -> None:
        tick = self._quotes[change.symbol].merge(self._next(), change)
        self._take(tick)
        self._make_derived(tick)

    def _make_derived(self, tick: Tick) -> None:
        for made in self._derived.follow(tick, self._next):
            self._take(made)

    def _facts_of(self, symbol: str) -> Instrument:
        instrument = self._rules.instrument_of(symbol)
        if instrument.plausible == instrument_of(symbol).plausible:
            return replace(instrument, plausible=None)
        return instrument

    def _tell(self, change: Change) -> None:
        quote = self._quotes[change.symbol]
        if quote.merge_facts(change):
            facts = quote.facts
            self._take(Facts(self._next(), change.symbol, facts.open, facts.high, facts.low, facts.prev_close,
                             facts.status, facts.contract, facts.year_high, facts.year_low))  # fmt: skip

    def _take(self, event: Event) -> None:
        found = self._engine.on_event(event)
        if not self._counts:
            return
        self.played.transitions += found
        self.played.faults += self._engine.take_faults()
        self.played.came_true.update(self._true_now())

    def _true_now(self) -> Iterator[tuple[str, str]]:
        for machine in self._engine.machines:
            for leaf in machine.leaves:
                if leaf.outcome().full:
                    yield machine.rule.id, leaf.text

    def _next(self) -> int:
        self._last_us += 1
        return self._last_us
