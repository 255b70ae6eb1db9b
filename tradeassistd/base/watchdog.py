"""Feeds the service manager's watchdog while every loop turns, and keeps the status line it shows."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.turns import Turns

LOOK_EVERY_S = 1.0

log = structlog.get_logger(__name__)


class Watchdog:
    """`late` names the loops that keep it from being fed."""

    def __init__(self, notifier: Notifier, turns: Turns, clock: Clock, status: Callable[[], str] = lambda: "") -> None:
        """`status` gives the line for `systemctl status`."""
        self.late: tuple[str, ...] = ()
        self._notifier = notifier
        self._turns = turns
        self._clock = clock
        self._status = status
        self._interval_s = notifier.watchdog_interval_s()

    async def run(self) -> None:
        """Until cancelled. Fed at half the interval, or as soon after that as the last loop has turned."""
        half_s = self._interval_s / 2 if self._interval_s else LOOK_EVERY_S
        look_every_s = min(LOOK_EVERY_S, half_s / 2)
        fed_s = self._clock.elapsed_s()
        while True:
            if self._notifier.listening:
                self._notifier.status(f"stuck: {', '.join(self.late)}" if self.late else self._status())
            await self._clock.pause(look_every_s)
            now_s = self._clock.elapsed_s()
            if now_s - fed_s >= half_s and self._turns.all_turned():
                fed_s = now_s
                if self._interval_s:
                    self._notifier.watchdog()
            self._note(self._turns.late() if now_s - fed_s >= half_s * 1.5 else ())

    def _note(self, late: tuple[str, ...]) -> None:
        """Whoever is about to be killed should have been named before."""
        if late and not self.late:
            log.error("watchdog.late", loops=list(late), killed_after_s=self._interval_s)
        elif self.late and not late:
            log.info("watchdog.caught_up", loops=list(self.late))
        self.late = late
