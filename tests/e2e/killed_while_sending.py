"""Runs the real daemon with one thing changed: the first message handed to a channel is answered with kill -9.

Not a test: test_process.py starts it as a program of its own. The kill comes after the alert was committed and before
anything was sent, or (argument `after`) after it was sent and before that was noted.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tradeassistd import app
from tradeassistd.alerts.channels import Channel, open_channel
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import load_settings
from tradeassistd.base.log import set_up
from tradeassistd.cli.daemon import run


class DeadlyChannel:
    """A real channel at which the process dies."""

    def __init__(self, inner: Channel, *, after: bool) -> None:
        self.name = inner.name
        self._inner = inner
        self._after = after

    async def send(self, message: Message) -> None:
        if self._after:
            await self._inner.send(message)
        os.kill(os.getpid(), signal.SIGKILL)

    async def close(self) -> None:
        await self._inner.close()


def open_deadly(name: str, url: str, *, clock: Clock) -> Channel:
    return DeadlyChannel(open_channel(name, url, clock=clock), after=sys.argv[2] == "after")


if __name__ == "__main__":
    app.open_channel = open_deadly  # type: ignore[attr-defined]
    set_up("json", "info")
    sys.exit(run(load_settings(Path(sys.argv[1]))))
