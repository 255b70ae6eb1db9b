"""The JSON Schemas for editors: they take what loads, mark what is built wrongly, and say something of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from docs.make_reference import KEYS, SCHEMAS
from tests.rules.as_an_editor import kind_of, marked, read
from tests.test_docs_reference import BESIDE, EXAMPLE_FILES
from tests.test_docs_reference import SYMBOLS as TWO_KINDS
from tests.test_docs_reference import load as load_keys
from tradeassistd.rules.load import load_texts
from tradeassistd.rules.model import DefaultsFile, RuleFields, RuleFile, RuleModel, Strict
from tradeassistd.rules.schema import keys
from tradeassistd.rules.schema.documents import KINDS, schema_of, schema_text
from tradeassistd.rules.testing.model import (
    BarsItem,
    EventItem,
    ExpectModel,
    FactsItem,
    SetItem,
    TestFileModel,
    TestModel,
    ValuesItem,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "rules"
SOUND = sorted([*(ROOT / "rules.d").rglob("*.yaml"), *(DATA / "good").rglob("*.yaml"),
                *(ROOT / "docs" / "examples").rglob("rules.d/**/*.yaml")])  # fmt: skip
BAD = sorted((DATA / "bad").glob("*.yaml"))
COMMON = {
    "$schema", "$defs", "$ref", "title", "description", "default", "examples", "type", "enum", "const", "pattern",
    "patternErrorMessage", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "items", "minItems",
    "maxItems", "uniqueItems", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "minProperties", "maxProperties",
    "required", "allOf", "anyOf", "oneOf", "not", "if", "then",
}  # fmt: skip
"""Keywords that draft-07 and draft 2020-12 read alike, `$defs` as a place a `$ref` points to, and one annotation."""

# What a file does wrong by its build, in the words of `rules check`.
BY_BUILD = re.compile("|".join((
    "unknown key", "cannot be a default", "must be a (map|list)", "takes 1 to", "exactly one of", "beside `levels`",
    "'(id|when|version|rules|severity)' is missing", "unknown (severity|mode|on_clear|catch_up|fire|evaluate|rearm)",
    "unknown (session word|version|weekday)", "is not a (symbol|duration|tag|channel name|revision|type of setup)",
    "is not a (name|time|number|whole number|date)", "is not an (id|offset)", "is not a bar interval", "is not between",
    "needs its zone", "no time at all", "listed twice", "there is no day", "means something already",
    "text is due here", "an expression is due here", "a number is due here", "confidence goes", "a list does not say",
    "a move of nothing", "takes no bar interval", "needs a bar interval", r"has no value( \(write one.*)?\)?$",
    "not supported by this version", "is the next day", "begins no window", "has no end",
)), re.MULTILINE)  # fmt: skip
# Files whose fault only says the like: it lies inside an expression, or in another file.
INSIDE = {
    "bad_interval", "exponent", "number_too_long", "price_from_a_duration", "seq_with_a_price",
    "symbols_watchlist_in_sym", "thousands",
}  # fmt: skip


def words_of(path: Path) -> str:
    return path.with_suffix(".txt").read_text("utf-8")


def document_of(path: Path) -> Any:
    """The file as an editor reads it; None when it is no YAML."""
    try:
        return read(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError):
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_each_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(schema_of(kind))
    Draft7Validator.check_schema(schema_of(kind))
    assert json.loads(schema_text(kind)) == schema_of(kind)
    assert schema_of(kind)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize(("file", "kind"), SCHEMAS.items(), ids=SCHEMAS.values())
def test_the_shipped_files_are_up_to_date(file: Path, kind: str) -> None:
    assert file.read_text("utf-8") == schema_text(kind), "run make reference"


def test_there_is_a_file_of_each_kind() -> None:
    assert {file.name for file in SCHEMAS} == {f"{kind}.schema.json" for kind in KINDS}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside of a schema, itself first."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from parts(inner)
    for key in ("items", "additionalProperties", "propertyNames", "not", "if", "then"):
        yield from parts(schema.get(key))
    for key in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(key, ()):
            yield from parts(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_to_what_both_dialects_read_alike(kind: str) -> None:
    for part in parts(schema_of(kind)):
        assert part.keys() <= COMMON
        assert "$ref" not in part or part.keys() == {"$ref"}, "draft-07 does not read what is beside a $ref"


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_is_closed_and_every_key_has_words(kind: str) -> None:
    named = 0
    for part in parts(schema_of(kind)):
        if part.get("type") == "object":
            assert "additionalProperties" in part and part["additionalProperties"] is not True
            for key, shape in part.get("properties", {}).items():
                assert re.search(r"\w{3}.*\.$", shape.get("description", ""), re.DOTALL), key
                named += 1
    assert named


def keys_in(model: type[Strict]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_every_key_of_the_models_is_in_its_schema_and_no_other() -> None:
    rules, tests = schema_of("rules"), schema_of("tests")
    test = tests["properties"]["tests"]["items"]
    found: dict[type[Strict], Any] = {
        RuleFile: rules,
        RuleModel: rules["properties"]["rules"]["items"],
        RuleFields: rules["properties"]["defaults"],
        DefaultsFile: schema_of("defaults"),
        TestFileModel: tests,
        TestModel: test,
        ExpectModel: test["properties"]["expect"]["items"],
        **dict(zip((ValuesItem, SetItem, BarsItem, FactsItem, EventItem),
                   test["properties"]["input"]["items"]["anyOf"], strict=True)),
    }  # fmt: skip
    for model, schema in found.items():
        assert set(schema["properties"]) == keys_in(model), model
        required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
        assert set(schema.get("required", ())) == required, model


def test_the_words_of_a_rule_are_those_of_its_fields() -> None:
    shown = schema_of("rules")["properties"]["rules"]["items"]["properties"]
    for name, field in RuleModel.model_fields.items():
        assert shown[field.alias or name]["description"] == field.description


def test_the_defaults_are_those_of_the_reference() -> None:
    assert {key: written.default for key, written in KEYS.items() if written.default} == keys.DEFAULTS


@pytest.mark.parametrize("path", SOUND, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sound_file_is_not_marked(path: Path) -> None:
    assert marked(read(path.read_text("utf-8")), kind_of(path.name)) == []


@pytest.mark.parametrize(("name", "text"), EXAMPLE_FILES, ids=[name for name, _ in EXAMPLE_FILES])
def test_an_example_of_the_reference_is_not_marked(name: str, text: str) -> None:
    assert marked(read(text), kind_of(name)) == []


def test_there_are_files_of_every_kind() -> None:
    assert {kind_of(path.name) for path in SOUND} == set(KINDS)
    assert len(SOUND) > 90 and len(BAD) > 200


@pytest.mark.parametrize("path", [path for path in BAD if BY_BUILD.search(words_of(path)) and path.stem not in INSIDE],
                         ids=lambda path: str(path.stem))  # fmt: skip
def test_a_file_that_is_built_wrongly_is_marked(path: Path) -> None:
    document = document_of(path)
    assert document is None or marked(document, kind_of(path.name))


def test_most_of_the_wrong_files_are_marked() -> None:
    """So that the test above cannot shrink unseen."""
    read_well = [path for path in BAD if document_of(path) is not None]
    assert sum(bool(marked(document_of(path), kind_of(path.name))) for path in read_well) >= 140


def rule(lines: str) -> dict[str, Any]:
    return {"version": 1, "rules": [read(f"id: a\nsymbols: [/ES]\n{lines}")]}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, one in KEYS.items() for value in one.values])
def test_every_value_of_the_reference_is_taken(key: str, value: str) -> None:
    beside = BESIDE.get(key, "when: price > 1")
    written = {line.partition(":")[0]: line for line in (*beside.splitlines(), f"{key}: {value}") if line}
    document = {
        "version": 1,
        "rules": [read("\n".join({"id": "id: a", "symbols": "symbols: [/ES]", **written}.values()))],
    }
    assert marked(document, "rules") == []


OFFERED = [(key, value) for key, shape in keys.SHAPES.items() for value in (
    *shape.get("enum", ()), *shape.get("examples", ()), *([[one] for one in shape.get("items", {}).get("examples", ())])
)]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), OFFERED, ids=[f"{key}={value}" for key, value in OFFERED])
def test_what_an_editor_offers_loads(key: str, value: Any) -> None:
    lines = "\n".join(filter(None, (BESIDE.get(key, "when: price > 1"), f"{key}: {json.dumps(value)}")))
    assert () in [load_keys(lines, symbol).problems for symbol in TWO_KINDS]


def test_enough_is_offered() -> None:
    assert {"severity", "mode", "session", "on_clear", "at_load", "catch_up", "fire", "evaluate", "rearm", "cooldown",
            "expires", "active", "symbols"} <= {key for key, _ in OFFERED}  # fmt: skip


PLAIN = """\
id: 7
symbols: [/ES]
when: price > 1
max_per_session: 3
rev: 2
tags: [2026, true]
title: 5
values: {/ES: {r1: 5200, r2: '-0.5%', r3: 50k}}
let: {x: 5}
setup: {confidence: 0.6, entry: 6900}
"""


def test_numbers_and_booleans_are_taken_where_they_are_written_plainly_or_in_quotes() -> None:
    assert marked({"version": 1, "rules": [read(PLAIN)]}, "rules") == []
    quoted = re.sub(r"(: |\[|, )(\d[\d.]*|true)\b(?=[\n,}\]])", r"\1'\2'", PLAIN)
    assert quoted.count("'") == 22
    assert marked({"version": "1", "rules": [read(quoted)]}, "rules") == []
    for text in (PLAIN, quoted):
        body = "".join(f"    {line}\n" for line in text.splitlines())
        assert not load_texts({"a.yaml": f"version: 1\nrules:\n  -\n{body}"}).problems


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("when: {all: [price > 1, {any: [price > 2, {not: halted}]}]}", None),
        ("when: {all: [price > 1, {any: [price > 2, {nott: halted}]}]}", "when"),
        ("when: {all: [price > 1], any: [price > 2]}", "when"),
        ("when: {}", "when"),
        ("when: [price > 1]", "when"),
        ("when: 5", "when"),
        ("when:", "when"),
        ("levels: [{severity: info, when: {not: halted}, clear_when: halted}]", None),
        ("levels: [{severity: info}]", "levels"),
        ("levels: [{severity: info, when: price > 1}]\nseverity: info", ""),
        ("when: price > 1\nlevels: [{severity: info, when: price > 1}]", ""),
        ("severity: info", ""),
        ("when: price > 1\nvalues: {/ES: {high: 1}}", "values"),
        ("when: price > 1\nvalues: {es: {r1: 1}}", "values"),
        ("when: price > 1\ncooldown: 5", "cooldown"),
        ("when: price > 1\ncooldown: 0s", None),
        ("when: price > 1\nrepeat: [0s]", "repeat"),
        ("when: price > 1\nmax_per_session: 10001", "max_per_session"),
        ("when: price > 1\nmax_per_session: true", "max_per_session"),
        ("when: price > 1\nmode: off", None),
        ("when: price > 1\nmode: false", "mode"),
        ("when: price > 1\nsetup: {confidence: 60}", "setup"),
        ("when: price > 1\nsetup: {stopp: price}", "setup"),
        ("when: price > 1\nrev: -1", "rev"),
        ("when: price > 1\nwas: -1", "was"),
    ],
)
def test_a_rule(lines: str, where: str | None) -> None:
    document = rule(lines)
    errors = marked(document, "rules")
    if where is None:
        assert errors == []
    else:
        assert errors
        assert any(one.json_path.startswith(f"$.rules[0].{where}".rstrip(".")) for one in errors)


TEST = "{symbol: /ES, every: 1m, values: '5990 6010'}", "{rule: level, fires: 1}"


@pytest.mark.parametrize(
    ("item", "expect", "sound"),
    [
        (*TEST, True),
        ("{symbol: /ES, every: 1m, values: 6000, size: 5}", TEST[1], True),
        ("{symbol: /ES, every: 0s, values: 6000}", TEST[1], False),
        ("{symbol: /ES, values: 6000}", TEST[1], False),
        ("{symbol: /ES, every: 1m, values: 6000+1}", TEST[1], False),
        ("{symbol: /ES, every: 1m, values: 6000, set: {price: 1}}", TEST[1], False),
        ("{symbol: /ES, at: 1m, set: {price: 6000, size: 20k, halted: false}}", TEST[1], True),
        ("{symbol: /ES, at: 1m, set: {prise: 6000}}", TEST[1], False),
        ("{symbol: /ES, facts: {prev_day.close: 6000, day.volume: 2M, contract: /ESZ26}}", TEST[1], True),
        ("{symbol: /ES, facts: {prev_week.close: 6000}}", TEST[1], False),
        ("{at: 3m, event: gap, for: 10s}", TEST[1], True),
        ("{at: 3m, event: ack}", TEST[1], False),
        ("{at: 3m, event: ack, rule: level}", TEST[1], True),
        ("{at: 3m, event: roll}", TEST[1], False),
        ("{at: 3m, event: gapp}", TEST[1], False),
        ("{at: 3m, event: silence, rule: 'l*', symbol: '/E?', tag: night, for: 5m}", TEST[1], True),
        ("{at: 3m, event: silence, rule: level}", TEST[1], False),
        ("{at: 3m, event: silence, rule: 'Level', for: 5m}", TEST[1], False),
        (TEST[0], "{rule: level}", False),
        (TEST[0], "{rule: level, symbol: /ES, at: 1m}", False),
        (TEST[0], "{rule: level, suppressed: {cooldown: 1}, late: true, value: 6010, kinds: []}", True),
        (TEST[0], "{rule: level, suppressed: {cooldwn: 1}}", False),
        (TEST[0], "{rule: level, setup: {entry: n/a, stop: 5990.5, type: breakout}}", True),
        (TEST[0], "{rule: level, state: fired}", False),
        (TEST[0], "{rule: level, fired_at: [1m, 2m], cleared_at: 3m}", True),
    ],
)
def test_a_test_file(item: str, expect: str, sound: bool) -> None:
    text = f"rules: [../a.yaml]\ntests:\n  - name: a\n    start: 2026-11-20T10:00:00-05:00\n    input: [{item}]\n"
    assert (marked(read(f"{text}    expect: [{expect}]\n"), "tests") == []) is sound


@pytest.mark.parametrize("key", ["tick_size", "multiplier"])
@pytest.mark.parametrize(("value", "sound"), [("0.25", True), ("'50'", True), ("0", False), ("'0.00'", False),
                                              ("-1", False), ("'-1'", False)])  # fmt: skip
def test_a_tick_size_is_above_zero_in_an_editor_too(key: str, value: str, *, sound: bool) -> None:
    text = f"version: 1\n/ES: {{{key}: {value}}}\n"
    assert bool(load_texts({"_instruments.yaml": text}).problems) is not sound
    assert bool(marked(read(text), "instruments")) is not sound


@pytest.mark.parametrize(
    ("entry", "sound"),
    [
        ("/ES: {market: energy, multiplier: 50, session: rth, name: x, tick_size: 1, plausible: any}", True),
        ("/ES: {market: nyse}", False),
        ("/ES: {class: index}", False),
        ("/ES: {derived: '$ADVN - $DECN'}", False),
        ("$NEW: {market: vix, class: internal}", True),
        ("$NEW: {derived: '$ADVN - $DECN'}", True),
        ("$NEW: {market: energy}", False),
        ("$NEW: {multiplier: 50}", False),
        ("SPY: {name: x, session: ext, tick_size: 0.01, plausible: [1, 2]}", True),
        ("SPY: {market: nyse}", False),
        ("SPY: {class: index}", False),
        ("SPY: {multiplier: 100}", False),
        ("SPY: {derived: '$ADVN - $DECN'}", False),
        ("spy: {name: x}", False),
    ],
)
def test_a_symbol_takes_only_what_its_kind_can_have_in_an_editor_too(entry: str, sound: bool) -> None:
    text = f"version: 1\n{entry}\n"
    assert bool(load_texts({"_instruments.yaml": text}).problems) is not sound
    assert bool(marked(read(text), "instruments")) is not sound
