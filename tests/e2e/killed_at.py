"""Runs the real daemon with one thing changed: at a point of a delivery's life it is answered with kill -9.

Not a test: test_kills_of_routed.py starts it as a program of its own. Arguments: the settings, and the point:

    held:N                  the N-th delivery that waits for its time has just been stored
    folded                  held deliveries have just been folded into one
    failing.before .after   a channel has failed for good: before and after that and its fallbacks are stored
    WORDS.before .after     a message with these words in its title: before it is sent, and before that is noted
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tradeassistd import app
from tradeassistd.alerts.channels import Channel, open_channel
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import load_settings
from tradeassistd.base.log import set_up
from tradeassistd.cli.daemon import run
from tradeassistd.engine.transition import RuleState
from tradeassistd.store.records import Alert, Decided, Delivery
from tradeassistd.store.settling import Due
from tradeassistd.store.writer import Store


def reach(point: str) -> None:
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)


class DeadlyStore(Store):
    """A real store at which the process dies."""

    held = 0

    async def commit(self, decided: Decided, states: Sequence[RuleState]) -> None:
        await super().commit(decided, states)
        for delivery in decided.deliveries:
            if delivery.not_before_us:
                self.held += 1
                reach(f"held:{self.held}")

    async def due_deliveries(self, channel: str, now_us: int, limit: int = 1_000) -> Due:
        due = await super().due_deliveries(channel, now_us, limit)
        if due.folded:
            reach("folded")
        return due

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None:
        reach("failing.before")
        made = await super().give_up(delivery, expiry_us)
        reach("failing.after")
        return made


class DeadlyChannel:
    """A real channel at which the process dies."""

    def __init__(self, inner: Channel) -> None:
        self.name = inner.name
        self._inner = inner

    async def send(self, message: Message) -> None:
        words, _, moment = sys.argv[2].rpartition(".")
        if words and words in message.title:
            reach(f"{words}.before")
        await self._inner.send(message)
        if words and words in message.title:
            reach(f"{words}.{moment}")

    async def close(self) -> None:
        await self._inner.close()


def open_deadly(name: str, url: str, *, clock: Clock) -> Channel:
    return DeadlyChannel(open_channel(name, url, clock=clock))


if __name__ == "__main__":
    app.open_channel = open_deadly  # type: ignore[attr-defined]
    app.Store = DeadlyStore  # type: ignore[attr-defined]
    set_up("json", "info")
    sys.exit(run(load_settings(Path(sys.argv[1]))))
