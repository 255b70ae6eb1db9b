"""The schema of `_routes.yaml`; its words are those of routes_file.py."""

from __future__ import annotations

from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.rules.fields import LIST_MAX, REMINDERS_MAX
from tradeassistd.rules.routes_file import (
    ESCALATE_KEYS,
    GLOB_MAX,
    GLOBS_MAX,
    KEYS,
    MATCH_KEYS,
    QUIET_KEYS,
    ROUTES_MAX,
    TOP,
)
from tradeassistd.rules.schema.shapes import (
    TEXT_TYPES,
    Schema,
    active,
    described,
    duration,
    flag,
    labels,
    list_of,
    map_of,
    pattern,
)


def routes_file(version: Schema) -> Schema:
    """Where alerts go; which channels there are only the settings know."""
    shapes = _route_shapes()
    route = {
        **map_of({key: described(words, shapes[key]) for key, words in KEYS.items()}),
        "anyOf": [{"required": [key]} for key in KEYS if key not in ("match", "continue")],
    }
    default = {key: described(words, shapes[key]) for key, words in KEYS.items() if key not in ("match", "continue")}
    top = {
        "version": version,
        "routes": described(TOP["routes"], list_of(route, ROUTES_MAX)),
        "default": described(TOP["default"], {**map_of(default), "minProperties": 1}),
    }
    return {**map_of(top, "version"), "anyOf": [{"required": ["routes"]}, {"required": ["default"]}]}


def _route_shapes() -> dict[str, Schema]:
    severity = pattern(f"(?:>= *)?(?:{'|'.join(SEVERITIES)})", "write a severity, or '>= warning'", *SEVERITIES,
                       ">= warning")  # fmt: skip
    glob = pattern(rf"\S{{1,{GLOB_MAX}}}", "write one glob such as es-*", types=TEXT_TYPES)
    globs = {"anyOf": [glob, list_of(glob, GLOBS_MAX)]}
    severities = {"anyOf": [severity, list_of(severity, len(SEVERITIES))]}
    shapes = {"severity": severities, "tag": globs, "rule": globs, "symbol": globs}
    match = map_of({key: described(words, shapes[key]) for key, words in MATCH_KEYS.items()})
    channels = {**labels("channel name", LIST_MAX), "uniqueItems": True}
    quiet = map_of({
        "hours": described(QUIET_KEYS["hours"], list_of(active(), REMINDERS_MAX)),
        "channels": described(QUIET_KEYS["channels"], {**channels, "minItems": 0}),
    }, "hours")  # fmt: skip
    escalate = map_of({
        "after": described(ESCALATE_KEYS["after"], duration("5m", "15m", some=True)),
        "channels": described(ESCALATE_KEYS["channels"], channels),
    }, "after", "channels")  # fmt: skip
    return {
        "match": {**match, "minProperties": 1}, "channels": channels, "quiet": quiet, "fallback": channels,
        "escalate": escalate, "continue": flag(),
    }  # fmt: skip
