"""The schema of each kind of file in rules.d/: rules, defaults, watchlists, instruments, routes, silences, tests."""

from __future__ import annotations

import json
from collections.abc import Callable

from tradeassistd.rules.fields import LIST_MAX, VERSION
from tradeassistd.rules.model import DefaultsFile, RuleFields, RuleFile, RuleModel
from tradeassistd.rules.schema.instruments import instruments_file
from tradeassistd.rules.schema.keys import condition, let, rule_properties
from tradeassistd.rules.schema.routes import routes_file
from tradeassistd.rules.schema.shapes import LABEL, Schema, described, list_of, map_of, pattern, symbol
from tradeassistd.rules.schema.silences import silences_file
from tradeassistd.rules.schema.unit_tests import test_file

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VERSION = described("Version of the rule language.", {"enum": [int(VERSION), VERSION]})


def schema_text(kind: str) -> str:
    """The schema of one kind of file as JSON with a line break at its end; KINDS are the kinds."""
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"


def schema_of(kind: str) -> Schema:
    """The schema of one kind of file; KINDS are the kinds."""
    title, body = KINDS[kind]
    return {"$schema": DIALECT, "title": title, **body()}


def _rules() -> Schema:
    """A file of rules. That `symbols` are missing cannot be seen here: `_defaults.yaml` may have them."""
    rule = {
        **map_of(rule_properties(RuleModel), "id"),
        "oneOf": [{"required": ["when"]}, {"required": ["levels"]}],
        "if": {"required": ["levels"]},
        "then": {"properties": {"clear_when": False, "severity": False}},
    }
    defaults = map_of(rule_properties(RuleFields))
    properties = {
        "version": _VERSION,
        "defaults": described("Keys for every rule of this file; a rule's own key wins.", defaults),
        "let": described("Names for expressions, for every rule of this file; a name may use those above it.", let()),
        "rules": described("The rules, each with an id of its own.", {"type": "array", "items": rule}),
    }
    assert properties.keys() == RuleFile.model_fields.keys()
    return {**map_of(properties, "version", "rules"), "$defs": {"condition": condition()}}


def _defaults() -> Schema:
    return map_of({"version": _VERSION, **rule_properties(DefaultsFile)})


def _watchlists() -> Schema:
    listed = described("Symbols, used as '@name' in `symbols` of a rule.", list_of(symbol(), LIST_MAX, unique=True))
    return {
        "type": "object",
        "properties": {"version": _VERSION},
        "propertyNames": pattern(LABEL, "at most 64 letters, digits and . _ -, and no @ here"),
        "additionalProperties": listed,
    }


def _instruments() -> Schema:
    return instruments_file(_VERSION)


def _routes() -> Schema:
    return routes_file(_VERSION)


def _silences() -> Schema:
    return silences_file()


def _tests() -> Schema:
    return test_file(_VERSION)


KINDS: dict[str, tuple[str, Callable[[], Schema]]] = {
    "rules": ("Rules of tradeassistd (rules.d/*.yaml)", _rules),
    "defaults": ("Defaults of tradeassistd's rules (rules.d/_defaults.yaml)", _defaults),
    "watchlists": ("Watchlists of tradeassistd (rules.d/_watchlists.yaml)", _watchlists),
    "instruments": ("Instruments of tradeassistd's rules (rules.d/_instruments.yaml)", _instruments),
    "routes": ("Routes of tradeassistd's alerts (rules.d/_routes.yaml)", _routes),
    "silences": ("Silences of tradeassistd's rules (rules.d/_silences.yaml)", _silences),
    "tests": ("Unit tests of tradeassistd's rules (rules.d/tests/*.test.yaml)", _tests),
}
"""The kinds of files: title and schema."""
