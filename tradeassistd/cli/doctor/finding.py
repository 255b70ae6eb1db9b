"""What a check found: the values that `tradeassist doctor` prints."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]
OK: State = "ok"
WARNING: State = "warning"
"""Worth knowing; nothing is lost by it now."""
PROBLEM: State = "problem"
"""The daemon cannot do its work, or not all of it."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's: which check, how it went, in words, and what to do about it."""

    check: str
    state: State
    text: str
    hint: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, OK, text)


def warning(check: str, text: str, hint: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check, WARNING, text, hint)


def problem(check: str, text: str, hint: str = "") -> Finding:
    """Something does not work."""
    return Finding(check, PROBLEM, text, hint)
