"""Who asked the daemon for what, for the audit: people's reads now and then, and everything that changes something."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradeassistd.base.clock import Clock

READ_AGAIN_S = 600.0
"""The same reader, program and resource are noted again after this long: a screen asks twice a second."""
READERS_MAX = 256
NAME_CHARACTERS_MAX = 100
QUERY_CHARACTERS_MAX = 300
UNNOTED = ("/health", "/openapi.json")
"""What monitors ask all day."""
NOTED_THEMSELVES = ("/ack", "/silences", "/db", "/backfill")
"""Changes with a note of their own, which says more."""
BY_HEADER = "x-tradeassist-by"
"""Who asks, as the command line says it: the login name."""

Note = Callable[[str, Mapping[str, Any]], None]


@dataclass(slots=True)
class _Reads:
    noted_s: float
    unnoted: int = 0


class Reads:
    """Notes the first read of everybody, and then one now and then with the number of those in between."""

    def __init__(self, note: Note, clock: Clock) -> None:
        self._note = note
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], _Reads] = OrderedDict()

    def __call__(self, path: str, by: str, program: str, **more: Any) -> None:
        """Somebody has read what is at that path."""
        what = _resource(path)
        key, now_s = (by, program, what), self._clock.elapsed_s()
        reads = self._known.get(key)
        if reads is not None and now_s - reads.noted_s < READ_AGAIN_S:
            reads.unnoted += 1
            return
        unnoted = {"reads_before": reads.unnoted} if reads is not None and reads.unnoted else {}
        self._known[key] = _Reads(now_s)
        self._known.move_to_end(key)
        if len(self._known) > READERS_MAX:
            self._known.popitem(last=False)
        self._note("api.read", {"by": by, "with": program, "path": path, **more, **unnoted})


class Audited:
    """ASGI middleware: notes a request once it is answered."""

    def __init__(self, app: ASGIApp, note: Note, reads: Reads) -> None:
        self._app = app
        self._note = note
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status = 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            self._heard(scope, status)

    def _heard(self, scope: Scope, status: int) -> None:
        path, method = scope["path"][:QUERY_CHARACTERS_MAX], scope["method"]
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        by, program = who(headers.get(BY_HEADER.encode(), "")), who(headers.get(b"user-agent", ""))
        if method in ("GET", "HEAD"):
            if _resource(path) not in UNNOTED:
                self._reads(path, by, program, status=status)
        elif _resource(path) not in NOTED_THEMSELVES:
            query = scope["query_string"].decode("latin-1")[:QUERY_CHARACTERS_MAX]
            self._note("api.change", {"by": by, "with": program, "method": method, "path": path,
                                      **({"query": query} if query else {}), "status": status})  # fmt: skip


def who(text: str) -> str:
    """A name as somebody gives it, on one line and not too long."""
    return " ".join(text.split())[:NAME_CHARACTERS_MAX]


def _resource(path: str) -> str:
    """`/rules` of `/rules/es-break`."""
    return "/" + path.lstrip("/").partition("/")[0]
