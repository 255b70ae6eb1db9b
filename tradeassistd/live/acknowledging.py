"""Somebody has seen an alert: no more reminders of it, and no escalation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from tradeassistd.alerts.recipients import Recipients
from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Ack
from tradeassistd.engine.transition import State
from tradeassistd.live.path import Live
from tradeassistd.store.records import Decided

log = structlog.get_logger(__name__)


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


class AlertsStore(Protocol):
    """What an acknowledgement needs of the store."""

    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None: ...
    async def escalating(self, rule_id: str, symbol: str) -> Sequence[tuple[str, int, int]]: ...


class Acknowledging:
    """Takes acknowledgements."""

    def __init__(self, live: Live, engine: Engine, recipients: Recipients, store: AlertsStore) -> None:
        self._live = live
        self._engine = engine
        self._recipients = recipients
        self._store = store

    async def acknowledge(self, rule_id: str, symbol: str, by: str) -> Acknowledged:
        """No more reminders of the rule's firings that were told, of `symbol` or (empty) of all, and no escalation of
        its alerts.

        Returns once the tape, the rule states and the audit have it. Raises PermanentError when there is no such rule
        or it does not watch the symbol, TransientError when nothing has been received yet or the disk is busy.
        """
        escalating = await self._store.escalating(rule_id, symbol)
        if not escalating:
            self._check_there_is(rule_id, symbol)
        ack = Ack(self._live.turn_clock(), rule_id, symbol, by)
        if not escalating and not self._told_firings(rule_id, symbol):
            return Acknowledged(ack.event_us)
        self._live.apply(ack)
        self._recipients.acknowledge(rule_id, symbol, ack.event_us)
        firings = self._told_firings(rule_id, symbol, acked=True)
        # An alert of an event is over at once, but escalates until somebody has seen it.
        fired = {(one.symbol, one.level) for one in firings}
        firings += tuple(AckedFiring(*one) for one in escalating if one[:2] not in fired)
        log.info("alert.acknowledged", rule=rule_id, symbol=symbol, by=by, firings=len(firings))
        await self._live.make_durable(Decided(ack.event_us, (), acked=((rule_id, symbol),)), "acknowledged")
        await self._store.note_audit(ack.event_us, "ack", {"rule": rule_id, "symbol": symbol, "by": by})
        return Acknowledged(ack.event_us, firings)

    def _check_there_is(self, rule_id: str, symbol: str) -> None:
        rule = self._engine.rule_set.by_id.get(rule_id)
        if rule is None:
            raise PermanentError(f"no rule is called {rule_id!r}", hint="`tradeassist rules list` shows them")
        if symbol and symbol not in rule.symbols:
            raise PermanentError(f"{rule_id} does not watch {symbol}", hint=f"it watches {' '.join(rule.symbols)}")

    def _told_firings(self, rule_id: str, symbol: str, *, acked: bool = False) -> tuple[AckedFiring, ...]:
        """The rule's firings that somebody was told about, or those of them that are acknowledged."""
        states = [machine.state for machine in self._engine.machines if machine.rule.id == rule_id]
        return tuple(
            AckedFiring(state.symbol, state.level, state.since_us)
            for state in states
            if state.state is State.FIRING and state.was_told and symbol in ("", state.symbol)
            and (state.acked or not acked)
        )  # fmt: skip
