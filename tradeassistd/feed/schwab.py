"""The one door to schwab-py: a client for a base URL, and one stream connection with a tap on every frame.

schwab-py stays unmodified. Data comes through its public JSON-decoder hook, before its own relabelling; its known traps
(no deadlines, no close, no reconnect) are met in feed/connection.py.
"""

from __future__ import annotations

import json
import logging
import os
import ssl
import warnings
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from tradeassistd.base.errors import ConfigError, PermanentError, TransientError
from tradeassistd.feed.calls import Calls
from tradeassistd.feed.charts import ChartRow
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, Frame, FrameDecoder
from tradeassistd.feed.token import TokenFile

SCHWAB_URL = "https://api.schwabapi.com"
KEYS_PER_REQUEST = 100
"""A large SUBS makes one large image frame; the rest is added in steps of this many keys."""
LEEWAY_S = 300
"""A call made so shortly before the access token expires, or later, refreshes it first."""
LOG_IN = "log in to Schwab again: tradeassist auth login"
CODE_LOGIN_DENIED = 3
CODE_CLOSE_CONNECTION = 12
CODE_SYMBOL_LIMIT = 19
CODES_DONE = (26, 27, 28, 29)
"""SUCCEEDED_COMMAND_… (Streamer Guide): schwab-py takes every code but 0 for a refusal."""

Charts = Callable[[list[ChartRow]], None]
"""Takes the minutes of a frame: be quick, never raise."""

log = structlog.get_logger(__name__)

with warnings.catch_warnings():
    # schwab-py imports the legacy websockets client, and authlib announces its move to httpx2: neither is news here.
    # Authlib turns its own warning on at import, so that import has to come before the filter.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore")
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    import schwab.contrib.util  # noqa: F401 - set_json_decoder looks it up as an attribute and fails without
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from schwab.auth import TOKEN_ENDPOINT, TokenMetadata, get_auth_context
    from schwab.auth import AuthContext as AuthContext
    from schwab.client import AsyncClient
    from schwab.streaming import StreamClient, StreamJsonDecoder, UnexpectedResponse, UnexpectedResponseCode

for _name in ("schwab", "websockets.client"):
    logging.getLogger(_name).setLevel(logging.INFO)  # at DEBUG they log whole bodies and frames, tokens included


class LoginNeeded(PermanentError):
    """Schwab wants a human: the refresh token is dead."""


class LoginDenied(LoginNeeded):
    """The streamer did not take the access token (code 3), which a fresh one may mend."""


class Unauthorized(TransientError):
    """Schwab did not take the access token (401), or the app lacks one of its two products."""


class Replaced(TransientError):
    """Another program logged in with this user and took the stream (code 12)."""


class Refused(TransientError):
    """Schwab answered a request with a code that says no."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


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


def open_client(
    app_key: str, app_secret: str, token_file: TokenFile, base_url: str, write: Callable[..., None] | None = None,
    calls: Calls | None = None,
) -> Any:  # fmt: skip
    """An async schwab-py client that refreshes its token, talking to `base_url`. Raises ConfigError.

    A refreshed token is handed to `write` (default: into the file) in the file's format; `calls` notes what is asked.
    It is what schwab-py's
    `client_from_access_functions` gives, made of the same public parts, but for two things that grow or cost with every
    connection: the certificates are read once, and no token is put into schwab-py's list of what its log leaves out,
    from which nothing ever goes (its loggers say nothing of tokens at the level they have here).
    """
    try:
        known = TokenMetadata.from_loaded_token(token_file.read(), write or token_file.write_refreshed)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{token_file.path} is not a token file", hint="log in to Schwab again") from error
    store = known.wrapped_token_write_func()

    async def update_token(token: dict[str, Any], *args: Any, **named: Any) -> None:
        store(token, *args, **named)

    session = AsyncOAuth2Client(
        app_key, client_secret=app_secret, token=known.token, token_endpoint=TOKEN_ENDPOINT,
        update_token=update_token, leeway=LEEWAY_S, verify=_trusted(*_trust()),
    )  # fmt: skip
    session.register_compliance_hook("refresh_token_response", _checked_token_answer)
    hooks = calls.hooks() if calls is not None else {}
    if not _is_schwab(base_url):
        hooks["request"] = [*hooks.get("request", []), _redirect(base_url)]
    if hooks:
        session.event_hooks = hooks
    return AsyncClient(app_key, session, token_metadata=known)


def _trust() -> tuple[str, int]:
    """Where the environment says the trusted certificates are, and when that changed (ns): a system replaces them."""
    path = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or ""
    try:
        return path, Path(path).stat().st_mtime_ns if path else 0
    except OSError:
        return path, 0  # reading them will say what is wrong


@lru_cache(maxsize=1)
def _trusted(path: str, changed_ns: int) -> ssl.SSLContext:
    """What every client would make for itself: reading all certificates holds up the event loop for 30 ms."""
    return httpx.create_ssl_context()


async def refresh(client: Any) -> None:
    """A new access token now, stored by the client's own writer. Raises LoginNeeded, TransientError."""
    session = client.session
    try:
        await session.refresh_token(TOKEN_ENDPOINT, refresh_token=session.token["refresh_token"])
    except OAuthError as error:
        raise _token_refused(error) from error
    except Exception as error:
        # httpx or httpx2, the disk, an answer that is no JSON: whatever it was, it may pass.
        raise TransientError(f"the Schwab token was not refreshed: {type(error).__name__}: {str(error)[:200]}",
                             retry_after_s=_retry_after_s(error)) from error  # fmt: skip


