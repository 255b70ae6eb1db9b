"""HTTP control of the simulator itself: what goes wrong, from outside, while it runs.

`GET /simulator/faults` lists; `POST /simulator/faults` lets one fault come (the body is an entry of a scenario, as JSON
or YAML; without `at` it comes now); `DELETE /simulator/faults/NUMBER` ends one; `DELETE /simulator/faults` ends all and
cancels what is planned. `GET /simulator/calls` lists the HTTP calls of clients so far. No token is asked for: the
simulator listens on this machine only.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
from fastapi import FastAPI, Request, Response

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import iso
from tradeassistd.base.yaml12 import decode
from tradeassistd.sim.counters import Counters
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.kinds import Fault
from tradeassistd.sim.faults.plan import NEVER, Entry
from tradeassistd.sim.faults.scenario import read_entry

PATH = "/simulator/"
BODY_BYTES_MAX = 65_536

Json = dict[str, object]


class Backend(Protocol):
    """What the control needs of the simulator."""

    @property
    def faults(self) -> Faults: ...

    @property
    def now_us(self) -> int: ...

    @property
    def counters(self) -> Counters: ...

    def inject(self, fault: str | Entry) -> Running | None: ...

    def end_fault(self, number: int) -> Running | None: ...

    def end_faults(self) -> None: ...


def add_to(app: FastAPI, backend: Backend) -> None:
    """Add the paths to the application."""

    @app.get("/simulator/faults")
    async def listed() -> Response:
        return _answer(_listing(backend))

    @app.post("/simulator/faults")
    async def begin(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return _answer({"error": f"more than {BODY_BYTES_MAX:,} bytes"}, 413)
        try:
            entry = read_entry(decode(body, "body"), "body")
            if entry.fault.name == "recorded_frames":
                raise ConfigError("recorded_frames reads a file", hint="write it into a scenario, or use --fault")
            begun = backend.inject(entry)
        except ConfigError as error:
            return _answer({"error": str(error)}, 400)
        planned: Json = {"state": "planned", **_fault(entry.fault)}
        return _answer(_running(begun) if begun is not None else planned, 201)

    @app.get("/simulator/calls")
    async def calls() -> Response:
        return _answer({"calls": [call._asdict() | {"at": iso(call.at_us)} for call in backend.counters.calls]})

    @app.delete("/simulator/faults/{number}")
    async def end(number: int) -> Response:
        ended = backend.end_fault(number)
        return _answer({"error": f"no fault {number} is at work"}, 404) if ended is None else _answer(_running(ended))

    @app.delete("/simulator/faults")
    async def end_all() -> Response:
        backend.end_faults()
        return _answer(_listing(backend))


def _listing(backend: Backend) -> Json:
    faults = backend.faults
    return {
        "now": iso(backend.now_us),
        "running": [_running(one) for one in faults.running.values()],
        "planned": [{"at": iso(at_us), **_fault(fault)} for at_us, fault in faults.ahead()],
        "over": [_running(one) for one in faults.over],
    }


def _running(one: Running) -> Json:
    return {
        "number": one.number,
        "state": "running" if one.over_us is None else "over",
        **_fault(one.fault),
        "began": iso(one.begin_us),
        "ends": None if one.end_us == NEVER else iso(one.end_us),
        "over": None if one.over_us is None else iso(one.over_us),
        "hits": one.hits,
    }


def _fault(fault: Fault) -> Json:
    """A fault with its options as text, shortened where one holds a whole file."""
    options = {name: _plain(value) for name, value in fault.options.items() if name != "file"}
    return {"fault": fault.name, "times": fault.times, "options": options}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | bool | tuple | None) else str(value)


def _answer(body: Json, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
