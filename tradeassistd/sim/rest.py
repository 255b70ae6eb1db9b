"""The HTTP half of the simulated Schwab, on FastAPI: login, tokens, user preference, quotes.

Paths, bodies and error bodies are those of the protocol notes (1, 2); everything Schwab has beyond them answers 404.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import parse_qs, urlencode

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from tradeassistd.sim.faults import Faults
from tradeassistd.sim.market import Market
from tradeassistd.sim.preference import user_preference
from tradeassistd.sim.quotes import quotes
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET, Grant, Tokens

FORM_BYTES_MAX = 65_536


class Backend(Protocol):
    """What the HTTP half needs of the simulator."""

    market: Market
    oauth: Tokens
    faults: Faults

    @property
    def streamer_url(self) -> str: ...

    @property
    def in_cut(self) -> bool: ...

    def elapsed_s(self) -> float: ...


def build(backend: Backend) -> FastAPI:
    """The application."""
    app = FastAPI(title="Simulated Schwab", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def stand_in_the_way(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if backend.faults.http_status is not None:
            return _error(backend.faults.http_status, "Simulated fault")
        if not request.url.path.startswith("/v1/oauth/") and not _has_bearer(backend, request):
            return _error(401, "Unauthorized", "Client not authorized")
        response = await call_next(request)
        response.headers["Schwab-Client-CorrelId"] = str(uuid.uuid4())
        response.headers["Schwab-Resource-Version"] = "1"
        return response

    @app.exception_handler(HTTPException)
    async def no_such_path(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, error.detail)

    @app.get("/v1/oauth/authorize")
    async def authorize(redirect_uri: str, client_id: str, state: str = "") -> Response:
        """Stands for the login page: whoever asks is the one user, and is sent back with a code."""
        if client_id != APP_KEY:
            return _error(401, "Unauthorized", "Invalid client")
        query = {"code": backend.oauth.new_code(), "session": str(uuid.uuid4()), "state": state}
        return RedirectResponse(f"{redirect_uri}?{urlencode(query)}", status_code=302)

    @app.post("/v1/oauth/token")
    async def token(request: Request) -> Response:
        if not _is_the_app(request):
            return _json({"error": "invalid_client", "error_description": "Unauthorized: bad app key or secret"}, 401)
        return _token_answer(backend, await _form(request))

    @app.get("/trader/v1/userPreference")
    async def preference() -> Response:
        if backend.in_cut:
            return _error(503, "Service Unavailable")
        return _json(user_preference(backend.streamer_url, with_streamer=not backend.faults.empty_streamer_info), 200)

    @app.get("/marketdata/v1/quotes")
    async def market_quotes(symbols: str = "") -> Response:
        wanted = [symbol for symbol in (part.strip() for part in symbols.split(",")) if symbol]
        if not wanted:
            return _error(400, "Bad Request", "symbols are missing")
        return Response(quotes(backend.market, wanted), media_type="application/json")

    return app


def _token_answer(backend: Backend, form: dict[str, str]) -> Response:
    now_s = backend.elapsed_s()
    grant: Grant | None
    match form.get("grant_type"):
        case "refresh_token":
            grant = backend.oauth.refresh(form.get("refresh_token", ""), now_s)
            return _json(grant.body(), 200) if grant else _json(_REFRESH_REFUSED, 400)
        case "authorization_code":
            grant = backend.oauth.exchange(form.get("code", ""), now_s)
            return _json(grant.body(), 200) if grant else _json(_CODE_REFUSED, 400)
        case "client_credentials":
            return _json(backend.oauth.application(now_s).body(), 200)
        case other:
            return _json({"error": "unsupported_grant_type", "error_description": f"grant_type {other}"}, 400)


# The body of a refused refresh wraps another one as text, as Schwab sends it.
_REFRESH_REFUSED = {
    "error": "unsupported_token_type",
    "error_description": '400 Bad Request: "{"error_description":"Exception while authenticating refresh token '
    "[tokenDigest=simulator, Exception=Failed refresh token authentication [tokenDigest=simulator]]"
    '","error":"refresh_token_authentication_error"}"',
}
_CODE_REFUSED = {"error": "invalid_grant", "error_description": "Authorization code is unknown, used or too old"}


def _has_bearer(backend: Backend, request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and backend.oauth.is_good(token.strip(), backend.elapsed_s())


def _is_the_app(request: Request) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        pair = base64.b64decode(given, validate=True)
    except binascii.Error:
        return False
    return scheme.lower() == "basic" and pair == f"{APP_KEY}:{APP_SECRET}".encode()


async def _form(request: Request) -> dict[str, str]:
    """The URL-encoded body; of a name given twice the last counts. An oversized body reads as empty."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1"), keep_blank_values=True).items()}


def _error(status: int, title: str, detail: str | None = None) -> Response:
    error: dict[str, object] = {"id": str(uuid.uuid4()), "status": status, "title": title}
    return _json({"errors": [error | ({"detail": detail} if detail else {})]}, status)


def _json(body: object, status: int) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
