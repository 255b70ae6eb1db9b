"""The API on a real socket over a real engine and store, driven by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect, unix_connect

from tests.engine.market import Market
from tests.store.makers import FRIDAY_US
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.routing import Routing
from tradeassistd.api import models
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Backfilling
from tradeassistd.api.hub import Hub
from tradeassistd.api.server import ApiServer
from tradeassistd.base.clock import ManualClock
from tradeassistd.cli.client import Answer, ask
from tradeassistd.engine.events import Event
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.ring import FrameRing
from tradeassistd.live.silencing import Silencing
from tradeassistd.rules.grammar import parse
from tradeassistd.store.keeping import Keeping
from tradeassistd.store.writer import Store

PATIENCE_S = 60.0
"""A test that waits longer than this for an answer has failed."""


def rule(text: str, name: str = "r", *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule(name, symbols, parse(text), **{"cooldown_s": 0, "at_load": "fire", **fields})


@dataclass(frozen=True)
class Reloaded:
    """What the reload of these tests says it did."""

    accepted: bool = True
    hash: str = "0123456789abcdef"
    added: tuple[str, ...] = ("new",)
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firing:
    """A firing that these tests acknowledge."""

    symbol: str = "SPY"
    level: int = 0
    since_us: int = FRIDAY_US


@dataclass(frozen=True)
class Acknowledged:
    """What the acknowledgement of these tests says it did."""

    event_us: int = FRIDAY_US + 720_000_000
    firings: tuple[Firing, ...] = (Firing(),)


@dataclass
class Live(Market):
    """A market whose events go to listeners, as the daemon's do."""

    listeners: list[Callable[[Event, list[Transition]], None]] = field(default_factory=list)

    def _take(self, event: Event) -> list[Transition]:
        found = super()._take(event)
        for listen in self.listeners:
            listen(event, found)
        return found

    async def hear(self, make: Callable[[int], Silence | SilenceEnd]) -> None:
        self._take(make(self._next()))


@dataclass
class Service:
    """A served API and everything behind it."""

    market: Live
    hub: Hub
    store: Store
    clock: ManualClock
    path: Path
    server: ApiServer
    status: dict[str, Any]
    ring: FrameRing
    reloads: list[bool] = field(default_factory=list)
    result: Reloaded | Exception = field(default_factory=Reloaded)
    reloaded: asyncio.Event = field(default_factory=asyncio.Event)
    acks: list[tuple[str, str, str]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    """One entry for each time that the connection was to be tried at once."""
    acked: Acknowledged | Exception = field(default_factory=Acknowledged)

    async def ask(self, target: str, *, method: str = "GET", **query: str | int | bool) -> Answer:
        return await asyncio.to_thread(ask, self.path, target, query, method=method)

    def connect(self, query: str = "", **options: Any) -> connect:
        """A WebSocket client; use as `async with`."""
        return unix_connect(str(self.path), f"ws://localhost/events{query}", compression=None, **options)

    async def look(self, after_s: float) -> None:
        """Let machine time pass and the hub look after its clients."""
        self.clock.pass_time(after_s)
        self.hub.look()
        await asyncio.sleep(0)

    async def tell(self, transitions: list[Transition], *channels: str) -> None:
        """What the ledger does with a decision: commit it, then say so."""
        event_us = transitions[0].event_us
        decided = decide(event_us, transitions, self.market.engine.rule_set, Routing(channels))
        await self.store.commit(decided, [])
        self.hub.told(decided)

    async def reload(self, *, allow_empty: bool = False) -> Reloaded:
        self.reloads.append(allow_empty)
        self.reloaded.set()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def acknowledge(self, rule_id: str, symbol: str, by: str) -> Acknowledged:
        self.acks.append((rule_id, symbol, by))
        if isinstance(self.acked, Exception):
            raise self.acked
        return self.acked


def a_status() -> dict[str, Any]:
    """The status of a daemon that is well."""
    return {
        "state": "running", "version": "0.1.0", "pid": 1, "clock": "market",
        "feed": {"state": "live", "reason": "", "connections": 1, "base_url": "http://127.0.0.1", "frames_queued": 0,
                 "held_back": 0, "conflated": 0, "refused": {}, "since_us": 0, "in_state_s": 1.5,
                 "frames": 9, "frame_age_s": 0.4, "spent_s": {"live": 1.5},
                 "changes": [{"at_us": 0, "state": "live", "reason": ""}]},
        "rules": {"directory": "rules.d", "loaded": 1, "hash": "0123456789ab", "problems": []},
        "counters": {"ticks": 0, "alerts": 0, "told": 0, "rule_faults": 0},
        "channels": {"slack": {"sent": 3, "failures_in_a_row": 0, "last_error": ""}},
        "store": {"tape": "", "tape_error": ""},
    }  # fmt: skip


@asynccontextmanager
async def serving(
    folder: Path, *rules: Rule, address: tuple[str, int] | None = None, backfills: Backfilling | None = None
) -> AsyncIterator[Service]:
    """The API at `folder`/api.sock until the block is left; what ends it unasked comes out."""
    clock = ManualClock()
    store = await Store.open(folder / "state", clock=clock)
    market = Live(rules or (rule("price > 100"),))
    status = a_status()
    service: Service

    async def reload(*, allow_empty: bool = False) -> Reloaded:
        return await service.reload(allow_empty=allow_empty)

    async def acknowledge(rule_id: str, symbol: str, by: str) -> Acknowledged:
        return await service.acknowledge(rule_id, symbol, by)

    hub = Hub(clock, lambda: health_of(status))
    woken: list[str] = []
    ring = FrameRing(clock)
    control = control_over(
        market.engine,
        store.directory,
        lambda: status,
        reload,
        acknowledge,
        lambda: woken.append("now"),
        frames=ring.redacted,
        backfills=backfills,
        silencing=Silencing(market.engine, market.hear, 0),
        keeping=Keeping(store, store.flush, lambda: market.now_us),
    )
    server = ApiServer(control, hub, clock)
    service = Service(market, hub, store, clock, folder / "api.sock", server, status, ring, woken=woken)
    market.listeners.append(hub.listen)
    server.open(service.path, address)
    running = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield service
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        await store.close()


async def received(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next messages as documents."""
    return [json.loads(await client.recv()) for _ in range(count)]


def is_all_of(model: type[models.Document], document: dict[str, Any]) -> bool:
    """Whether the model says every field of a document, and nothing else."""
    return model(**document).model_dump(mode="json") == document and set(document) == set(model.model_fields)
