"""Which settings are secrets, found by their types; and a settings file's text without them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from tradeassistd.base.config import Settings
from tradeassistd.base.yaml12 import Mapping, Problems, Scalar, compose, node_at, plain

Path = tuple[str, ...]
_EVERY = "*"
_NO_SECRETS = ("sound://", "desktop://", "slack://bot/")
"""Addresses that hold none: of this machine, or with a token that comes from the environment."""


def secret_paths(values: dict[str, Any], model: type[BaseModel] = Settings) -> list[Path]:
    """Where a map of settings holds secrets, e.g. ("schwab", "app_key"), ("channels", "slack", "url")."""
    return [path for pattern in _patterns(model) for path in _matching(values, pattern) if _is_secret(values, path)]


def without_secrets(text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The text of a settings file with every secret replaced by an empty text, and the names of these keys.

    Comments and layout stay as far as YAML allows. Raises yaml12.Problems when it is no YAML map.
    """
    tree = compose(text, file)
    values = plain(tree)
    paths = secret_paths(values) if isinstance(values, dict) else []
    spans = sorted(_span(tree, path, text) for path in paths)
    cleared, at = "", 0
    for begin, end in spans:
        cleared, at = f'{cleared}{text[at:begin]}""', end
    cleared += text[at:]
    wanted = blanked(values, paths)
    if not _means(cleared, file, wanted):
        cleared = as_yaml(wanted)  # written in a way whose end nobody can point at: keep what it says
    return cleared, tuple(".".join(path) for path in paths)


def blanked(values: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """A copy of the map with an empty text at each path."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    for *parents, last in paths:
        here = copy
        for key in parents:
            here = here[key]
        here[last] = ""
    return copy


def as_yaml(values: dict[str, Any], depth: int = 0) -> str:
    """A map of settings as a YAML file, every value quoted."""
    lines = []
    for key, value in values.items():
        begin = f"{'  ' * depth}{key if key.replace('_', '').isalnum() else json.dumps(key)}:"
        if isinstance(value, dict) and value:
            lines.append(f"{begin}\n{as_yaml(value, depth + 1)}")
        else:
            lines.append(f"{begin} {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines)


def _patterns(model: type[BaseModel], above: Path = ()) -> Iterator[Path]:
    """The keys of a model that are secrets; `*` stands for every key of a map."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        step: Path = (*above, name)
        if getattr(inner, "__origin__", None) is dict:
            inner, step = get_args(inner)[1], (*step, _EVERY)
        kinds = get_args(inner) or (inner,)
        if SecretStr in kinds:
            yield step
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _patterns(kind, step)


def _matching(values: Any, pattern: Path, above: Path = ()) -> Iterator[Path]:
    if not pattern:
        yield above
    elif isinstance(values, dict):
        for key in values if pattern[0] == _EVERY else (pattern[0],):
            if key in values:
                yield from _matching(values[key], pattern[1:], (*above, key))


def _is_secret(values: Any, path: Path) -> bool:
    for key in path:
        values = values[key]
    return isinstance(values, str) and values != "" and not values.lower().startswith(_NO_SECRETS)


def _span(tree: Any, path: Path, text: str) -> tuple[int, int]:
    """Where the value stands in the text, its quotes included."""
    found = node_at(tree, path)
    assert isinstance(found, Scalar)  # _is_secret
    last = found.place_at(len(found.text.rstrip()) - 1)
    assert found.source is not None  # compose gives it
    end = found.source.index(last.line - 1, last.column - 1) + 1
    if found.style in ("'", '"') and text[end : end + 1] == found.style:
        end += 1
    return found.start, end


def _means(text: str, file: str, wanted: dict[str, Any]) -> bool:
    try:
        tree = compose(text, file)
    except Problems:
        return False
    return isinstance(tree, Mapping) and bool(plain(tree) == wanted)
