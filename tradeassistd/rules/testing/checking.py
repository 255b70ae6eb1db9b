"""A part of a test file against its model: what pydantic finds wrong, as problems at their places."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problem,
    Sequence,
    ValueProblem,
    did_you_mean,
    node_at,
    path_text,
    place_of,
    plain,
)  # fmt: skip

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


def checked(model: type[Model], top: Node, location: Location, problems: list[Problem]) -> Model | None:
    """The map at `location` of the document as `model`; None, and what is wrong is added to `problems`."""
    node = node_at(top, location) if location else top
    if not isinstance(node, Mapping):
        problems.append(
            Problem(place_of(top, location), path_text(location), "must be a map", "write key: value lines")
        )
        return None
    try:
        return model.model_validate(plain(node))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems += [_problem(one["type"], one["loc"], one, model, top, location) for one in found]
        return None


def items_at(top: Node, location: Location, problems: list[Problem]) -> int:
    """How many items the list at `location` has; 0 and a problem when it is none, or empty."""
    node = node_at(top, location)
    if isinstance(node, Sequence) and node.items:
        return len(node.items)
    if node is not None:
        problems.append(Problem(node.place, path_text(location), "must be a list", "write '- ' before each item"))
    return 0


def _problem(
    kind: str, inner: Location, error: object, model: type[BaseModel], top: Node, location: Location
) -> Problem:
    where = (*location, *inner)
    place, path = place_of(top, where), path_text(where)
    known = [field.alias or name for name, field in model.model_fields.items()]
    if kind == "missing":
        return Problem(place, path_text(where[:-1]), f"{str(where[-1])!r} is missing", f"keys: {' '.join(known)}")
    if kind == "extra_forbidden":
        parent, key = node_at(top, where[:-1]), str(where[-1])
        written = parent.key(key) if isinstance(parent, Mapping) else None
        hint = did_you_mean(key, known) or f"one of {' '.join(known)}"
        return Problem(written.place if written else place, path, f"unknown key {key!r}", hint)
    assert isinstance(error, dict)
    wrong = error.get("ctx", {}).get("error")
    if isinstance(wrong, ValueProblem):
        return Problem(place, path, wrong.message, wrong.hint)
    return Problem(place, path, str(error["msg"]))