def begin_login(app_key: str, callback_url: str, base_url: str) -> AuthContext:
    """A login that begins: `authorization_url` is where the user goes, `state` what has to come back."""
    context = get_auth_context(app_key, callback_url)
    return context._replace(authorization_url=base_url.rstrip("/") + context.authorization_url.removeprefix(SCHWAB_URL))


async def finish_login(
    app_key: str, app_secret: str, context: AuthContext, received_url: str, base_url: str
) -> dict[str, Any]:
    """The tokens for the code in `received_url`, as Schwab gives them. Raises PermanentError, TransientError.

    The client that asks is good for nothing else (schwab-py issue 222): open another one with the stored token.
    """
    async with AsyncOAuth2Client(app_key, redirect_uri=context.callback_url) as session:
        session.register_compliance_hook("access_token_response", _checked_token_answer)
        if not _is_schwab(base_url):
            session.event_hooks = {"request": [_redirect(base_url)]}
        try:
            token = await session.fetch_token(
                TOKEN_ENDPOINT, authorization_response=received_url, client_id=app_key, auth=(app_key, app_secret),
                state=context.state,
            )  # fmt: skip
        except OAuthError as error:
            raise PermanentError(f"Schwab refused the code: {error.error}",
                                 hint="it is good for about 30 seconds and once; begin again, and check that app key, "
                                      "app secret and callback URL are those of the app") from error  # fmt: skip
        except Exception as error:
            # As in `refresh`: the code is lost, but another one may do.
            raise TransientError(f"Schwab gave no token: {type(error).__name__}: {str(error)[:200]}",
                                 hint="begin again") from error  # fmt: skip
    if not token.get("refresh_token") or not token.get("access_token"):
        raise PermanentError("Schwab gave a token of the application alone, which cannot be refreshed",
                             hint="begin again, and paste the whole address")  # fmt: skip
    return dict(token)


async def check_products(client: Any) -> None:
    """That the token opens what the stream needs. Raises Unauthorized, LoginNeeded, TransientError."""
    try:
        answer = await client.get_user_preferences()
        answer.raise_for_status()
    except OAuthError as error:
        raise _token_refused(error) from error
    except Exception as error:
        # As in `refresh`.
        raise _broken(error, "Schwab did not answer") from error


def _checked_token_answer(response: Any) -> Any:
    """Let authlib see only tokens and refusals of them; it would store anything else (a 429, an empty object) as the
    token. Raises httpx's error for the status, ValueError."""
    if response.status_code not in (200, 400, 401):
        response.raise_for_status()
    body = response.json()
    if not isinstance(body, dict) or not (body.get("access_token") or isinstance(body.get("error"), str)):
        response.raise_for_status()
        raise ValueError("the answer holds no token")
    return response


def _is_schwab(base_url: str) -> bool:
    return base_url.rstrip("/") == SCHWAB_URL


def _redirect(base_url: str) -> Callable[[httpx.Request], Any]:
    """schwab-py's base URL is fixed; httpx's public request hook sends the call elsewhere."""
    target = urlsplit(base_url)
    prefix = target.path.rstrip("/").encode()

    async def redirect(request: httpx.Request) -> None:
        if request.url.host == "api.schwabapi.com":
            path = prefix + request.url.raw_path  # with the query
            request.url = request.url.copy_with(
                scheme=target.scheme, host=target.hostname, port=target.port, raw_path=path
            )

    return redirect


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
        await self._call(self._stream.login(connect_args))

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
        """Close the socket (schwab-py has no call for that) and the HTTP session."""
        socket = self._stream._socket
        try:
            if socket is not None:
                await socket.close()
        finally:
            await self._client.close_async_session()

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
            raise _token_refused(error) from error
        except Exception as error:
            # The libraries below raise a wide family here (httpx, websockets, KeyError on an empty userPreference).
            # Whatever it was, this connection is over; the caller backs off and says why.
            raise _broken(error, "the stream broke", self.tap.notice) from error


def _token_refused(error: Any) -> LoginNeeded:
    return LoginNeeded(f"Schwab refused the token: {error.error}", hint=LOG_IN)


def _broken(error: Exception, what: str, notice: str = "") -> TransientError:
    """The error for anything a library raised. With httpx2 installed it is that one's: look at what it has."""
    if getattr(getattr(error, "response", None), "status_code", None) == 401:
        hint = "the app needs both products: Accounts and Trading Production, Market Data Production"
        return Unauthorized("Schwab does not take the access token (401)", hint=hint)
    return TransientError(f"{what}: {(notice or f'{type(error).__name__}: {error}')[:300]}")


def _retry_after_s(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None


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
