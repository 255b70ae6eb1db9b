"""What rule files said when they were last read: a file is not read again while all that its reading depends on stays.

That is its text, the shared files that say something to rules, and what is asked for; so of a thousand files a reload
reads only those that changed, and the rules of the others are the very objects that are in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tradeassistd.base.yaml12 import Problem, Problems
from tradeassistd.rules.rule_file import FileRules, read_rule_file
from tradeassistd.rules.rule_reading import Shared
from tradeassistd.rules.shared_files import FOR_RULES


@dataclass(frozen=True, slots=True)
class Context:
    """What the reading of every rule file depends on beside its own text."""

    prefix: str
    shared_texts: tuple[tuple[str, str | None], ...]
    lint: bool
    channels: frozenset[str] | None

    @classmethod
    def of(cls, texts: Mapping[str, str], prefix: str, lint: bool, channels: frozenset[str] | None) -> Context:
        """That of a directory with these texts."""
        return cls(prefix, tuple((name, texts.get(name)) for name in FOR_RULES), lint, channels)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file says, or (`found` is None) what is wrong with it."""

    found: FileRules | None
    problems: tuple[Problem, ...]
    read_us: int
    """Market time of reading; a rule that expires later is warned of by another reading."""

    def holds_at(self, now_us: int) -> bool:
        """Whether reading it at that market time would say the same."""
        if self.read_us == now_us or self.found is None:
            return True
        first_us, last_us = sorted((self.read_us, now_us))
        return not any(first_us < rule.expires_us <= last_us for rule in self.found.rules)


Key = tuple[str, str, Context]


def read_one(name: str, text: str, prefix: str, shared: Shared) -> Reading:
    """Read a file now."""
    try:
        return Reading(read_rule_file(name, text, prefix, shared), (), shared.now_us)
    except Problems as error:
        return Reading(None, tuple(error.problems), shared.now_us)


class Readings:
    """Readings by name, text and context; `keep_used` bounds them by what the last load needed."""

    def __init__(self) -> None:
        self._known: dict[Key, Reading] = {}
        self._used: set[Key] = set()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: str, text: str, context: Context, shared: Shared) -> Reading:
        """The reading of a file, from before if there is one that still holds."""
        key = (name, text, context)
        self._used.add(key)
        reading = self._known.get(key)
        if reading is None or not reading.holds_at(shared.now_us):
            reading = self._known[key] = read_one(name, text, context.prefix, shared)
        return reading

    def missing(self, names: Iterable[str], texts: Mapping[str, str], context: Context, now_us: int) -> list[str]:
        """Those of the files that `get` would have to read."""
        found = ((name, self._known.get((name, texts[name], context))) for name in names)
        return [name for name, reading in found if reading is None or not reading.holds_at(now_us)]

    def put(self, name: str, text: str, context: Context, reading: Reading) -> None:
        """Take a reading that was made elsewhere (build.py)."""
        self._known[name, text, context] = reading

    def keep_used(self) -> None:
        """Forget what has not been asked for since the last call."""
        used, self._used = self._used, set()
        self._known = {key: reading for key, reading in self._known.items() if key in used}
