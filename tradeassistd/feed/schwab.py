"""One connection to Schwab's stream through schwab-py, with a tap on every frame.

schwab-py stays unmodified. Data comes through its public JSON-decoder hook, before its own relabelling; its known traps
(no deadlines, no close, no reconnect) are met in feed/connection.py.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from tradeassistd.base.errors import TransientError
from tradeassistd.feed.charts import ChartRow
from tradeassistd.feed.client import OAuthError  # before schwab-py, whose warnings it has turned off
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, Frame, FrameDecoder
from tradeassistd.feed.refusals import LOG_IN, LoginDenied, LoginNeeded, Refused, Replaced, broken, token_refused

KEYS_PER_REQUEST = 100
"""A large SUBS makes one large image frame; the rest is added in steps of this many keys."""
CODE_LOGIN_DENIED = 3
CODE_CLOSE_CONNECTION = 12
CODE_SYMBOL_LIMIT = 19
CODES_DONE = (26, 27, 28, 29)
"""SUCCEEDED_COMMAND_… (Streamer Guide): schwab-py takes every code but 0 for a refusal."""

Charts = Callable[[list[ChartRow]], None]
"""Takes the minutes of a frame: be quick, never raise."""

log = structlog.get_logger(__name__)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # schwab-py imports the legacy websockets client
    import schwab.contrib.util  # noqa: F401 - set_json_decoder looks it up as an attribute and fails without
    from schwab.streaming import StreamClient, StreamJsonDecoder, UnexpectedResponse, UnexpectedResponseCode

for _name in ("schwab", "websockets.client"):
    logging.getLogger(_name).setLevel(logging.INFO)  # at DEBUG they log whole bodies and frames, tokens included


class Tap(StreamJsonDecoder):  # type: ignore[misc]
    """Sees every raw frame: hands data on and keeps it from schwab-py, passes replies and notifies through."""

    def __init__(
        self, put: Callable[[Frame], None], saw: Callable[[str], None] | None = None, charts: Charts | None = None
    ) -> None:
        """`put` gets what was decoded, `charts` the minutes; `saw` every frame as it came."""
        self.frames = 0
        self.odd_items = 0
        self.notice = ""
        """What the last ADMIN notify said, e.g. why Schwab stopped the stream."""
        self._put = put
        self._saw = saw
        self._charts = charts
        self._decoder = FrameDecoder()

    def decode_json_string(self, raw: str) -> dict[str, Any]:
        """schwab-py's hook. A frame that is no JSON is counted, not raised: it must not end the stream."""
        self.frames += 1
        if self._saw is not None:
            self._saw(raw)
        try:
            decoded = self._decoder.decode(raw)
        except json.JSONDecodeError:
            self.odd_items += 1
            log.warning("frame.unreadable", length=len(raw))
            return {}
        if decoded.odd_items:
            self.odd_items += decoded.odd_items
            log.debug("frame.odd", items=decoded.odd_items)
        if decoded.charts and self._charts is not None:
            self._charts(decoded.charts)
        if decoded.frame.header_ms or decoded.frame.changes:
            self._put(decoded.frame)
        if decoded.passed is None:
            return {}
        notices = decoded.passed.get("notify")
        for part in notices if isinstance(notices, list) else []:
            content = part.get("content") if isinstance(part, dict) else None
            if isinstance(content, dict):
                self.notice = f"code {content.get('code')}: {content.get('msg')}"
        return decoded.passed


