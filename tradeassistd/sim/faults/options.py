"""The values an option of a fault may hold: how each is read from text, and its JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeassistd.base.yaml12 import ValueProblem, boolean, did_you_mean, duration_s, whole_number
from tradeassistd.market.instrument import is_symbol

SYMBOLS_MAX = 500
REQUIRED: Any = object()
"""The default of an option that must be written."""

_PERCENT = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,6})?%")


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written: `read` raises ValueProblem, `schema` says the same to editors, `example` to people."""

    read: Callable[[object], Any]
    schema: dict[str, Any]
    example: str


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a fault beside the common ones."""

    name: str
    form: Form
    doc: str
    default: Any = REQUIRED


def text(value: object) -> str:
    """Any text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueProblem("text is due here", hint="write one value")
    return value


def some_time_s(value: object) -> int:
    """A duration longer than nothing, in seconds."""
    length_s = duration_s(value)
    if not length_s:
        raise ValueProblem(f"{value} is no time at all", hint="write at least 1s")
    return length_s


def _signed_s(value: object) -> int:
    written = text(value)
    length_s = some_time_s(written.removeprefix("-"))
    return -length_s if written.startswith("-") else length_s


def _share(value: object) -> Decimal:
    written = text(value)
    if not _PERCENT.fullmatch(written):
        raise ValueProblem(f"{written!r} is not a percentage", hint="write 5% or -0.9%")
    return Decimal(written[:-1]) / 100


def _symbols(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    for one in listed:
        if not is_symbol(text(one)):
            raise ValueProblem(f"{one!r} is not a symbol", hint="write it as Schwab does: /ES, $TICK, SPY")
    if not 1 <= len(listed) <= SYMBOLS_MAX:
        raise ValueProblem(f"takes 1 to {SYMBOLS_MAX} symbols, not {len(listed)}", hint="name at least one")
    return tuple(listed)


def _symbol(value: object) -> str:
    return _symbols(text(value))[0]


def word(*known: str) -> Form:
    """One of some words."""

    def read(value: object) -> str:
        written = text(value)
        if written not in known:
            raise ValueProblem(f"unknown word {written!r}", hint=did_you_mean(written, known) or f"one of {_or(known)}")
        return written

    return Form(read, {"enum": list(known)}, "`, `".join(known))


def between(least: int, most: int) -> Form:
    """A whole number within bounds, both included."""

    def read(value: object) -> int:
        number = whole_number(value)
        if not least <= number <= most:
            raise ValueProblem(f"{number} is not between {least:,} and {most:,}", hint="choose one of these")
        return number

    digits = {"type": "string", "pattern": "^[0-9]+$"}
    return Form(read, {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, digits]}, f"{least}..{most}")


def one_number_of(*known: int) -> Form:
    """One of some whole numbers."""

    def read(value: object) -> int:
        number = whole_number(value)
        if number not in known:
            raise ValueProblem(f"{number} is none of {' '.join(map(str, known))}", hint="choose one of these")
        return number

    return Form(read, {"enum": [*known, *map(str, known)]}, " ".join(map(str, known)))


def _or(words: tuple[str, ...]) -> str:
    return " ".join(words)


DURATION = Form(some_time_s, {"type": "string", "pattern": "^[0-9]{1,9}[smh]$"}, "45s")
SIGNED = Form(_signed_s, {"type": "string", "pattern": "^-?[0-9]{1,9}[smh]$"}, "-90s")
PERCENT = Form(_share, {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}, "-2.5%")
BOOLEAN = Form(boolean, {"enum": [True, False, "true", "false"]}, "true")
TEXT = Form(text, {"type": "string", "minLength": 1}, "text")
SYMBOL = Form(_symbol, {"type": "string"}, "/ES")
SYMBOLS = Form(
    _symbols,
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    "[/ES, SPY]",
)
