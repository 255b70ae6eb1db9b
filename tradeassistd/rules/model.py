"""The fields of a rule file (rules.md 2) that this version has, and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from tradeassistd.base.yaml12 import ValueProblem, did_you_mean, duration_s
from tradeassistd.engine.rule import SEVERITIES, Evaluate
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.symbols import symbol_problem

VERSION = "1"
TEXT_MAX = 2_000
"""Characters of a description."""
LIST_MAX = 500
"""Entries of a list such as `symbols`."""

LATER = frozenset({
    "was", "rev", "values", "let", "levels", "clear_when", "keep_firing_for", "fire", "max_per_session", "rearm",
    "repeat", "on_clear", "active", "stale_after", "expires", "message", "title", "chart", "setup",
})  # fmt: skip
"""Keys of a rule that this version does not have yet."""
LATER_IN_FILES = frozenset({"let"})
"""The same for the top of a rule file."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLOSE = re.compile(r"close\(\s*(\w*)\s*\)")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueProblem(
            f"text is due here, not a {'list' if isinstance(value, list) else 'map'}", hint="write one value"
        )
    if not value.strip():
        raise ValueProblem("has no value", hint="write one, or remove the key")
    return value


def _short_text(value: object) -> str:
    text = _text(value).strip()
    if len(text) > TEXT_MAX:
        raise ValueProblem(f"longer than {TEXT_MAX:,} characters", hint="shorten it")
    return text


def _id(value: object) -> str:
    text = _text(value)
    if not _ID.fullmatch(text):
        better = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
        hint = f"write {better}" if better else "lower-case letters, digits and . _ -"
        raise ValueProblem(f"{text!r} is not an id of at most 64 characters a-z 0-9 . _ -", hint=hint)
    return text


def _word(what: str, known: tuple[str, ...]) -> Callable[[object], str]:
    def one_of(value: object) -> str:
        text = _text(value)
        if text not in known:
            hint = did_you_mean(text, known) or f"one of {' '.join(known)}"
            raise ValueProblem(f"unknown {what} {text!r}", hint=hint)
        return text

    return one_of


def _symbol(value: object) -> str:
    text = _text(value)
    if problem := symbol_problem(text):
        raise ValueProblem(problem[0], hint=problem[1])
    return text


def _label(what: str) -> Callable[[object], str]:
    def label(value: object) -> str:
        text = _text(value)
        if not _LABEL.fullmatch(text):
            raise ValueProblem(f"{text!r} is not a {what}", hint="at most 64 letters, digits and . _ -")
        return text

    return label


def _evaluate(value: object) -> Evaluate:
    text = _text(value)
    if text == "tick":
        return Evaluate()
    if text.startswith("at("):
        raise ValueProblem("at(...) is not supported by this version yet", hint="write tick or close(5m)")
    match = _CLOSE.fullmatch(text)
    if not match:
        raise ValueProblem(f"unknown evaluate {text!r}", hint="write tick or close(5m)")
    if match[1] not in INTERVALS_S:
        raise ValueProblem(f"{match[1]!r} is not a bar interval", hint=f"one of {' '.join(INTERVALS_S)}")
    return Evaluate(match[1])


def _list(value: object) -> object:
    if not isinstance(value, list):
        raise ValueProblem(
            "must be a list", hint=f"write [{value}]" if isinstance(value, str) and value else "write [a, b]"
        )
    if not 1 <= len(value) <= LIST_MAX:
        hint = "make it shorter" if value else "write one, or remove the key"
        raise ValueProblem(f"takes 1 to {LIST_MAX} entries, not {len(value)}", hint=hint)
    return value


def _version(value: object) -> str:
    text = _text(value)
    if text != VERSION:
        raise ValueProblem(f"unknown version {text!r}", hint=f"write version: {VERSION}")
    return text


Symbols = Annotated[tuple[Annotated[str, PlainValidator(_symbol)], ...], BeforeValidator(_list)]
Tags = Annotated[tuple[Annotated[str, PlainValidator(_label("tag"))], ...], BeforeValidator(_list)]
Channels = Annotated[tuple[Annotated[str, PlainValidator(_label("channel name"))], ...], BeforeValidator(_list)]


class Strict(BaseModel):
    """No key but these, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleFields(Strict):
    """What a rule and `defaults` both may hold; None is not written."""

    description: Annotated[str | None, PlainValidator(_short_text)] = None
    tags: Tags | None = None
    symbols: Symbols | None = None
    evaluate: Annotated[Evaluate | None, PlainValidator(_evaluate)] = None
    for_: Annotated[int | None, PlainValidator(duration_s), Field(alias="for")] = None
    cooldown: Annotated[int | None, PlainValidator(duration_s)] = None
    severity: Annotated[str | None, PlainValidator(_word("severity", SEVERITIES))] = None
    session: Annotated[str | None, PlainValidator(_word("session word", SESSION_WORDS))] = None
    mode: Annotated[str | None, PlainValidator(_word("mode", ("live", "shadow", "off")))] = None
    at_load: Annotated[str | None, PlainValidator(_word("at_load", ("quiet", "fire")))] = None
    catch_up: Annotated[str | None, PlainValidator(_word("catch_up", ("report", "log")))] = None
    notify: Channels | None = None


def keys_of(model: type[RuleFields]) -> list[str]:
    """The keys as they are written in a file (`for` is no name in Python)."""
    return [field.alias or name for name, field in model.model_fields.items()]


class RuleModel(RuleFields):
    """One entry of `rules`. `when` is read from the tree of nodes, for its places (condition.py)."""

    id: Annotated[str, PlainValidator(_id)]
    when: Any


class RuleFile(Strict):
    """One rule file."""

    version: Annotated[str, PlainValidator(_version)]
    defaults: RuleFields = Field(default_factory=RuleFields)
    rules: tuple[RuleModel, ...]


class DefaultsFile(RuleFields):
    """`_defaults.yaml`: the keys of a rule, for every rule of every file."""

    version: Annotated[str, PlainValidator(_version)] = VERSION


TEXT_FIELDS = ("description",)
"""Fields whose text a forgotten quote would cut at ` #`."""
