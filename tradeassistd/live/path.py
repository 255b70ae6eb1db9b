"""The live path: frames become events, events go through the engine, what it decides is stored and then told.

Three loops share it. `Live.run` is the engine's: it never waits for disk or network. The ledger makes each decision
durable and only then wakes the dispatcher. The house saves rule states, bars and the status once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import structlog
from msgspec import structs

from tradeassistd.alerts.compose import decide, notice
from tradeassistd.alerts.left_out import left_out_notice
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import NO_ROUTES, Routing
from tradeassistd.alerts.text import DEFAULT_SEVERITY
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import Turns
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import FILLS, Bars, Event, Gap, RulesSwap, Start, Stop
from tradeassistd.engine.failing import Fault
from tradeassistd.engine.reliving import Late
from tradeassistd.engine.rolls import Roll
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.live.house import House, HouseStore
from tradeassistd.live.ledger import Ledger, LedgerStore, UnstoredPort
from tradeassistd.market.tick import Tick
from tradeassistd.rules.routes import Routes
from tradeassistd.store.records import Alert, Decided, Delivery

ENTRIES_PER_TURN = 200
"""How many frames the engine takes before the other loops get their turn."""
TURN_WITHIN_S = 1.5
"""The engine gets a turn this often, also when market time stands still."""

log = structlog.get_logger(__name__)


class StorePort(LedgerStore, HouseStore, Protocol):
    """What the live path needs of the store."""

    def record(self, event: Event) -> None: ...


@dataclass(slots=True)
class Counters:
    """What happened since the start, for status."""

    ticks: int = 0
    alerts: int = 0
    told: int = 0
    faults: int = 0


class Live:
    """Engine, store and dispatcher joined."""

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        queue: FrameQueue,
        store: StorePort,
        tell: Callable[[Decided], None],
        clock: Clock,
        ttls_s: Mapping[str, int],
        default_channels: tuple[str, ...],
        turns: Turns | None = None,
        recipients: Recipients | None = None,
        routes: Routes | None = None,
        unstored: UnstoredPort | None = None,
        late: Sequence[Late] | None = None,
    ) -> None:
        """`ttls_s` has each channel's time to live in seconds; `tell` wakes the dispatcher; `recipients` knows who
        was told of the firings that the engine takes up; `routes` say where alerts go, until the next swap; `late` is
        what the engine, which has relived the tape, found undecided there (None: it has relived nothing)."""
        self.counters = Counters()
        self.listeners: list[Callable[[Event, list[Transition]], None]] = []
        """Called with every event and what it caused, in order, on the engine's turn: be quick, never raise."""
        self._engine = engine
        self._intake = intake
        self._queue = queue
        self._store = store
        self._clock = clock
        self._routing = Routing(default_channels, ttls_s, routes=routes or NO_ROUTES)
        self._recipients = recipients or Recipients()
        self._late: list[Late] = [*(late or ())]
        self._is_reliving = late is not None
        self._awaiting: tuple[RuleSet, Routes | None] | None = None
        """Rules that came before the start, which takes up what was relived with others."""
        self._past: dict[tuple[str, str, str, int], Bars] = {}
        self._unsaid: list[tuple[str, str, str, Mapping[str, str]]] = []
        self._left_out: set[str] = set()
        """Rules that raised too often, each told about."""
        turns = turns or Turns(clock)
        self._engine_turn = turns.join("engine")
        self._clock_turn = turns.join("clock")
        self.ledger = Ledger(store, tell, clock, turns, unstored)
        self.house = House(engine, store, self.ledger, lambda: intake.begun, clock, turns)

    @property
    def last_us(self) -> int:
        """The time of the last event, UTC microseconds."""
        return self._intake.last_us

    async def run(self) -> None:
        """Take what the connection delivers, in order, until cancelled."""
        while True:
            await self._queue.filled()
            self.take_turn()
            self._engine_turn()
            await asyncio.sleep(0)  # a turn for the other loops

    def take_turn(self) -> int:
        """Take up to ENTRIES_PER_TURN entries of the queue; gives how many there were."""
        entries = self._queue.take(ENTRIES_PER_TURN)
        for entry in entries:
            events = self._intake.frame(entry) if isinstance(entry, Frame) else self._intake.connection(entry)
            for event in events:
                self.apply(event)
        if self._awaiting is not None and self._intake.begun:
            awaiting, self._awaiting = self._awaiting, None
            self.swap(*awaiting)
        return len(entries)

    def swap(self, rule_set: RuleSet, routes: Routes | None = None) -> int:
        """Put another rule set and its routes in force, between two events; gives the event time."""
        if self._is_reliving and not self._intake.begun:
            self._awaiting = (rule_set, routes)
            return 0
        streamed = self._engine.streamed
        self._engine.offer(rule_set)
        self._routing = replace(self._routing, routes=routes or NO_ROUTES)
        if not self._intake.begun:
            self._intake.begin_with(rule_set)
            self._engine.on_event(RulesSwap(0, rule_set.hash))
            return 0
        for event in self._intake.seconds():
            self.apply(event)
        self._relive()
        swap = RulesSwap(self._intake.now_us(), rule_set.hash)
        self.apply(swap)
        for event in self._intake.use(rule_set, streamed):
            self.apply(event)
        return swap.event_us

    def fill(self, past: Sequence[Bars]) -> None:
        """Bars of holes that are known now (engine.events.FILLS): they go in at once, as the next events."""
        for event in self._intake.seconds():
            self.apply(event)
        for one in past:
            self.apply(structs.replace(one, event_us=self._intake.now_us()))

    def warm_up(self, past: Sequence[Bars]) -> None:
        """Closed bars for rules that begin: they go in behind the start, or before the next swap of rules."""
        for one in past:
            hole_us = one.whole_from_us if one.source in FILLS else 0
            self._past[one.symbol, one.interval, one.session, hole_us] = one

    async def hear(self, make: Callable[[int], Silence | SilenceEnd]) -> None:
        """What somebody says of silences becomes the next event; `make` gets its event time, and may refuse.

        Returns once the tape, the store and the audit have it. Raises what `make` raises, TransientError when nothing
        has been received yet or the disk is busy.
        """
        event = make(self.turn_clock())
        self.apply(event)
        begun = isinstance(event, Silence)
        log.info("silence.begun" if begun else "silence.ended", number=event.number, by=event.by)
        await self.make_durable(Decided(event.event_us, (), silences=(event,)), "silenced" if begun else "ended")

    def say(
        self, title: str, text: str, severity: str = DEFAULT_SEVERITY,
        memory: Mapping[str, str] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """A message of the daemon's own to the default channels, through the outbox like any alert.

        `memory` is what the store is to remember once it is said, in the same transaction.
        """
        if not self._intake.begun:
            self._unsaid.append((title, text, severity, memory))
            return
        event_us = self._intake.now_us()
        self._store_and_tell(notice(event_us, title, text, self._routing, severity, memory))

    def note_fallbacks(self, made: Sequence[tuple[Delivery, Alert]]) -> None:
        """The dispatcher told other channels in the place of one that failed: the end of a firing goes there, too."""
        for delivery, alert in made:
            self._recipients.note_fallback(alert.transition, delivery.channel)

    async def tick_seconds(self) -> None:
        """Put a turn into the queue at each whole second of market time, so that time passes without frames.

        Where market time stands still the engine gets an empty turn all the same, to show that it still takes them.
        """
        while True:
            try:
                async with self._clock.deadline(TURN_WITHIN_S):
                    await self._clock.sleep_until((self._clock.now_us() // US_PER_S + 1) * US_PER_S)
            except TimeoutError:
                pass  # no event comes of it, so a replay gives the same
            self._queue.put(Frame(0))
            self._clock_turn()

    async def finish(self) -> None:
        """The daemon stops: take what is left of the queue, and close the tape with a stop."""
        while self.take_turn():
            pass
        if self._clock.now_us():
            self.apply(Stop(self._intake.now_us()))
        await self.ledger.settle()

    def turn_clock(self) -> int:
        """The whole seconds up to now, so that what somebody says comes behind them; gives the event time of now.

        Raises TransientError when nothing has been received yet.
        """
        if not self._clock.now_us():
            raise TransientError("nothing has been received yet", hint="Try again once the feed is live")
        for event in self._intake.seconds():
            self.apply(event)
        return self._intake.now_us()

    async def make_durable(self, decided: Decided, done: str) -> None:
        """Have the ledger flush the tape and store it with the states, behind what it has in hand.

        Raises TransientError, which says what was `done`, when that does not happen in time.
        """
        self._store_and_tell(decided)
        await self.ledger.settle_in_time(done)

    def apply(self, event: Event) -> None:
        """One event through the engine; it is on the tape whether or not it decided anything."""
        self._store.record(event)
        transitions = self._engine.on_event(event)
        if isinstance(event, Start):
            self._decide_late()
            self._relive()
        self.counters.ticks += isinstance(event, Tick)
        if self._engine.bars:
            self.house.take_bars()
        if isinstance(event, Gap):
            self.house.note_gap(event)
            log.warning("feed.gap", from_us=event.from_us, to_us=event.to_us, reason=event.reason)
        self._report_faults()
        for roll in self._engine.take_rolls() if self._engine.rolls else ():
            self._report_roll(roll)
        if transitions:
            self._store_and_tell(self._decide(event.event_us, transitions))
        for listen in self.listeners:
            listen(event, transitions)
        if self._unsaid and self._intake.begun:
            unsaid, self._unsaid = self._unsaid, []
            for message in unsaid:
                self.say(*message)

    def _relive(self) -> None:
        past, self._past = self._past, {}
        for one in past.values():
            self.apply(structs.replace(one, event_us=self._intake.now_us()))

    def _decide(self, event_us: int, transitions: Sequence[Transition]) -> Decided:
        decided = decide(event_us, transitions, self._engine.rule_set, self._routing, self._recipients,
                         self._intake.delayed)  # fmt: skip
        self.counters.alerts += len(decided.alerts)
        self.counters.told += sum(not alert.suppressed for alert in decided.alerts)
        return decided

    def _decide_late(self) -> None:
        """What the last daemon had on the tape but not in the store when it was killed; the start is on the tape."""
        late, self._late = self._late, []
        for event_us, transitions, states in late:
            log.warning("alert.late", event_us=event_us, rules=sorted({one.rule_id for one in transitions}))
            self.ledger.enter(self._decide(event_us, transitions), states)

    def _store_and_tell(self, decided: Decided) -> None:
        """Hand a decision to the ledger, with the rule states it belongs with."""
        self.ledger.enter(decided, self.house.take_states())

    def _report_roll(self, roll: Roll) -> None:
        """Another contract stands behind a root: rules with prices of the old one are named once (rules.md 4.10)."""
        log.warning("feed.rolled", symbol=roll.symbol, before=roll.before, after=roll.after, rules=list(roll.rules))
        if roll.rules:
            self._unsaid.append(
                (f"{roll.symbol} is now {roll.after}",
                 f"Written for {roll.before}: {', '.join(roll.rules)}. Look at the prices in these rules.",
                 DEFAULT_SEVERITY, {})
            )  # fmt: skip

    def _report_faults(self) -> None:
        """A rule that is left out is told about once; the log and the status tell every time (rules.md 4.9)."""
        new: dict[str, Fault] = {}
        for fault in self._engine.take_faults():
            self.counters.faults += 1
            log.error("rule.raised", rule=fault.rule_id, symbol=fault.symbol, error=repr(fault.error),
                      left_out_s=fault.disabled_s)  # fmt: skip
            if fault.disabled_s and fault.rule_id not in self._left_out:
                new.setdefault(fault.rule_id, fault)
        if new:
            self._left_out |= new.keys()
            self._unsaid.append((*left_out_notice([*new.values()]), DEFAULT_SEVERITY, {}))
