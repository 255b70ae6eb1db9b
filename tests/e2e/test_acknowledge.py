"""Acknowledging a firing: reminders end, the tape, the states and the audit have it, and a restart and a replay too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.store.waiting import until
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.base.clock import MarketClock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Ack, Event, Start
from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.history.replay import replay
from tradeassistd.live import ledger as ledger_module
from tradeassistd.live.acknowledging import AckedFiring, Acknowledging
from tradeassistd.live.path import Live
from tradeassistd.live.silencing import Silencing
from tradeassistd.market.quote import Change
from tradeassistd.rules.load import load_texts
from tradeassistd.rules.routes_file import read_routes_file
from tradeassistd.store import queries
from tradeassistd.store.records import Decided, DeliveryState, Why
from tradeassistd.store.writer import Store

MONDAY_US = 1_794_839_400 * US_PER_S  # 2026-11-16 09:30 New York
MINUTE_S = 60
RULES = """version: 1
rules:
  - {id: high, symbols: [/ES, /NQ], when: price > 100, at_load: fire, repeat: [5m], on_clear: tell, notify: [desk]}
  - {id: low, symbols: [/ES], when: price < 1, repeat: [5m]}
  - {id: quiet, symbols: [/ES], when: price > 100, repeat: [5m]}
"""


@pytest.fixture(autouse=True)
def _a_patient_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a slow disk makes of an acknowledgement is asked in its own test."""
    monkeypatch.setattr(ledger_module, "STORED_WITHIN_S", 60.0)


