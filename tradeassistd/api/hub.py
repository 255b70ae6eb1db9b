"""The event hub: what the engine does, passed on to at most ten clients, none of which is ever waited for.

Each event is encoded once, into one WebSocket frame that all clients share. A client that cannot take its frames fast
enough is cut and counted: while it is connected, it has missed nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog
from websockets.frames import CloseCode, Frame, Opcode

from tradeassistd.api.events import (
    AlertFired,
    ConnectionEvents,
    HealthStatus,
    Kind,
    RuleTriggered,
    Subscribe,
    Subscribed,
    TickUpdate,
)
from tradeassistd.api.models import Document, EventsHealth, Health
from tradeassistd.base.clock import Clock
from tradeassistd.engine.events import Connection, Event, Gap
from tradeassistd.engine.transition import Transition
from tradeassistd.market.instrument import is_symbol
from tradeassistd.market.tick import Tick
from tradeassistd.store.records import Decided

CLIENTS_MAX = 10
LOOK_EVERY_S = 1.0
"""How often health is compared with what was said last, and clients are looked after."""
HEALTH_EVERY_S = 10.0
PING_EVERY_S = 20.0
CLOSE_WITHIN_S = 5.0
"""How long a client may take to answer a close before its socket is taken away."""
TOO_SLOW = "too slow: events were not read as fast as they came"
SILENT = "silent: a ping was not answered"

log = structlog.get_logger(__name__)


class Client(Protocol):
    """What the hub needs of a connection; no call waits."""

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False when the queue is full."""
        ...

    def ping(self) -> bool:
        """Send a ping; False when the last one has not been answered."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Say good-bye; what cannot be sent at once is dropped."""
        ...

    def abort(self) -> None:
        """Take the socket away."""
        ...


