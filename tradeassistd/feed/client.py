"""schwab-py's HTTP client, opened for a base URL: its token kept fresh, a login begun and finished.

schwab-py stays unmodified; what it leaves open (which answers are tokens, whose certificates) is met here.
"""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tradeassistd.base.errors import ConfigError, PermanentError, TransientError
from tradeassistd.feed.calls import Calls
from tradeassistd.feed.refusals import broken, token_refused
from tradeassistd.feed.token import TokenFile

SCHWAB_URL = "https://api.schwabapi.com"
LEEWAY_S = 300
"""A call made so shortly before the access token expires, or later, refreshes it first."""

with warnings.catch_warnings():
    # Authlib announces its move to httpx2, and schwab-py imports the legacy websockets client: neither is news here.
    # Authlib turns its own warning on at import, so that import has to come before the filter.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore")
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.base_client import OAuthError as OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from schwab.auth import TOKEN_ENDPOINT, TokenMetadata, get_auth_context
    from schwab.auth import AuthContext as AuthContext
    from schwab.client import AsyncClient


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
        raise token_refused(error) from error
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
        raise token_refused(error) from error
    except Exception as error:
        # As in `refresh`.
        raise broken(error, "Schwab did not answer") from error


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


def _retry_after_s(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None
