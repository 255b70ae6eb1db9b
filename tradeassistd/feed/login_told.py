"""When the login ends, and what people have been told of it: in time, each time once, also over restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turn, Turns
from tradeassistd.feed.countdown import due_notice, next_due_us
from tradeassistd.feed.token import REFRESH_TOKEN_S, Token

META_KEY = "schwab_login"
DEAD, DOWN = "dead", "down"
"""Marks of what is said beside the countdown: the token is dead; and nothing comes any more."""

log = structlog.get_logger(__name__)


class Say(Protocol):
    """Tells people (live.path.Live.say); `memory` is kept in the same transaction."""

    def __call__(self, title: str, text: str, severity: str = ..., memory: Mapping[str, str] = ...) -> None: ...


class Memory(Protocol):
    """What outlives the daemon (store.writer.Store)."""

    async def recall(self, key: str) -> str: ...
    async def remember(self, key: str, value: str) -> None: ...


class LoginTold:
    """Tell it of each token by `token` and `is_dead`, and `changed` after either; it asks to be saved by `save_soon`.

    The seven days are counted on the computer's clock; where market time is the feed's (`clock: market`), from the
    market time at which the login was first seen.
    """

    def __init__(
        self, say: Say, memory: Memory, clock: Clock, turns: Turns, save_soon: Callable[[], None], *, market_time: bool
    ) -> None:
        self.token: Token | None = None
        self.is_dead = False
        self.begun_us = 0
        """When the login began, in the time its end is counted in; 0 while that is not known."""
        self._say = say
        self._memory = memory
        self._clock = clock
        self._turn = turns.join("login.countdown")
        self._save_soon = save_soon
        self._market_time = market_time
        self._said: set[str] = set()
        self._unsaved = False
        self._changed = asyncio.Event()

    async def recall(self) -> None:
        """What was said of this token before; to be called once, when it is known."""
        kept = json.loads(await self._memory.recall(META_KEY) or "{}")
        if self.token is not None and kept.get("created_s") == self.token.created_s:
            self._said, self.begun_us = set(kept["said"]), kept["begun_us"]

    def forget(self) -> None:
        """Somebody has logged in: nothing is said of this login yet."""
        self.begun_us, self._said, self._unsaved = 0, set(), True

    def changed(self) -> None:
        """The token is another, or dead: the countdown looks again."""
        self._changed.set()

    @property
    def ends_us(self) -> int:
        """When Schwab ends the login; 0 while that is not known."""
        return self.begun_us + REFRESH_TOKEN_S * US_PER_S if self.begun_us else 0

    def document(self) -> dict[str, Any]:
        """For `status`."""
        ends_us = self.ends_us
        return {
            "logged_in": iso(self.begun_us) if self.begun_us else "",
            "ends": iso(ends_us) if ends_us else "",
            "ends_in_s": (ends_us - self._clock.now_us()) // US_PER_S if ends_us else None,
        }

    def needed(self, reason: str, *, on_line: bool) -> None:
        """Say loudly and once that somebody has to log in; and once more when the line drops that was up until then."""
        mark = DEAD if on_line else DOWN
        if mark in self._said:
            return
        if on_line:
            title = "Schwab login needed, or the feed ends"
            text = f"{reason}. Prices still come until the line drops; then nothing is watched any more."
        else:
            title = "Schwab login needed: nothing is watched"
            text = f"{reason}. Nothing comes from Schwab until somebody logs in."
        self._tell(title, f"{text} Run: tradeassist auth login", "critical", (mark,))

    def unsay(self, mark: str) -> None:
        """It is so no more: when it comes about again, it is said again."""
        if mark in self._said:
            self._said.discard(mark)
            self._keep_soon()

    async def count_down(self) -> None:
        """Until cancelled: say that the login ends, in time and each time once."""
        self._turn(IDLE)
        while True:
            await self._clock.sleep_until(1)  # before the first frame there is no market time
            self._changed.clear()
            self._note_begin()
            now_us, next_us = self._clock.now_us(), None
            if self.token is not None and not self.is_dead:
                notice = due_notice(self.ends_us, now_us, self._said)
                if notice is not None:
                    log.warning("login.ends", ends=iso(self.ends_us))
                    self._tell(notice.title, notice.text, notice.severity, notice.marks)
                next_us = next_due_us(self.ends_us, now_us)
            await self._until(next_us)

    async def save(self, turn: Turn) -> None:
        """Remember what was said, if that is not done yet; what the disk does not take is tried again."""
        if not self._unsaved:
            return
        turn(DISK_WITHIN_S)
        self._unsaved = False
        try:
            await self._memory.remember(META_KEY, self._kept())
        except TransientError as error:
            self._unsaved = True
            log.warning("login.not_stored", reason=str(error))

    def _tell(self, title: str, text: str, severity: str, marks: Collection[str]) -> None:
        self._said.update(marks)
        self._say(title, text, severity, {META_KEY: self._kept()})

    def _note_begin(self) -> None:
        if self.token is None or self.begun_us:
            return
        self.begun_us = self._clock.now_us() if self._market_time else self.token.created_s * US_PER_S
        self._keep_soon()
        log.info("login.counts", ends=iso(self.ends_us))

    def _keep_soon(self) -> None:
        self._unsaved = True
        self._save_soon()

    def _kept(self) -> str:
        created_s = self.token.created_s if self.token else 0
        return json.dumps({"created_s": created_s, "begun_us": self.begun_us, "said": sorted(self._said)})

    async def _until(self, at_us: int | None) -> None:
        """Until that market time, or until the login changes."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if at_us is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(at_us)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