class Hub:
    """Give `listen` to `Live.listeners` and call `told` with each decision once it is stored."""

    def __init__(self, clock: Clock, health: Callable[[], Health]) -> None:
        self._clock = clock
        self._health = health
        self._clients: dict[Client, Subscribe] = {}
        self._of_tick: dict[str, tuple[Client, ...]] = {}
        """Who wants the ticks of a symbol, worked out when it first ticks."""
        self._ending: dict[Client, float] = {}
        """Clients that were said good-bye to, with the machine time of that."""
        self._said: Health | None = None
        self._said_s = self._pinged_s = 0.0
        self._refused = self._cut = self._events = 0
        self.empty = asyncio.Event()
        """Set while every socket is gone."""
        self.empty.set()

    # --- clients ---------------------------------------------------------------------------------------------------

    def join(self, client: Client, subscribe: Subscribe) -> bool:
        """Take a client in, and answer its subscription; False, and counted, when ten are here already."""
        if len(self._clients) >= CLIENTS_MAX:
            self._refused += 1
            return False
        self._clients[client] = subscribe
        self.empty.clear()
        self.subscribe(client, subscribe)
        return True

    def subscribe(self, client: Client, subscribe: Subscribe) -> None:
        """Replace a client's subscription and say so; health comes at once to who asks for it."""
        if client not in self._clients:
            return
        self._clients[client] = subscribe
        self._of_tick.clear()
        self.say(client, Subscribed(kinds=subscribe.kinds, symbols=subscribe.symbols))
        if "health_status" in subscribe.kinds:
            health = self._health()
            self.say(client, HealthStatus(health=health))
            if self._said is None:
                self._said, self._said_s = health, self._clock.elapsed_s()

    def say(self, client: Client, document: Document) -> None:
        """Something for one client only."""
        self._pass_on(encode(document), (client,))

    def leave(self, client: Client) -> None:
        """The connection is over."""
        self._ending.pop(client, None)
        self._forget(client)
        if not self._clients and not self._ending:
            self.empty.set()

    def status(self) -> EventsHealth:
        """Who is here, and what was counted since the start."""
        return EventsHealth(clients=len(self._clients), refused=self._refused, cut=self._cut, events=self._events)

    # --- events ----------------------------------------------------------------------------------------------------

    def listen(self, event: Event, transitions: list[Transition]) -> None:
        """On the engine's turn: costs next to nothing when nobody wants the event, never waits, never raises."""
        if not self._clients:
            return
        try:
            self._see(event, transitions)
        except Exception:  # noqa: BLE001 - onlookers must not stop the engine, whatever defect their events have
            self._defect()

    def told(self, decided: Decided) -> None:
        """A decision is stored, and its deliveries are on their way. Never raises."""
        if not self._clients or not decided.alerts:
            return
        try:
            for alert in decided.alerts:
                if not alert.suppressed:
                    deliveries = tuple(one for one in decided.deliveries if one.alert_id == alert.id)
                    symbol = alert.transition.symbol
                    self._emit("alert_fired", (symbol,), lambda a=alert, d=deliveries: AlertFired.of(a, d))  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - onlookers must not stop the ledger, whatever defect their events have
            self._defect()

    def _see(self, event: Event, transitions: list[Transition]) -> None:
        if isinstance(event, Tick):
            clients = self._of_tick.get(event.symbol)
            if clients is None:
                clients = self._of_tick[event.symbol] = self._wanting("tick_update", (event.symbol,))
            if clients:
                self._events += 1
                self._pass_on(encode(TickUpdate.of(event)), clients)
        elif isinstance(event, Connection | Gap):
            symbols = event.symbols if isinstance(event, Gap) else ()
            self._emit("connection_events", symbols, lambda: ConnectionEvents.of(event))
        for transition in transitions:
            self._emit("rule_triggered", (transition.symbol,), lambda one=transition: RuleTriggered.of(one))  # type: ignore[misc]

    def _emit(self, kind: Kind, symbols: tuple[str, ...], make: Callable[[], Document]) -> None:
        """Make an event and send it, if anybody wants it. No symbol, or none that is one, concerns everybody."""
        clients = self._wanting(kind, symbols)
        if clients:
            self._events += 1
            self._pass_on(encode(make()), clients)

    def _wanting(self, kind: Kind, symbols: tuple[str, ...]) -> tuple[Client, ...]:
        named = {symbol for symbol in symbols if is_symbol(symbol)}
        return tuple(
            client
            for client, wants in self._clients.items()
            if kind in wants.kinds and (not named or not wants.symbols or not named.isdisjoint(wants.symbols))
        )

    def _pass_on(self, frame: bytes, clients: Iterable[Client]) -> None:
        for client in clients:
            if not client.put(frame):
                self.cut_off(client, TOO_SLOW)

    # --- looking after clients ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Say how the daemon is, ping, and take sockets away, until cancelled."""
        while True:
            await self._clock.pause(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """One round of `run`."""
        now_s = self._clock.elapsed_s()
        self._say_health(now_s)
        if now_s - self._pinged_s >= PING_EVERY_S:
            self._pinged_s = now_s
            for client in list(self._clients):
                if not client.ping():
                    self.cut_off(client, SILENT)
        for client, since_s in list(self._ending.items()):
            if now_s - since_s >= CLOSE_WITHIN_S:
                client.abort()

    def end_all(self, code: int, reason: str) -> None:
        """Say good-bye to everybody."""
        for client in list(self._clients):
            self._end(client, code, reason)

    def abort_all(self) -> None:
        """Take the sockets of everybody who is still here or still saying good-bye."""
        for client in [*self._clients, *self._ending]:
            client.abort()

    def _say_health(self, now_s: float) -> None:
        if not any("health_status" in wants.kinds for wants in self._clients.values()):
            self._said = None
            return
        health, said = self._health(), self._said
        moved = said is None or (health.problems, health.feed) != (said.problems, said.feed)
        if moved or now_s - self._said_s >= HEALTH_EVERY_S:
            self._said, self._said_s = health, now_s
            self._emit("health_status", (), lambda: HealthStatus(health=health))

    def cut_off(self, client: Client, reason: str) -> None:
        """Say good-bye to a client that does not keep up, and count it."""
        if client in self._clients:
            self._cut += 1
            log.warning("api.client_cut", reason=reason, clients=len(self._clients) - 1)
            self._end(client, CloseCode.TRY_AGAIN_LATER, reason)

    def _end(self, client: Client, code: int, reason: str) -> None:
        self._forget(client)
        self._ending[client] = self._clock.elapsed_s()
        client.end(code, reason)

    def _forget(self, client: Client) -> None:
        """No more events for it, and its place is free."""
        if self._clients.pop(client, None) is not None:
            self._of_tick.clear()

    def _defect(self) -> None:
        """Rather no clients than clients that miss events."""
        log.exception("api.event_defect", clients=len(self._clients))
        self.end_all(CloseCode.INTERNAL_ERROR, "an event could not be made; see the daemon's log")


def encode(document: Document) -> bytes:
    """A document as one WebSocket text frame, unmasked and uncompressed: the same bytes for every client."""
    return Frame(Opcode.TEXT, document.model_dump_json().encode()).serialize(mask=False)
