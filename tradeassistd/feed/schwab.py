"""The one door to schwab-py: a client for a base URL, and one stream connection with a tap on every frame.

schwab-py stays unmodified. Data comes through its public JSON-decoder hook, before its own relabelling; its known traps
(no deadlines, no close, no reconnect) are met in feed/connection.py.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from tradeassistd.base.errors import ConfigError, PermanentError, TransientError
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, Frame, FrameDecoder
from tradeassistd.feed.token import TokenFile

if TYPE_CHECKING:
    import httpx

SCHWAB_URL = "https://api.schwabapi.com"
KEYS_PER_REQUEST = 100
"""A large SUBS makes one large image frame; the rest is added in steps of this many keys."""
CODE_CLOSE_CONNECTION = 12
CODE_LOGIN_DENIED = 3

log = structlog.get_logger(__name__)

with warnings.catch_warnings():
    # schwab-py imports the legacy websockets client, and authlib announces its move to httpx2: neither is news here.
    # Authlib turns its own warning on at import, so that import has to come before the filter.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore")
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    import schwab.contrib.util  # noqa: F401 - set_json_decoder looks it up as an attribute and fails without
    from authlib.integrations.base_client import OAuthError
    from schwab.auth import client_from_access_functions
    from schwab.streaming import StreamClient, StreamJsonDecoder, UnexpectedResponse, UnexpectedResponseCode

logging.getLogger("schwab").setLevel(logging.INFO)  # at DEBUG it logs whole bodies, tokens included


class LoginNeeded(PermanentError):
    """Schwab wants a human: the refresh token is dead."""


class Replaced(TransientError):
    """Another program logged in with this user and took the stream (code 12)."""


class Tap(StreamJsonDecoder):  # type: ignore[misc]
    """Sees every raw frame: hands data on and keeps it from schwab-py, passes replies and notifies through."""

    def __init__(self, put: Callable[[Frame], None]) -> None:
        self.frames = 0
        self.odd_items = 0
        self.notice = ""
        """What the last ADMIN notify said, e.g. why Schwab stopped the stream."""
        self._put = put
        self._decoder = FrameDecoder()

    def decode_json_string(self, raw: str) -> dict[str, Any]:
        """schwab-py's hook. A frame that is no JSON is counted, not raised: it must not end the stream."""
        self.frames += 1
        try:
            decoded = self._decoder.decode(raw)
        except json.JSONDecodeError:
            self.odd_items += 1
            log.warning("frame.unreadable", length=len(raw))
            return {}
        if decoded.odd_items:
            self.odd_items += decoded.odd_items
            log.debug("frame.odd", items=decoded.odd_items)
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


def open_client(app_key: str, app_secret: str, token_file: TokenFile, base_url: str) -> Any:
    """An async schwab-py client that refreshes its token, talking to `base_url`. Raises ConfigError."""
    try:
        client = client_from_access_functions(app_key, app_secret, token_file.read, token_file.write, asyncio=True)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{token_file.path} is not a token file", hint="log in to Schwab again") from error
    if base_url.rstrip("/") != SCHWAB_URL:
        client.session.event_hooks = {"request": [_redirect(base_url)]}
    return client


def _redirect(base_url: str) -> Callable[[httpx.Request], Any]:
    """schwab-py's base URL is fixed; httpx's public request hook sends the call elsewhere."""
    import httpx

    target = httpx.URL(base_url)

    async def redirect(request: httpx.Request) -> None:
        if request.url.host == "api.schwabapi.com":
            request.url = request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port)

    return redirect


