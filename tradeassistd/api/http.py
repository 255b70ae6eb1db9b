"""The HTTP half of the API: routes over a Control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any, TypeVar, get_args

import structlog
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from tradeassistd import __version__
from tradeassistd.api import backfill_routes, history_routes, retention_routes, store_routes
from tradeassistd.api.answers import acked_document, health_of
from tradeassistd.api.audited import Audited, Reads
from tradeassistd.api.control import AlertsQuery, Control, ReloadResult
from tradeassistd.api.events import Event, Kind
from tradeassistd.api.hub import Hub
from tradeassistd.api.models import (
    Acked,
    AlertsPage,
    DetailedHealth,
    Failure,
    Health,
    Quote,
    Reloaded,
    Rule,
    RuleDetail,
    Silence,
)
from tradeassistd.base.errors import PermanentError, TradeAssistError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.log import last_lines
from tradeassistd.base.yaml12 import ValueProblem, did_you_mean
from tradeassistd.base.yaml12.values import DURATION_MAX_S
from tradeassistd.engine import silences as engine_silences
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.rules.fields import TEXT_MAX
from tradeassistd.rules.silences import GLOBS_MAX, glob, until_us

ALERTS_MAX = 1_000
BY_CHARACTERS_MAX = 100
NDJSON = "application/x-ndjson"
"""Lines, each a JSON document."""
FRAMES_PER_TURN = 5
"""Frames redacted between two turns of the daemon's other work."""
SEVERITY = f"^({'|'.join(SEVERITIES)})?$"
LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}

Globs = list[str] | None
T = TypeVar("T")

log = structlog.get_logger(__name__)


def build(control: Control, hub: Hub, reads: Reads | None = None) -> FastAPI:
    """The application; with `reads` requests are noted in the audit.

    Every route runs on the daemon's event loop, so what it reads of the engine fits together."""
    # No documentation pages: they would load scripts from elsewhere. The document itself is at /openapi.json.
    app = FastAPI(
        title="tradeassistd", version=__version__, description="The local API of the tradeassist daemon.",
        docs_url=None, redoc_url=None, responses={503: {"model": Failure}},
    )  # fmt: skip
    app.add_middleware(NoWebPages)
    if reads is not None:
        app.add_middleware(Audited, note=control.note, reads=reads)
    app.add_exception_handler(TradeAssistError, _answer_error)
    _add_health(app, control, hub)
    _add_market(app, control)
    _add_rules(app, control)
    _add_ack(app, control)
    _add_silences(app, control)
    _add_reconnect(app, control)
    _add_diagnostics(app, control)
    backfill_routes.add_to(app, control)
    history_routes.add_to(app, control)
    retention_routes.add_to(app, control)
    store_routes.add_to(app, control)
    _add_events(app)
    return app


