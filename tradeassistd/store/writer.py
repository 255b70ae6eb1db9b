"""The store as the daemon sees it: the tape, the decisions, the outbox, behind one lock on the state directory."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.base.turns import Turns
from tradeassistd.engine.events import Event, Gap
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.store import bars, journal, outbox, rule_states, settling, silences
from tradeassistd.store.damage import SetAside, look_for_damage
from tradeassistd.store.database import Database
from tradeassistd.store.density import Density
from tradeassistd.store.directory import (
    MAIN_FILE,
    DirectoryLock,
    lock_holder,
    make_directory,
    refuse_half_restored,
    tape_paths,
)
from tradeassistd.store.faults import DamagedError
from tradeassistd.store.records import Alert, Decided, Delivery
from tradeassistd.store.settling import Due
from tradeassistd.store.tape_known import Known, known_until
from tradeassistd.store.tape_reading import newest_event_us
from tradeassistd.store.tape_writer import TAPE_BUFFERED_MAX, TapeWriter

LOCK_ATTEMPTS = 5
LOCK_PAUSE_S = 0.05
OPEN_DELIVERIES_MAX = 1_000
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Store:
    """Open it first and close it last. Every method may raise TransientError (nothing stored) or FatalError."""

    def __init__(self, directory: Path, lock: DirectoryLock, main: Database, tape: TapeWriter) -> None:
        self.directory = directory
        self.tape = tape
        self._lock = lock
        self._main = main

    @classmethod
    async def open(
        cls, directory: Path, *, clock: Clock, buffered_max: int = TAPE_BUFFERED_MAX, turns: Turns | None = None,
        density: Density = Density.EVERY,
    ) -> Store:  # fmt: skip
        """Take the directory for this process, create or migrate main.db; `density`: what the tape is to keep.

        Raises FatalError when another daemon holds the directory or the files cannot be used (DamagedError: main.db
        is damaged), TransientError when the disk is full or a file is locked.
        """
        make_directory(directory)
        lock = await _take_lock(directory, clock)
        try:
            refuse_half_restored(directory)
            aside = await _look_for_damage(directory, whole=lock.left_behind)
            main = await Database.open(
                directory / MAIN_FILE, clock=clock, synchronous="FULL", migrations="main", shrinks=True
            )
        except BaseException as error:
            looked_through = not lock.left_behind and not isinstance(error, DamagedError)
            lock.release(clean=looked_through)
            raise
        tape = TapeWriter(directory, clock=clock, buffered_max=buffered_max, turns=turns, density=density)
        if aside is not None:
            tape.note_set_aside(aside)
        return cls(directory, lock, main, tape)

    async def close(self, *, clean: bool = True) -> None:
        """Write what is left, close every file, let the next daemon in. The files are closed even when it raises.

        Unless the end is a `clean` one the next daemon reads the files through for damage.
        """
        try:
            await self.tape.close()
        except BaseException:
            clean = False
            raise
        finally:
            try:
                await self._main.close()
            except BaseException:
                clean = False
                raise
            finally:
                self._lock.release(clean=clean)

    def record(self, event: Event) -> None:
        """Put an event on the tape; never waits (see TapeWriter.record)."""
        self.tape.record(event)

    async def run(self) -> None:
        """The writer loop of the tape; ends only by cancellation."""
        await self.tape.run()

    async def flush(self) -> None:
        """Write the tape up to now."""
        await self.tape.flush()

    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None:
        """Make all that was decided at one event durable, in one transaction; call it before anything is sent.

        `states` are all that changed up to that event since they were last given to the store.
        The tape up to that event goes first, but a tape that cannot be written does not hold up an alert. Committing
        the same decision again changes nothing.
        """
        await self._write_tape("tape.behind_alert", decided.event_us)

        def write(raw: sqlite3.Connection) -> None:
            outbox.insert_decided(raw, decided)
            settling.withdraw(raw, decided)
            rule_states.upsert_states(raw, states)
            journal.note_states_until(raw, decided.event_us)
            silences.write_silences(raw, decided.silences)
            for key, value in decided.memory:
                journal.put_memory(raw, key, value)

        await self._main.transaction(write)

    async def _write_tape(self, behind: str, event_us: int) -> None:
        """Write the tape up to now; one that cannot be written holds up nothing else."""
        try:
            await self.tape.flush()
        except TransientError as error:
            _log.debug(behind, event_us=event_us, error=str(error))

    async def open_deliveries(
        self, channel: str | None = None, limit: int = OPEN_DELIVERIES_MAX, due_us: int | None = None
    ) -> list[tuple[Delivery, Alert]]:
        """Deliveries not settled yet, most severe and then oldest first; of one channel or of all.

        With `due_us` only those that may be sent at that market time.
        """
        return await self._main.read(lambda raw: outbox.select_open(raw, channel, limit, due_us))

    async def open_channels(self) -> list[str]:
        """Names of the channels that have deliveries not settled yet."""
        return await self._main.read(outbox.select_open_channels)

    async def mark(self, delivery: Delivery) -> bool:
        """Make the delivery's new state durable; False when it was settled before, and then nothing changes."""
        return await self._main.transaction(lambda raw: outbox.update_delivery(raw, delivery))

    async def due_deliveries(self, channel: str, now_us: int, limit: int = OPEN_DELIVERIES_MAX) -> Due:
        """What a channel may send at that market time; held deliveries that are due become one message."""
        return await self._main.transaction(lambda raw: settling.take_due(raw, channel, now_us, limit))

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
        """How many alerts a delivery carries beside its own, and the first of them."""
        return await self._main.read(lambda raw: outbox.select_carried(raw, delivery, limit))

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        """Settle a delivery as failed or expired and tell its fallback channels (see settling.give_up)."""
        return await self._main.transaction(lambda raw: settling.give_up(raw, delivery, expiry_us))

    async def escalating(self, rule_id: str, symbol: str) -> list[tuple[str, int, int]]:
        """(symbol, level, event time) of the rule's alerts that will escalate, of one symbol or (empty) of all."""
        return await self._main.read(lambda raw: settling.select_escalating(raw, rule_id, symbol))

    async def recipients(self, states: Sequence[RuleState]) -> dict[tuple[str, str, int], dict[str, int]]:
        """By (rule, symbol, level) of those of `states` that fire: the channels told, and from when on (0: at once)."""
        firing = [state for state in states if state.state is State.FIRING and state.was_told]
        return await self._main.read(
            lambda raw: {(one.rule_id, one.symbol, one.level): outbox.select_recipients(raw, one) for one in firing}
        )

    async def load_states(self) -> tuple[RuleState, ...]:
        """The states to start with; those of rules that were gone for too long are deleted."""

        def load(raw: sqlite3.Connection) -> tuple[RuleState, ...]:
            rule_states.delete_old_states(raw)
            return rule_states.select_states(raw)

        return await self._main.transaction(load)

    async def load_silences(self, now_us: int) -> tuple[Silence, ...]:
        """The silences that somebody said and that are not over at that event time."""
        return await self._main.read(lambda raw: silences.select_silences(raw, now_us))

    async def last_silence(self) -> int:
        """The greatest number that any silence has had, 0 before the first."""
        return await self._main.read(silences.last_number)

    async def save_states(self, states: Sequence[RuleState], until_us: int = 0) -> None:
        """Store the states that changed; with them the store has all there are as of that event time, if one is told.

        The tape up to that event goes first: the next start takes for seen what came before the last event stored.
        """
        await self._write_tape("tape.behind_states", until_us)

        def write(raw: sqlite3.Connection) -> None:
            rule_states.upsert_states(raw, states)
            journal.note_states_until(raw, until_us)

        await self._main.transaction(write)

    async def decided_until_us(self) -> int:
        """Up to which event time the store has all rule states and decisions (see journal.decided_until_us)."""
        return await self._main.read(journal.decided_until_us)

    async def save_bars(self, closed: Sequence[Bar], stretches: Sequence[Stretch] = (), until_us: int = 0) -> int:
        """Store closed bars, and since when symbols are watched; one stored before stays as it is.

        `until_us`: every bar that closed by then is among those stored. Returns how many bars were new.
        """

        def write(raw: sqlite3.Connection) -> int:
            bars.insert_stretches(raw, stretches, until_us)
            return bars.insert_bars(raw, closed)

        return await self._main.transaction(write)

    async def end_stretches(self) -> None:
        """To be called by a daemon that begins, before it reads bars: nobody has watched since the last one ended."""
        await self._main.transaction(bars.end_stretches)

    async def load_bars(self, symbol: str, interval: str, session: str, *, before_us: int, limit: int) -> list[Bar]:
        """The last bars that had closed by `before_us`, oldest first."""
        return await self._main.read(
            lambda raw: bars.select_bars(raw, symbol, interval, session, before_us=before_us, limit=limit)
        )

    async def save_gaps(self, gaps: Sequence[Gap]) -> None:
        if gaps:
            await self._write_tape("tape.behind_gaps", gaps[-1].event_us)
        await self._write(bars.insert_gaps, gaps)

    async def last_contracts(self) -> dict[str, str]:
        """By futures root the contract it stood for when the store last heard of it."""
        return await self._main.read(bars.select_contracts)

    async def load_gaps(self, *, since_us: int) -> list[Gap]:
        """Gaps that had not ended before that, each of one symbol or (none named) of all."""
        return await self._main.read(lambda raw: bars.select_gaps(raw, since_us=since_us))

    async def save_rules(self, rule_set: RuleSet, commit: str, *, event_us: int) -> None:
        """An accepted version of the rules; it becomes the one `load_rule_texts` gives."""
        await self._main.transaction(lambda raw: journal.insert_rules(raw, rule_set, commit, event_us))

    async def load_rule_texts(self, rules_hash: str = "") -> tuple[tuple[str, str], ...]:
        """(file, text) of the set with that hash, or of the one accepted last."""
        return await self._main.read(lambda raw: journal.select_rule_texts(raw, rules_hash))

    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None:
        await self._main.transaction(lambda raw: journal.insert_audit(raw, event_us, kind, body))

    async def save_status(self, status: Mapping[str, Any]) -> None:
        """What `tradeassist status` shows while the daemon is down."""
        await self._write(journal.put_status, status)

    async def recall(self, key: str) -> str:
        """What was remembered last under that key; empty when nothing was."""
        return await self._main.read(lambda raw: journal.get_memory(raw, key))

    async def remember(self, key: str, value: str) -> None:
        """Keep it until the next value of that key."""
        await self._main.transaction(lambda raw: journal.put_memory(raw, key, value))

    async def last_event_us(self) -> int:
        """The greatest event time stored anywhere, 0 for a new store; the next event time must be greater."""
        return max(await self._main.read(journal.last_event_us), await self._taped_until_us())

    async def known_until(self) -> Known:
        """Until when the tapes know the market: what came in after it is lost, whatever else is stored."""
        return await self._main.read(lambda _: known_until(tape_paths(self.directory)))

    async def _taped_until_us(self) -> int:
        """The newest event time on the tapes, 0 without any."""
        for path in tape_paths(self.directory):
            if on_tape_us := await self._main.read(lambda _, path=path: newest_event_us(path)):  # type: ignore[misc]
                return on_tape_us
        return 0

    def status(self) -> dict[str, Any]:
        """Counters of the tape for `status`."""
        tape = self.tape
        return {
            "tape": tape.path.name if tape.path else "",
            "tape_written": tape.written,
            "tape_buffered": tape.buffered,
            "tape_thinned": tape.thinned,
            "tape_density": tape.density.word,
            "tape_limited": tape.limited,
            "tape_repeated": tape.repeated,
            "tape_error": tape.error,
        }

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on main.db as one transaction, in its thread."""
        return await self._main.transaction(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which changes nothing, on main.db in its thread."""
        return await self._main.read(work)

    async def _write(self, write: Callable[[sqlite3.Connection, Any], T], rows: Any) -> T:
        return await self._main.transaction(lambda raw: write(raw, rows))


async def _look_for_damage(directory: Path, *, whole: bool) -> SetAside | None:
    try:
        return await asyncio.to_thread(look_for_damage, directory, whole=whole)
    except OSError as error:
        hint = "Give the daemon's user the right to write there"
        raise FatalError(f"{directory}: {error.strerror}", hint=hint) from error


async def _take_lock(directory: Path, clock: Clock) -> DirectoryLock:
    lock = DirectoryLock(directory)
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        if lock.take():
            return lock
        if attempt < LOCK_ATTEMPTS:
            await clock.pause(LOCK_PAUSE_S)  # `daemon_running` of somebody's CLI may hold it for an instant
    holder = lock_holder(directory)
    raise FatalError(
        f"{directory} belongs to the daemon with process id {holder or 'unknown'}",
        hint=f"Stop it first (kill {holder})" if holder else "Stop the other daemon first",
    )
