"""Typed values from the text of a scalar; there are no other spellings than these."""

from __future__ import annotations

import re
from decimal import Decimal

from tradeassistd.base.errors import ConfigError

DURATION_MAX_S = 31 * 24 * 3600
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_DURATION = re.compile(r"([0-9]{1,9})([smh])")
_DURATION_FACTORS_S = {"s": 1, "m": 60, "h": 3600}


class ValueProblem(ConfigError, ValueError):
    """A value that its field cannot hold. Also a ValueError, so that a pydantic validator may raise it."""


def boolean(value: object) -> bool:
    """`true` or `false`. Raises ValueProblem for anything else, `yes` and `on` included."""
    text = _text(value, "true or false")
    if text not in ("true", "false"):
        raise ValueProblem(f"{text!r} is not true or false", hint="write true or false")
    return text == "true"


def number(value: object) -> Decimal:
    """A plain decimal such as `-0.25`, exactly. Raises ValueProblem."""
    text = _text(value, "a number")
    if not _NUMBER.fullmatch(text):
        raise ValueProblem(f"{text!r} is not a number", hint="write plain digits such as 1500 or -0.25")
    return Decimal(text)


def whole_number(value: object) -> int:
    """A number without decimals. Raises ValueProblem."""
    exact = number(value)
    if exact != exact.to_integral_value():
        raise ValueProblem(f"{exact} is not a whole number", hint=f"write {int(exact)}")
    return int(exact)


def duration_s(value: object) -> int:
    """`30s`, `5m` or `2h` in seconds, at most 31 days. Raises ValueProblem."""
    text = _text(value, "a duration")
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueProblem(f"{text!r} is not a duration", hint=_duration_hint(text))
    length_s = int(match[1]) * _DURATION_FACTORS_S[match[2]]
    if length_s > DURATION_MAX_S:
        raise ValueProblem(f"{text} is longer than 31 days", hint=f"write at most {DURATION_MAX_S // 3600}h")
    return length_s


def _duration_hint(text: str) -> str:
    if text.isdecimal():
        return f"a duration needs a unit: {text}s, {text}m or {text}h"
    if days := re.fullmatch(r"([0-9]{1,3})d", text):
        return f"write {int(days[1]) * 24}h"
    return "write a whole number and s, m or h: 30s, 5m, 2h"


def _text(value: object, due: str) -> str:
    if not isinstance(value, str):
        raise ValueProblem(f"{due} is due here, not a {'list' if isinstance(value, list | tuple) else 'map'}")
    if not value:
        raise ValueProblem("has no value", hint=f"write {due}")
    return value
