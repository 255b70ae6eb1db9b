"""What every channel is: a name, and a way to send one message."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tradeassistd.alerts.message import Message
from tradeassistd.base.errors import TransientError


class UnsureError(TransientError):
    """The attempt ended without an answer: the message may have arrived, and the next one says so."""


class Channel(Protocol):
    """One place alerts go to. `send` is called for one message at a time."""

    @property
    def name(self) -> str: ...

    async def send(self, message: Message) -> None:
        """Return once the other side has taken the message.

        Raises TransientError (with `retry_after_s` if it asked for a pause), UnsureError, or PermanentError; their
        texts are stored and shown, so no secret may be in them.
        """
        ...

    async def close(self) -> None:
        """Let go of threads and connections; waits for nothing."""
        ...


@runtime_checkable
class LocalChannel(Channel, Protocol):
    """A channel of this machine, which can be looked at without sending anything."""

    async def ready(self) -> str:
        """Who would take a message now. Raises as `send` does where nobody would."""
        ...
