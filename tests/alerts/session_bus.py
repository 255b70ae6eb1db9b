"""A private session bus, and a notification daemon on it that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from tests.apt import START_WITHIN_S, first_line, needs, running

NOTIFICATIONS = "org.freedesktop.Notifications"
# The distribution's own file also starts programs on demand: whatever notification daemon is installed.
CONFIGURATION = """
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""


@asynccontextmanager
async def session_bus(folder: Path) -> AsyncIterator[str]:
    """The address of a bus that lives as long as the block."""
    program = needs("dbus-daemon", "dbus")
    file = folder / "bus.conf"
    file.write_text(CONFIGURATION.format(socket=folder / "bus"))
    async with running(program, f"--config-file={file}", "--nofork", "--print-address=1") as daemon:
        yield await first_line(daemon)


@dataclass(frozen=True)
class Popup:
    """One call of Notify as it came in."""

    application: str
    title: str
    body: str
    urgency: int


class FakeNotifications:
    """A notification daemon. Set `refusal` (an error's name) or `silent` to break it."""

    def __init__(self) -> None:
        self.popups: list[Popup] = []
        self.senders: list[str] = []
        self.refusal = ""
        self.silent = False

    async def start(self, address: str) -> None:
        async with asyncio.timeout(START_WITHIN_S):
            self._bus = await MessageBus(address).connect()
            await self._bus.request_name(NOTIFICATIONS)
        self._bus.add_message_handler(self._answer)
        self._end = asyncio.create_task(self._bus.wait_for_disconnect())  # type: ignore[no-untyped-call]

    async def stop(self) -> None:
        if self._bus.connected:
            self._bus.disconnect()
        await asyncio.wait((self._end,))
        self._end.exception()  # a bus that ended before us is no surprise

    def _answer(self, call: Message) -> Message | None:
        if call.message_type is MessageType.METHOD_CALL and call.member == "GetServerInformation":
            return Message.new_method_return(call, "ssss", ["fake notifier", "tests", "1", "1.2"])
        if call.message_type is not MessageType.METHOD_CALL or call.member != "Notify":
            return None
        assert call.signature == "susssasa{sv}i"
        application, _, _, title, body, _, hints, _ = call.body
        self.senders.append(call.sender or "")
        self.popups.append(Popup(application, title, body, _value(hints["urgency"])))
        if self.silent:
            return Message.new_signal("/silent", "test.silent", "Silent")  # any message counts as an answer given
        if self.refusal:
            return Message.new_error(call, self.refusal, "I would rather\nnot")
        return Message.new_method_return(call, "u", [len(self.popups)])


def _value(variant: Variant) -> Any:
    return variant.value
