"""What the disk does not take is told all the same: past the outbox, and saying that it was not stored.

An alert is stored before it is sent, so that it is never lost and never told twice unsaid. A full disk turns that into
silence, which is the worst a trader can get. After TOLD_AFTER_S the alerts that wait are told as they are, one message
per channel, each alert once. They come again when the disk has taken them, and then say that they may be a repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import structlog

from tradeassistd.alerts.message import CARRIED_SHOWN_MAX, Message, day_and_time
from tradeassistd.base.clock import Clock
from tradeassistd.store.records import Alert, Decided, Delivery

TOLD_AFTER_S = 5.0
"""A disk may be busy for a moment; what waits for longer is told unstored."""
LAST_WORDS_WITHIN_S = 5.0
"""How long a daemon that has to end takes to say so."""
UNSTORED = "not stored"

log = structlog.get_logger(__name__)


class Directly(Protocol):
    """Sends one message to a channel past the outbox; whether the channel has taken it. Never raises."""

    async def __call__(self, channel: str, message: Message) -> bool: ...


class Unstored:
    """Tells of the decisions that wait for the disk. `note` and `stored` are called by who stores them."""

    def __init__(self, send: Directly, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._waiting: Callable[[], Sequence[Decided]] = tuple
        self._reason = ""
        self._since_s: float | None = None
        self._told: set[tuple[str, str]] = set()
        self._noted = asyncio.Event()
        self.counted = 0
        """Deliveries told unstored since the start."""

    def note(self, waiting: Callable[[], Sequence[Decided]], reason: str) -> None:
        """The disk does not take the first of the decisions that `waiting` gives; to be called each time it did not."""
        if self._since_s is None:
            self._since_s = self._clock.elapsed_s()
        self._waiting, self._reason = waiting, reason
        if self._clock.elapsed_s() - self._since_s >= TOLD_AFTER_S:
            self._noted.set()

    def stored(self) -> None:
        """The disk has taken one."""
        self._since_s, self._reason = None, ""
        self._noted.clear()
        if not self._waiting():
            self._told.clear()

    def status(self) -> dict[str, Any]:
        """For `status`: why alerts wait (empty while none does), and how many deliveries were told unstored."""
        return {"reason": self._reason, "told": self.counted}

    async def run(self) -> None:
        """Tell what waits for too long, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self._tell(self._untold(), "The disk takes no alerts", self._reason,
                             "They are not stored yet and come again when they are.")  # fmt: skip

    async def last_words(self, reason: str, channels: Sequence[str]) -> None:
        """The daemon has to end: `channels` hear why, and every channel of what waits hears of that."""
        untold = self._untold()
        waiting: dict[str, list[tuple[Delivery, Alert]]] = {channel: [] for channel in channels} | untold
        try:
            async with self._clock.deadline(LAST_WORDS_WITHIN_S):
                await self._tell(waiting, "tradeassist has stopped", reason,
                                 "They are not stored." if untold else "")  # fmt: skip
        except TimeoutError:
            log.warning("unstored.too_slow", after_s=LAST_WORDS_WITHIN_S)

    def _untold(self) -> dict[str, list[tuple[Delivery, Alert]]]:
        """What waits and was not told yet, by channel; deliveries that are held have time."""
        found: dict[str, list[tuple[Delivery, Alert]]] = {}
        for decided in self._waiting():
            alerts = {alert.id: alert for alert in decided.alerts}
            for one in decided.deliveries:
                if not one.not_before_us and (one.alert_id, one.channel) not in self._told:
                    found.setdefault(one.channel, []).append((one, alerts[one.alert_id]))
        return found

    async def _tell(
        self, waiting: dict[str, list[tuple[Delivery, Alert]]], title: str, reason: str, fate: str
    ) -> None:  # fmt: skip
        async def tell(channel: str, items: list[tuple[Delivery, Alert]]) -> None:
            alerts = [alert for _, alert in items]
            if not await self._send(channel, _message(title, reason, alerts, fate)):
                return
            for delivery, alert in items:
                delivery.maybe_repeat = True  # it has been said once, so that the next time may be a repeat
                self._told.add((alert.id, channel))
            self.counted += len(items)
            log.warning("alert.told_unstored", channel=channel, alerts=[alert.id for alert in alerts])

        await asyncio.gather(*(tell(channel, items) for channel, items in waiting.items()))


def _message(title: str, reason: str, alerts: Sequence[Alert], fate: str) -> Message:
    count = len(alerts)
    said = f"{title}: {count} alert{'' if count == 1 else 's'} {UNSTORED}" if count else title
    return Message(said, "\n".join(_lines(reason, alerts, fate)), "critical", alerts[0].id if alerts else "")


def _lines(reason: str, alerts: Sequence[Alert], fate: str) -> Iterator[str]:
    yield reason
    for alert in alerts[:CARRIED_SHOWN_MAX]:
        yield f"{day_and_time(alert.transition.event_us)}, {alert.severity}: {alert.title}"
    if len(alerts) > CARRIED_SHOWN_MAX:
        yield f"and {len(alerts) - CARRIED_SHOWN_MAX} more"
    if alerts and fate:
        yield fate
