"""Keeps a stream alive: connect, log in, subscribe, receive; when it breaks, back off and begin anew.

A fresh stream per connection, a deadline on every step, liveness on any frame (design 6). Everything it learns goes
into the frame queue in order, so the engine's loop sees the connection's states between the frames they belong to.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import IDLE, Turns
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import ConnectionChange, FrameQueue
from tradeassistd.feed.schwab import LoginNeeded, Replaced

LOGIN_WITHIN_S = 45.0
SUBSCRIBE_WITHIN_S = 30.0
FRAME_WITHIN_S = 35.0
"""Schwab sends a heartbeat every 10 s; three in a row missed means the line is dead (schwab_protocol 8.4)."""
CLOSE_WITHIN_S = 5.0
BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 60.0
STEADY_AFTER_S = 60.0
"""Only a connection that lived this long starts the back-off anew."""
REPLACED_WAIT_S = 300.0
LOGIN_NEEDED_WAIT_S = 300.0
SENTINEL = "SPY"
"""Always subscribed: Schwab ends a stream without subscriptions (code 30)."""

log = structlog.get_logger(__name__)


class StreamPort(Protocol):
    """What a connection needs of a stream (feed.schwab.Stream)."""

    async def login(self) -> None: ...
    async def subscribe(self, symbols: tuple[str, ...]) -> None: ...
    async def add(self, symbols: tuple[str, ...]) -> None: ...
    async def drop(self, symbols: tuple[str, ...]) -> None: ...
    async def receive(self) -> None: ...
    async def close(self) -> None: ...


class ConnectionLoop:
    """The connection's state machine. `state` and `reason` are for status."""

    def __init__(
        self,
        open_stream: Callable[[Callable[[Frame], None]], StreamPort],
        queue: FrameQueue,
        wanted: Callable[[], tuple[str, ...]],
        clock: Clock,
        *,
        chance: random.Random | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.state = "stopped"
        self.reason = ""
        self.connections = 0
        self._open_stream = open_stream
        self._queue = queue
        self._wanted = wanted
        self._clock = clock
        self._chance = chance or random.Random()
        self._failures = 0
        self._turn = (turns or Turns(clock)).join("connection")

    async def run(self) -> None:
        """Until cancelled. Each state has a limit, which the turn before it tells the watchdog."""
        while True:
            wait_s = await self._one_connection()
            self._turn(wait_s)
            await self._clock.pause(wait_s)

    async def _one_connection(self) -> float:
        """Live through one connection; gives how long to wait before the next."""
        stream: StreamPort | None = None
        began_s = self._clock.elapsed_s()
        live = False
        try:
            self._enter("connecting")
            stream = self._open_stream(self._queue.put)
            self._enter("logging_in")
            self._turn(LOGIN_WITHIN_S)
            async with self._clock.deadline(LOGIN_WITHIN_S):
                await stream.login()
            self._enter("subscribing")
            self._turn(SUBSCRIBE_WITHIN_S)
            async with self._clock.deadline(SUBSCRIBE_WITHIN_S):
                subscribed = self._with_sentinel()
                await stream.subscribe(subscribed)
            self._enter("live")
            live, began_s = True, self._clock.elapsed_s()
            self.connections += 1
            while True:
                subscribed = await self._reconcile(stream, subscribed)
                self._turn(IDLE)  # while the queue is full it waits for the engine, which has a turn of its own
                await self._queue.room()
                self._turn(FRAME_WITHIN_S)
                async with self._clock.deadline(FRAME_WITHIN_S):
                    await stream.receive()
        except Replaced as error:
            self._enter("replaced", str(error))
            return REPLACED_WAIT_S
        except LoginNeeded as error:
            self._enter("auth_needed", str(error))
            return LOGIN_NEEDED_WAIT_S
        except TimeoutError:
            return self._back_off(f"no answer while {self.state}", live, began_s)
        except TransientError as error:
            return self._back_off(str(error), live, began_s)
        finally:
            if stream is not None:
                self._turn(CLOSE_WITHIN_S)
                await self._close(stream)

    def _with_sentinel(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._wanted(), SENTINEL)))

    async def _reconcile(self, stream: StreamPort, subscribed: tuple[str, ...]) -> tuple[str, ...]:
        """The rules may want other symbols now: first add, then drop, so that the stream is never empty."""
        wanted = self._with_sentinel()
        if wanted == subscribed:
            return subscribed
        self._turn(SUBSCRIBE_WITHIN_S)
        async with self._clock.deadline(SUBSCRIBE_WITHIN_S):
            if more := tuple(symbol for symbol in wanted if symbol not in subscribed):
                await stream.add(more)
            if fewer := tuple(symbol for symbol in subscribed if symbol not in wanted):
                await stream.drop(fewer)
        log.info("stream.resubscribed", added=more, dropped=fewer)
        return wanted

    def _back_off(self, reason: str, live: bool, began_s: float) -> float:
        """Full jitter: anywhere between nothing and a limit that doubles with each failure."""
        if live and self._clock.elapsed_s() - began_s >= STEADY_AFTER_S:
            self._failures = 0
        limit_s = min(BACKOFF_FIRST_S * 2**self._failures, BACKOFF_MAX_S)
        self._failures = min(self._failures + 1, 10)
        wait_s = self._chance.uniform(0.0, limit_s)
        self._enter("backoff", reason)
        log.warning("stream.lost", reason=reason, next_try_s=round(wait_s, 2))
        return wait_s

    def _enter(self, state: str, reason: str = "") -> None:
        self.state, self.reason = state, reason
        log.info("stream.state", state=state, **({"reason": reason} if reason else {}))
        self._queue.put(ConnectionChange(state, reason))

    async def _close(self, stream: StreamPort) -> None:
        # A peer that does not answer the closing handshake must not hold the next connection up.
        with suppress(TimeoutError, OSError):
            async with self._clock.deadline(CLOSE_WITHIN_S):
                await stream.close()
