"""The store as the daemon sees it: the tape, the decisions, the outbox, behind one lock on the state directory."""

from __future__ import annotations

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
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.market.bar import Bar
from tradeassistd.store import bars, journal, outbox, rule_states
from tradeassistd.store.database import Database
from tradeassistd.store.directory import MAIN_FILE, DirectoryLock, lock_holder, make_directory, tape_paths
from tradeassistd.store.records import Alert, Decided, Delivery
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
        cls, directory: Path, *, clock: Clock, buffered_max: int = TAPE_BUFFERED_MAX, turns: Turns | None = None
    ) -> Store:
        """Take the directory for this process, create or migrate main.db.

        Raises FatalError when another daemon holds the directory or the files cannot be used.
        """
        make_directory(directory)
        lock = await _take_lock(directory, clock)
        try:
            main = await Database.open(directory / MAIN_FILE, clock=clock, synchronous="FULL", migrations="main")
        except BaseException:
            lock.release()
            raise
        return cls(directory, lock, main, TapeWriter(directory, clock=clock, buffered_max=buffered_max, turns=turns))

    async def close(self) -> None:
        """Write what is left, close every file, let the next daemon in. The files are closed even when it raises."""
        try:
            await self.tape.close()
        finally:
            try:
                await self._main.close()
            finally:
                self._lock.release()

    def record(self, event: Event) -> None:
        """Put an event on the tape; never waits (see TapeWriter.record)."""
        self.tape.record(event)

    async def run(self) -> None:
        """The writer loop of the tape; ends only by cancellation or FatalError."""
        await self.tape.run()

    async def flush(self) -> None:
        """Write the tape up to now."""
        await self.tape.flush()

    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None:
        """Make all that was decided at one event durable, in one transaction; call it before anything is sent.

        The tape up to that event goes first, but a tape that cannot be written does not hold up an alert. Committing
        the same decision again changes nothing.
        """
        try:
            await self.tape.flush()
        except TransientError as error:
            _log.warning("tape.behind_alert", event_us=decided.event_us, error=str(error))

        def write(raw: sqlite3.Connection) -> None:
            outbox.insert_decided(raw, decided)
            rule_states.upsert_states(raw, states)

        await self._main.transaction(write)

    async def open_deliveries(
        self, channel: str | None = None, limit: int = OPEN_DELIVERIES_MAX
    ) -> list[tuple[Delivery, Alert]]:
        """Deliveries not settled yet, most severe and then oldest first; of one channel or of all."""
        return await self._main.read(lambda raw: outbox.select_open(raw, channel, limit))

    async def open_channels(self) -> list[str]:
        """Names of the channels that have deliveries not settled yet."""
        return await self._main.read(outbox.select_open_channels)

    async def mark(self, delivery: Delivery) -> bool:
        """Make the delivery's new state durable; False when it was settled before, and then nothing changes."""
        return await self._main.transaction(lambda raw: outbox.update_delivery(raw, delivery))

    async def recipients(self, states: Sequence[RuleState]) -> dict[tuple[str, str, int], tuple[str, ...]]:
        """By (rule, symbol, level): the channels told of those of `states` that fire."""
        firing = [state for state in states if state.state is State.FIRING and state.was_told]
        return await self._main.read(
            lambda raw: {(one.rule_id, one.symbol, one.level): outbox.select_recipients(raw, one) for one in firing}
        )

    async def load_states(self) -> tuple[RuleState, ...]:
        return await self._main.read(rule_states.select_states)

    async def save_states(self, states: Sequence[RuleState]) -> None:
        await self._write(rule_states.upsert_states, states)

    async def save_bars(self, closed: Sequence[Bar]) -> int:
        """Store closed bars; one stored before stays as it is. Returns how many were new."""
        return await self._write(bars.insert_bars, closed)

    async def load_bars(self, symbol: str, interval: str, session: str, *, before_us: int, limit: int) -> list[Bar]:
        """The last bars that had closed by `before_us`, oldest first."""
        return await self._main.read(
            lambda raw: bars.select_bars(raw, symbol, interval, session, before_us=before_us, limit=limit)
        )

    async def save_gaps(self, gaps: Sequence[Gap]) -> None:
        await self._write(bars.insert_gaps, gaps)

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

    async def last_event_us(self) -> int:
        """The greatest event time stored anywhere, 0 for a new store; the next event time must be greater."""
        stored_us = await self._main.read(journal.last_event_us)
        for path in tape_paths(self.directory):
            if on_tape_us := await self._main.read(lambda _, path=path: newest_event_us(path)):  # type: ignore[misc]
                return max(stored_us, on_tape_us)
        return stored_us

    def status(self) -> dict[str, Any]:
        """Counters of the tape for `status`."""
        tape = self.tape
        return {
            "tape": tape.path.name if tape.path else "",
            "tape_written": tape.written,
            "tape_buffered": tape.buffered,
            "tape_thinned": tape.thinned,
            "tape_repeated": tape.repeated,
            "tape_error": tape.error,
        }

    async def _write(self, write: Callable[[sqlite3.Connection, Any], T], rows: Any) -> T:
        return await self._main.transaction(lambda raw: write(raw, rows))


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
