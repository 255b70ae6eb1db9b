"""How settings write long spans and sizes: `30d`, `2y`, `forever`; `500MB`, `2GB`."""

from __future__ import annotations

import re

FOREVER = "forever"
DAY_S = 86_400
_SPAN_S = {"h": 3_600, "d": DAY_S, "w": 7 * DAY_S, "y": 365 * DAY_S}
_SIZES = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?([a-zA-Z]*)")


def span_s(text: str) -> int | None:
    """The seconds of `36h`, `30d`, `8w`, `2y` (years of 365 days); None for `forever`. Raises ValueError."""
    if text == FOREVER:
        return None
    if not text[:-1].isascii() or not text[:-1].isdecimal() or text[-1:] not in _SPAN_S:
        raise ValueError(f"{text!r} is no span such as 36h, 30d, 8w, 2y or forever")
    return int(text[:-1]) * _SPAN_S[text[-1]]


def span_words(seconds: int | None) -> str:
    """The same back, in the largest unit that fits: `30d`, `2y`, `forever`."""
    if seconds is None:
        return FOREVER
    for unit in ("y", "d", "h"):
        if seconds and seconds % _SPAN_S[unit] == 0:
            return f"{seconds // _SPAN_S[unit]}{unit}"
    return f"{seconds}s"


def size_bytes(text: str) -> int:
    """The bytes of `1.5GB`, `500 MB` (powers of 1,024, as sizes are shown) or a plain number. Raises ValueError."""
    found = _AMOUNT.fullmatch(text)
    factor = _SIZES.get(found[2].upper()) if found else None
    if found is None or factor is None:
        raise ValueError(f"{text!r} is no size such as 500MB or 1.5GB")
    return round(float(found[1]) * factor)
