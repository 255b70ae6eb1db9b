"""The daemon's login to Schwab: kept fresh in the background, replaced while it runs, and its end told in time.

Three facts make this a part of its own (protocol notes 1): schwab-py refreshes the access token only when a call is
made; a login dies after seven days whatever is done; and a new one needs a human. So the token is refreshed well before
it expires, a dead one is told once and not asked for again until the token file changes, and a new one is taken up at
once: the stream that runs goes on, as Schwab looks at tokens only when a connection begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from watchfiles import Change, awatch

from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.config import SchwabSettings
from tradeassistd.base.errors import ConfigError, TransientError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.base.turns import Turns
from tradeassistd.engine.events import ON_LINE
from tradeassistd.feed.calls import Calls
from tradeassistd.feed.client import open_client, refresh
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.login_told import DEAD, DOWN, LoginTold, Memory, Say
from tradeassistd.feed.refusals import LOG_IN, LoginDenied, LoginNeeded, Unauthorized
from tradeassistd.feed.schwab import Charts, Stream
from tradeassistd.feed.token import Signature, Token, TokenFile

REFRESH_BEFORE_S = 300
"""The access token is refreshed so long before it expires: after 25 of 30 minutes."""
REFRESH_WITHIN_S = 30.0
RETRY_FIRST_S = 10.0
RETRY_MAX_S = 300.0
LOOK_EVERY_S = 10.0
"""The token file is looked at so often, also where nobody says that it changed."""
UNREADABLE_AFTER_S = 30.0
"""Whoever writes it in place has done so by then; one that stays unreadable is told."""
RENEW_AGAIN_AFTER_S = 60.0
"""An access token younger than this is not the reason for a refusal."""
log = structlog.get_logger(__name__)


class Login:
    """The login, from the token file. `run` keeps it, `told` tells of its end; hand `entered` the feed's states."""

    def __init__(
        self,
        settings: SchwabSettings,
        say: Say,
        memory: Memory,
        clock: Clock,
        turns: Turns,
        *,
        market_time: bool = False,
        wall: Clock | None = None,
    ) -> None:
        """`wall` is the computer's clock, which access tokens live by."""
        assert settings.token_file is not None  # load_settings completes it
        self.file = TokenFile(settings.token_file)
        self.wake: Callable[[], None] = lambda: None
        """Ends the connection's wait; set it once there is a connection."""
        self.saw: Callable[[str], None] | None = None
        """Gets every frame of the streams opened from then on, as it came."""
        self.charts: Charts | None = None
        """Gets the minutes that Schwab tells on the streams opened from then on; None: they are not asked for."""
        self.calls: Calls | None = None
        """Notes every call to Schwab of the clients opened from then on."""
        self._settings = settings
        self._clock = clock
        self._wall = wall or WallClock()
        self._signature: Signature | None = None
        self._dead = ""
        self._unreadable = ""
        self._unreadable_since_s: float | None = None
        self._opened_with: Signature | None = None
        self._feed = ""
        self._feed_reason = ""
        self._refreshed_us = 0
        self._refreshed_s = float("-inf")
        self._retries = 0
        self._retry_at_s = 0.0
        self._last_error = ""
        self._stored = ""
        """The refresh token that was stored last: Schwab may change it when it refreshes."""
        self._writing: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._turn = turns.join("login")
        self.told = LoginTold(say, memory, clock, turns, self._heard.set, market_time=market_time)

    async def begin(self) -> None:
        """Read the token and what was said of it before; to be called once, before the loops. A missing token is no
        error: the connection says that a login is needed."""
        self._signature = self.file.signature()
        self._read()
        await self.told.recall()

    def open_stream(self, put: Callable[[Frame], None]) -> Stream:
        """A stream for one connection, with the newest token. Raises LoginNeeded, without asking Schwab once more."""
        self.look()
        self._opened_with = self._signature
        return _LoginStream(self, self.open_client(), put)

    def open_client(self) -> Any:
        """An async schwab-py client with the newest token; close it. Raises LoginNeeded when there is no good one."""
        self.look()
        if self._dead:
            raise LoginNeeded(self._dead, hint=LOG_IN)
        settings = self._settings
        try:
            return open_client(settings.app_key.get_secret_value(), settings.app_secret.get_secret_value(), self.file,
                               settings.base_url, write=self._store, calls=self.calls)  # fmt: skip
        except ConfigError as error:
            raise LoginNeeded(error.message, hint=LOG_IN) from error

    def entered(self, state: str, reason: str) -> None:
        """The connection came into a state."""
        reason = reason.removesuffix(f" ({LOG_IN})")  # said with every word of ours
        self._feed, self._feed_reason = state, reason
        if state == "auth_needed":
            self._tell_needed(reason)
        elif state in ON_LINE:
            self.told.unsay(DOWN)

    async def run(self) -> None:
        """Until cancelled: refresh in time, take up a new login."""
        listener = asyncio.create_task(self._listen(), name="login.listen")
        try:
            while True:
                self._heard.clear()
                self.look()
                if self._refresh_in_s() <= 0:
                    self._turn(REFRESH_WITHIN_S)
                    await self._refresh()
                await self.told.save(self._turn)
                self._turn(LOOK_EVERY_S)
                with suppress(TimeoutError):
                    async with self._clock.deadline(min(LOOK_EVERY_S, max(self._refresh_in_s(), 0.0))):
                        await self._heard.wait()
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    @property
    def needed(self) -> str:
        """Why somebody has to log in; empty while nobody has to."""
        return self._dead or (self._feed_reason if self._feed == "auth_needed" else "")

    def status(self) -> dict[str, Any]:
        """For `status`; no secrets. Times are ISO text, empty when not known."""
        token = self.token
        return {
            "needed": self.needed,
            **self.told.document(),
            "refreshed": iso(self._refreshed_us) if self._refreshed_us else "",
            "access_until": iso(token.access_until_s * US_PER_S) if token and token.access_until_s else "",
            "created_s": token.created_s if token else 0,
            "last_error": self._last_error or self._unreadable,
            "token_file": str(self.file.path),
        }

    def look(self) -> None:
        """Take up what has become of the token file."""
        signature = self.file.signature()
        if signature != self._signature or self._unreadable:
            self._signature = signature
            before = self.token
            self._read()
            if self.token is not None and not self._unreadable:
                self._take_up(before)
        self._tell_unreadable()
        if self._feed == "auth_needed" and self._signature != self._opened_with and not self._unreadable:
            self.wake()

    @property
    def is_fresh(self) -> bool:
        """Whether the access token is too young to be the reason for a refusal."""
        return self._clock.elapsed_s() - self._refreshed_s < RENEW_AGAIN_AFTER_S

    async def renew(self, client: Any) -> None:
        """A fresh access token for a client whose token Schwab did not take. Raises what `refresh` raises."""
        token = self.token
        try:
            await refresh(client)
        except LoginNeeded as error:
            self.refused(error.message, token)
            raise
        await self._note_refreshed()

    def refused(self, reason: str, token: Token | None) -> None:
        """Schwab says that this token is dead. Raises TransientError when another login has taken its place."""
        self.look()
        if token is not None and self.token is not None and self.token.refresh_token != token.refresh_token:
            raise TransientError("somebody has logged in to Schwab meanwhile")
        self._dead, self._last_error = reason, reason
        log.error("login.needed", reason=reason)
        self._tell_of_token()
        self._tell_needed(reason)

    @property
    def token(self) -> Token | None:
        """What the token file said last."""
        return self.told.token

    def _read(self) -> None:
        try:
            self.told.token, self._unreadable = self.file.token(), ""
        except ConfigError as error:
            if error.message != self._unreadable:
                log.warning("token.unreadable", reason=error.message)
            self._unreadable = error.message

    def _take_up(self, before: Token | None) -> None:
        """The file was written: by a refresh, by somebody who logged in, or anew with what it had."""
        assert self.token is not None
        self._dead = self._last_error = ""
        self._retries, self._retry_at_s = 0, 0.0
        known = before is not None and self.token.refresh_token in (before.refresh_token, self._stored)
        if before is not None and known and self.token.is_same_login(before):
            if self.token.access_until_s > before.access_until_s:  # schwab-py refreshes too, when it has to
                self._refreshed_us, self._refreshed_s = self._wall.now_us(), self._clock.elapsed_s()
        else:
            self.told.forget()
            self._refreshed_us, self._refreshed_s = 0, float("-inf")
            log.info("login.new", logged_in=iso(self.token.created_s * US_PER_S))
        self._tell_of_token()

    def _tell_of_token(self) -> None:
        self.told.is_dead = bool(self._dead)
        self.told.changed()

    def _tell_unreadable(self) -> None:
        now_s = self._clock.elapsed_s()
        if not self._unreadable:
            self._unreadable_since_s = None
        elif self._unreadable_since_s is None:
            self._unreadable_since_s = now_s
        elif now_s - self._unreadable_since_s >= UNREADABLE_AFTER_S:
            self._tell_needed(self._unreadable)

    def _tell_needed(self, reason: str) -> None:
        self.told.needed(reason, on_line=self._feed in ON_LINE)

    def _refresh_in_s(self) -> float:
        """Seconds until the access token has to be refreshed; infinite while there is none to refresh."""
        token = self.token
        if token is None or self._dead or self._unreadable:
            return float("inf")
        now_s = self._clock.elapsed_s()
        early_s = min(REFRESH_BEFORE_S, token.access_life_s / 6)
        left_s = token.access_until_s - self._wall.now_us() / US_PER_S
        if not token.access_until_s:
            left_s = self._refreshed_s + token.access_life_s - now_s
        return max(left_s - early_s, self._retry_at_s - now_s)

    async def _refresh(self) -> None:
        """In the background, with a client of its own; the connection takes its token from the file."""
        token = self.token
        try:
            client = self.open_client()
            try:
                async with self._clock.deadline(REFRESH_WITHIN_S):
                    await refresh(client)
            finally:
                await client.close_async_session()
            await self._note_refreshed()
        except LoginNeeded as error:
            with suppress(TransientError):  # a newer login is there, and `look` has taken it up
                self.refused(error.message, token)
        except (TransientError, TimeoutError) as error:
            self._put_off(error)

    async def _note_refreshed(self) -> None:
        """Once it is stored. Raises TransientError when the disk does not take it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                await writing
            except OSError as error:
                raise TransientError(f"the refreshed token is not stored: {error.strerror}") from error
        self.look()
        now_s = self._clock.elapsed_s()
        self._retries, self._retry_at_s, self._last_error = 0, now_s + RETRY_FIRST_S, ""
        self._refreshed_us, self._refreshed_s = self._wall.now_us(), now_s
        self.told.unsay(DEAD)
        log.info("token.refreshed")

    def _store(self, content: dict[str, Any], *_: object, **__: object) -> None:
        """schwab-py hands a refreshed token over on the event loop, which does not wait for disks."""
        self._stored = str(content["token"].get("refresh_token", ""))
        self._writing = asyncio.create_task(asyncio.to_thread(self.file.write_refreshed, content), name="token.write")
        self._writing.add_done_callback(_written)

    def _put_off(self, error: TransientError | TimeoutError) -> None:
        wait_s = min(RETRY_FIRST_S * 2**self._retries, RETRY_MAX_S)
        if isinstance(error, TransientError) and error.retry_after_s is not None:
            wait_s = min(max(wait_s, error.retry_after_s), RETRY_MAX_S)
        self._retries = min(self._retries + 1, 10)
        self._retry_at_s = self._clock.elapsed_s() + wait_s
        self._last_error = str(error) or "Schwab did not answer in time"
        log.warning("token.not_refreshed", reason=self._last_error, next_try_s=wait_s)

    async def _listen(self) -> None:
        """inotify says when to look; without it the look every ten seconds does it alone."""
        name = self.file.path.name

        def concerns(_: Change, path: str) -> bool:
            return path.rpartition("/")[2] == name

        try:
            async for _ in awatch(self.file.path.parent, watch_filter=concerns, step=50, recursive=False):
                self._heard.set()
        except (OSError, RuntimeError) as error:
            log.warning("token.watch_deaf", reason=str(error), look_every_s=LOOK_EVERY_S)


class _LoginStream(Stream):
    """A stream that tells the login what Schwab thinks of it, and tries once more with a fresh access token."""

    def __init__(self, login: Login, client: Any, put: Callable[[Frame], None]) -> None:
        super().__init__(client, put, login.saw, login.charts)
        self._login = login
        self._token = login.token

    async def login(self) -> None:
        try:
            await super().login()
        except (Unauthorized, LoginDenied):
            if self._login.is_fresh:
                raise
            # Where Schwab cannot refresh it now, that is the trouble: nobody has to log in because of it.
            await self._login.renew(self._client)
            await self.begin_anew()
            await super().login()
        except LoginNeeded as error:
            self._login.refused(error.message, self._token)
            raise


def _written(writing: asyncio.Task[None]) -> None:
    if not writing.cancelled() and (error := writing.exception()) is not None:
        log.error("token.not_stored", reason=f"{type(error).__name__}: {error}")
