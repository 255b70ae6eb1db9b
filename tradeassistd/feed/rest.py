"""The one place for calls of Schwab's REST interface: not too many, not too soon, and none at all while it is broken.

Schwab names no limit for reading; two calls a second are kept (schwab_protocol 2). What it asks for in Retry-After is
honoured. After FAILURES_MAX failures in a row nothing is asked for a while, twice as long each time. Nothing is tried
again here: who asks knows whether the answer is still of use.

Two lanes share that: questions that hurry (is this symbol mute?), and *patient* ones (history), of which there may be
thousands. A patient one waits for as long as it takes, leaves SPARED_CALLS in the bucket for those that hurry, and
never stands in their way: each lane has a client of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TradeAssistError, TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.feed.mute import Traded

CALLS_PER_S = 2.0
BURST_CALLS = 4
WAIT_MAX_S = 20.0
"""Who hurries and would have to wait longer for a turn is refused."""
SPARED_CALLS = 1.0
"""What patient questions leave in the bucket."""
REASON_CHARACTERS_MAX = 200
CALL_WITHIN_S = 15.0
CLOSE_WITHIN_S = 5.0
CLIENT_AGE_MAX_S = 600.0
"""After that the client is opened anew: the token it has may have been refreshed, or be of an older login."""
FAILURES_MAX = 3
REST_FIRST_S = 30.0
REST_MAX_S = 900.0
RETRY_AFTER_MAX_S = 3_600.0
"""What is asked for in Retry-After is believed up to this."""
_BUSY = (408, 425, 429)

log = structlog.get_logger(__name__)


class Declined(PermanentError):
    """Schwab works, and says that it does not answer this question."""


class _Lane:
    """One question after the other: the first failure keeps the next ones back."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.client: Any = None
        self.opened_s = 0.0


