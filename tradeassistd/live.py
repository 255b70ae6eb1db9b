"""The live path: frames become events, events go through the engine, what it decides is stored and then told.

Three loops share it. `run` is the engine's: it never waits for disk or network. `keep_ledger` makes each decision
durable and only then wakes the dispatcher. `keep_house` saves rule states, bars and the status once a second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from tradeassistd.alerts.compose import decide, notice
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Ack, Event, Gap, RulesSwap, Stop
from tradeassistd.engine.rolls import Roll
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import RuleState, State, Transition
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.market.bar import Bar
from tradeassistd.market.tick import Tick
from tradeassistd.store.records import Decided

ENTRIES_PER_TURN = 200
"""How many frames the engine takes before the other loops get their turn."""
TTL_S = 900.0
"""Time to live of a delivery on a channel that the settings do not have: it will fail, and the outbox says so."""
HOUSE_EVERY_S = 1.0
TURN_WITHIN_S = 1.5
"""The engine gets a turn this often, also when market time stands still."""
RETRY_EVERY_S = 1.0
ACK_STORED_WITHIN_S = 5.0
"""An acknowledgement that the disk has not taken by then is answered with an error, though it counts already."""

log = structlog.get_logger(__name__)


class StorePort(Protocol):
    """What the live path needs of the store."""

    def record(self, event: Event) -> None: ...
    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None: ...
    async def save_states(self, states: Sequence[RuleState]) -> None: ...
    async def save_bars(self, closed: Sequence[Bar]) -> int: ...
    async def save_gaps(self, gaps: Sequence[Gap]) -> None: ...
    async def save_status(self, status: Mapping[str, Any]) -> None: ...
    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None: ...


@dataclass(slots=True)
class Counters:
    """What happened since the start, for status."""

    ticks: int = 0
    alerts: int = 0
    told: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class AckedFiring:
    """A firing that gets no more reminders."""

    symbol: str
    level: int
    since_us: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement did, at which event time; without firings it did nothing."""

    event_us: int
    firings: tuple[AckedFiring, ...] = ()


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
    ) -> None:
        """`ttls_s` has each channel's time to live in seconds; `tell` wakes the dispatcher; `recipients` knows who
        was told of the firings that the engine takes up."""
        self.counters = Counters()
        self.listeners: list[Callable[[Event, list[Transition]], None]] = []
        """Called with every event and what it caused, in order, on the engine's turn: be quick, never raise."""
        self._engine = engine
        self._intake = intake
        self._queue = queue
        self._store = store
        self._tell = tell
        self._clock = clock
        self._ttls_s = ttls_s
        self._default_channels = default_channels
        self._recipients = recipients or Recipients()
        self._undecided: deque[tuple[Decided, list[RuleState]]] = deque()
        self._decided = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._bars: list[Bar] = []
        self._gaps: list[Gap] = []
        self._unsaid: list[tuple[str, str]] = []
        self._unsaved: dict[tuple[str, str, int, str], RuleState] = {}
        turns = turns or Turns(clock)
        self._engine_turn = turns.join("engine")
        self._clock_turn = turns.join("clock")
        self._ledger_turn = turns.join("ledger")
        self._house_turn = turns.join("house")

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
                self._apply(event)
        return len(entries)

    def swap(self, rule_set: RuleSet) -> int:
        """Put another rule set in force, between two events; gives the event time."""
        self._engine.offer(rule_set)
        if not self._intake.begun:
            self._intake.begin_with(rule_set.hash)
            self._engine.on_event(RulesSwap(0, rule_set.hash))
            return 0
        for event in self._intake.seconds():
            self._apply(event)
        swap = RulesSwap(self._intake.now_us(), rule_set.hash)
        self._apply(swap)
        return swap.event_us

    async def acknowledge(self, rule_id: str, symbol: str, by: str) -> Acknowledged:
        """Somebody has seen it: no more reminders of the rule's firings that were told, of `symbol` or (empty) of all.

        Returns once the tape, the rule states and the audit have it. Raises PermanentError when there is no such rule
        or it does not watch the symbol, TransientError when nothing has been received yet or the disk is busy.
        """
        rule = self._engine.rule_set.by_id.get(rule_id)
        if rule is None:
            raise PermanentError(f"no rule is called {rule_id!r}", hint="`tradeassist rules list` shows them")
        if symbol and symbol not in rule.symbols:
            raise PermanentError(f"{rule_id} does not watch {symbol}", hint=f"it watches {' '.join(rule.symbols)}")
        if not self._clock.now_us():
            raise TransientError("nothing has been received yet", hint="Try again once the feed is live")
        for event in self._intake.seconds():
            self._apply(event)
        ack = Ack(self._intake.now_us(), rule_id, symbol, by)
        if not self._told_firings(rule_id, symbol):
            return Acknowledged(ack.event_us)
        self._apply(ack)
        done = Acknowledged(ack.event_us, self._told_firings(rule_id, symbol, acked=True))
        log.info("alert.acknowledged", rule=rule_id, symbol=symbol, by=by, firings=len(done.firings))
        await self._make_durable(ack)
        return done

    def say(self, title: str, text: str) -> None:
        """A message of the daemon's own to the default channels, through the outbox like any alert."""
        if not self._intake.begun:
            self._unsaid.append((title, text))
            return
        event_us = self._intake.now_us()
        self._store_and_tell(notice(event_us, title, text, self._default_channels, TTL_S, self._ttls_s))

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

    async def keep_ledger(self) -> None:
        """Make decisions durable in order, then tell; nothing is told that is not stored."""
        while True:
            self._ledger_turn(IDLE)
            await self._decided.wait()
            while self._undecided:
                decided, states = self._undecided[0]
                await self._commit(decided, states)
                self._undecided.popleft()
                self._tell(decided)
            self._decided.clear()
            self._settled.set()

    async def keep_house(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """Save rule states, bars and the status once a second of machine time."""
        while True:
            await self._clock.pause(HOUSE_EVERY_S)
            try:
                await self.save(status())
            except TransientError as error:
                log.warning("store.busy", reason=str(error))

    async def save(self, status: Mapping[str, Any]) -> None:
        """Save what changed since the last save."""
        # Alerts bring their own states in their own transaction; older ones must not overtake them.
        self._house_turn(IDLE)  # the ledger has a turn of its own
        await self._settled.wait()
        self._house_turn(DISK_WITHIN_S)
        bars, self._bars = self._bars, []
        gaps, self._gaps = self._gaps, []
        try:
            await self._store.save_bars(bars)
            await self._store.save_gaps(gaps)
        except TransientError:
            self._bars, self._gaps = bars + self._bars, gaps + self._gaps
            raise
        states = self._take_states()
        try:
            await self._store.save_states(states)
        except TransientError:
            self._unsaved = {_key(state): state for state in states} | self._unsaved
            raise
        await self._store.save_status(status)

    async def finish(self) -> None:
        """The daemon stops: take what is left of the queue, and close the tape with a stop."""
        while self.take_turn():
            pass
        if self._clock.now_us():
            self._apply(Stop(self._intake.now_us()))
        await self._settled.wait()

    def _apply(self, event: Event) -> None:
        """One event through the engine; it is on the tape whether or not it decided anything."""
        self._store.record(event)
        transitions = self._engine.on_event(event)
        self.counters.ticks += isinstance(event, Tick)
        if self._engine.bars:
            self._bars += self._engine.take_bars()
        if isinstance(event, Gap):
            self._gaps.append(event)
            log.warning("feed.gap", from_us=event.from_us, to_us=event.to_us, reason=event.reason)
        if self._engine.faults:
            self._report_faults()
        for roll in self._engine.take_rolls() if self._engine.rolls else ():
            self._report_roll(roll)
        if transitions:
            decided = decide(
                event.event_us, transitions, self._engine.rule_set, self._default_channels, TTL_S, self._ttls_s,
                self._recipients,
            )  # fmt: skip
            self.counters.alerts += len(decided.alerts)
            self.counters.told += sum(not alert.suppressed for alert in decided.alerts)
            self._store_and_tell(decided)
        for listen in self.listeners:
            listen(event, transitions)

        if self._unsaid and self._intake.begun:
            unsaid, self._unsaid = self._unsaid, []
            for title, text in unsaid:
                self.say(title, text)

    def _told_firings(self, rule_id: str, symbol: str, *, acked: bool = False) -> tuple[AckedFiring, ...]:
        """The rule's firings that somebody was told about, or those of them that are acknowledged."""
        states = [machine.state for machine in self._engine.machines if machine.rule.id == rule_id]
        return tuple(
            AckedFiring(state.symbol, state.level, state.since_us)
            for state in states
            if state.state is State.FIRING and state.was_told and symbol in ("", state.symbol)
            and (state.acked or not acked)
        )  # fmt: skip

    async def _make_durable(self, ack: Ack) -> None:
        """Have the ledger flush the tape and save the states, behind what it has in hand, and note it in the audit."""
        self._store_and_tell(Decided(ack.event_us, ()))
        try:
            async with self._clock.deadline(ACK_STORED_WITHIN_S):
                await self._settled.wait()
        except TimeoutError:
            hint = "It counts; a restart before the disk takes it would forget it"
            raise TransientError("acknowledged, but not stored yet: the disk is busy", hint=hint) from None
        await self._store.note_audit(ack.event_us, "ack", {"rule": ack.rule_id, "symbol": ack.symbol, "by": ack.by})

    def _store_and_tell(self, decided: Decided) -> None:
        """Hand a decision to the ledger, with the rule states it belongs with."""
        self._undecided.append((decided, self._take_states()))
        self._settled.clear()
        self._decided.set()

    def _take_states(self) -> list[RuleState]:
        """The rule states that the store does not have yet, the newest of each."""
        unsaved = self._unsaved | {_key(state): state for state in self._engine.take_states()}
        self._unsaved = {}
        return list(unsaved.values())

    async def _commit(self, decided: Decided, states: list[RuleState]) -> None:
        """An alert is never dropped: when the disk is busy or full, try until it takes it, and say so."""
        while True:
            self._ledger_turn(DISK_WITHIN_S)
            try:
                return await self._store.commit(decided, states)
            except TransientError as error:
                log.error("alert.not_stored", reason=str(error), waiting=len(self._undecided))
                await self._clock.pause(RETRY_EVERY_S)

    def _report_roll(self, roll: Roll) -> None:
        """Another contract stands behind a root: rules with prices of the old one are named once (rules.md 4.10)."""
        log.warning("feed.rolled", symbol=roll.symbol, before=roll.before, after=roll.after, rules=list(roll.rules))
        if roll.rules:
            self._unsaid.append(
                (f"{roll.symbol} is now {roll.after}",
                 f"Written for {roll.before}: {', '.join(roll.rules)}. Look at the prices in these rules.")
            )  # fmt: skip

    def _report_faults(self) -> None:
        for fault in self._engine.take_faults():
            self.counters.faults += 1
            log.error("rule.raised", rule=fault.rule_id, symbol=fault.symbol, error=repr(fault.error),
                      left_out_s=fault.disabled_s)  # fmt: skip


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)
