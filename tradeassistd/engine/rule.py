"""A rule as the engine sees it: frozen, checked, with its condition as a tree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tradeassistd.engine.expression import Expression, render

SEVERITIES = ("info", "notice", "warning", "critical")
DEFAULT_COOLDOWN_S = 60


@dataclass(frozen=True, slots=True)
class Evaluate:
    """When a rule is judged: on every tick (`interval` empty), or when that bar of its own symbol closes."""

    interval: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a rule file (rules.md 2), symbols written out."""

    id: str
    symbols: tuple[str, ...]
    when: Expression
    evaluate: Evaluate = Evaluate()
    severity: str = "warning"
    cooldown_s: int = DEFAULT_COOLDOWN_S
    for_s: int = 0
    """How long the condition must be known to hold before the rule fires, seconds."""
    session: str = ""
    """A session word; empty means whenever the instrument trades."""
    mode: str = "live"
    """live, shadow (evaluated and stored, never told) or off."""
    at_load: str = "quiet"
    """quiet or fire: what the first judging does when it is true and there is no stored state."""
    catch_up: str = "report"
    """report or log: what becomes of a crossing while nobody watched."""
    notify: tuple[str, ...] = ()
    """Channel names; empty means the settings' default channels."""
    description: str = ""
    tags: tuple[str, ...] = ()
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    @property
    def fingerprint(self) -> str:
        """Hash of the condition: state is kept over a reload exactly while this stays the same."""
        key = f"{render(self.when)}\n{self.evaluate.interval}"
        return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, in the order they are judged (file path, position in the file)."""

    rules: tuple[Rule, ...] = ()
    hash: str = ""
    """Hash of the bytes of all accepted files."""
    texts: tuple[tuple[str, str], ...] = ()
    """(file name relative to the rules directory, its text), sorted: what `hash` was made from."""

    @property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}
