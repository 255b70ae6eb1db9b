"""What was meant by an expression that cannot be read: the slips people make, and what to write instead."""

from __future__ import annotations

import re
from fractions import Fraction

from lark import Token

from tradeassistd.base.yaml12 import did_you_mean
from tradeassistd.engine.language.expression import CROSS_OPS, RANGE_OPS, REACHES, SUFFIX_FACTORS
from tradeassistd.engine.language.kinds import ExpressionError

_SIGNS = {
    "≥": ">=", "≤": "<=", "≠": "!=", "＞": ">", "＜": "<", "＝": "==", "×": "*", "·": "*", "÷": "/", "−": "-", "–": "-",
    "—": "-", "％": "%", "，": ",", "（": "(", "）": ")", "&": "and", "|": "or", "!": "not", "\xa0": "a plain space",
    "\u2009": "a plain space", "\u202f": "a plain space",
}  # fmt: skip
_QUOTES = "'\"`“”‘’„«»"
_SUFFIXES = {
    "K": "k", "b": "B", "X": "x", "T": "t", "S": "s", "H": "h", "D": "d", "mm": "M", "mio": "M", "mn": "M", "mln": "M",
    "bn": "B", "min": "m", "mins": "m", "minutes": "m", "sec": "s", "secs": "s", "hr": "h", "hrs": "h", "hours": "h",
    "pct": "%", "percent": "%", "ticks": "t", "days": "d",
}  # fmt: skip
_WORDS = {
    "above": "write > for a state, crosses_above for an event",
    "over": "write > for a state, crosses_above for an event",
    "below": "write < for a state, crosses_below for an event",
    "under": "write < for a state, crosses_below for an event",
    "between": "write inside [low, high]",
    "in": "write inside [low, high]",
    "is": "write ==, > or <",
    "equals": "write ==",
    "then": "a rule has no `then`; it alerts when the condition holds",
    "cross": "write crosses",
    "crossed": "write crosses",
    "crossing": "write crosses",
    "reach": "write reaches",
    "reached": "write reaches",
    "touches": "write reaches",
    "hits": "write reaches",
    "crossover": "write crosses_above",
    "crossunder": "write crosses_below",
    "crosses_up": "write crosses_above",
    "crosses_down": "write crosses_below",
}
_CROSSED = {"above": "above", "over": "above", "up": "above", "below": "below", "under": "below", "down": "below"}
_COMPARING = {"STATE", "CROSS", "RANGE"}
_LAST_TOKEN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9][0-9A-Za-z_.,%]*|[<>=!]=|\S)\s*$")
_SYM_BEHIND = re.compile(r"\bsym\s*\([^()]*\)\s*$")
_ONE_SUFFIX = "a number is digits and at most one of % k M B x t s m h d"


def character_hint(text: str, at: int) -> ExpressionError:
    """The error for a character that no expression holds."""
    char, behind = text[at], text[at + 1 : at + 2]
    message = f"{char!r} cannot stand in an expression"
    if char in _SIGNS:
        return ExpressionError(message, at, hint=f"write {_SIGNS[char]}")
    if char in _QUOTES:
        return ExpressionError(message, at, hint="names and numbers are written without quotes")
    if char == "$" and behind.isdigit():
        return ExpressionError(message, at, hint="write the price without $")
    if char == "$":
        symbol = re.match(r"\$[A-Za-z0-9]+", text[at:])
        return ExpressionError(message, at, hint=f"write sym({symbol[0] if symbol else '$VIX'}).price")
    if char == "%":
        return ExpressionError(message, at, hint="write % at once behind the number: 1%")
    if char == "^":
        return ExpressionError(message, at, hint="there is no power; write a product")
    return ExpressionError(message, at, hint="remove it")


def number_hint(text: str, at: int) -> ExpressionError:
    """The error for what looks like a number but is none."""
    return ExpressionError(f"{text} is not a number", at, hint=_number_hint(text))


def token_error(text: str, token: Token) -> ExpressionError:
    """The error for a word, number or sign that stands where it cannot."""
    if token.type == "$END":
        end = len(text.rstrip())
        return ExpressionError("ends too early", end, hint=f"something is missing behind {_last(text)!r}")
    at = token.start_pos or 0
    before = text[:at]
    last = _last(before)
    if not (last and (last[-1].isalnum() or last[-1] in "_)]%.")) or _is_operator(last):
        return _operand_missing(text, token, last, at)
    return _operator_missing(text, token, last, at)


def _operator_missing(text: str, token: Token, last: str, at: int) -> ExpressionError:
    """A value is complete, and what stands behind it does not go on from there."""
    if _SYM_BEHIND.search(text[:at]):
        return ExpressionError("sym(...) alone is not a value", at, hint="write e.g. sym($VIX).price")
    if token.type in _COMPARING:
        hint = "join two comparisons with and: price > 1 and price < 2"
        return ExpressionError("comparisons do not chain", at, hint=hint)
    if token.type in ("AND", "OR"):
        return ExpressionError("`and` beside `or` needs parentheses", at, hint="write (a and b) or c")
    if token == "=":
        return ExpressionError("'=' alone compares nothing", at, hint=_equal_hint(text, at))
    if token in (",", "]") and text[:at].count("[") > text[:at].count("]"):
        return ExpressionError("a range has two bounds", at, hint="write e.g. inside [5180, 5200]")
    if token == "," and last.isdigit() and (decimals := re.match(r",([0-9]+[%kMBxtsmhd]?)", text[at:])):
        return ExpressionError("',' cannot stand here", at, hint=f"write {last}.{decimals[1]}")
    if token == ",":
        return ExpressionError("',' cannot stand here", at, hint="a comma separates arguments, or values in [ ]")
    if last[0].isdigit() and (token in SUFFIX_FACTORS or token in _SUFFIXES):
        unit = _SUFFIXES.get(str(token), str(token))
        return ExpressionError(f"{str(token)!r} stands apart from its number", at, hint=f"write {last}{unit}")
    return _word_error(text, token, last, at)


