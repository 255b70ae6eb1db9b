"""One open streamer socket: carries a session's outbox away in order and ends the socket the way the session says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tradeassistd.base.clock import Clock
from tradeassistd.sim.counters import Counters
from tradeassistd.sim.session import Ending, Session

SEND_STALL_S = 60.0
"""A client that takes nothing for so long is cut off, as Schwab does with slow ones."""
LAST_WORDS_S = 5.0
"""So long may the last frames of an ended session take."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection:
    """A socket with its session. `gone` is set by the socket's handler when it returns."""

    def __init__(self, websocket: ServerConnection, session: Session, clock: Clock, counters: Counters) -> None:
        self.session = session
        self.gone = asyncio.Event()
        self.idle: asyncio.Task[None] | None = None
        """Ends this connection if it stays without a subscription; None while it has one."""
        self._websocket = websocket
        self._clock = clock
        self._counters = counters
        self._sending = asyncio.Lock()
        self._finishing = False

    async def flush(self, within_s: float = SEND_STALL_S) -> None:
        """Hand everything in the outbox to the socket, waiting while the client is slow to take it.

        Returns quietly when the connection is lost on the way or the client too slow: it is cut then, and its handler
        sees to the rest.
        """
        outbox = self.session.outbox
        if not outbox:
            return
        try:
            async with self._clock.deadline(within_s), self._sending:
                while outbox:
                    frame = outbox.popleft()
                    await self._websocket.send(frame)
                    self._counters.frames_sent += 1
        except ConnectionClosed:
            outbox.clear()
        except TimeoutError:
            outbox.clear()
            self.drop()

    @property
    def is_finishing(self) -> bool:
        """Whether `finish` has been called."""
        return self._finishing

    async def finish(self) -> None:
        """Send what is left, then end the socket as the session says; a second call does nothing."""
        if self._finishing:
            return
        self._finishing = True
        await self.flush(LAST_WORDS_S)
        if self.session.ending is Ending.CLOSE:
            await self._websocket.close()
        else:
            self.drop(reset=self.session.ending is Ending.RESET)

    def drop(self, *, reset: bool = False) -> None:
        """Cut the socket without a close frame: plainly, or with a TCP reset, which also loses what is under way."""
        transport = self._websocket.transport
        if reset:
            raw = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # already closed: there is nothing left to reset
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