class Stream:
    """One connection: `login`, `subscribe`, `receive` until it breaks, `close`. Never used twice."""

    def __init__(
        self, client: Any, put: Callable[[Frame], None], saw: Callable[[str], None] | None = None,
        charts: Charts | None = None,
    ) -> None:  # fmt: skip
        """`put` gets every decoded frame, `saw` each as it came (feed.ring).

        With `charts`, which gets the minutes that Schwab tells, these are subscribed to beside level one.
        """
        self.tap = Tap(put, saw, charts)
        self._wants_charts = charts is not None
        self._charted: set[str] = set()
        self._client = client
        self._stream = self._fresh()

    async def login(self) -> None:
        """Fetch the streamer's address, connect, LOGIN. Raises LoginNeeded, TransientError, Replaced."""
        connect_args = {"max_size": 2**24, "ping_interval": 20, "ping_timeout": 20, "open_timeout": 15}
        try:
            await self._call(self._stream.login(connect_args))
        except TransientError as error:
            if isinstance(error.__cause__, IndexError | KeyError):  # schwab-py takes the streamer to be there
                raise TransientError("Schwab names no streamer: its user preference lacks streamerInfo") from error
            raise

    async def begin_anew(self) -> None:
        """After a login that was denied: drop its socket, so that `login` may be called again."""
        stream, self._stream = self._stream, self._fresh()
        if stream._socket is not None:
            await self._call(stream._socket.close())

    async def subscribe(self, symbols: tuple[str, ...]) -> dict[str, str]:
        """Level one of exactly `symbols`; each answers with its full image. Gives those refused, and why."""
        stream, refused = self._stream, dict[str, str]()
        for service, part in _by_service(symbols):
            first, more = (
                (stream.level_one_futures_subs, stream.level_one_futures_add)
                if service == FUTURES
                else (stream.level_one_equity_subs, stream.level_one_equity_add)
            )
            refused |= await self._ask(first, more, part, _fields(service))
        return refused

    async def add(self, symbols: tuple[str, ...]) -> dict[str, str]:
        """Level one of `symbols` too. Gives those refused, and why."""
        refused = dict[str, str]()
        for service, part in _by_service(symbols):
            more = self._stream.level_one_futures_add if service == FUTURES else self._stream.level_one_equity_add
            refused |= await self._ask(more, more, part, _fields(service))
        return refused

    async def drop(self, symbols: tuple[str, ...]) -> None:
        """No more of `symbols`."""
        for service, part in _by_service(symbols):
            await self._drop(
                self._stream.level_one_futures_unsubs if service == FUTURES else self._stream.level_one_equity_unsubs,
                part,
            )

    async def _drop(self, less: Any, symbols: list[str]) -> None:
        for start in range(0, len(symbols), KEYS_PER_REQUEST):
            try:
                await self._call(less(symbols[start : start + KEYS_PER_REQUEST]))
            except Refused as error:  # rows that nobody wants go on coming, which does no harm
                log.warning("stream.not_dropped", reason=str(error))

    async def chart(self, symbols: tuple[str, ...]) -> None:
        """Schwab's minutes of `symbols` and of no others, where they are wanted. A refusal is only logged.

        Raises TransientError when the connection breaks over it.
        """
        if not self._wants_charts:
            return
        for service, part in _by_service(symbols):
            await self._chart(service, [symbol for symbol in part if symbol not in self._charted])
        for service, part in _by_service(tuple(self._charted.difference(symbols))):
            await self._drop(
                self._stream.chart_futures_unsubs if service == FUTURES else self._stream.chart_equity_unsubs, part
            )
            self._charted.difference_update(part)

    async def _chart(self, service: str, symbols: list[str]) -> None:
        stream = self._stream
        begin, more = (
            (stream.chart_futures_subs, stream.chart_futures_add)
            if service == FUTURES
            else (stream.chart_equity_subs, stream.chart_equity_add)
        )
        begun = any((symbol[0] == "/") == (service == FUTURES) for symbol in self._charted)
        refused = await self._ask(more if begun else begin, more, symbols) if symbols else {}
        self._charted.update(symbol for symbol in symbols if symbol not in refused)
        if refused:
            log.info("charts.refused", service=service, symbols=len(refused), reason=next(iter(refused.values())))

    async def receive(self) -> None:
        """Take one frame off the socket. Raises TransientError or Replaced when the connection is over."""
        await self._call(self._stream.handle_message())

    async def close(self) -> None:
        """Close the socket (schwab-py has no call for that) and the HTTP session. Raises TransientError when the peer
        was gone before it could say goodbye."""
        socket = self._stream._socket
        try:
            if socket is not None:
                await self._call(socket.close())
        finally:
            await self._call(self._client.close_async_session())

    def _fresh(self) -> Any:
        stream = StreamClient(self._client)
        stream.set_json_decoder(self.tap)
        return stream

    async def _ask(self, first: Any, more: Any, symbols: list[str], fields: list[Any] | None = None) -> dict[str, str]:
        """`first` for the first keys that are taken, `more` for the rest.

        Keys beyond Schwab's limit are found by halving, so that as many as fit are watched; any other refusal is of
        the whole request. Gives the symbols refused, and why.
        """
        call, refused = first, dict[str, str]()
        parts = deque(symbols[start : start + KEYS_PER_REQUEST] for start in range(0, len(symbols), KEYS_PER_REQUEST))
        while parts:
            part = parts.popleft()
            try:
                # schwab-py may append to the list it gets; charts have all their fields always.
                await self._call(call(part, fields=list(fields)) if fields else call(part))
                call = more
            except Refused as error:
                if error.code == CODE_SYMBOL_LIMIT and len(part) > 1:
                    half = len(part) // 2
                    parts.extendleft((part[half:], part[:half]))
                    continue
                refused |= dict.fromkeys(part, str(error))
                if error.code == CODE_SYMBOL_LIMIT:  # it is reached: nothing behind it fits either
                    refused |= dict.fromkeys((symbol for rest in parts for symbol in rest), str(error))
                    break
        return refused

    async def _call(self, step: Any) -> None:
        try:
            await step
        except UnexpectedResponseCode as error:
            if _content(error.response).get("code") not in CODES_DONE:
                raise _refusal(error.response) from error
        except UnexpectedResponse as error:
            raise _refusal(error.response, late=True) from error
        except OAuthError as error:
            raise token_refused(error) from error
        except Exception as error:
            # The libraries below raise a wide family here (httpx, websockets, KeyError on an empty userPreference).
            # Whatever it was, this connection is over; the caller backs off and says why.
            raise broken(error, "the stream broke", self.tap.notice) from error


def _by_service(symbols: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Symbols by the service that streams them; indices and internals come with the equities."""
    futures = [symbol for symbol in symbols if symbol.startswith("/")]
    others = [symbol for symbol in symbols if not symbol.startswith("/")]
    return [(service, part) for service, part in ((EQUITIES, others), (FUTURES, futures)) if part]


def _fields(service: str) -> list[Any]:
    kind = StreamClient.LevelOneFuturesFields if service == FUTURES else StreamClient.LevelOneEquityFields
    return [kind(0), *(kind(int(number)) for number in FIELDS[service].values())]


def _content(response: Any) -> dict[str, Any]:
    content = response["response"][0].get("content")
    return content if isinstance(content, dict) else {}


def _refusal(response: Any, *, late: bool = False) -> TransientError | LoginNeeded:
    """The error for a reply that says no (Streamer Guide, response codes), or that nobody waits for any more."""
    content = _content(response)
    code, text = content.get("code"), content.get("msg", "")
    if code == CODE_CLOSE_CONNECTION:
        return Replaced(f"another program took the stream: {text}", hint="one stream per Schwab user")
    if code == CODE_LOGIN_DENIED:
        return LoginDenied(f"Schwab denied the login: {text}", hint=LOG_IN)
    if late or not isinstance(code, int):
        return TransientError(f"Schwab answered out of turn, code {code}: {text}")
    return Refused(f"Schwab answered code {code}: {text}", code)
