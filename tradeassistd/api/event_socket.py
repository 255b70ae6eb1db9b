"""One WebSocket client of `/events`: uvicorn hands the upgraded connection over, websockets knows the protocol.

Events are written to the transport as ready-made frames, many in one call, and never awaited. Uvicorn's own WebSocket
layer sends one frame a call and has no way to take the socket away from a client that has stopped reading.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter, ValidationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from tradeassistd.api.audited import BY_HEADER, Reads, who
from tradeassistd.api.events import Ping, Pong, Refused, Request, Subscribe
from tradeassistd.api.hub import CLIENTS_MAX, TOO_SLOW, Hub

PATH = "/events"
FRAMES_WAITING_MAX = 5_000
"""Frames a client may be behind, beside what the kernel and the transport hold for it."""
UNREAD_BYTES_MAX = 2**20
"""Pongs and answers pile up in the transport of a client that asks and does not read: past this its socket goes."""
REQUEST_BYTES_MAX = 2**16

_REQUEST: TypeAdapter[Subscribe | Ping] = TypeAdapter(Request)


class EventSocket(asyncio.Protocol):
    """An asyncio protocol as uvicorn expects it of its `ws` setting, and a client as the hub does."""

    def __init__(
        self, hub: Hub, *, config: Any, server_state: Any, app_state: Any, _loop: Any = None, reads: Reads | None = None
    ) -> None:
        """`reads` notes who listens. The other keywords are uvicorn's; only the set of open connections matters."""
        self._hub = hub
        self._reads = reads
        self._connections: set[Any] = server_state.connections
        self._loop = asyncio.get_running_loop()
        # A web page says where it comes from, and has no business here; programs do not say.
        self._protocol = ServerProtocol(origins=[None], max_size=REQUEST_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._flushing = self._paused = self._ended = self._pinged = False
        self._message = bytearray()

    # --- called by asyncio and uvicorn ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._open(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._write()

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._waiting.clear()
        self._connections.discard(self)
        self._hub.leave(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def shutdown(self) -> None:
        """Uvicorn stops: the hub has said good-bye by now to everybody who was there."""
        self.abort()

    # --- called by the hub ------------------------------------------------------------------------------------------

    def put(self, frame: bytes) -> bool:
        if self._ended:
            return True
        if len(self._waiting) >= FRAMES_WAITING_MAX:
            return False
        self._waiting.append(frame)
        if not self._flushing and not self._paused:
            # All that one turn of the loop brings goes out in one write.
            self._flushing = True
            self._loop.call_soon(self._flush)
        return True

    def ping(self) -> bool:
        if self._pinged:
            return False
        if self._protocol.state is State.OPEN:
            self._pinged = True
            self._protocol.send_ping(b"")
            self._write()
        return True

    def end(self, code: int, reason: str) -> None:
        if self._ended:
            return
        self._flush()  # who keeps up gets everything; the rest of a queue that is stuck is dropped
        self._ended = True
        self._waiting.clear()
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._write()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- the protocol -----------------------------------------------------------------------------------------------

    def _open(self, handshake: Handshake) -> None:
        """Answer the handshake: with 101 and a place at the hub, or with what is wrong."""
        path = urlsplit(handshake.path)
        response = self._protocol.accept(handshake)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return self._protocol.send_response(response)
        if path.path != PATH:
            return self._reject(HTTPStatus.NOT_FOUND, f"events are at {PATH}")
        try:
            subscribe = _from_query(path.query)
        except ValidationError as error:
            return self._reject(HTTPStatus.BAD_REQUEST, _first(error))
        # What the hub has to say waits for the next turn of the loop, so the handshake goes first.
        if not self._hub.join(self, subscribe):
            return self._reject(HTTPStatus.SERVICE_UNAVAILABLE, f"{CLIENTS_MAX} clients are connected already")
        if self._reads is not None:
            headers = handshake.headers
            self._reads(PATH, who(headers.get(BY_HEADER, "")), who(headers.get("User-Agent", "")))
        return self._protocol.send_response(response)

    def _reject(self, status: HTTPStatus, why: str) -> None:
        self._ended = True
        self._protocol.send_response(self._protocol.reject(status, f"{why}\n"))

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._pinged = False
        elif frame.opcode is Opcode.CLOSE:
            self._ended = True
            self._hub.leave(self)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._message += frame.data
            if frame.fin and not self._ended:
                message, self._message = bytes(self._message), bytearray()
                self._answer(message)

    def _answer(self, message: bytes) -> None:
        try:
            request = _REQUEST.validate_json(message)
        except ValidationError as error:
            return self._hub.say(self, Refused(message=_first(error)))
        if isinstance(request, Ping):
            return self._hub.say(self, Pong(id=request.id))
        return self._hub.subscribe(self, request)

    def _flush(self) -> None:
        self._flushing = False
        if self._waiting and not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()

    def _write(self) -> None:
        """What the protocol itself has to say: handshake, pong, close. An empty piece says that this was the last."""
        transport = self._transport
        pieces = self._protocol.data_to_send()
        if transport is None or transport.is_closing() or not pieces:
            return
        transport.write(b"".join(pieces))
        if b"" in pieces:
            transport.close()
        elif transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._hub.cut_off(self, TOO_SLOW)
            transport.abort()


def _from_query(query: str) -> Subscribe:
    """`kinds=alert_fired,tick_update&symbols=/ES` as a subscription; a key may be given more than once."""
    given = {key: [one for value in values for one in value.split(",") if one] for key, values in
             parse_qs(query, keep_blank_values=True).items()}  # fmt: skip
    return Subscribe.model_validate(given)


def _first(error: ValidationError) -> str:
    """The first mistake, with its place."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg']}" if place else str(found["msg"])
