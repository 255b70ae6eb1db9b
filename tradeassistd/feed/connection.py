"""Keeps a stream alive: connect, log in, subscribe, receive; when it breaks, back off and begin anew.

A fresh stream per connection, a deadline on every step, liveness on any frame (design 6). Everything it learns goes
into the frame queue in order, so the engine's loop sees the connection's states between the frames they belong to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.turns import IDLE, Turns
from tradeassistd.engine.events import ON_LINE
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Replaced
from tradeassistd.feed.states import ConnectionChange, StateHistory

LOGIN_WITHIN_S = 45.0
SUBSCRIBE_WITHIN_S = 30.0
FRAME_WITHIN_S = 35.0
"""Schwab sends a heartbeat every 10 s; three in a row missed means the line is dead (schwab_protocol 8.4)."""
CLOSE_WITHIN_S = 5.0
BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 60.0
STEADY_AFTER_S = 60.0
"""Only a connection that lived this long starts the back-off anew."""
REPLACED_WAITS_S = (300.0, 600.0, 900.0)
"""Another program took the stream: wait this long, and longer each time, rather than take it back and forth."""
LOGIN_NEEDED_WAIT_S = 3600.0
"""A dead token needs a human; who has logged in wakes the loop at once."""
LOGIN_DENIED_WAIT_S = 300.0
"""The streamer's no to a token that can still be refreshed may pass without anybody."""
ASK_AGAIN_FIRST_S = 60.0
ASK_AGAIN_MAX_S = 900.0
"""Symbols that Schwab refused are asked for again after this long, twice as long each time."""
CHARTS_AGAIN_S = 3_600.0
"""A connection that broke over the request for charts is followed by ones without them for so long."""
SENTINEL = "SPY"
"""Always subscribed: Schwab ends a stream without subscriptions (code 30)."""

log = structlog.get_logger(__name__)


class StreamPort(Protocol):
    """What a connection needs of a stream (feed.schwab.Stream)."""

    async def login(self) -> None: ...
    async def subscribe(self, symbols: tuple[str, ...]) -> Mapping[str, str]: ...
    async def add(self, symbols: tuple[str, ...]) -> Mapping[str, str]: ...
    async def drop(self, symbols: tuple[str, ...]) -> None: ...
    async def chart(self, symbols: tuple[str, ...]) -> None: ...
    async def receive(self) -> None: ...
    async def close(self) -> None: ...


