"""The conditions of one rule: `when` with `clear_when`, or `levels`, each level with both."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

from tradeassistd.base.yaml12 import Mapping, Node, Place, Problem, Sequence, ValueProblem, did_you_mean, plain
from tradeassistd.base.yaml12 import path_text as path_of
from tradeassistd.engine.language.expression import Expression
from tradeassistd.engine.language.kinds import EVENT
from tradeassistd.engine.rule import SEVERITIES, Level
from tradeassistd.rules.condition import read_condition
from tradeassistd.rules.fields import word
from tradeassistd.rules.names import Location, Scope

LEVELS_MAX = 16
_LEVEL_KEYS = ("severity", "when", "clear_when")
_severity = word("severity", SEVERITIES)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The levels of a rule, mildest first, the only one of a rule with `when`; severity is "" there."""

    levels: tuple[Level, ...]
    is_ladder: bool
    is_event: bool
    """One of its levels is an event."""
    is_over_at_once: bool
    """One of its levels is an event and has no `clear_when`, so it never goes on firing."""


def read_conditions(
    rule: Mapping, location: Location, symbols: Many[str], scope: Scope
) -> tuple[Conditions | None, list[Problem]]:
    """The conditions of a rule, checked for every symbol; None when they are not sound, and every problem."""
    reader = _Reader(symbols, scope)
    ladder = rule.get("levels")
    if ladder is None:
        level = reader.level(rule, location, "")
        levels = None if level is None else [level]
    else:
        reader.refuse_beside(rule, location)
        levels = reader.ladder(ladder, (*location, "levels"))
    if levels is None or reader.problems:
        return None, reader.problems
    events = [(level, kind) for level, kind in levels if kind == EVENT]
    over_at_once = any(level.clear_when is None for level, _ in events)
    found = Conditions(tuple(level for level, _ in levels), ladder is not None, bool(events), over_at_once)
    return found, []


class _Reader:
    def __init__(self, symbols: Many[str], scope: Scope) -> None:
        self._symbols = symbols
        self._scope = scope
        self.problems: list[Problem] = []

    def refuse_beside(self, rule: Mapping, location: Location) -> None:
        """`levels` say everything themselves."""
        hints = {
            "when": "write one of them",
            "clear_when": "write it in the level it belongs to",
            "severity": "each level has its own",
        }
        for name, hint in hints.items():
            if key := rule.key(name):
                self._refuse(key.place, (*location, name), f"`{name}` beside `levels`", hint)

    def ladder(self, node: Node, location: Location) -> list[tuple[Level, str]] | None:
        if not isinstance(node, Sequence):
            self._refuse(node.place, location, "must be a list", "write '- severity: warning' and when: below it")
            return None
        if not 1 <= len(node.items) <= LEVELS_MAX:
            hint = "write two rules" if node.items else "write one, or remove the key"
            self._refuse(node.place, location, f"takes 1 to {LEVELS_MAX} levels, not {len(node.items)}", hint)
            return None
        levels: list[tuple[Level, str]] = []
        mildest = 0
        for number, item in enumerate(node.items):
            where = (*location, number)
            if not isinstance(item, Mapping):
                self._refuse(item.place, where, "must be a map", "write severity: and when:")
                continue
            self._check_keys(item, where)
            severity = self._severity(item, where)
            if severity and SEVERITIES.index(severity) < mildest:
                message = f"{severity} is milder than {SEVERITIES[mildest]}, the level above"
                self._refuse(_value_place(item, "severity"), (*where, "severity"), message, "put the mildest first")
            mildest = max(mildest, SEVERITIES.index(severity)) if severity else mildest
            if (level := self.level(item, where, severity)) is not None:
                levels.append(level)
        return levels

    def level(self, node: Mapping, location: Location, severity: str) -> tuple[Level, str] | None:
        """One level with the kind of its condition."""
        when, clear = node.get("when"), node.get("clear_when")
        if when is None:
            self._refuse(
                node.place, location, "'when' is missing", "write when: and a condition, e.g. price crosses 5200"
            )
        read = when and self._condition(when, (*location, "when"))
        read_clear = clear and self._condition(clear, (*location, "clear_when"))
        if clear is not None and read_clear and read_clear[1] == EVENT:
            self._refuse(clear.place, (*location, "clear_when"), "`clear_when` is an event",
                         "write a comparison, e.g. price < 5190")  # fmt: skip
        if not read or (clear is not None and not read_clear):
            return None
        return Level(read[0], read_clear[0] if read_clear else None, severity), read[1]

    def _condition(self, node: Node, location: Location) -> tuple[Expression, str] | None:
        read, problems = read_condition(node, location, self._symbols, self._scope)
        self.problems += problems
        return read

    def _check_keys(self, level: Mapping, location: Location) -> None:
        for key, _ in level.items:
            if key.text not in _LEVEL_KEYS:
                hint = did_you_mean(key.text, _LEVEL_KEYS) or f"one of {' '.join(_LEVEL_KEYS)}"
                self._refuse(key.place, (*location, key.text), f"unknown key {key.text!r}", hint)

    def _severity(self, level: Mapping, location: Location) -> str:
        value = level.get("severity")
        if value is None:
            self._refuse(level.place, location, "'severity' is missing", f"write one of {' '.join(SEVERITIES)}")
            return ""
        try:
            return _severity(plain(value))
        except ValueProblem as error:
            self._refuse(value.place, (*location, "severity"), error.message, error.hint)
            return ""

    def _refuse(self, place: Place, location: Location, message: str, hint: str) -> None:
        self.problems.append(Problem(place, path_of(location), message, hint))


def _value_place(mapping: Mapping, key: str) -> Place:
    value = mapping.get(key)
    return mapping.place if value is None else value.place
