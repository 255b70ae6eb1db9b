"""The simulated Schwab on real sockets: REST on one port, the streamer on another, the market moving at a given speed.

What a frame says is decided in session.py and streamer.py, when it happens in player.py; this shell joins them to
sockets and starts and stops everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim import rest, web
from tradeassistd.sim.connection import Connection
from tradeassistd.sim.counters import Counters
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.kinds import Fault
from tradeassistd.sim.faults.plan import Entry, Scenario
from tradeassistd.sim.faults.scenario import read_entry
from tradeassistd.sim.market import Batch, Market
from tradeassistd.sim.player import Player
from tradeassistd.sim.pricehistory import History
from tradeassistd.sim.session import Session
from tradeassistd.sim.streamer import Cut, Streamer
from tradeassistd.sim.tokens import ACCESS_TOKEN_S, Tokens

IDLE_S = 26.0
"""So long may a connection be without a subscription before code 30 (recorded: 26 to 30 s)."""
CLOSE_S = 5.0
REQUEST_BYTES_MAX = 2**20


class Simulator:
    """A Schwab on this machine; use as `async with Simulator(market) as sim`.

    `speed` 1.0 is real time, 60.0 an hour in a minute; None or 0 means as fast as frames are taken, and then the market
    also waits whenever nobody listens. It starts to move once a listed symbol is subscribed and its image sent (with
    `start_symbols`: once all of these are). After the last row market time goes on, in real time if there is no speed.
    `clock` measures machine time only. Port 0 is any free one.

    `scenario` says what goes wrong and when; `inject` and HTTP (control.py) add to it. `see` is shown every batch of
    the market as it really is. Without `futures_history` price history has no futures.

    App key and secret are `APP_KEY` and `APP_SECRET` of sim.tokens; the one user is `CUSTOMER_ID` of sim.preference.
    Entering raises ConfigError when a port is taken; leaving raises what stopped the market, if anything did.
    """

    def __init__(
        self,
        market: Market,
        *,
        speed: float | None = 1.0,
        cuts: Sequence[Cut] = (),
        start_symbols: Sequence[str] = (),
        scenario: Scenario | None = None,
        see: Callable[[Batch], None] | None = None,
        host: str = "127.0.0.1",
        http_port: int = 0,
        streamer_port: int = 0,
        clock: Clock | None = None,
        idle_s: float = IDLE_S,
        access_token_s: int = ACCESS_TOKEN_S,
        futures_history: bool = True,
    ) -> None:
        if speed is not None and speed < 0:
            raise ConfigError(f"speed {speed} is negative", hint="use 1 for real time, 0 for as fast as it is taken")
        self.market = market
        self.oauth = Tokens(access_token_s)
        self.base_url = self.streamer_url = ""
        self._streamer = Streamer(
            market, self._token_is_good, cuts=cuts, start_symbols=start_symbols, scenario=scenario, see=see,
            on_token_fault=self._spoil_tokens, futures_history=futures_history,
        )  # fmt: skip
        self._clock = clock or WallClock()
        self._player = Player(self._streamer, self._clock, speed or None, self._deliver)
        self._host, self._http_port, self._streamer_port = host, http_port, streamer_port
        self._idle_s = idle_s
        self._connections: dict[Session, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            listeners = [_listen(self._host, port) for port in (self._http_port, self._streamer_port)]
            for listener in listeners:
                stack.callback(listener.close)
            self.base_url, self.streamer_url = (
                f"{scheme}://{self._host}:{listener.getsockname()[1]}{path}"
                for listener, scheme, path in zip(listeners, ("http", "ws"), ("", "/ws"), strict=True)
            )
            # No keep-alive of our own: a client that takes its time is no fault here. With a write limit of 0 `send`
            # returns only when the kernel has the frame, so a cut loses nothing that counts as sent.
            await stack.enter_async_context(
                serve(
                    self._handle, sock=listeners[1], process_request=self._gate, compression=None, ping_interval=None,
                    write_limit=0, max_size=REQUEST_BYTES_MAX, close_timeout=CLOSE_S,
                )
            )  # fmt: skip
            await stack.enter_async_context(web.serving(rest.build(self), listeners[0]))
            stack.push_async_callback(self._end_tasks)
            self._start(self._player.run(), "sim.player")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if error is None and self._failure is not None:
            raise self._failure

    @property
    def finished(self) -> asyncio.Event:
        """Set once a recording's last row has been handed to the client's socket."""
        return self._player.finished

    @property
    def now_us(self) -> int:
        """Market time of the last event, frame or call of a client, UTC microseconds."""
        return self._streamer.now_us

    @property
    def counters(self) -> Counters:
        """Logins, requests, frames and rows so far."""
        return self._streamer.counters

    @property
    def in_cut(self) -> bool:
        """Whether the simulated service is out at the moment."""
        return self._streamer.in_cut

    @property
    def history(self) -> History:
        """The candles of the market, streamed and made up."""
        return self._streamer.history

    @property
    def faults(self) -> Faults:
        """What is going wrong."""
        return self._streamer.faults

    def inject(self, fault: str | Entry) -> Running | None:
        """Let a fault come, written as on the command line: `mute, for: 45s`; one with a time still ahead is planned.

        Gives the fault that has begun, None for one that is planned. Raises Problems, ConfigError.
        """
        entry = read_entry(fault, "inject") if isinstance(fault, str) else fault
        self._streamer.check(entry.fault)
        begun = None
        if entry.daily is not None:
            raise ConfigError("daily works only in a scenario", hint="write at, or nothing for now")
        if entry.at.instant_us(self.market.start_us) > self.now_us:
            self.faults.plan(entry, self.market.start_us)
        else:
            begun = self._streamer.begin_fault(entry.fault)
        self._faults_changed()
        return begun

    def end_fault(self, number: int) -> Running | None:
        """End a fault that is at work; None when there is none of that number."""
        one = self.faults.running.get(number)
        if one is not None:
            self._streamer.end_fault(one)
            self._faults_changed()
        return one

    def end_faults(self) -> None:
        """End every fault that is at work, and let none that is planned come."""
        self.faults.cancel()
        for number in list(self.faults.running):
            self.end_fault(number)

    def pass_time(self) -> None:
        """Bring market time up to this moment; between events it would else stand where the last one was."""
        self._streamer.pass_time(self._player.market_us())

    async def pause(self, seconds: float) -> None:
        """Let machine time pass, for answers that are slow."""
        await self._clock.pause(seconds)

    def elapsed_s(self) -> float:
        """Machine time, which tokens live by."""
        return self._clock.elapsed_s()

    def tokens(self) -> dict[str, Any]:
        """A good token in schwab-py's token-file format; calling it again adds one and voids none."""
        grant = self.oauth.share(self.elapsed_s())
        now_s = WallClock().now_us() // US_PER_S  # schwab-py holds `expires_at` against the computer's clock
        return {"creation_timestamp": now_s, "token": grant.body() | {"expires_at": now_s + grant.expires_s}}

    async def wait_finished(self) -> None:
        """Return when `finished` is set; raises what stopped the market if that comes first."""
        waiters = [asyncio.create_task(event.wait()) for event in (self.finished, self._failed)]
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
        if self._failure is not None:
            raise self._failure

    async def drop_connections(self, *, reset: bool = False) -> None:
        """Cut every streamer connection without a close frame; returns when the handlers are through."""
        connections = list(self._connections.values())
        self._streamer.drop_all()
        for connection in connections:
            connection.drop(reset=reset)
        for connection in connections:
            await connection.gone.wait()

    def _token_is_good(self, token: str) -> bool:
        return self.oauth.is_good(token, self.elapsed_s())

    def _gate(self, websocket: ServerConnection, _: Request) -> Response | None:
        if self._streamer.in_cut:
            return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "out of service\n")
        if fault := self.faults.strike("handshake", self.now_us):
            return websocket.respond(HTTPStatus(fault["status"]), "simulated fault\n")
        return None

    async def _handle(self, websocket: ServerConnection) -> None:
        if self._streamer.in_cut:  # it came between the handshake and now
            websocket.transport.abort()
            return
        session = self._streamer.connect()
        connection = Connection(websocket, session, self._clock, self.counters)
        self._connections[session] = connection
        self._watch_idle(connection)
        try:
            # An ended session reads on, to no effect, until `finish` has closed the socket.
            async for text in websocket:
                await self._take(connection, text)
        except ConnectionClosed:
            pass  # cut by either side: there is nobody left to tell
        finally:
            if connection.idle is not None:
                connection.idle.cancel()
            self._streamer.disconnect(session)
            del self._connections[session]
            self._player.changed.set()
            connection.gone.set()

    async def _take(self, connection: Connection, text: str | bytes) -> None:
        self.pass_time()
        self._streamer.receive(connection.session, text)
        self._watch_idle(connection)
        self._finish_ended()
        self._player.changed.set()
        await connection.flush()

    async def _deliver(self) -> None:
        self._finish_ended()
        if self._streamer.live is not None:
            await self._connections[self._streamer.live].flush()
        if len(self._connections) > 1 or self._streamer.live is None:  # a login may be refused late
            for session, connection in list(self._connections.items()):
                if session.ending is None:
                    await connection.flush()

    def _faults_changed(self) -> None:
        self._player.changed.set()
        self._start(self._deliver(), "sim.deliver")

    def _spoil_tokens(self, fault: Fault) -> None:
        if fault.name == "access_token_expires":
            self.oauth.expire_access()
        else:
            self.oauth.revoke_refresh()

    def _finish_ended(self) -> None:
        for session, connection in self._connections.items():
            if session.ending is not None and not connection.is_finishing:
                self._start(connection.finish(), "sim.finish")

    def _watch_idle(self, connection: Connection) -> None:
        idle = connection.idle
        if connection.session.is_empty and idle is None:
            connection.idle = self._start(self._stop_idle(connection), "sim.idle")
        elif not connection.session.is_empty and idle is not None:
            idle.cancel()
            connection.idle = None

    async def _stop_idle(self, connection: Connection) -> None:
        await self._clock.pause(self._idle_s)
        self._streamer.stop_idle(connection.session)
        self._start(connection.finish(), "sim.finish")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing may fail unseen: the first error ends `wait_finished` and comes out when the simulator is left."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
            self._failed.set()

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # errors were noted by `_ended`


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port))
        # What is accepted inherits it. Else a small frame waits up to 40 ms for the receipt of the one before.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose a free port, or 0 for any"
        ) from error
