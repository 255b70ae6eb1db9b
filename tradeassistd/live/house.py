"""What the store gets once a second and at the end: rule states, bars, spans of watching, gaps, the status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Gap
from tradeassistd.engine.transition import RuleState
from tradeassistd.live.ledger import Ledger
from tradeassistd.market.bar import Bar, Stretch

EVERY_S = 1.0

log = structlog.get_logger(__name__)


class HouseStore(Protocol):
    """What the house needs of the store."""

    async def save_states(self, states: Sequence[RuleState], until_us: int = 0) -> None: ...
    async def save_bars(self, closed: Sequence[Bar], stretches: Sequence[Stretch], until_us: int) -> int: ...
    async def save_gaps(self, gaps: Sequence[Gap]) -> None: ...
    async def save_status(self, status: Mapping[str, Any]) -> None: ...


class House:
    """What the engine made and the store does not have yet; what could not be saved is kept for the next time."""

    def __init__(
        self, engine: Engine, store: HouseStore, ledger: Ledger, has_begun: Callable[[], bool], clock: Clock,
        turns: Turns,
    ) -> None:  # fmt: skip
        """`has_begun`: whether the start is on the tape; nothing of what was relived is decided before it."""
        self.watch_listeners: list[Callable[[Sequence[Stretch]], None]] = []
        """Called with what began or ended of the spans of watching, once the store knows it: be quick, never raise."""
        self._engine = engine
        self._store = store
        self._ledger = ledger
        self._has_begun = has_begun
        self._clock = clock
        self._bars: list[Bar] = []
        self._stretches: list[Stretch] = []
        self._gaps: list[Gap] = []
        self._unsaved: dict[tuple[str, str, int, str], RuleState] = {}
        self._turn = turns.join("house")

    def take_bars(self) -> None:
        """The bars that the engine has closed."""
        self._bars += self._engine.take_bars()

    def note_gap(self, gap: Gap) -> None:
        self._gaps.append(gap)

    def take_states(self) -> list[RuleState]:
        """The rule states that the store does not have yet, the newest of each; they are the caller's to store."""
        unsaved = self._unsaved | {_key(state): state for state in self._engine.take_states()}
        self._unsaved = {}
        return list(unsaved.values())

    async def keep(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """Save once a second of machine time, until cancelled."""
        busy = ""
        while True:
            await self._clock.pause(EVERY_S)
            try:
                await self.save(status())
                busy = ""
            except TransientError as error:
                if str(error) != busy:  # it is tried every second, and told once
                    busy = str(error)
                    log.warning("store.busy", reason=busy)

    async def save(self, status: Mapping[str, Any]) -> None:
        """Save what changed since the last save. Raises TransientError when the disk does not take it."""
        # Alerts bring their own states in their own transaction; older ones must not overtake them.
        self._turn(IDLE)  # the ledger has a turn of its own
        await self._ledger.settle()
        self._turn(DISK_WITHIN_S)
        await self._save_history()
        while len(self._ledger):  # something may have been decided meanwhile, also since the wait was over
            await self._ledger.settle()
        states = self.take_states()
        decided_until_us = self._engine.now_us if self._has_begun() else 0
        try:
            await self._store.save_states(states, decided_until_us)
        except TransientError:
            self._unsaved = {_key(state): state for state in states} | self._unsaved
            raise
        await self._store.save_status(status)

    async def _save_history(self) -> None:
        until_us = self._engine.now_us - BAR_GRACE_US  # every bar that ended by then has closed
        stretches, self._stretches = self._stretches + self._engine.take_stretches(), []
        bars, self._bars = self._bars + self._engine.take_bars(), []  # what was relived closed bars, too
        gaps, self._gaps = self._gaps, []
        try:
            await self._store.save_bars(bars, stretches, until_us)
            await self._store.save_gaps(gaps)
        except TransientError:
            self._bars, self._gaps, self._stretches = bars + self._bars, gaps + self._gaps, stretches + self._stretches
            raise
        for note in self.watch_listeners if stretches else ():
            note(stretches)


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)
