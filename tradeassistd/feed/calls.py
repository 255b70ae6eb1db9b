"""Every call to Schwab over HTTP, for the audit: what was asked, what came of it and how long that took.

Hooks of the HTTP client see the calls of the history, of mute checks, of the login and of token refreshes alike. The
query says which data were asked for, so a few of its keys are told; no header, no body and no other key ever is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tradeassistd.base.clock import Clock

TOLD_KEYS = ("symbol", "symbols", "markets", "periodType", "frequencyType", "frequency", "startDate", "endDate")
VALUE_CHARACTERS_MAX = 120
KIND = "rest"
_BEGAN = "tradeassist.began_s"

Note = Callable[[str, Mapping[str, Any]], None]
Hooks = dict[str, list[Callable[[Any], Awaitable[None]]]]


class Calls:
    """Notes the calls of any number of clients."""

    def __init__(self, note: Note, clock: Clock) -> None:
        self._note = note
        self._clock = clock

    def hooks(self) -> Hooks:
        """What to put among the event hooks of an HTTP client (httpx)."""
        return {"request": [self._asked], "response": [self._answered]}

    def failed(self, error: BaseException, what: str) -> None:
        """A call had no answer; `what` says why without secrets."""
        try:
            request = getattr(error, "request", None)
        except RuntimeError:  # httpx has an error that knows no request raise when it is asked for one
            request = None
        self._note(KIND, {**(_place(request) if request is not None else {}), "error": what})

    async def _asked(self, request: Any) -> None:
        request.extensions[_BEGAN] = self._clock.elapsed_s()

    async def _answered(self, response: Any) -> None:
        request = response.request
        began_s = request.extensions.get(_BEGAN, self._clock.elapsed_s())
        taken_ms = round((self._clock.elapsed_s() - began_s) * 1_000)
        self._note(KIND, {**_place(request), "status": response.status_code, "ms": taken_ms})


def _place(request: Any) -> dict[str, Any]:
    query = dict(parse_qsl(request.url.query.decode("ascii", "replace")))
    told = {key: query[key][:VALUE_CHARACTERS_MAX] for key in TOLD_KEYS if key in query}
    return {"method": request.method, "path": request.url.path, **({"query": told} if told else {})}
