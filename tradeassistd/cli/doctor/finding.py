"""What a check found: the values that `tradeassist doctor` prints."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from tradeassistd.cli.wording import counted

CHECK_WIDTH = 16
STATE_WIDTH = 9

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


def lines(one: Finding, width: int) -> list[str]:
    """A finding on one line or a few: how it went, what was checked, what was found; below it what to do."""
    import textwrap

    indent = STATE_WIDTH + CHECK_WIDTH
    room = max(width - indent, 30)
    check = f"{one.check:<{CHECK_WIDTH - 1}} "
    texts = textwrap.wrap(one.text, room, break_long_words=False, break_on_hyphens=False) or [""]
    hints = textwrap.wrap(f"-> {one.hint}", room, break_long_words=False, break_on_hyphens=False) if one.hint else []
    first = f"{one.state:<{STATE_WIDTH}}{check}{texts[0]}"
    return [first.rstrip(), *(f"{'':{indent}}{text}" for text in [*texts[1:], *hints])]


def summary(found: list[Finding]) -> str:
    """How many of each; the last line."""
    count = Counter(one.state for one in found)
    said = [counted(count[state], state) for state in (PROBLEM, WARNING) if count[state]]
    return ", ".join([*said, f"{count[OK]} ok"])
