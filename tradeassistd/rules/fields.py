"""What the text of one field of a rule may be, as validators for model.py; each raises ValueProblem with a hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from tradeassistd.base.yaml12 import ValueProblem, did_you_mean, duration_s, whole_number
from tradeassistd.engine.rule import Evaluate, Fire, Move
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.rules import times
from tradeassistd.rules.symbols import symbol_problem

VERSION = "1"
TEXT_MAX = 2_000
"""Characters of a description or message."""
TITLE_MAX = 250
LIST_MAX = 500
"""Entries of a list such as `symbols`."""
REMINDERS_MAX = 16
"""Entries of `repeat`; the last one goes on for ever anyway."""
TOLD_MAX = 10_000
"""Greatest `max_per_session`."""
FIRE_MODES = ("every", "once", "once_per_bar", "each_bar")

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CALL = re.compile(r"(\w+)(?:\(\s*([\w:]*)\s*\))?")
_MOVE = re.compile(r"move +([0-9]{1,9}(?:\.[0-9]{1,9})?)([%t])")
_MOVE_HINT = "write clear, move 0.5% or move 8t"
_EVALUATE_HINT = "write tick, close(5m) or at(15:50)"


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueProblem(
            f"text is due here, not a {'list' if isinstance(value, list) else 'map'}", hint="write one value"
        )
    if not value.strip():
        raise ValueProblem("has no value", hint="write one, or remove the key")
    return value


def text_up_to(characters: int) -> Callable[[object], str]:
    def short(value: object) -> str:
        stripped = text(value).strip()
        if len(stripped) > characters:
            raise ValueProblem(f"longer than {characters:,} characters", hint="shorten it")
        return stripped

    return short


def rule_id(value: object) -> str:
    written = text(value)
    if not _ID.fullmatch(written):
        better = re.sub(r"[^a-z0-9._-]+", "-", written.lower()).strip("-._")[:64]
        hint = f"write {better}" if better else "lower-case letters, digits and . _ -"
        raise ValueProblem(f"{written!r} is not an id of at most 64 characters a-z 0-9 . _ -", hint=hint)
    return written


def word(what: str, known: tuple[str, ...]) -> Callable[[object], str]:
    def one_of(value: object) -> str:
        written = text(value)
        if written not in known:
            hint = did_you_mean(written, known) or f"one of {' '.join(known)}"
            raise ValueProblem(f"unknown {what} {written!r}", hint=hint)
        return written

    return one_of


def label(what: str) -> Callable[[object], str]:
    def named(value: object) -> str:
        written = text(value)
        if not _LABEL.fullmatch(written):
            raise ValueProblem(f"{written!r} is not a {what}", hint="at most 64 letters, digits and . _ -")
        return written

    return named


def symbol(value: object) -> str:
    written = text(value)
    if problem := symbol_problem(written):
        raise ValueProblem(problem[0], hint=problem[1])
    return written


def symbol_or_list(value: object) -> str:
    """A symbol, or `@name` of a watchlist, which is looked up later."""
    written = text(value)
    return written if is_watchlist(written) else symbol(written)


def is_watchlist(written: str) -> bool:
    return written.startswith("@") and _LABEL.fullmatch(written[1:]) is not None


def evaluate(value: object) -> Evaluate:
    written = text(value)
    if written == "tick":
        return Evaluate()
    match = _CALL.fullmatch(written)
    if not match or match[1] not in ("close", "at"):
        raise ValueProblem(f"unknown evaluate {written!r}", hint=_EVALUATE_HINT)
    if match[1] == "close":
        return Evaluate(_interval(match[2] or ""))
    minute = times.minute_of_day(match[2] or "")
    if minute == 24 * 60:
        raise ValueProblem("24:00 is the next day", hint="write at(00:00)")
    return Evaluate(at_minute=minute)


def fire(value: object) -> Fire:
    written = text(value)
    match = _CALL.fullmatch(written)
    if not match or match[1] not in FIRE_MODES:
        hint = did_you_mean(written, FIRE_MODES) or "write every, once, once_per_bar(5m) or each_bar(5m)"
        raise ValueProblem(f"unknown fire {written!r}", hint=hint)
    if match[1] in ("every", "once"):
        if match[2] is not None:
            raise ValueProblem(f"{match[1]} takes no bar interval", hint=f"write {match[1]}")
        return Fire(match[1])
    if match[2] is None:
        raise ValueProblem(f"{match[1]} needs a bar interval", hint=f"write {match[1]}(5m)")
    return Fire(match[1], _interval(match[2]))


def _interval(written: str) -> str:
    if written not in INTERVALS_S:
        raise ValueProblem(f"{written!r} is not a bar interval", hint=f"one of {' '.join(INTERVALS_S)}")
    return written


def rearm(value: object) -> Move | None:
    written = text(value)
    if written == "clear":
        return None
    match = _MOVE.fullmatch(written)
    if not match:
        bare = _MOVE.fullmatch(f"move {written}")
        raise ValueProblem(f"unknown rearm {written!r}", hint=f"write move {written}" if bare else _MOVE_HINT)
    if not (digits := Fraction(match[1])):
        raise ValueProblem("a move of nothing", hint=_MOVE_HINT)
    return Move(digits, match[2])


def some_time_s(value: object) -> int:
    """A duration that is not nothing, in seconds."""
    length_s = duration_s(value)
    if not length_s:
        raise ValueProblem(f"{value} is no time at all", hint="write at least 1s, or remove it")
    return length_s


def told_count(value: object) -> int:
    count = whole_number(value)
    if not 1 <= count <= TOLD_MAX:
        raise ValueProblem(f"{count} is not between 1 and {TOLD_MAX:,}", hint="use mode: shadow to be told nothing")
    return count


def active(value: object) -> ActiveWindow:
    return times.active_window(text(value))


def expires(value: object) -> times.Expires:
    return times.expires(text(value))


def list_of(entries: int) -> Callable[[object], object]:
    def listed(value: object) -> object:
        if not isinstance(value, list):
            hint = f"write [{value}]" if isinstance(value, str) and value else "write [a, b]"
            raise ValueProblem("must be a list", hint=hint)
        if not 1 <= len(value) <= entries:
            hint = "make it shorter" if value else "write one, or remove the key"
            raise ValueProblem(f"takes 1 to {entries} entries, not {len(value)}", hint=hint)
        return value

    return listed


def version(value: object) -> str:
    written = text(value)
    if written != VERSION:
        raise ValueProblem(f"unknown version {written!r}", hint=f"write version: {VERSION}")
    return written
