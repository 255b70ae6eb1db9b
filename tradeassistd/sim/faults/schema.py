"""The JSON schema of scenario files, made from the table of faults."""

from __future__ import annotations

import json
from typing import Any

from tradeassistd.sim.faults.kinds import KINDS, Kind, Span
from tradeassistd.sim.faults.options import DURATION, REQUIRED, between
from tradeassistd.sim.faults.scenario import TIMES_MAX, VERSION

Schema = dict[str, Any]

_TIME: Schema = {
    "type": "string",
    "pattern": r"^([0-9]{1,9}[smh]|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?)$",
    "description": "So long after the market's start (5m), or a time; without a zone New York's (2026-11-16T10:15:00).",
}
_COMMON: dict[str, Schema] = {
    "at": _TIME,
    "daily": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": "Every day, New York."},
    "for": {**DURATION.schema, "description": "How long it lasts, market time."},
    "until": {"enum": ["reconnect"], "description": "It ends with the next connection."},
    "times": {**between(1, TIMES_MAX).schema, "description": "How often it strikes."},
}
_SPANS = {Span.MOMENT: (), Span.LASTING: ("for",), Span.STREAM: ("for", "until"), Span.COUNTED: ("for", "times")}


def schema_text() -> str:
    """The schema as JSON with a line break at its end."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema of a scenario file."""
    version = {"enum": [int(VERSION), VERSION], "description": "Version of the format."}
    seed = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "description": "Of what comes by chance."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario of tradeassistd's simulator",
        "type": "object",
        "properties": {
            "version": version,
            "seed": seed,
            "faults": {"type": "array", "items": {"$ref": "#/$defs/fault"}, "description": "Faults at set times."},
            "random": {"type": "array", "items": _chance(), "description": "Faults by chance."},
        },
        "required": ["version"],
        "additionalProperties": False,
        "$defs": {"fault": _any_fault()},
    }


def _chance() -> Schema:
    every = {"type": "string", "pattern": "^[0-9]+[smh]-[0-9]+[smh]$", "description": "Time between two: 2m-10m."}
    untimed = {"not": {"type": "object", "anyOf": [{"required": ["at"]}, {"required": ["daily"]}]}}
    return {
        "type": "object",
        "properties": {
            "every": every,
            "from": _TIME,
            "until": _TIME,
            "one_of": {"type": "array", "minItems": 1, "items": {"allOf": [{"$ref": "#/$defs/fault"}, untimed]}},
        },
        "required": ["every", "one_of"],
        "additionalProperties": False,
    }


def _any_fault() -> Schema:
    bare = [name for name, kind in KINDS.items() if name != "outage" and not _required(kind)]
    return {"oneOf": [{"enum": bare}, *(_fault(kind) for kind in KINDS.values())]}


def _fault(kind: Kind) -> Schema:
    common = {name: _COMMON[name] for name in ("at", "daily", *_SPANS[kind.span])}
    own = {one.name: {**one.form.schema, "description": one.doc} for one in kind.options}
    needed = ["fault", *_required(kind), *(["for"] if kind.name == "outage" else [])]
    exclusive = [{"required": pair} for pair in (["at", "daily"], ["for", "until"]) if set(pair) <= common.keys()]
    return {
        "type": "object",
        "description": kind.doc,
        "properties": {"fault": {"const": kind.name}, **common, **own},
        "required": needed,
        "additionalProperties": False,
        **({"not": {"anyOf": exclusive}} if exclusive else {}),
    }


def _required(kind: Kind) -> list[str]:
    return [one.name for one in kind.options if one.default is REQUIRED]
