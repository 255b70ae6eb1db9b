"""The HTTP half of the simulated Schwab, on FastAPI: login, tokens, user preference, quotes, and what goes wrong there.

Paths, bodies and error bodies are those of the protocol notes (1, 2); everything Schwab has beyond them answers 404.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tradeassistd.sim import control, marketdata
from tradeassistd.sim.answers import error_answer, json_answer, page_answer
from tradeassistd.sim.counters import Counters, RestCall
from tradeassistd.sim.faults.board import Faults
from tradeassistd.sim.faults.distort import concerns, distorted, far_away, price_numbers
from tradeassistd.sim.faults.kinds import Fault
from tradeassistd.sim.market import LevelOne, Market
from tradeassistd.sim.preference import user_preference
from tradeassistd.sim.quotes import quotes
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET, Grant, Tokens

FORM_BYTES_MAX = 65_536


class Backend(control.Backend, marketdata.Backend, Protocol):
    """What the HTTP half needs of the simulator."""

    market: Market
    oauth: Tokens

    @property
    def streamer_url(self) -> str: ...

    @property
    def in_cut(self) -> bool: ...

    @property
    def counters(self) -> Counters: ...

    def elapsed_s(self) -> float: ...

    def pass_time(self) -> None: ...

    async def pause(self, seconds: float) -> None: ...


def build(backend: Backend) -> FastAPI:
    """The application."""
    app = FastAPI(title="Simulated Schwab", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def stand_in_the_way(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if path.startswith(control.PATH):
            return await call_next(request)
        backend.pass_time()
        at_us, elapsed_s = backend.now_us, backend.elapsed_s()
        response = await answered(request, call_next)
        status = 0 if isinstance(response, _HalfAnswer) else response.status_code
        call = RestCall(
            at_us, elapsed_s, request.method, path, request.url.query if path != _PATHS["token"] else "", status
        )
        backend.counters.calls.append(call)
        return response

    async def answered(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if (wrong := await _goes_wrong(backend, path)) is not None:
            return wrong
        if not path.startswith("/v1/oauth/") and not _has_bearer(backend, request):
            return error_answer(401, "Unauthorized", "Client not authorized")
        response = await call_next(request)
        response.headers["Schwab-Client-CorrelId"] = str(uuid.uuid4())
        response.headers["Schwab-Resource-Version"] = "1"
        return response

    @app.exception_handler(HTTPException)
    async def no_such_path(_: Request, error: HTTPException) -> Response:
        return error_answer(error.status_code, error.detail)

    @app.get("/v1/oauth/authorize")
    async def authorize(redirect_uri: str, client_id: str, state: str = "") -> Response:
        """Stands for the login page: whoever asks is the one user, and is sent back with a code."""
        if client_id != APP_KEY:
            return error_answer(401, "Unauthorized", "Invalid client")
        query = {"code": backend.oauth.new_code(), "session": str(uuid.uuid4()), "state": state}
        return RedirectResponse(f"{redirect_uri}?{urlencode(query)}", status_code=302)

    @app.post("/v1/oauth/token")
    async def token(request: Request) -> Response:
        if not _is_the_app(request):
            return json_answer(
                {"error": "invalid_client", "error_description": "Unauthorized: bad app key or secret"}, 401
            )
        return _token_answer(backend, await _form(request))

    @app.get("/trader/v1/userPreference")
    async def preference() -> Response:
        if backend.in_cut:
            return error_answer(503, "Service Unavailable")
        fault = backend.faults.strike("user_preference", backend.now_us)
        match fault["answer"] if fault else "":
            case "unauthorized":
                return error_answer(401, "Unauthorized", "Client not authorized")
            case "error":
                return error_answer(500, "Internal Server Error")
            case "missing":
                body = user_preference(backend.streamer_url)
                del body["streamerInfo"]
                return json_answer(body, 200)
            case how:
                return json_answer(user_preference(backend.streamer_url, with_streamer=how != "empty"), 200)

    @app.get("/marketdata/v1/quotes")
    async def market_quotes(symbols: str = "") -> Response:
        wanted = [symbol for symbol in (part.strip() for part in symbols.split(",")) if symbol]
        if not wanted:
            return error_answer(400, "Bad Request", "symbols are missing")
        body = quotes(backend.market, wanted, lambda level_one: _as_told(backend.faults, level_one))
        return Response(body, media_type="application/json")

    marketdata.add_to(app, backend)
    control.add_to(app, backend)
    return app


async def _goes_wrong(backend: Backend, path: str) -> Response | None:
    """The answer of a fault that is at work for that path; None: it is answered as usual, perhaps later."""
    what = next((name for name, known in _PATHS.items() if path == known or path.startswith(f"{known}/")), "")

    def fits(fault: Fault) -> bool:
        return fault["path"] in ("all", what)

    faults, now_us = backend.faults, backend.now_us
    if slow := faults.strike("rest_slow", now_us, fits):
        await backend.pause(slow["by"])
    if faults.strike("rest_down", now_us, fits):
        return _HalfAnswer(media_type="application/json")
    if fault := faults.strike("rest_status", now_us, fits):
        answer = page_answer(fault["status"]) if fault["html"] else error_answer(fault["status"], "Simulated fault")
        if fault["retry_after"] is not None:
            answer.headers["Retry-After"] = str(fault["retry_after"])
        return answer
    if (again_s := faults.too_many(backend.elapsed_s(), fits)) is not None:
        answer = error_answer(429, "Too Many Requests")
        answer.headers["Retry-After"] = str(again_s)
        return answer
    if what == "token" and (fault := faults.strike("token_refused", now_us)):
        return _TOKEN_REFUSALS[fault["how"]]()
    return None


def _as_told(faults: Faults, level_one: LevelOne) -> LevelOne:
    """The record as REST tells it while quotes disagree or internals are unreliable."""
    wrong = [one for one in faults.data if one.fault.name == "internals"]
    off = faults.find("quotes_disagree")
    if off is not None and not concerns(off, level_one.listing):
        off = None
    if not wrong and off is None:
        return level_one
    fields = list(level_one.values.items())
    for one in wrong:
        fields = distorted(one, level_one, fields, True) or []
    told = LevelOne(level_one.listing)
    told.values = dict(fields)
    if off is not None:
        off.hits += 1
        for number in price_numbers(level_one.listing.layout) & told.values.keys():
            told.values[number] = far_away(told, number, off.fault["away"])
    return told


def _token_answer(backend: Backend, form: dict[str, str]) -> Response:
    now_s = backend.elapsed_s()
    grant: Grant | None
    match form.get("grant_type"):
        case "refresh_token":
            grant = backend.oauth.refresh(form.get("refresh_token", ""), now_s)
            return json_answer(grant.body(), 200) if grant else json_answer(_REFRESH_REFUSED, 400)
        case "authorization_code":
            grant = backend.oauth.exchange(form.get("code", ""), now_s)
            return json_answer(grant.body(), 200) if grant else json_answer(_CODE_REFUSED, 400)
        case "client_credentials":
            return json_answer(backend.oauth.application(now_s).body(), 200)
        case other:
            return json_answer({"error": "unsupported_grant_type", "error_description": f"grant_type {other}"}, 400)


# The body of a refused refresh wraps another one as text, as Schwab sends it.
_REFRESH_REFUSED = {
    "error": "unsupported_token_type",
    "error_description": '400 Bad Request: "{"error_description":"Exception while authenticating refresh token '
    "[tokenDigest=simulator, Exception=Failed refresh token authentication [tokenDigest=simulator]]"
    '","error":"refresh_token_authentication_error"}"',
}
_OTHER_REFUSED = {
    "error": "invalid_client",
    "error_description": "Unauthorized: refresh token invalid, expired or revoked",
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


class _HalfAnswer(Response):
    """Begins and does not go on: uvicorn then breaks the connection, which is what the client must meet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


_PATHS = {
    "token": "/v1/oauth/token",
    "preference": "/trader/v1/userPreference",
    "quotes": "/marketdata/v1/quotes",
    "history": "/marketdata/v1/pricehistory",
    "markets": "/marketdata/v1/markets",
}
_TOKEN_REFUSALS: dict[str, Callable[[], Response]] = {
    "dead": lambda: json_answer(_REFRESH_REFUSED, 400),
    "invalid_client": lambda: json_answer(_OTHER_REFUSED, 400),
    "blocked": lambda: page_answer(403),
    "unavailable": lambda: error_answer(503, "Service Unavailable"),
}
