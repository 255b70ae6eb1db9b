"""A rule as the engine sees it: frozen, checked, with its condition as a tree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tradeassistd.engine.language.expression import Expression, Other, render
from tradeassistd.engine.language.own import versions_read
from tradeassistd.engine.language.walk import substitute, walk
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.template import Template
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.derived import Derived
from tradeassistd.market.instrument import Instrument, instrument_in

SEVERITIES = ("info", "notice", "warning", "critical")
DEFAULT_COOLDOWN_S = 60


@dataclass(frozen=True, slots=True)
class Evaluate:
    """When a rule is judged: on every tick (neither is set), when that bar of its own symbol closes, or once a day."""

    interval: str = ""
    at_minute: int | None = None
    """Minute of the New York day, for `at(15:50)`."""


@dataclass(frozen=True, slots=True)
class Fire:
    """How often a rule fires: `every` rise, `once`, `once_per_bar` or `each_bar` of an interval."""

    mode: str = "every"
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A distance of price: `0.5%` of the price it is measured from, or `8t`, tick sizes of the symbol."""

    digits: Fraction
    suffix: str

    def from_price(self, price: int, tick_size: int) -> Fraction:
        """The distance in scaled price units; `price` is where it is measured from."""
        return abs(price) * self.digits / 100 if self.suffix == "%" else self.digits * tick_size


@dataclass(frozen=True, slots=True)
class Level:
    """One condition with what ends it; a rule without a ladder has one, numbered 0."""

    when: Expression
    clear_when: Expression | None = None
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trader would do when it fires: a word, and expressions by name (entry, stop, target, confidence)."""

    type: str = ""
    parts: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a rule file (rules.md 2), symbols written out, `let` names replaced. Durations in seconds."""

    id: str
    symbols: tuple[str, ...]
    when: Expression
    """The condition; with `ladder`, that of its first level."""
    clear_when: Expression | None = None
    ladder: tuple[Level, ...] = ()
    """`levels` as written, mildest first; empty for a rule with `when`."""
    evaluate: Evaluate = Evaluate()
    severity: str = "warning"
    cooldown_s: int = DEFAULT_COOLDOWN_S
    for_s: int = 0
    """How long the condition must be known to hold before the rule fires."""
    keep_firing_for_s: int = 0
    """How long the clear condition must hold before the rule clears."""
    fire: Fire = Fire()
    max_per_session: int = 0
    """How often it is told in one session at most; 0: no limit."""
    rearm: Move | None = None
    """How far the price must have moved from the last told one; of `reaches`, how far it must leave its level."""
    repeat_s: tuple[int, ...] = ()
    """Pauses between reminders; the last one goes on for ever."""
    on_clear: str = "silent"
    """silent or tell."""
    session: str = ""
    """A session word; empty means whenever the instrument trades."""
    active: tuple[ActiveWindow, ...] = ()
    """Times of the week outside which it is not watched; none: always."""
    expires_us: int = 0
    """From when on it is not judged any more; 0: never."""
    stale_after_s: int = 0
    """After how long without a row a symbol's values count as unknown; 0: never."""
    mode: str = "live"
    """live, shadow (evaluated and stored, never told) or off."""
    at_load: str = "quiet"
    """quiet or fire: what the first judging does when it is true and there is no stored state."""
    catch_up: str = "report"
    """report or log: what becomes of a crossing while nobody watched."""
    notify: tuple[str, ...] = ()
    """Channel names; empty means the settings' default channels."""
    values: Mapping[str, Mapping[str, Expression]] = field(default_factory=dict)
    """Per symbol the numbers that stand for names in its conditions, messages and setup."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """By symbol that it reads, in a condition or a text: what conditions depend on of the facts that override the
    catalogue. Nothing of one with the built-in facts."""
    setup: Setup | None = None
    message: Template | None = None
    title: Template | None = None
    was: str = ""
    """The id it had before: its state is taken up."""
    rev: str = ""
    """Raising it arms the rule anew."""
    description: str = ""
    tags: tuple[str, ...] = ()
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The ladder, or the one condition."""
        return self.ladder or (Level(self.when, self.clear_when, self.severity),)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the levels: 1, 2, … of a ladder, 0 without one."""
        return tuple(range(1, len(self.ladder) + 1)) if self.ladder else (0,)

    def level(self, number: int) -> Level:
        """The level of that number as written."""
        return self.ladder[number - 1] if self.ladder else self.levels[0]

    def severity_of(self, number: int) -> str:
        """The severity of that level; the rule's own when there is no such level (any more)."""
        return self.ladder[number - 1].severity if 0 < number <= len(self.ladder) else self.severity

    def resolved(self, tree: Expression, symbol: str) -> Expression:
        """An expression of the rule with the symbol's `values` in place of their names."""
        names = self.values.get(symbol)
        return substitute(tree, names) if names else tree

    def fingerprint(self, symbol: str, number: int = 0) -> str:
        """Hash of the condition as resolved for the symbol: state is kept over a reload exactly while it stays."""
        level = self.level(number)
        parts = [render(self.resolved(level.when, symbol)), self.evaluate.interval]
        if level.clear_when is not None:
            parts.append(f"clear {render(self.resolved(level.clear_when, symbol))}")
        if self.evaluate.at_minute is not None:
            parts.append(f"at {self.evaluate.at_minute}")
        if self.fire != Fire():
            parts.append(f"fire {self.fire.mode} {self.fire.interval}")
        if self.rev:
            parts.append(f"rev {self.rev}")
        if self.facts:
            read = {symbol} | symbols_of(level.when) | (symbols_of(level.clear_when) if level.clear_when else set())
            parts += [f"{name} is {self.facts[name]}" for name in sorted(read & self.facts.keys())]
        trees = (level.when, level.clear_when) if level.clear_when else (level.when,)
        parts += [f"function {one}" for one in versions_read(trees)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, in the order they are judged (file path, position in the file)."""

    rules: tuple[Rule, ...] = ()
    hash: str = ""
    """Hash of the bytes of all accepted files."""
    texts: tuple[tuple[str, str], ...] = ()
    """(file name relative to the rules directory, its text), sorted: what `hash` was made from."""
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    """By symbol what `_instruments.yaml` says in place of the catalogue."""
    derived: tuple[Derived, ...] = ()
    """Symbols that are made of others, in the order they are written."""
    silences: tuple[Silence, ...] = ()
    """What `_silences.yaml` says, in the order it is written."""

    @property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    def instrument_of(self, symbol: str) -> Instrument:
        """The facts of a symbol under these rules. Raises ValueError as market.instrument.instrument_of."""
        return instrument_in(self.instruments, symbol)


def symbols_of(tree: Expression) -> set[str]:
    """The symbols that a tree reads by `sym(...)`."""
    return {node.symbol for node in walk(tree) if isinstance(node, Other)}


def facts_text(instrument: Instrument, derived: Derived | None = None) -> str:
    """What conditions depend on of the facts of a symbol, as a text to compare: hours, tick size and formula.

    Its name, its point value and its plausible range change no condition.
    """
    kind, market, session = instrument.hours
    formula = f" = {derived.formula}" if derived else ""
    return f"{kind} {market} {session or '-'} {instrument.tick_size}{formula}"