class Rest:
    """Asks Schwab over HTTP, through schwab-py's client. Every call may raise TransientError or PermanentError."""

    def __init__(self, open_client: Callable[[], Any], clock: Clock, calls_per_s: float = CALLS_PER_S) -> None:
        """`open_client` gives a client of schwab-py with the present token (feed.client.open_client)."""
        self.calls = self.failures = 0
        """Since the start."""
        self.failed: Callable[[BaseException, str], None] = lambda error, what: None
        """Told of every call without an answer: the error, and why in words."""
        self._open_client = open_client
        self._calls_per_s = calls_per_s
        self._clock = clock
        self._hurried, self._patient = _Lane(), _Lane()
        self._calls_left = float(BURST_CALLS)
        self._filled_s = clock.elapsed_s()
        self._failed = 0
        self._broken = 0
        self._not_before_s = 0.0

    async def traded(self, symbols: Sequence[str]) -> Mapping[str, Traded]:
        """Of each symbol that Schwab has a quote of: when it was last traded; or that Schwab does not know it."""
        body = await self.call(lambda client: client.get_quotes(list(symbols)))
        found: dict[str, Traded] = {}
        if not isinstance(body, dict):
            raise TransientError("Schwab's quotes are no object")
        for key, answer in body.items():
            quote = answer.get("quote") if isinstance(answer, dict) else None
            if isinstance(quote, dict) and (symbol := _asked(key, answer, symbols)):
                trade_ms = quote.get("tradeTime")
                found[symbol] = Traded(int(trade_ms) if isinstance(trade_ms, int | float) else 0)
        errors = body.get("errors")
        unknown = errors.get("invalidSymbols", ()) if isinstance(errors, dict) else ()
        return found | {symbol: Traded(0, known=False) for symbol in unknown if symbol in symbols}

    async def call(
        self, ask: Callable[[Any], Awaitable[Any]], *, read: Callable[[Any], Any] | None = None, patient: bool = False
    ) -> Any:
        """What one answer says. `ask` makes the call on the client and gives its response.

        `read` takes that out of a response of status 200, and may raise ValueError (default: its JSON). Raises
        TransientError (with `retry_after_s`) when it may be asked again then, Declined when Schwab says no, another
        PermanentError when nothing can be asked before somebody logs in.
        """
        lane = self._patient if patient else self._hurried
        async with lane.turn:
            await (self._wait_patiently() if patient else self._take_turn())
            self.calls += 1
            try:
                client = await self._opened(lane)
                async with self._clock.deadline(CALL_WITHIN_S):
                    response = await ask(client)
            except TradeAssistError:
                raise
            except TimeoutError as error:
                self.failed(error, "no answer")
                raise self._failure("no answer") from None
            except Exception as error:
                # httpx, httpx2 or authlib, whichever is installed: known by what they carry, not by their classes.
                self.failed(error, type(error).__name__)
                await self._close(lane)
                if isinstance(getattr(error, "error", None), str):
                    raise self._failure("Schwab refused the token", hint="run `tradeassist auth login`") from error
                raise self._failure(type(error).__name__) from error
            if response.status_code == 401:
                lane.opened_s = float("-inf")  # with the next call comes another client, and its token
            return self._read(response, read or _json)

    async def close(self) -> None:
        """Let go of the clients; the next call opens another, with the token as it is then."""
        for lane in (self._hurried, self._patient):
            await self._close(lane)

    async def _close(self, lane: _Lane) -> None:
        client, lane.client = lane.client, None
        if client is not None:
            try:
                async with self._clock.deadline(CLOSE_WITHIN_S):
                    await client.close_async_session()
            except (TimeoutError, OSError, RuntimeError) as error:
                log.debug("rest.not_closed", error=type(error).__name__)

    async def _opened(self, lane: _Lane) -> Any:
        if self._clock.elapsed_s() - lane.opened_s > CLIENT_AGE_MAX_S:
            await self._close(lane)
        if lane.client is None:
            lane.client, lane.opened_s = self._open_client(), self._clock.elapsed_s()
        return lane.client

    async def _take_turn(self) -> None:
        """Wait for a token of the bucket. Raises TransientError when that is too long, or nothing is asked now."""
        self._refuse_while_left_alone()
        self._fill()
        self._calls_left -= 1.0
        if self._calls_left < 0:
            wait_s = -self._calls_left / self._calls_per_s
            if wait_s > WAIT_MAX_S:
                self._calls_left += 1.0
                raise TransientError("too many calls are waiting", retry_after_s=wait_s)
            await self._clock.pause(wait_s)

    async def _wait_patiently(self) -> None:
        """Wait until the bucket has more than others may want. Raises TransientError when nothing is asked now."""
        while True:
            self._refuse_while_left_alone()
            self._fill()
            missing = 1.0 + SPARED_CALLS - self._calls_left
            if missing <= 1e-9:  # what was waited for, up to the rounding of a clock
                self._calls_left -= 1.0
                return
            await self._clock.pause(missing / self._calls_per_s)

    def _refuse_while_left_alone(self) -> None:
        left_s = self._not_before_s - self._clock.elapsed_s()
        if left_s > 0:
            raise TransientError(f"Schwab's REST is left alone for {left_s:.0f} s", retry_after_s=left_s)

    def _fill(self) -> None:
        now_s = self._clock.elapsed_s()
        self._calls_left = min(BURST_CALLS, self._calls_left + (now_s - self._filled_s) * self._calls_per_s)
        self._filled_s = now_s

    def _read(self, response: Any, read: Callable[[Any], Any]) -> Any:
        status = response.status_code
        if status == 200:
            try:
                body = read(response)
            except ValueError:
                raise self._failure("an answer that is no JSON") from None
            self._failed = self._broken = 0
            return body
        if status >= 500 or status in _BUSY or status in (401, 403):
            wait_s = self._retry_after_s(response)
            raise self._failure(f"HTTP {status}", retry_after_s=wait_s, counts=not (status == 429 and wait_s))
        self._failed = 0  # it answers, and says that the question is wrong
        raise Declined(f"Schwab answered HTTP {status}{_reason(response)}")

    def _failure(self, what: str, *, hint: str = "", retry_after_s: float = 0.0, counts: bool = True) -> TransientError:
        """Count a failure, and leave Schwab alone for as long as it wants, or as we think best.

        `counts=False`: it works and says itself when it may be asked again, so there is nothing to think.
        """
        self.failures += 1
        self._failed += counts
        rest_s = retry_after_s
        if counts and self._failed >= FAILURES_MAX:
            rest_s = max(rest_s, min(REST_FIRST_S * 2**self._broken, REST_MAX_S))
            self._broken = min(self._broken + 1, 10)
            self._failed = FAILURES_MAX - 1  # after the rest one more failure is enough
        if rest_s:
            self._not_before_s = max(self._not_before_s, self._clock.elapsed_s() + rest_s)
            log.warning("rest.left_alone", reason=what, for_s=round(rest_s, 1))
        return TransientError(f"Schwab's REST failed: {what}", hint=hint, retry_after_s=rest_s or None)

    def _retry_after_s(self, response: Any) -> float:
        """Retry-After in seconds, which may be written as a date; 0 without one that can be read."""
        text = str(response.headers.get("Retry-After", "")).strip()
        if text.isascii() and text.isdecimal():
            seconds = float(text)
        else:
            try:
                at = parsedate_to_datetime(text)
            except ValueError:
                return 0.0
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            seconds = (at - datetime.fromtimestamp(self._clock.now_us() / US_PER_S, UTC)).total_seconds()
        return min(max(0.0, seconds), RETRY_AFTER_MAX_S)


def _json(response: Any) -> Any:
    return response.json()


def _reason(response: Any) -> str:
    """What an answer that says no says in words, after a colon; empty when it says nothing that can be read."""
    try:
        body = response.json()
    except ValueError:
        return ""
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else body
    if not isinstance(first, dict):
        return ""
    words = next((first[key] for key in ("detail", "message", "title", "error") if isinstance(first.get(key), str)), "")
    return f": {words[:REASON_CHARACTERS_MAX]}" if words else ""


def _asked(key: str, answer: dict[str, Any], symbols: Sequence[str]) -> str:
    """The symbol that an answer is about: a futures root may come under the contract it stands for."""
    if key in symbols:
        return key
    reference = answer.get("reference")
    product = reference.get("product") if isinstance(reference, dict) else None
    return product if isinstance(product, str) and product in symbols else ""
