"""Tells people that the feed is down, once, and that it is back; never while nothing they watch trades.

A line that drops and comes back within seconds is everyday life and told to nobody; what is down longer while a wanted
symbol trades is, by a channel that does not depend on the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from tradeassistd.base.clock import Clock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import IDLE, Turns
from tradeassistd.engine.events import ON_LINE
from tradeassistd.market.session import NEW_YORK

TOLD_AFTER_S = 30.0
"""How long the feed may be down before anybody is told."""
LOOK_EVERY_S = 5.0
"""How often an outage that is not told yet is looked at: a session may open meanwhile."""
SAID_ELSEWHERE = ("auth_needed",)
"""States that have words of their own, said at once."""
REPLACED = "replaced"


class OutageWatch:
    """Listens to the connection's states and says what a trader must know of them."""

    def __init__(
        self, say: Callable[[str, str], None], is_trading: Callable[[int], bool], clock: Clock, turns: Turns
    ) -> None:
        """`say` sends a title and a text to the default channels; `is_trading`: whether something wanted does, at that
        market time in UTC microseconds."""
        self._say = say
        self._is_trading = is_trading
        self._clock = clock
        self._turn = turns.join("outage")
        self._reason = ""
        self._down, self._up = asyncio.Event(), asyncio.Event()
        self._since_s = 0.0
        self._since_us = 0
        self._told = False
        self._replaced_told = False

    def entered(self, state: str, reason: str) -> None:
        """The connection came into a state."""
        if state in ON_LINE:
            self._over()
            return
        self._reason = reason or self._reason
        if not self._down.is_set():
            self._since_s, self._since_us = self._clock.elapsed_s(), self._clock.now_us()
            self._up.clear()
            self._down.set()
        if state in SAID_ELSEWHERE:
            self._told = True
        if state == REPLACED and not self._replaced_told:
            self._replaced_told = self._told = True
            self._say("Another program took the Schwab stream",
                      f"Since {_clock(self._since_us)} nothing is watched: {reason}. Close the other program, then "
                      "run `tradeassist reconnect`; else it is tried again in 5 to 15 minutes.")  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._turn(IDLE)
            await self._down.wait()
            while self._down.is_set() and not self._told:
                self._turn(LOOK_EVERY_S)
                await self._clock.pause(LOOK_EVERY_S)
                self._look()
            self._turn(IDLE)
            await self._up.wait()

    def _look(self) -> None:
        down_s = self._clock.elapsed_s() - self._since_s
        if self._told or not self._down.is_set() or down_s < TOLD_AFTER_S:
            return
        # Market time may stand still without frames: the session is that of the last one and of the time since.
        if self._is_trading(max(self._clock.now_us(), self._since_us + round(down_s * US_PER_S))):
            self._told = True
            self._say("The feed is down", f"Nothing comes from Schwab since {_clock(self._since_us)}: {self._reason}. "
                      "Rules are not judged until it is back; it is tried again and again.")  # fmt: skip

    def _over(self) -> None:
        if not self._down.is_set():
            return
        if self._told:
            seconds = round(self._clock.elapsed_s() - self._since_s)
            self._say("The feed is back", f"It was down for {_length(seconds)}, since {_clock(self._since_us)}. "
                      "Crossings meanwhile are told as missed.")  # fmt: skip
        self._told = self._replaced_told = False
        self._reason = ""
        self._down.clear()
        self._up.set()


def _clock(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%H:%M:%S} New York" if us else "the start"


def _length(seconds: int) -> str:
    """3 m 12 s; hours and minutes of a long one."""
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} m {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} m"
