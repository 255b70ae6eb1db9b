"""Reads YAML as editors do, by the core schema of YAML 1.2: plain `3` is a number, `true` a boolean, `off` is text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError

from tradeassistd.rules.schema.documents import schema_of

_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
)


class _Editor(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # none of YAML 1.1  # noqa: RUF012


for _name, _pattern, _first in _CORE:
    _Editor.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first)
_Editor.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))  # 010 is ten


def read(text: str) -> Any:
    """The document. Raises yaml.YAMLError."""
    return yaml.load(text, _Editor)


def kind_of(name: str) -> str:
    """The kind of schema a file has, by its name."""
    if name.endswith(".test.yaml"):
        return "tests"
    kinds = ("defaults", "watchlists", "instruments", "routes", "silences")
    return next((kind for kind in kinds if name.startswith(f"_{kind}")), "rules")


@cache
def _validators(kind: str) -> tuple[Draft202012Validator, Draft7Validator]:
    schema = schema_of(kind)
    return Draft202012Validator(schema), Draft7Validator(schema)


def marked(document: Any, kind: str) -> list[ValidationError]:
    """What an editor would mark; both dialects have to say the same."""
    new, old = ([*validator.iter_errors(document)] for validator in _validators(kind))
    assert [(one.json_path, one.message) for one in new] == [(one.json_path, one.message) for one in old]
    return new
