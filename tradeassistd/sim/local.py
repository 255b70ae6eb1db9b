"""The simulator without sockets: the same protocol core in one process, moved by whoever holds it.

For tests of what consumes the stream. `connect` stands in for `schwab.streaming.ws_client.connect` and `client` for the
HTTP client a `StreamClient` is given; market time stands still until `advance_to` moves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close, CloseCode

from tradeassistd.sim.counters import Counters
from tradeassistd.sim.faults.board import Running
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.faults.scenario import read_entry
from tradeassistd.sim.market import Batch, Market
from tradeassistd.sim.preference import user_preference
from tradeassistd.sim.session import Ending, Session
from tradeassistd.sim.streamer import Cut, Streamer

URL = "ws://local/ws"
TOKEN = "local-access-token"
FRAMES_WAITING_MAX = 1_000_000


class LocalSocket:
    """The client's end of a connection: `send`, `recv` and `close` as on a websockets client."""

    def __init__(self, simulator: LocalSimulator, session: Session) -> None:
        self._simulator = simulator
        self._session = session
        self._waiting: asyncio.Queue[str | ConnectionClosed] = asyncio.Queue(FRAMES_WAITING_MAX)
        self._closed: ConnectionClosed | None = None

    async def send(self, text: str | bytes) -> None:
        """Hand a frame to the server. Raises ConnectionClosed once the connection is over."""
        if self._closed is not None:
            raise self._closed
        self._simulator.streamer.receive(self._session, text)
        self._simulator.carry()  # a login ends another connection

    async def recv(self) -> str:
        """The next frame; waits for it. Raises ConnectionClosed when the connection is over and all frames are read."""
        if self._closed is not None and self._waiting.empty():
            raise self._closed
        frame = await self._waiting.get()
        if isinstance(frame, ConnectionClosed):
            raise frame
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Leave; frames not read yet can still be read."""
        self._simulator.streamer.disconnect(self._session)
        self._end(ConnectionClosedOK(Close(code, reason), Close(code, reason), False))

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended; frames may still be there to read."""
        return self._closed is not None

    def waiting(self) -> int:
        """How many frames are there to be read at once."""
        return self._waiting.qsize()

    def carry(self) -> None:
        """Take over what the session put out, and its end."""
        outbox = self._session.outbox
        while outbox:
            self._waiting.put_nowait(outbox.popleft())
        if self._session.ending is Ending.CLOSE:
            normal = Close(CloseCode.NORMAL_CLOSURE, "")
            self._end(ConnectionClosedOK(normal, normal, True))
        elif self._session.ending is not None:
            self._end(ConnectionClosedError(None, None))

    def _end(self, why: ConnectionClosed) -> None:
        if self._closed is None:
            self._closed = why
            self._waiting.put_nowait(why)  # wakes a reader that waits


class LocalSimulator:
    """A streamer that is moved by hand. Raises what `Streamer` raises."""

    def __init__(
        self,
        market: Market,
        *,
        cuts: Sequence[Cut] = (),
        start_symbols: Sequence[str] = (),
        scenario: Scenario | None = None,
        see: Callable[[Batch], None] | None = None,
    ) -> None:
        self.market = market
        self.streamer = Streamer(market, _is_token, cuts=cuts, start_symbols=start_symbols, scenario=scenario, see=see)
        self.sockets: list[LocalSocket] = []
        self.client = LocalClient()

    @property
    def now_us(self) -> int:
        """Market time."""
        return self.streamer.now_us

    @property
    def counters(self) -> Counters:
        """Logins, requests and rows so far."""
        return self.streamer.counters

    async def connect(self, url: str = URL, **_: object) -> LocalSocket:
        """A new connection. Raises ConnectionRefusedError during a cut."""
        if self.streamer.in_cut:
            raise ConnectionRefusedError(f"{url}: the simulated service is out")
        socket = LocalSocket(self, self.streamer.connect())
        self.sockets.append(socket)
        return socket

    def advance_to(self, to_us: int) -> None:
        """Let everything up to and including market time `to_us` happen."""
        while (next_us := self.streamer.next_us()) is not None and next_us <= to_us:
            self.streamer.step()
            self.carry()
        self.streamer.pass_time(to_us)

    def advance_to_end(self) -> None:
        """Play a recording to its last row."""
        while (next_us := self.market.next_us()) is not None:
            self.advance_to(next_us)

    def inject(self, written: str) -> Running:
        """Let a fault begin now, written as on the command line: `mute, for: 45s`. Raises Problems, ConfigError."""
        one = self.streamer.begin_fault(read_entry(written, "inject").fault)
        self.carry()
        return one

    def end_fault(self, one: Running) -> None:
        """End a fault that is at work."""
        self.streamer.end_fault(one)
        self.carry()

    def drop_connections(self) -> None:
        """Cut every connection without a close frame."""
        self.streamer.drop_all()
        self.carry()

    def stop_idle(self) -> None:
        """Let the time that a connection may stay without subscriptions be over, for those that have none."""
        if (live := self.streamer.live) is not None and live.is_empty:
            self.streamer.stop_idle(live)
        self.carry()

    def carry(self) -> None:
        """Move what the sessions put out to the sockets."""
        for socket in self.sockets:
            socket.carry()
        self.sockets = [socket for socket in self.sockets if not socket.is_over]


def _is_token(token: str) -> bool:
    return token == TOKEN


class LocalClient:
    """What a `StreamClient` asks of its HTTP client: the user preference and the access token."""

    def __init__(self) -> None:
        self.token_metadata = SimpleNamespace(token={"access_token": TOKEN})

    async def get_user_preferences(self) -> LocalAnswer:
        """The preference that leads to `URL`."""
        return LocalAnswer()


class LocalAnswer:
    """The little of an HTTP response that `StreamClient.login` looks at."""

    status_code = 200

    def json(self) -> dict[str, object]:
        """The user preference."""
        return user_preference(URL)

    def raise_for_status(self) -> None:
        """It is always a 200."""