def _add_health(app: FastAPI, control: Control, hub: Hub) -> None:
    @app.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether the daemon does its work: 200, or 503 with what is wrong."""
        found = health_of(control.status())
        response.status_code = HTTPStatus.OK if found.healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return found

    @app.get("/health/detailed")
    async def health_detailed() -> DetailedHealth:
        """Everything the daemon says of itself; always 200."""
        status = control.status()
        return DetailedHealth(**{**status, "health": health_of(status), "events": hub.status()})


def _add_market(app: FastAPI, control: Control) -> None:
    @app.get("/quotes", responses={404: {"model": Failure}})
    async def quotes(
        symbols: Annotated[list[str] | None, Query(description="Only these, each `/ES` or `/ES,SPY`.")] = None,
    ) -> list[Quote]:
        """The present quote of every symbol that some rule reads and that has one."""
        found = control.quotes()
        wanted = [symbol for given in symbols or [] for symbol in given.split(",") if symbol]
        missing = set(wanted) - {quote.symbol for quote in found}
        if missing:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no quote of {', '.join(sorted(missing))}")
        return [quote for quote in found if not wanted or quote.symbol in wanted]

    @app.get("/alerts", responses={404: {"model": Failure}})
    async def alerts(
        limit: Annotated[int, Query(ge=1, le=ALERTS_MAX)] = 50,
        rule: Annotated[str, Query(description="Only of this rule.")] = "",
        symbol: Annotated[str, Query(description="Only of this symbol.")] = "",
        severity: Annotated[str, Query(pattern=SEVERITY, description="Only of this severity.")] = "",
        since: Annotated[AwareDatetime | None, Query(description="ISO 8601 with zone; included.")] = None,
        until: Annotated[AwareDatetime | None, Query(description="ISO 8601 with zone; included.")] = None,
        suppressed: Annotated[bool, Query(description="Also those nobody was told.")] = False,
        before: Annotated[str, Query(description="`next` of the page before.")] = "",
    ) -> AlertsPage:  # fmt: skip
        """Stored alerts with what became of their deliveries, newest first, a page at a time."""
        return await control.alerts(
            AlertsQuery(
                limit=limit, rule=rule, symbol=symbol, severity=severity, suppressed=suppressed, before=before,
                since_us=round(since.timestamp() * US_PER_S) if since else 0,
                until_us=round(until.timestamp() * US_PER_S) if until else 2**62,
            )
        )  # fmt: skip


def _add_rules(app: FastAPI, control: Control) -> None:
    unwaited: set[asyncio.Task[None]] = set()

    @app.get("/rules")
    async def rules() -> list[Rule]:
        """Every rule in force, in the order they are judged, with its state per symbol."""
        return control.rules()

    @app.get("/rules/{rule_id}", responses={404: {"model": Failure}})
    async def rule(rule_id: str) -> RuleDetail:
        """One rule: the condition as a tree with live values, why it is unknown, how far it is from firing."""
        found = control.rule(rule_id)
        if found is None:
            hint = did_you_mean(rule_id, [one.id for one in control.rules()]) or "`tradeassist rules list` shows them"
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no rule is called {rule_id!r} ({hint})")
        return found

    @app.post("/rules/reload", responses={202: {"model": Reloaded}, 422: {"model": Reloaded}})
    async def reload(
        response: Response,
        allow_empty: Annotated[bool, Query(description="Accept a directory without rules.")] = False,
        wait: Annotated[bool, Query(description="Answer when it is done, else 202 at once.")] = True,
    ) -> Reloaded:
        """Read the rules directory and put in force what is right in it. 422: a file was rejected."""
        if not wait:
            task = asyncio.create_task(_reload_unwaited(control, allow_empty=allow_empty), name="api.reload")
            unwaited.add(task)
            task.add_done_callback(unwaited.discard)
            response.status_code = HTTPStatus.ACCEPTED
            return Reloaded(accepted=None, hash="", added=[], changed=[], removed=[], problems=[], rejected=[])
        result = await control.reload(allow_empty=allow_empty)
        response.status_code = HTTPStatus.OK if result.accepted else HTTPStatus.UNPROCESSABLE_ENTITY
        return _reloaded(result)


def _add_ack(app: FastAPI, control: Control) -> None:
    @app.post("/ack", responses={404: {"model": Failure}})
    async def ack(
        rule: Annotated[str, Query(description="Id of the rule.")],
        symbol: Annotated[str, Query(description="Only of this symbol; all when left out.")] = "",
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who has seen it, for the audit.")] = "",
    ) -> Acked:
        """Somebody has seen it: no more reminders of the present firings of a rule that were told."""
        return acked_document(rule, await control.acknowledge(rule, symbol, by))


def _add_reconnect(app: FastAPI, control: Control) -> None:
    @app.post("/reconnect")
    async def reconnect() -> Health:
        """Try the next connection now instead of waiting; nothing happens while there is one."""
        control.reconnect()
        return health_of(control.status())


def _add_diagnostics(app: FastAPI, control: Control) -> None:
    lines = {"schema": {"type": "string"}}

    @app.get("/diagnostics/frames", response_class=StreamingResponse,
             responses={200: {"content": {NDJSON: lines}}})  # fmt: skip
    async def frames() -> StreamingResponse:
        """The raw frames of the last ten minutes, oldest first, as lines of JSON: `{"age_s": ..., "frame": ...}`.

        Tokens, account numbers and customer ids are taken out; a busy feed reaches back less than ten minutes.
        """
        return StreamingResponse(_paced(control.frames()), media_type=NDJSON)

    @app.get("/diagnostics/log")
    async def log_lines() -> list[str]:
        """The last lines of the daemon's log, oldest first."""
        return last_lines()


async def _paced(lines: Iterator[str]) -> AsyncIterator[str]:
    """A few lines at a time, so that ticks are not held up."""
    while some := list(islice(lines, FRAMES_PER_TURN)):
        yield "\n".join(some) + "\n"
        await asyncio.sleep(0)


