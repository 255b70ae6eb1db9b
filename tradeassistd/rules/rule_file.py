"""One rule file: its text to rules, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tradeassistd.base.yaml12 import Mapping, Node, Place, Problem, Problems, Scalar, Sequence, compose, path_text
from tradeassistd.engine.rule import Rule
from tradeassistd.rules.lets import read_lets, unused
from tradeassistd.rules.model import DefaultsFile, RuleFields, RuleFile
from tradeassistd.rules.names import Origins, Scope
from tradeassistd.rules.rule_reading import FileContext, RuleReading, Shared
from tradeassistd.rules.texts import read_setup, read_template
from tradeassistd.rules.validation import cut_texts, validated


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a sound file says."""

    rules: tuple[Rule, ...]
    warnings: tuple[Problem, ...]
    ids: dict[str, tuple[Place, str]]
    """Where each id is written: its place and its path."""
    was: dict[str, tuple[Place, str]]
    """By id where its `was` is written."""


def read_rule_file(name: str, text: str, prefix: str, shared: Shared) -> FileRules:
    """The rules of one file. Raises Problems with everything that is wrong with it."""
    node = compose(text, prefix + name)
    model, problems = validated(RuleFile, node)
    problems += cut_texts(node, ("defaults",))
    let = node.get("let") if isinstance(node, Mapping) else None
    scope, found = read_lets(let, ("let",), Scope(Origins()))
    problems += found
    context = FileContext(name, node, model, shared, scope)
    rules: list[Rule] = []
    warnings: list[Problem] = []
    ids: dict[str, tuple[Place, str]] = {}
    for number, entry in enumerate(_entries(node)):
        if not isinstance(entry, Mapping):
            continue  # the model says so
        problems += cut_texts(node, ("rules", number))
        problems += _note_id(ids, number, entry)
        reading = RuleReading(context, number, entry)
        rule = reading.rule()
        problems += reading.problems
        warnings += reading.warnings
        rules += [rule] if rule is not None else []
    if problems:
        raise Problems(dict.fromkeys(problems))  # a file's own names and defaults are read by many of its rules
    return FileRules(tuple(rules), (*warnings, *unused(scope, let, ("let",))), ids, _was(node))


def read_defaults_file(name: str, text: str, prefix: str) -> tuple[RuleFields, Node]:
    """The keys of `_defaults.yaml`, and its tree. Raises Problems."""
    node = compose(text, prefix + name)
    model, problems = validated(DefaultsFile, node)
    problems += cut_texts(node, ())
    problems += _texts_of(node)
    if problems or model is None:
        raise Problems(problems)
    return model, node


def _texts_of(node: Node) -> list[Problem]:
    """What is wrong with texts whatever the rule is that inherits them."""
    problems: list[Problem] = []
    for key, value in node.items if isinstance(node, Mapping) else ():
        if key.text in ("message", "title") and isinstance(value, Scalar):
            problems += read_template(value, (key.text,), (), Scope(Origins()))[1]
        elif key.text == "setup":
            problems += read_setup(value, (key.text,), (), Scope(Origins()))[1]
    return problems


def _entries(node: Node) -> tuple[Node, ...]:
    rules = node.get("rules") if isinstance(node, Mapping) else None
    return rules.items if isinstance(rules, Sequence) else ()


def _was(node: Node) -> dict[str, tuple[Place, str]]:
    found: dict[str, tuple[Place, str]] = {}
    for number, entry in enumerate(_entries(node)):
        rule_id, was = (entry.get("id"), entry.get("was")) if isinstance(entry, Mapping) else (None, None)
        if isinstance(rule_id, Scalar) and was is not None:
            found[rule_id.text] = (was.place, path_text(("rules", number, "was")))
    return found


def _note_id(ids: dict[str, tuple[Place, str]], number: int, rule: Mapping) -> list[Problem]:
    written = rule.get("id")
    if not isinstance(written, Scalar) or not written.text:
        return []
    path = path_text(("rules", number, "id"))
    first, first_path = ids.setdefault(written.text, (written.place, path))
    if first_path == path:
        return []
    aliased = first == written.place
    hint = "an alias repeats it: write the rule out" if aliased else f"the first one is in line {first.line}"
    return [Problem(written.place, path, f"id {written.text!r} is used twice", hint)]