def _word_error(text: str, token: Token, last: str, at: int) -> ExpressionError:
    for word, where in ((str(token), at), (last, text[:at].rstrip().rfind(last))):
        before = _last(text[:where])
        if word in _CROSSED and before in ("crosses", "cross"):
            return ExpressionError(f"{word!r} cannot stand here", where, hint=f"write crosses_{_CROSSED[word]}")
        if word in _WORDS:
            return ExpressionError(f"{word!r} cannot stand here", where, hint=_WORDS[word])
        if word.lower() in ("and", "or", "not") and not word.islower():
            return ExpressionError(f"{word!r} cannot stand here", where, hint=f"write {word.lower()}")
        if word.isidentifier() and (meant := did_you_mean(word, (*CROSS_OPS, *RANGE_OPS, REACHES))):
            return ExpressionError(f"{word!r} cannot stand here", where, hint=meant)
    if text[:at].count("(") > text[:at].count(")"):
        message = f"a comma or an operator is missing before {str(token)!r}"
        return ExpressionError(message, at, hint=f"write {last}, {token}")
    return ExpressionError(f"an operator is missing before {str(token)!r}", at, hint="write one, e.g. > or and")


def _operand_missing(text: str, token: Token, last: str, at: int) -> ExpressionError:
    """An operator or an opening bracket waits for a value."""
    message = f"a value is missing before {str(token)!r}"
    if token in (*CROSS_OPS, *RANGE_OPS, REACHES) and last in ("", "and", "or", "not", "("):
        return ExpressionError(message, at, hint=f"it stands between two values: write price {token} …")
    if last in (*CROSS_OPS, REACHES) and token == "[":
        return ExpressionError("'[' cannot stand here", at, hint=f"write {last} any [a, b]")
    if last in RANGE_OPS:
        return ExpressionError(f"{last} takes a range", at, hint=f"write {last} [low, high]")
    if last == "any":
        word = _last(text[:at].rstrip().removesuffix("any"))
        return ExpressionError("`any` takes a list", at, hint=f"write {word or 'crosses'} any [a, b]")
    if token == "any":
        return ExpressionError("`any` cannot stand here", at, hint="it stands behind crosses: price crosses any [1, 2]")
    if last == ".":
        return ExpressionError("a name is missing behind '.'", at, hint="write e.g. sym($VIX).price")
    if token == "/" and (symbol := re.match(r"/[A-Z0-9]+", text[at:])):
        return ExpressionError(message, at, hint=f"another symbol is written sym({symbol[0]}).price")
    if token == "=" or (last == "=" and token in (">", "<")):
        return ExpressionError(message, at, hint=_equal_hint(text, at))
    if token == ">" and last == "<":
        return ExpressionError(message, at, hint="write !=")
    if token == "*" and last == "*":
        return ExpressionError(message, at, hint="there is no power; write a product")
    if token == "+":
        return ExpressionError(message, at, hint="remove the +")
    return ExpressionError(message, at, hint="write it, or remove the sign")


def _equal_hint(text: str, at: int) -> str:
    around = text[max(at - 2, 0) : at + 3]
    return "write >=" if ">" in around else "write <=" if "<" in around else "write =="


def _number_hint(text: str) -> str:
    if "," in text:
        return f"write {text.replace(',', '')}, or a space behind the comma if these are several values"
    if re.fullmatch(r"[0-9.]+[eE][0-9]*", text):
        return "there are no exponents: write the digits out, or 100k"
    if re.fullmatch(r"\.[0-9]+.?", text):
        return f"write 0{text}"
    if re.fullmatch(r"[0-9]+\.", text):
        return f"write {text}0"
    if re.fullmatch(r"[0-9.]{16,}[A-Za-z%]?", text):
        return "a number has at most 15 digits before and behind its point"
    if "_" in text:
        return f"write {text.replace('_', '')}"
    if match := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z%]+)", text):
        digits, unit = match[1], match[2]
        if unit in ("bp", "bps") and len(digits) <= 6:
            return f"write {float(Fraction(digits) / 100):g}%"
        if unit in _SUFFIXES:
            return f"write {digits}{_SUFFIXES[unit]}"
    return _ONE_SUFFIX


def _is_operator(word: str) -> bool:
    return word in ("and", "or", "not", "any", ".", *CROSS_OPS, REACHES, *RANGE_OPS)


def _last(text: str) -> str:
    """The last word, number or sign of a text."""
    match = _LAST_TOKEN.search(text)
    return match[1] if match else ""