class Stream:
    """One connection: `login`, `subscribe`, `receive` until it breaks, `close`. Never used twice."""

    def __init__(self, client: Any, put: Callable[[Frame], None]) -> None:
        self.tap = Tap(put)
        self._client = client
        self._stream = StreamClient(client)
        self._stream.set_json_decoder(self.tap)

    async def login(self) -> None:
        """Fetch the streamer's address, connect, LOGIN. Raises LoginNeeded, TransientError, Replaced."""
        connect_args = {"max_size": 2**24, "ping_interval": 20, "ping_timeout": 20, "open_timeout": 15}
        await self._call(self._stream.login(connect_args))

    async def subscribe(self, symbols: tuple[str, ...]) -> None:
        """Level one of exactly `symbols`; each answers with its full image."""
        stream = self._stream
        for service, part in _by_service(symbols):
            first, more = (
                (stream.level_one_futures_subs, stream.level_one_futures_add)
                if service == FUTURES
                else (stream.level_one_equity_subs, stream.level_one_equity_add)
            )
            await self._request(first, part[:KEYS_PER_REQUEST], _fields(service))
            await self._request(more, part[KEYS_PER_REQUEST:], _fields(service))

    async def add(self, symbols: tuple[str, ...]) -> None:
        """Level one of `symbols` too."""
        for service, part in _by_service(symbols):
            more = self._stream.level_one_futures_add if service == FUTURES else self._stream.level_one_equity_add
            await self._request(more, part, _fields(service))

    async def drop(self, symbols: tuple[str, ...]) -> None:
        """No more of `symbols`."""
        for service, part in _by_service(symbols):
            less = self._stream.level_one_futures_unsubs if service == FUTURES else self._stream.level_one_equity_unsubs
            await self._request(less, part)

    async def receive(self) -> None:
        """Take one frame off the socket. Raises TransientError or Replaced when the connection is over."""
        await self._call(self._stream.handle_message())

    async def close(self) -> None:
        """Close the socket (schwab-py has no call for that) and the HTTP session."""
        socket = self._stream._socket
        try:
            if socket is not None:
                await socket.close()
        finally:
            await self._client.close_async_session()

    async def _request(self, call: Any, symbols: list[str], fields: list[Any] | None = None) -> None:
        for start in range(0, len(symbols), KEYS_PER_REQUEST):
            arguments = {} if fields is None else {"fields": list(fields)}  # schwab-py may append to the list it gets
            await self._call(call(symbols[start : start + KEYS_PER_REQUEST], **arguments))

    async def _call(self, step: Any) -> None:
        try:
            await step
        except (UnexpectedResponse, UnexpectedResponseCode) as error:
            raise _refusal(error.response) from error
        except OAuthError as error:
            raise LoginNeeded(f"Schwab refused the token: {error.error}", hint="log in to Schwab again") from error
        except Exception as error:
            # The libraries below raise a wide family here (httpx, websockets, KeyError on an empty userPreference).
            # Whatever it was, this connection is over; the caller backs off and says why.
            reason = self.tap.notice or f"{type(error).__name__}: {error}"
            raise TransientError(f"the stream broke: {reason[:300]}") from error


def _by_service(symbols: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Symbols by the service that streams them; indices and internals come with the equities."""
    futures = [symbol for symbol in symbols if symbol.startswith("/")]
    others = [symbol for symbol in symbols if not symbol.startswith("/")]
    return [(service, part) for service, part in ((EQUITIES, others), (FUTURES, futures)) if part]


def _fields(service: str) -> list[Any]:
    kind = StreamClient.LevelOneFuturesFields if service == FUTURES else StreamClient.LevelOneEquityFields
    return [kind(0), *(kind(int(number)) for number in FIELDS[service].values())]


def _refusal(response: Any) -> TransientError | LoginNeeded:
    """The error for a reply that says no (Streamer Guide, response codes)."""
    content = response["response"][0].get("content", {})
    code, text = content.get("code"), content.get("msg", "")
    if code == CODE_CLOSE_CONNECTION:
        return Replaced(f"another program took the stream: {text}", hint="one stream per Schwab user")
    if code == CODE_LOGIN_DENIED:
        return LoginNeeded(f"Schwab denied the login: {text}", hint="log in to Schwab again")
    return TransientError(f"Schwab answered code {code}: {text}")