class Desk:
    """The live path over a real store, fed frame by frame; the ledger runs beside it."""

    def __init__(
        self, live: Live, queue: FrameQueue, store: Store, silencing: Silencing, acknowledging: Acknowledging
    ) -> None:
        self.live = live
        self.silencing = silencing
        self.acknowledging = acknowledging
        self.store = store
        self.seen: list[tuple[Event, list[Transition]]] = []
        self.decided: list[Decided] = []
        self._queue = queue
        live.listeners.append(lambda event, transitions: self.seen.append((event, transitions)))

    def row(self, after_s: int, price: float | None = None, symbol: str = "/ES") -> None:
        """A frame that many seconds after the opening; without a price time only passes."""
        changes = [] if price is None else [Change(symbol, last=price)]
        self._queue.put(Frame((MONDAY_US + after_s * US_PER_S) // 1_000, changes))
        self.live.take_turn()

    def begin(self, after_s: int = 0) -> None:
        """The feed becomes live."""
        self._queue.put(Frame((MONDAY_US + after_s * US_PER_S) // 1_000))
        self._queue.put(ConnectionChange("live"))
        self.live.take_turn()

    @property
    def transitions(self) -> list[Transition]:
        return [one for _, transitions in self.seen for one in transitions]

    def kinds(self, rule: str = "high", symbol: str = "/ES") -> list[Kind]:
        return [one.kind for one in self.transitions if (one.rule_id, one.symbol) == (rule, symbol)]

    @property
    def acks(self) -> list[Ack]:
        return [event for event, _ in self.seen if isinstance(event, Ack)]


@asynccontextmanager
async def desk(directory: Path, rules: str = RULES, *, ledger: bool = True) -> AsyncIterator[Desk]:
    """A start of the daemon's live path, and its clean stop."""
    clock = MarketClock()
    rule_set = load_texts({"rules.yaml": rules}).rule_set
    store = await Store.open(directory, clock=clock)
    await store.save_rules(rule_set, "", event_us=1)
    states, last_us = await store.load_states(), await store.last_event_us()
    known_us = last_us if last_us > 1 else 0
    start = Start(0, rule_set.hash, states, await store.load_silences(known_us))
    intake = Intake(clock, start, last_us=known_us, last_known_us=known_us)
    queue = FrameQueue()
    decided: list[Decided] = []
    engine = Engine(rule_set)
    recipients = Recipients(await store.recipients(states))
    live = Live(engine, intake, queue, store, decided.append, clock, {}, ("slack",), recipients=recipients)
    keeping = asyncio.create_task(live.ledger.keep()) if ledger else None
    try:
        silencing = Silencing(engine, live.hear, await store.last_silence())
        made = Desk(live, queue, store, silencing, Acknowledging(live, engine, recipients, store))
        made.decided = decided
        yield made
        if keeping is not None:
            await live.finish()
            await live.house.save({})
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        await store.close()


async def test_reminders_end_with_the_acknowledgement_also_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.begin()
        here.row(1, 101.0)
        here.row(6 * MINUTE_S, 101.0)
        assert here.kinds() == [Kind.FIRED, Kind.REMINDED]
        done = await here.acknowledging.acknowledge("high", "/ES", "ann")
        fired = here.transitions[0]
        assert done.firings == (AckedFiring("/ES", 0, fired.event_us),)
        assert here.acks == [Ack(done.event_us, "high", "/ES", "ann")]
        # It is durable when the answer comes.
        (tape,) = queries.tape_paths(tmp_path)
        assert here.acks[0] in list(queries.read_tape(tape))
        assert queries.audit(tmp_path) == [(done.event_us, "ack", {"rule": "high", "symbol": "/ES", "by": "ann"})]
        assert {one.acked for one in queries.rule_states(tmp_path) if (one.rule_id, one.symbol) == ("high", "/ES")} == {
            True
        }
        here.row(30 * MINUTE_S, 101.0)
        assert here.kinds() == [Kind.FIRED, Kind.REMINDED]
        before = here.transitions
    async with desk(tmp_path) as here:
        here.begin(31 * MINUTE_S)
        here.row(31 * MINUTE_S, 101.0)
        here.row(60 * MINUTE_S, 101.0)
        assert here.kinds() == []
        here.row(60 * MINUTE_S + 1, 99.5)
        here.row(62 * MINUTE_S, 101.25)  # a new firing, and nobody has acknowledged that one
        here.row(68 * MINUTE_S, 101.25)
        assert here.kinds() == [Kind.CLEARED, Kind.FIRED, Kind.REMINDED]
        after = here.transitions
    rule_set = load_texts({"rules.yaml": RULES}).rule_set
    assert list(replay(list(queries.read_tape(tape)), lambda _: rule_set)) == before + after


async def test_only_firings_that_were_told_and_only_of_the_symbol(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.begin()
        for symbol in ("/ES", "/NQ"):
            here.row(1, 101.0, symbol)
        only = await here.acknowledging.acknowledge("high", "/NQ", "")
        assert [one.symbol for one in only.firings] == ["/NQ"]
        here.row(6 * MINUTE_S)
        assert (Kind.REMINDED in here.kinds(), Kind.REMINDED in here.kinds(symbol="/NQ")) == (True, False)
        every = await here.acknowledging.acknowledge("high", "", "")
        assert [one.symbol for one in every.firings] == ["/ES", "/NQ"]
        acks = len(here.acks)
        for rule in ("low", "quiet"):  # one does not fire, of the other nobody was told
            assert (await here.acknowledging.acknowledge(rule, "", "ann")).firings == ()
        assert len(here.acks) == acks
        assert [body["rule"] for _, _, body in queries.audit(tmp_path)] == ["high", "high"]


async def test_what_cannot_be_acknowledged_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        with pytest.raises(PermanentError, match=r"no rule is called 'hihg'.*rules list"):
            await here.acknowledging.acknowledge("hihg", "", "")
        with pytest.raises(PermanentError, match=r"high does not watch SPY.*/ES /NQ"):
            await here.acknowledging.acknowledge("high", "SPY", "")
        with pytest.raises(TransientError, match="nothing has been received yet"):
            await here.acknowledging.acknowledge("high", "", "")
        here.begin()
        assert (await here.acknowledging.acknowledge("high", "", "")).firings == ()


async def test_a_disk_that_takes_nothing_is_said_and_the_acknowledgement_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "STORED_WITHIN_S", 0.01)
    async with desk(tmp_path, ledger=False) as here:
        here.begin()
        here.row(1, 101.0)
        with pytest.raises(TransientError, match="acknowledged, but not stored yet"):
            await here.acknowledging.acknowledge("high", "/ES", "ann")
        here.row(6 * MINUTE_S, 101.0)
        assert here.kinds() == [Kind.FIRED]
        assert queries.audit(tmp_path) == []


async def test_an_end_is_told_where_the_alert_went_over_a_restart_with_another_route(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.begin()
        here.row(1, 101.0)
    assert [(one.channel, one.alert_id) for one in here.decided[0].deliveries if one.channel != "slack"]
    async with desk(tmp_path, RULES.replace("notify: [desk]", "notify: [pager]")) as here:
        here.begin(2 * MINUTE_S)
        here.row(2 * MINUTE_S, 101.0)
        here.row(3 * MINUTE_S, 99.5)
    told = [(delivery.channel, alert.title) for decided in here.decided for delivery in decided.deliveries
            for alert in decided.alerts if alert.id == delivery.alert_id]  # fmt: skip
    assert told == [("desk", "/ES 99.50 - high (over)")]


EVENT = "version: 1\nrules:\n  - {id: hit, symbols: [/ES], when: price crosses 100, cooldown: 0s}\n"
ESCALATES = read_routes_file(
    "_routes.yaml", "version: 1\ndefault: {channels: [slack], escalate: {after: 5m, channels: [boss]}}", ""
)


async def test_an_alert_of_an_event_escalates_until_somebody_acknowledges_it(tmp_path: Path) -> None:
    async with desk(tmp_path, EVENT) as here:
        here.live.swap(load_texts({"rules.yaml": EVENT}).rule_set, ESCALATES)
        here.begin()
        here.row(1, 99.5)
        here.row(2, 101.0)
        await until(lambda: queries.alerts(tmp_path))
        (alert,) = queries.alerts(tmp_path)
        assert {one.channel: one.why for one in alert.deliveries} == {"slack": Why.DIRECT, "boss": Why.ESCALATION}
    async with desk(tmp_path, EVENT) as here:  # also after a restart
        here.begin(MINUTE_S)
        with pytest.raises(PermanentError, match="does not watch"):
            await here.acknowledging.acknowledge("hit", "/NQ", "ann")
        done = await here.acknowledging.acknowledge("hit", "/ES", "ann")
        assert done.firings == (AckedFiring("/ES", 0, alert.alert.transition.event_us),)
        boss = next(one for one in queries.alerts(tmp_path)[0].deliveries if one.channel == "boss")
        assert (boss.state, boss.error, boss.settled_us) == (DeliveryState.WITHDRAWN, "acknowledged", done.event_us)
        assert (await here.acknowledging.acknowledge("hit", "/ES", "ann")).firings == ()
