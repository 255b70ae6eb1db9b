"""What pydantic finds wrong with a document, as problems at their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problem,
    Scalar,
    ValueProblem,
    did_you_mean,
    node_at,
    path_text,
    place_of,
    plain,
)
from tradeassistd.rules.model import LATER, NEVER_DEFAULTS, TEXT_FIELDS, RuleFields, RuleFile, RuleModel, keys_of

Model = TypeVar("Model", bound=BaseModel)

_MISSING_HINTS = {
    "version": "write version: 1",
    "rules": "write rules: and the rules below it",
    "id": "give the rule a name of its own, e.g. id: es-levels",
}
_ELSEWHERE = {
    "expr": "when", "condition": "when", "conditions": "when", "if": "when", "trigger": "when",
    "alert": "id", "name": "id", "labels": "tags", "annotations": "message", "text": "message",
    "body": "message", "summary": "title", "channels": "notify", "channel": "notify",
    "enabled": "mode", "disabled": "mode", "hours": "active", "priority": "severity",
    "interval": "evaluate", "timeframe": "evaluate", "throttle": "cooldown", "instruments": "symbols",
    "tickers": "symbols", "watchlist": "symbols", "until": "expires", "vars": "let", "hold": "for", "duration": "for",
}  # fmt: skip
"""Keys of a rule by what they are called in other programs, or by most people."""


def validated(model: type[Model], node: Node) -> tuple[Model | None, list[Problem]]:
    """The document as `model`, or None and every problem."""
    try:
        return model.model_validate(plain(node)), []
    except ValidationError as error:
        found = [_problem(one, model, node) for one in error.errors(include_url=False, include_input=False)]
        return None, found


def cut_texts(node: Node, location: tuple[str | int, ...]) -> Iterator[Problem]:
    """Texts without quotes that a ` #` cuts: the rest is a comment, which is seldom meant."""
    for name in TEXT_FIELDS:
        text = node_at(node, (*location, name))
        if isinstance(text, Scalar) and (place := text.comment_behind()):
            yield Problem(place, path_text((*location, name)), "the text ends before this ' #'", "quote the whole text")


def _problem(error: Any, model: type[BaseModel], node: Node) -> Problem:
    location: tuple[str | int, ...] = error["loc"]
    place, path = place_of(node, location), path_text(location)
    match error["type"]:
        case "missing":
            key = str(location[-1])
            return Problem(place, path_text(location[:-1]), f"{key!r} is missing", _MISSING_HINTS[key])
        case "extra_forbidden":
            return _unknown_key(model, node, location)
        case "value_error":
            wrong = error["ctx"]["error"]
            assert isinstance(wrong, ValueProblem)  # our validators raise nothing else
            return Problem(place, path, wrong.message, wrong.hint)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Problem(place, path, "must be a map", "write key: value lines")
        case "tuple_type" | "list_type":
            return Problem(place, path, "must be a list", "write '- ' before each item")
        case _:
            return Problem(place, path, error["msg"])


def _unknown_key(model: type[BaseModel], node: Node, location: tuple[str | int, ...]) -> Problem:
    key, parent = str(location[-1]), node_at(node, location[:-1])
    written = parent.key(key) if isinstance(parent, Mapping) else None
    place, path = written.place if written else place_of(node, location), path_text(location)
    known, later = _keys(model, location)
    if key in later:
        return Problem(place, path, f"{key!r} is not supported by this version yet", "remove it")
    if key in NEVER_DEFAULTS and known == keys_of(RuleFields):
        return Problem(place, path, f"{key!r} cannot be a default", NEVER_DEFAULTS[key])
    meant = _ELSEWHERE.get(key.lower(), "")
    hint = f"it is called {meant} here" if meant in known else did_you_mean(key, [*known, *sorted(later)])
    hint = hint or f"one of {' '.join(known)}"
    return Problem(place, path, f"unknown key {key!r}", hint)


def _keys(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str], frozenset[str]]:
    """The keys that may stand in the map a location is in, and those that may in a later version."""
    match location:
        case ("rules", int(), _):
            return keys_of(RuleModel), LATER
        case ("defaults", _):
            return keys_of(RuleFields), LATER
        case _ if model is RuleFile:
            return [*RuleFile.model_fields], frozenset()
        case _:
            return keys_of(RuleFields), LATER
