"""Building blocks of the schemas: what a text, a number, a duration, a symbol, a time may look like.

An editor reads YAML 1.2: `3` is a number, `true` a boolean, `5m`, `off` and `2026-12-18` are text. Our reader takes
every scalar as text, with quotes or without. So whatever may be written plainly is allowed as what the editor makes of
it. A ticker, tag or text that is nothing but TRUE, FALSE or NULL needs quotes in an editor; an empty value is its null.

The keywords are those that draft-07 and 2020-12 share and read alike; a `$ref` stands alone, because draft-07 does
not look at what is beside it. `patternErrorMessage` is an annotation: VS Code and the YAML language server show it in
the place of the pattern. Patterns keep to what Python and ECMAScript read alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tradeassistd.base.yaml12.values import DURATION_MAX_S
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.rules.fields import TEXT_MAX
from tradeassistd.rules.grammar import LENGTH_MAX
from tradeassistd.rules.silences import GLOB_MAX
from tradeassistd.rules.symbols import FUTURE_ROOTS
from tradeassistd.rules.times import ACTIVE_EXAMPLE, WEEKDAYS

Schema = dict[str, Any]

TEXT_TYPES = ["string", "number", "boolean"]
"""What an editor may make of a text without quotes."""
NUMBER_TYPES = ["number", "string"]
_ROOTS = "|".join(sorted(FUTURE_ROOTS))
_MONTH = "[FGHJKMNQUVXZ]"
_UNITS_S = (("s", 1), ("m", 60), ("h", 3600))
SYMBOL = (
    rf"(?!(?:{_ROOTS}){_MONTH}[0-9]{{1,4}}$)(?!/(?:{_ROOTS}){_MONTH}(?:[0-9]|[0-9]{{3,4}})$)"
    r"(?:/[A-Z0-9]{1,6}|\$[A-Z0-9]{1,12}|[A-Z][A-Z0-9]{0,7}(?:/[A-Z]{1,3})?)"
)
"""A symbol as Schwab writes it; a contract has its slash and two digits of the year."""
LABEL = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
INTERVAL = "|".join(INTERVALS_S)
CLOCK = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
DATE = (
    "2[0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|[12][0-9]))"
)
_ZONE = "(?:UTC|[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)"
_OFFSET = "[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = f"(?:{'|'.join(WEEKDAYS)})"
_DAYS = f"{_DAY}(?:-{_DAY})?"


def pattern(text: str, hint: str, *examples: str, types: list[str] | str = "string") -> Schema:
    """Text that matches as a whole; `hint` is what to write instead, the examples are offered for completion."""
    shape: Schema = {"type": types, "pattern": f"^(?:{text})$", "patternErrorMessage": hint}
    return {**shape, "examples": list(examples)} if examples else shape


def text(characters: int = TEXT_MAX) -> Schema:
    """A text that is not blank."""
    return {"type": TEXT_TYPES, "pattern": r"\S", "maxLength": characters}


def one_of(words: Iterable[str]) -> Schema:
    """One of these words."""
    return {"enum": list(words)}


def labels(what: str, entries: int) -> Schema:
    """A list of labels."""
    return list_of(label(what), entries)


def label(what: str) -> Schema:
    """Letters, digits and . _ -"""
    return _name(LABEL, f"a {what} is at most 64 letters, digits and . _ -")


def rule_id() -> Schema:
    """An id of a rule."""
    return _name("[a-z0-9][a-z0-9._-]{0,63}", "at most 64 characters a-z 0-9 . _ -")


def _name(text: str, hint: str) -> Schema:
    return {**pattern(text, hint, types=TEXT_TYPES), "minimum": 0}  # an editor makes a number of `-1`


def symbol(*, watchlists: bool = False) -> Schema:
    """A symbol, or also the name of a watchlist."""
    hint = "write it as Schwab does: /ES, $SPX, SPY, BRK/B" + (", or '@name' of a watchlist" if watchlists else "")
    return pattern(f"@{LABEL}|{SYMBOL}" if watchlists else SYMBOL, hint, "/ES", "/NQ", "$SPX", "$VIX", "SPY")


def glob() -> Schema:
    """A glob over ids, symbols or tags."""
    return pattern(rf"(?!@)\S{{1,{GLOB_MAX}}}", "write one glob such as es-*", "es-*", types=TEXT_TYPES)


def duration(*examples: str, some: bool = False) -> Schema:
    """`30s`, `5m`, `2h`, at most 31 days; with `some`, at least a second."""
    nonzero = "(?=0*[1-9])" if some else ""
    lengths = "|".join(f"{_up_to(DURATION_MAX_S // unit_s)}{unit}" for unit, unit_s in _UNITS_S)
    hint = "a duration has its unit, and is at most 31 days: 30s, 5m, 2h"
    return pattern(f"(?=[0-9]{{1,9}}[smh]$){nonzero}0*(?:{lengths})", hint, *examples)


def _up_to(most: int) -> str:
    """A whole number that is not above `most`, without zeros before it."""
    digits = str(most)
    less = (f"{digits[:at]}[0-{int(digit) - 1}]" + (f"[0-9]{{{left}}}" if left else "")
            for at, digit in enumerate(digits) if digit > "0" and (left := len(digits) - at - 1) >= 0)  # fmt: skip
    return f"(?:[0-9]{{1,{len(digits) - 1}}}|{'|'.join(less)}|{digits})"


def whole(least: int, most: int | None = None) -> Schema:
    """A number without decimals."""
    shape: Schema = {"type": ["integer", "string"], "minimum": least, "pattern": r"^[0-9]{1,15}(?:\.0+)?$",
                     "patternErrorMessage": "write a whole number"}  # fmt: skip
    return {**shape, "maximum": most} if most is not None else shape


def number(*examples: float) -> Schema:
    """A plain number."""
    shape = pattern(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", "write plain digits such as 1500 or -0.25", types=NUMBER_TYPES)
    return {**shape, "examples": list(examples)} if examples else shape


def above_zero(*examples: float) -> Schema:
    """A plain number that is neither zero nor below."""
    return {**pattern(r"(?!0+(?:\.0+)?$)[0-9]{1,15}(?:\.[0-9]{1,15})?", "write plain digits such as 0.25",
                      types=NUMBER_TYPES), "exclusiveMinimum": 0, "examples": list(examples)}  # fmt: skip


def literal() -> Schema:
    """A number with or without its unit, as an expression writes it: `5200`, `-0.5%`, `50k`."""
    hint = "write a number such as 5200, -0.5% or 50k"
    return pattern(r"\s*-?\s*[0-9]+(?:\.[0-9]+)?[%kMBxtsmhd]?\s*", hint, types=NUMBER_TYPES)


def flag() -> Schema:
    """`true` or `false`."""
    return {"enum": [True, False, "true", "false"]}


def expression(*examples: str) -> Schema:
    """A value; what is inside of it `tradeassist rules check` says."""
    shape: Schema = {"type": NUMBER_TYPES, "minLength": 1, "maxLength": LENGTH_MAX}
    return {**shape, "examples": list(examples)} if examples else shape


def expires() -> Schema:
    """A day, or a time with its zone."""
    return pattern(
        rf"{DATE}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])? ?(?:Z|{_OFFSET}|{_ZONE}))?",
        "write a date such as 2026-12-18, or 2026-12-18 15:00 America/New_York",
        "2026-12-18", "2026-12-18 15:00 America/New_York",
    )  # fmt: skip


def active() -> Schema:
    """Times of the week."""
    return pattern(
        rf"\s*{_DAYS}(?:,{_DAYS})*\s+{CLOCK}-(?:{CLOCK}|24:00)(?:\s+{_ZONE})?\s*",
        f"write e.g. '{ACTIVE_EXAMPLE}'",
        ACTIVE_EXAMPLE,
    )


def list_of(item: Schema, entries: int | None = None, *, unique: bool = False) -> Schema:
    """One entry or more."""
    shape: Schema = {"type": "array", "items": item, "minItems": 1}
    if entries is not None:
        shape["maxItems"] = entries
    return {**shape, "uniqueItems": True} if unique else shape


def one_or_many(item: Schema) -> Schema:
    """One entry, or a list of them, which may be empty."""
    return {"anyOf": [item, {"type": "array", "items": item}]}


def map_of(properties: Mapping[str, Schema], *required: str) -> Schema:
    """These keys and no other."""
    shape: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**shape, "required": list(required)} if required else shape


def names_to(value: Schema, keys: Schema, entries: int) -> Schema:
    """Keys of one's own, all with values of one shape."""
    return {"type": "object", "additionalProperties": value, "propertyNames": keys, "minProperties": 1,
            "maxProperties": entries}  # fmt: skip


def described(words: str, shape: Schema) -> Schema:
    """The shape with what an editor shows of it."""
    return {"description": words, **shape}