class ConnectionLoop:
    """The connection's state machine. `history` has its states, for status; `refused` what Schwab does not send."""

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
        self.history = StateHistory(clock)
        self.connections = 0
        self.refused: dict[str, str] = {}
        """Symbols that are not watched on this connection, and why."""
        self.unanswered: frozenset[str] = frozenset()
        """Symbols that were asked for on a line that is up, and that Schwab has not answered yet."""
        self.listeners: list[Callable[[str, str], None]] = []
        """Called with each state and its reason; be quick, never raise."""
        self.subscribed: list[Callable[[Sequence[str], Sequence[str], Mapping[str, str]], None]] = []
        """Called with the symbols that were added, dropped and (with the reason) refused; be quick, never raise."""
        self._open_stream = open_stream
        self._queue = queue
        self._wanted = wanted
        self._clock = clock
        self._chance = chance or random.Random()
        self._failures = 0
        self._times_replaced = 0
        self._complaints: dict[str, str] = {}
        self._once_more: set[str] = set()
        self._given_up = ""
        self._receiving: asyncio.Timeout | None = None
        self._ask_again_s = 0.0
        self._asked_again = 0
        self._charted: tuple[str, ...] = ()
        self._asks_charts = False
        self._charts_again_s = 0.0
        self._woken = asyncio.Event()
        self._turn = (turns or Turns(clock)).join("connection")

    @property
    def state(self) -> str:
        return self.history.now.state

    @property
    def reason(self) -> str:
        """Why it is in that state; empty where the state says it all."""
        return self.history.now.reason

    @property
    def is_on_line(self) -> bool:
        """Whether frames come."""
        return self.state in ON_LINE

    def wake(self) -> None:
        """End the wait before the next connection: a new token is there, or an operator says so."""
        self._woken.set()

    def complain(self, about: str, reason: str) -> None:
        """Something on the line is not as it should be, or (no reason) is again: `degraded` and back to `live`."""
        if reason == self._complaints.get(about, ""):
            return
        self._complaints.pop(about, None)
        if reason:
            self._complaints[about] = reason
        if self.is_on_line:
            self._enter_line()

    def add_again(self, symbols: Sequence[str]) -> None:
        """Subscribe to symbols once more though they are subscribed: Schwab answers with their full images."""
        self._once_more.update(symbols)

    def give_up(self, reason: str) -> None:
        """The line is open and of no use: begin anew."""
        if self.is_on_line and not self._given_up:
            self._given_up = reason
            if self._receiving is not None and not self._receiving.expired():
                self._receiving.reschedule(0.0)  # a time long past: what it limits is over now

    async def run(self) -> None:
        """Until cancelled. Each state has a limit, which the turn before it tells the watchdog."""
        while True:
            wait_s = await self._one_connection()
            self._turn(wait_s)
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        """Let the time pass, or less when somebody wakes the loop."""
        self._woken.clear()
        waits = [asyncio.ensure_future(self._clock.pause(wait_s)), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _one_connection(self) -> float:
        """Live through one connection; gives how long to wait before the next."""
        stream: StreamPort | None = None
        began_s = self._clock.elapsed_s()
        live = False
        try:
            self._enter("connecting")
            self._complaints.clear()
            self._once_more.clear()
            self.unanswered = frozenset()
            self._given_up = ""
            self._charted, self._asks_charts = (), False
            stream = self._open_stream(self._queue.put)
            self._enter("logging_in")
            self._turn(LOGIN_WITHIN_S)
            async with self._clock.deadline(LOGIN_WITHIN_S):
                await stream.login()
            subscribed = await self._subscribe(stream)
            live, began_s = True, self._clock.elapsed_s()
            self.connections += 1
            while True:
                subscribed = await self._reconcile(stream, subscribed)
                await self._chart(stream, subscribed)
                self._turn(IDLE)  # while the queue is full it waits for the engine, which has a turn of its own
                await self._queue.room()
                if self._given_up:
                    raise TransientError(self._given_up)
                self._turn(FRAME_WITHIN_S)
                async with self._clock.deadline(FRAME_WITHIN_S) as self._receiving:
                    await stream.receive()
                self._receiving = None
        except Replaced as error:
            return self._replaced(error, live, began_s)
        except LoginNeeded as error:
            denied = isinstance(error, LoginDenied)
            if denied and self.state != "logging_in":  # it was let in: what is wrong the next login will say
                return self._back_off(error.message, live, began_s)
            self._enter("auth_needed", str(error))
            return LOGIN_DENIED_WAIT_S if denied else LOGIN_NEEDED_WAIT_S
        except TimeoutError:
            return self._back_off(self._given_up or f"no answer while {self.state}", live, began_s)
        except TransientError as error:
            return self._back_off(str(error), live, began_s)
        finally:
            self._receiving = None
            if stream is not None:
                self._turn(CLOSE_WITHIN_S)
                await self._close(stream)

    def _with_sentinel(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._wanted(), SENTINEL)))

    async def _subscribe(self, stream: StreamPort) -> tuple[str, ...]:
        """Ask for everything that is wanted. Raises TransientError when Schwab sends none of it."""
        self._enter("subscribing")
        self._turn(SUBSCRIBE_WITHIN_S)
        wanted = self._with_sentinel()
        async with self._clock.deadline(SUBSCRIBE_WITHIN_S):
            self.refused = dict(await stream.subscribe(wanted))
        if len(self.refused) == len(wanted):
            raise TransientError(f"Schwab refused every symbol: {self.refused[wanted[0]]}")
        self._tell_subscribed(wanted, (), self.refused)
        self._asked_again = 0
        self._plan_asking_again()
        self._complain_of_refused()
        self._enter_line()
        return wanted

    async def _reconcile(self, stream: StreamPort, subscribed: tuple[str, ...]) -> tuple[str, ...]:
        """The rules may want other symbols now: first add, then drop, so that the stream is never empty."""
        wanted = self._with_sentinel()
        again = self.refused and self._clock.elapsed_s() >= self._ask_again_s
        if wanted == subscribed and not again and not self._once_more:
            return subscribed
        more = tuple(
            one for one in wanted
            if one not in subscribed or one in self._once_more or (again and one in self.refused)
        )  # fmt: skip
        self._once_more.clear()
        self.unanswered = frozenset(more)
        fewer = tuple(symbol for symbol in subscribed if symbol not in wanted)
        self._turn(SUBSCRIBE_WITHIN_S)
        async with self._clock.deadline(SUBSCRIBE_WITHIN_S):
            refused = dict(await stream.add(more)) if more else {}
            self.unanswered = frozenset()
            if gone := tuple(symbol for symbol in fewer if symbol not in self.refused):
                await stream.drop(gone)
        asked = {*more, *fewer}
        self.refused = {symbol: why for symbol, why in self.refused.items() if symbol not in asked} | refused
        if again or refused:
            self._plan_asking_again()
        self._complain_of_refused()
        log.info("stream.resubscribed", added=more, dropped=fewer, refused=list(refused))
        self._tell_subscribed(more, fewer, refused)
        return wanted

    async def _chart(self, stream: StreamPort, subscribed: tuple[str, ...]) -> None:
        """Schwab's own minutes beside the quotes: history can do without them, so prices never wait for them, and no
        second connection is lost to them."""
        wanted = tuple(symbol for symbol in subscribed if symbol not in self.refused)
        if wanted == self._charted or self._clock.elapsed_s() < self._charts_again_s:
            return
        self._turn(SUBSCRIBE_WITHIN_S)
        self._asks_charts = True
        async with self._clock.deadline(SUBSCRIBE_WITHIN_S):
            await stream.chart(wanted)
        self._charted, self._asks_charts = wanted, False

    def _tell_subscribed(self, added: Sequence[str], dropped: Sequence[str], refused: Mapping[str, str]) -> None:
        for listen in self.subscribed:
            listen([one for one in added if one not in refused], dropped, refused)

    def _plan_asking_again(self) -> None:
        wait_s = min(ASK_AGAIN_FIRST_S * 2**self._asked_again, ASK_AGAIN_MAX_S)
        self._asked_again = min(self._asked_again + 1, 10) if self.refused else 0
        self._ask_again_s = self._clock.elapsed_s() + wait_s

    def _complain_of_refused(self) -> None:
        names = sorted(self.refused)
        listed = " ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        self.complain("refused", f"not watched: {listed} ({self.refused[names[0]]})" if names else "")

    def _replaced(self, error: Replaced, live: bool, began_s: float) -> float:
        if live and self._clock.elapsed_s() - began_s >= STEADY_AFTER_S:
            self._times_replaced = 0
        wait_s = REPLACED_WAITS_S[min(self._times_replaced, len(REPLACED_WAITS_S) - 1)]
        self._times_replaced += 1
        self._enter("replaced", str(error))
        return wait_s

    def _back_off(self, reason: str, live: bool, began_s: float) -> float:
        """Full jitter: anywhere between nothing and a limit that doubles with each failure."""
        if self._asks_charts:
            self._charts_again_s = self._clock.elapsed_s() + CHARTS_AGAIN_S
            log.warning("charts.given_up", reason=reason, again_in_s=CHARTS_AGAIN_S)
        if live and self._clock.elapsed_s() - began_s >= STEADY_AFTER_S:
            self._failures = 0
        limit_s = min(BACKOFF_FIRST_S * 2**self._failures, BACKOFF_MAX_S)
        self._failures = min(self._failures + 1, 10)
        wait_s = self._chance.uniform(0.0, limit_s)
        self._enter("backoff", reason)
        log.warning("stream.lost", reason=reason, next_try_s=round(wait_s, 2))
        return wait_s

    def _enter_line(self) -> None:
        """Live, or degraded while something is complained of."""
        reason = "; ".join(self._complaints.values())
        if (self.state, self.reason) != (state := "degraded" if reason else "live", reason):
            self._enter(state, reason)

    def _enter(self, state: str, reason: str = "") -> None:
        self.history.enter(state, reason)
        log.info("stream.state", state=state, **({"reason": reason} if reason else {}))
        self._queue.put(ConnectionChange(state, reason))
        for listen in self.listeners:
            listen(state, reason)

    async def _close(self, stream: StreamPort) -> None:
        # A peer that does not answer the closing handshake, or is gone, must not hold the next connection up.
        with suppress(TimeoutError, OSError, TransientError):
            async with self._clock.deadline(CLOSE_WITHIN_S):
                await stream.close()
