"""Decisions on their way to the disk, in their order: nothing is told that is not stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.engine.transition import RuleState
from tradeassistd.store.records import Decided

RETRY_EVERY_S = 1.0
STORED_WITHIN_S = 5.0
"""What somebody asked for and the disk has not taken by then is answered with an error, though it counts."""

log = structlog.get_logger(__name__)


class LedgerStore(Protocol):
    """What the ledger needs of the store."""

    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None: ...


class UnstoredPort(Protocol):
    """Who tells of decisions that the disk does not take (alerts.unstored)."""

    def note(self, waiting: Callable[[], Sequence[Decided]], reason: str) -> None: ...
    def stored(self) -> None: ...


class Ledger:
    """`enter` takes a decision, at once; `keep` makes one after another durable, and only then tells."""

    def __init__(
        self, store: LedgerStore, tell: Callable[[Decided], None], clock: Clock, turns: Turns,
        unstored: UnstoredPort | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._tell = tell
        self._clock = clock
        self._unstored = unstored
        self._undecided: deque[tuple[Decided, list[RuleState]]] = deque()
        self._entered = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._turn = turns.join("ledger")

    def __len__(self) -> int:
        """How many decisions are not stored yet."""
        return len(self._undecided)

    def enter(self, decided: Decided, states: list[RuleState]) -> None:
        """A decision, with the rule states it belongs with."""
        self._undecided.append((decided, states))
        self._settled.clear()
        self._entered.set()

    async def settle(self) -> None:
        """Wait until all that was entered is stored and told."""
        await self._settled.wait()

    async def settle_in_time(self, done: str) -> None:
        """As `settle`; raises TransientError, which says what was `done`, when the disk takes too long."""
        try:
            async with self._clock.deadline(STORED_WITHIN_S):
                await self._settled.wait()
        except TimeoutError:
            hint = "It counts; a restart before the disk takes it would forget it"
            raise TransientError(f"{done}, but not stored yet: the disk is busy", hint=hint) from None

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            self._turn(IDLE)
            await self._entered.wait()
            while self._undecided:
                decided, states = self._undecided[0]
                await self._commit(decided, states)
                self._undecided.popleft()
                self._tell(decided)
            self._entered.clear()
            self._settled.set()

    async def _commit(self, decided: Decided, states: list[RuleState]) -> None:
        """An alert is never dropped: when the disk is busy or full, try until it takes it, and say so."""
        reason = ""
        while True:
            self._turn(DISK_WITHIN_S)
            try:
                await self._store.commit(decided, states)
            except TransientError as error:
                if str(error) != reason:
                    log.error("alert.not_stored", reason=str(error), waiting=len(self._undecided))
                reason = str(error)
                if self._unstored is not None:
                    self._unstored.note(self._not_stored, reason)
                await self._clock.pause(RETRY_EVERY_S)
            else:
                if reason:
                    log.info("alert.stored_at_last", waiting=len(self._undecided) - 1)
                    if self._unstored is not None:
                        self._unstored.stored()
                return

    def _not_stored(self) -> list[Decided]:
        """The decisions that the store does not have, oldest first."""
        return [decided for decided, _ in self._undecided]
