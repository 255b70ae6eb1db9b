"""What the connections of this process have sent each other and nobody has read yet: it is on its way.

The kernel hands it over at once, but not on every machine and not under every load; who lets time pass meanwhile would
have the world see one thing and the market another.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, BaseSelector
from typing import Any

Way = tuple[Any, Any]
"""From one address to another."""


class Wire:
    """Counts what goes into a socket at one end and comes out of the one at the other."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Nothing is connected yet; what a loop before this one has left open is nothing to it."""
        self.connecting = 0
        self._ways: dict[int, Way] = {}
        """By file descriptor where an open end sends to."""
        self._readers: dict[Way, int] = {}
        """The file descriptor of the open end that a way leads to."""
        self._unread: Counter[Way] = Counter()
        self._ended: set[Way] = set()
        """Nothing more will be sent there, which the reader has not seen."""
        self._called: set[Way] = set()
        """Connected, and not accepted yet at the other end."""

    def open(self, end: socket.socket, *, accepted: bool) -> None:
        """From now on what goes through this end of a connection is counted."""
        here, there = end.getsockname(), end.getpeername()
        end.__class__ = _Counted
        self._ways[end.fileno()] = here, there
        self._readers[there, here] = end.fileno()
        if accepted:
            self._called.discard((there, here))
        elif (here, there) not in self._readers:
            self._called.add((here, there))

    def carries_something(self, selector: BaseSelector) -> bool:
        """Whether somebody who waits for something to read will have it, though it is not there yet."""
        if self.connecting or self._called:
            return True
        ways = {*(way for way, size in self._unread.items() if size), *self._ended}
        return any(_reads(self._readers.get(way), selector) for way in ways)

    def sent(self, descriptor: int, size: int) -> None:
        if descriptor in self._ways:
            self._unread[self._ways[descriptor]] += size

    def read(self, descriptor: int, size: int) -> None:
        """So much was read; 0: the end."""
        if descriptor in self._ways:
            here, there = self._ways[descriptor]
            if size:
                self._unread[there, here] -= size
            else:
                self._forget(there, here)

    def ended(self, descriptor: int) -> None:
        """Nothing more is sent by this end."""
        if descriptor in self._ways:
            self._ended.add(self._ways[descriptor])

    def closed(self, descriptor: int) -> None:
        if descriptor in self._ways:
            self.ended(descriptor)
            here, there = self._ways.pop(descriptor)
            self._readers.pop((there, here), None)
            self._called.discard((here, there))
            self._forget(there, here)
            if (here, there) not in self._readers:  # both ends are gone, or the other is not of this process
                self._forget(here, there)

    def _forget(self, sender: Any, receiver: Any) -> None:
        self._unread.pop((sender, receiver), None)
        self._ended.discard((sender, receiver))


def _reads(descriptor: int | None, selector: BaseSelector) -> bool:
    key = None if descriptor is None else selector.get_map().get(descriptor)
    return key is not None and bool(key.events & EVENT_READ)


WIRE = Wire()
"""Of this process."""


@contextmanager
def _broken_is_read(end: socket.socket) -> Iterator[None]:
    """Nothing more comes out of a connection that is broken."""
    try:
        yield
    except ConnectionError:
        WIRE.read(end.fileno(), 0)
        raise


class _Counted(socket.socket):
    """A connected socket of the wire."""

    __slots__ = ()

    def send(self, *arguments: Any) -> int:
        size = super().send(*arguments)
        WIRE.sent(self.fileno(), size)
        return size

    def sendmsg(self, buffers: Iterable[Any], *arguments: Any) -> int:
        size = super().sendmsg(buffers, *arguments)
        WIRE.sent(self.fileno(), size)
        return size

    def recv(self, *arguments: Any) -> bytes:
        with _broken_is_read(self):
            data = super().recv(*arguments)
        WIRE.read(self.fileno(), len(data))
        return data

    def recv_into(self, *arguments: Any) -> int:
        with _broken_is_read(self):
            size = super().recv_into(*arguments)
        WIRE.read(self.fileno(), size)
        return size

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        WIRE.ended(self.fileno())

    def close(self) -> None:
        WIRE.closed(self.fileno())
        super().close()
