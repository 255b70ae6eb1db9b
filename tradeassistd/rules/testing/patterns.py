"""The texts of a test file's fields: series of values, times since the start, instants; each as a validator."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import ValueProblem

VALUES_MAX = 200_000
"""Values of one series."""
OFFSET_MAX_S = 14 * 24 * 3600
"""How long one test may last, in market time."""

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,8})?[kM]?"
_PART = re.compile(rf"(?P<first>-?{_NUMBER})(?:(?P<sign>[+-])(?P<step>{_NUMBER}))?(?:x(?P<times>[0-9]{{1,6}}))?")
_NONE = re.compile(r"_(?:x(?P<times>[0-9]{1,6}))?")
_OFFSET = re.compile(r"(?=[0-9])(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s)?")
_FACTORS = {"k": 1_000, "M": 1_000_000}
_VALUES_HINT = "write e.g. '6000x10 5980-10x6 _x4': a value, how often, by how much it moves; _ is no row"
_OFFSET_HINT = "write the time since the start: 30s, 5m, 8m30s, 1h"

Values = tuple[Decimal | None, ...]


def values(value: object) -> Values:
    """`A`, `AxN`, `A+BxN`, `A-BxN` (N values A, A±B, …), `_`, `_xN` (no row), parted by blanks. Raises ValueProblem."""
    if not isinstance(value, str) or not value.split():
        raise ValueProblem("a series of values is due here", hint=_VALUES_HINT)
    found: list[Decimal | None] = []
    for word in value.split():
        if none := _NONE.fullmatch(word):
            found += [None] * _times(word, none["times"])
        elif part := _PART.fullmatch(word):
            found += _part(word, part)
        else:
            raise ValueProblem(f"{word!r} is no value of a series", hint=_VALUES_HINT)
        if len(found) > VALUES_MAX:
            raise ValueProblem(f"more than {VALUES_MAX:,} values", hint="split the test")
    return tuple(found)


def offset_s(value: object) -> int:
    """Seconds since the start: `30s`, `8m30s`, `1h5m`. Raises ValueProblem."""
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueProblem(f"{value!r} is not a time since the start", hint=_OFFSET_HINT)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length_s = hours * 3600 + minutes * 60 + seconds
    if length_s > OFFSET_MAX_S:
        raise ValueProblem(f"{value} is longer than {OFFSET_MAX_S // 86_400} days", hint="start the test later")
    return length_s


def offsets_s(value: object) -> tuple[int, ...]:
    """One time or a list of them."""
    return tuple(offset_s(one) for one in (value if isinstance(value, list) else [value]))


def length_s(value: object) -> int:
    """An offset that is not nothing."""
    seconds = offset_s(value)
    if not seconds:
        raise ValueProblem(f"{value} is no time at all", hint="write at least 1s")
    return seconds


def instant_us(value: object) -> int:
    """A whole second with its zone, as UTC microseconds: `2026-11-20T10:00:00-05:00`. Raises ValueProblem."""
    hint = "write e.g. 2026-11-20T10:00:00-05:00 (New York in winter; -04:00 in summer)"
    try:
        instant = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueProblem(f"{value!r} is not an instant", hint=hint) from None
    if instant.tzinfo is None:
        raise ValueProblem(f"{value} has no zone", hint=hint)
    if instant.microsecond:
        raise ValueProblem(f"{value} is not a whole second", hint=hint)
    return int(instant.timestamp()) * US_PER_S


def offset_text(seconds: int) -> str:
    """Seconds as `1h5m30s`, `0s`."""
    hours, rest = divmod(abs(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "m"), (left, "s")]
    text = "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
    return f"-{text}" if seconds < 0 else text


def _part(word: str, part: re.Match[str]) -> list[Decimal | None]:
    first, times = _number(part["first"]), _times(word, part["times"])
    if part["sign"] is None:
        return [first] * times
    if part["times"] is None:
        raise ValueProblem(f"{word!r} moves, but does not say how often", hint=f"write e.g. {word}x5")
    step = _number(part["step"]) * (1 if part["sign"] == "+" else -1)
    return [first + step * number for number in range(times)]


def _number(text: str) -> Decimal:
    return Decimal(text.rstrip("kM")) * _FACTORS.get(text[-1], 1)


def _times(word: str, text: str | None) -> int:
    times = 1 if text is None else int(text)
    if not times:
        raise ValueProblem(f"{word!r} is no value at all", hint="remove it")
    if times > VALUES_MAX:
        raise ValueProblem(f"more than {VALUES_MAX:,} values", hint="split the test")
    return times