def _add_silences(app: FastAPI, control: Control) -> None:
    refused: dict[int | str, dict[str, Any]] = {404: {"model": Failure}}

    @app.get("/silences")
    async def silences() -> list[Silence]:
        """The silences in force: those of `_silences.yaml`, then those that were said, oldest first."""
        return control.silences()

    @app.post("/silences", responses={**refused, 422: {"model": Failure}})
    async def silence(
        rule: Annotated[Globs, Query(max_length=GLOBS_MAX, description="Globs of rule ids; none: all.")] = None,
        symbol: Annotated[Globs, Query(max_length=GLOBS_MAX, description="Globs of symbols; none: all.")] = None,
        tag: Annotated[Globs, Query(max_length=GLOBS_MAX, description="Globs of tags; none: all.")] = None,
        for_s: Annotated[int, Query(ge=0, le=DURATION_MAX_S, description="How long, in seconds; or `until`.")] = 0,
        until: Annotated[str, Query(description="A date, a time with its zone, or HH:MM in New York.")] = "",
        reason: Annotated[str, Query(max_length=TEXT_MAX)] = "",
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who says it.")] = "",
    ) -> Silence:
        """Nobody is told of what fits, from now on; what still fires when it ends is told then."""
        wanted = _wanted(rule, symbol, tag, reason.strip(), by)
        if bool(for_s) == bool(until):
            raise _unfit("name for_s or until")
        if until:
            _checked(lambda: until_us(until, wanted.symbols, now_us=1))

        def ends_us(now_us: int) -> int:
            return until_us(until, wanted.symbols, now_us) if until else now_us + for_s * US_PER_S

        return control.silence_document(await control.silencing.silence(wanted, ends_us))

    @app.delete("/silences/{number}", responses=refused)
    async def end(
        number: int,
        by: Annotated[str, Query(max_length=BY_CHARACTERS_MAX, description="Who ends it, for the audit.")] = "",
    ) -> Silence:
        """Ends a silence that was said; those of the file end when they are removed there."""
        return control.silence_document(await control.silencing.end(number, by))


def _wanted(rules: Globs, symbols: Globs, tags: Globs, reason: str, by: str) -> engine_silences.Silence:
    if not (rules or symbols or tags):
        raise _unfit("name a rule, a symbol or a tag; `*` fits all")
    return engine_silences.Silence(
        0, 0, rules=_globs(rules), symbols=_globs(symbols), tags=_globs(tags), reason=reason, by=by
    )


def _globs(given: Globs) -> tuple[str, ...]:
    return _checked(lambda: tuple(map(glob, given or ())))


def _checked(read: Callable[[], T]) -> T:
    """What `read` gives; 422 with its words when it refuses."""
    try:
        return read()
    except ValueProblem as error:
        raise _unfit(str(error)) from None


def _unfit(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _add_events(app: FastAPI) -> None:
    """The WebSocket itself is event_socket.py; here it is documented, its messages as OpenAPI's webhooks."""

    @app.get("/events", status_code=HTTPStatus.UPGRADE_REQUIRED, responses={426: {"model": Failure}})
    async def events(
        kinds: Annotated[list[Kind] | None, Query(description="Default: all but tick_update.")] = None,
        symbols: Annotated[list[str] | None, Query(description="Default: all.")] = None,
    ) -> Any:
        """A WebSocket: connect with an upgrade. Ten clients at most, the eleventh gets 503.

        Its messages are described under `webhooks`, named by their `kind`.
        """
        raise HTTPException(HTTPStatus.UPGRADE_REQUIRED, "connect with a WebSocket client", {"Upgrade": "websocket"})

    for model in get_args(Event):
        app.webhooks.post(model.model_fields["kind"].default)(_message(model))


def _message(model: type[BaseModel]) -> Callable[..., None]:
    """A route that only documents: it says what a message of that kind holds."""

    def message(body: Any) -> None:
        return None

    message.__annotations__ = {"body": model, "return": None}
    message.__doc__ = f"A message of the WebSocket: {model.__doc__}"
    return message


async def _reload_unwaited(control: Control, *, allow_empty: bool) -> None:
    """A reload whose result nobody waits for: it is in the log, the audit and `/health/detailed`."""
    try:
        await control.reload(allow_empty=allow_empty)
    except TradeAssistError as error:
        log.error("api.reload_failed", reason=str(error))


def _reloaded(result: ReloadResult) -> Reloaded:
    return Reloaded(
        accepted=result.accepted, hash=result.hash, added=list(result.added), changed=list(result.changed),
        removed=list(result.removed), problems=list(result.problems), rejected=list(result.rejected),
    )  # fmt: skip


async def _answer_error(_: Request, error: Exception) -> Response:
    """An error of ours as an answer: 404 for what is not there, 503 for what may work later."""
    status = HTTPStatus.NOT_FOUND if isinstance(error, PermanentError) else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"detail": str(error)}, status)


class NoWebPages:
    """Refuses web pages that a browser on this machine shows: over TCP any of them could reach a loopback address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Programs name the host they mean, and no origin. On the Unix socket there are no browsers, and no client."""
        if scope["type"] == "http" and scope["client"] is not None:
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name not in LOCAL_NAMES or b"origin" in headers:
                refusal = JSONResponse({"detail": "not for web pages: name this machine, and send no Origin"}, 403)
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)
