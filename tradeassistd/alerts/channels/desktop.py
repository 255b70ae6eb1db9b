"""`desktop://`: a popup through the notification daemon of the user's session; the only module that knows D-Bus.

A service of the system has no session bus unless its unit names one.
"""

from __future__ import annotations

import asyncio
import html
import os
from pathlib import Path

from dbus_fast import Message as Call
from dbus_fast import MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from tradeassistd.alerts.channels.channel import UnsureError
from tradeassistd.alerts.channels.local import one_line, options
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TransientError

ANSWER_LIMIT_S = 2.0
_URGENCIES = {"info": 0, "notice": 1, "warning": 1, "critical": 2}
"""low, normal, critical (Desktop Notifications Specification); servers keep a critical one until it is dismissed."""
_NOTIFICATIONS = "org.freedesktop.Notifications"
_AS_THE_SERVER_LIKES = -1
_NO_DAEMON = frozenset(
    f"org.freedesktop.DBus.Error.{error}" for error in ("ServiceUnknown", "NameHasNoOwner", "Spawn.ChildExited")
)
_NO_SESSION = (
    "Use the user unit, or give the system unit User= and DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/UID/bus"
)


class DesktopChannel:
    """Popups on one session bus. The connection is kept, and made anew once it broke."""

    def __init__(self, name: str, url: str, *, clock: Clock) -> None:
        """Raises ConfigError when the URL holds anything."""
        options(name, url)
        self.name = name
        self._clock = clock
        self._bus: MessageBus | None = None
        self._end: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        """Return once the notification daemon has taken it. Raises as Channel.send says."""
        try:
            async with self._clock.deadline(ANSWER_LIMIT_S):
                bus = self._bus if self._bus is not None and self._bus.connected else await self._connect()
                await _notify(bus, message)
        except TimeoutError:
            self._let_go()
            raise UnsureError(f"the notification daemon gave no answer within {ANSWER_LIMIT_S:.0f} s",
                              hint="Restart it") from None  # fmt: skip

    async def ready(self) -> str:
        """Who would show the popups, without one: the notification daemon's name. Raises as `send` does."""
        try:
            async with self._clock.deadline(ANSWER_LIMIT_S):
                bus = self._bus if self._bus is not None and self._bus.connected else await self._connect()
                return str((await _call(bus, "GetServerInformation", "", []))[0])
        except TimeoutError:
            self._let_go()
            raise UnsureError(f"the notification daemon gave no answer within {ANSWER_LIMIT_S:.0f} s",
                              hint="Restart it") from None  # fmt: skip

    async def close(self) -> None:
        """Leave the bus."""
        self._let_go()
        if self._end is not None:
            async with self._clock.deadline(ANSWER_LIMIT_S):
                await self._end  # it comes at once, for our side is closed

    async def _connect(self) -> MessageBus:
        address = _session_bus(os.environ.get("DBUS_SESSION_BUS_ADDRESS"), os.environ.get("XDG_RUNTIME_DIR"))
        try:
            self._bus = await MessageBus(address).connect()
        except (OSError, EOFError, AuthError, InvalidAddressError) as error:
            reason = one_line(str(error)) or type(error).__name__
            raise TransientError(f"cannot reach the session bus: {reason}", hint=_NO_SESSION) from error
        # Waiting for the end is how dbus-fast wants to be told that a lost connection is noticed.
        self._end = asyncio.create_task(_until_lost(self._bus), name=f"{self.name}.session_bus")
        return self._bus

    def _let_go(self) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()
        self._bus = None


def _session_bus(named: str | None, runtime_folder: str | None) -> str:
    """The address of the session bus. Raises PermanentError when this process has none."""
    if named:
        return named
    usual = Path(runtime_folder, "bus") if runtime_folder else None
    if usual is None or not usual.exists():
        raise PermanentError("no session bus: DBUS_SESSION_BUS_ADDRESS is not set", hint=_NO_SESSION)
    return f"unix:path={usual}"


async def _until_lost(bus: MessageBus) -> None:
    try:
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    except (OSError, EOFError):
        return  # the session ended; the next message connects anew


async def _notify(bus: MessageBus, message: Message) -> None:
    body = ["tradeassist", 0, "", message.title, html.escape(message.body, quote=False), [],
            {"urgency": Variant("y", _URGENCIES.get(message.severity, 1))}, _AS_THE_SERVER_LIKES]  # fmt: skip
    await _call(bus, "Notify", "susssasa{sv}i", body)


async def _call(bus: MessageBus, member: str, signature: str, body: list[object]) -> list[object]:
    """One question to the notification daemon; gives its answer."""
    call = Call(destination=_NOTIFICATIONS, path="/org/freedesktop/Notifications", interface=_NOTIFICATIONS,
                member=member, signature=signature, body=body)  # fmt: skip
    try:
        reply = await bus.call(call)
    except (OSError, EOFError) as error:
        raise UnsureError("the session bus went away before it answered") from error
    if reply is None:
        raise UnsureError("the session bus went away before it answered")
    if reply.message_type is MessageType.ERROR:
        if reply.error_name in _NO_DAEMON:
            raise TransientError("no notification daemon runs on the session bus",
                                 hint="Start the desktop's own, or one like dunst or mako")  # fmt: skip
        said = one_line(f"{reply.error_name}: {reply.body[0] if reply.body else ''}")
        raise TransientError(f"the notification daemon refused it: {said}", hint="See that daemon's log")
    return list(reply.body)
