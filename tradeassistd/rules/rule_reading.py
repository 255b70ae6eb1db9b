"""One entry of `rules` to a Rule: its own keys over those of `defaults`, these over those of `_defaults.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tradeassistd.base.yaml12 import Mapping, Node, Place, Problem, Scalar, Sequence, node_at, path_text, place_of
from tradeassistd.engine.rule import SEVERITIES, Fire, Level, Rule, Setup, facts_text, symbols_of
from tradeassistd.engine.template import Slot, Template
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_in, instrument_of
from tradeassistd.market.session import session_words
from tradeassistd.rules.conditions import Conditions, read_conditions
from tradeassistd.rules.fields import is_watchlist
from tradeassistd.rules.instruments import Instruments
from tradeassistd.rules.lets import read_lets, read_values, unused, unused_values
from tradeassistd.rules.lint_rules import Written, condition_problems, rule_notes
from tradeassistd.rules.lint_symbols import symbol_notes
from tradeassistd.rules.model import READ_FROM_NODES, RuleFields, RuleFile, RuleModel
from tradeassistd.rules.names import Location, Scope
from tradeassistd.rules.never import never_true
from tradeassistd.rules.routes import Routes
from tradeassistd.rules.silences import WrittenSilences
from tradeassistd.rules.symbols import symbol_problem
from tradeassistd.rules.texts import read_setup, read_template
from tradeassistd.rules.watchlists import Listed, Watchlists, expand

Part = TypeVar("Part")

_IN_SECONDS = ("for_", "keep_firing_for", "cooldown", "repeat", "stale_after")
_AT_ONCE = "an event is over at once"


@dataclass(frozen=True, slots=True)
class Shared:
    """What `_defaults.yaml`, `_watchlists.yaml` and `_instruments.yaml` say to every rule file."""

    defaults: RuleFields = field(default_factory=RuleFields)
    node: Node | None = None
    """The tree of `_defaults.yaml`."""
    watchlists: Watchlists | None = field(default_factory=dict)
    """None while their file is broken."""
    instruments: Instruments = field(default_factory=Instruments)
    routes: Routes | None = None
    """None without their file, or while it is broken."""
    silences: WrittenSilences = field(default_factory=WrittenSilences)
    now_us: int = 0
    """Market time of loading, for what has expired; 0: unknown."""
    lint: bool = False
    """Warn also of what only a person who asks wants to know (lint.py)."""
    channels: frozenset[str] | None = None
    """The channels of the settings; None: unknown."""


@dataclass(frozen=True, slots=True)
class FileContext:
    """What is common to the rules of one file."""

    name: str
    node: Node
    model: RuleFile | None
    """None when some field of the file has a wrong value."""
    shared: Shared
    scope: Scope


class RuleReading:
    """Reads one rule; afterwards `problems` and `warnings` hold what there is to say."""

    def __init__(self, context: FileContext, number: int, node: Mapping) -> None:
        self._file = context
        self._number = number
        self._node = node
        self._at: Location = ("rules", number)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._templates: list[tuple[str, Location, Template]] = []

    def rule(self) -> Rule | None:
        """The rule, or None when it (or the file's model) has a problem."""
        symbols = [symbol for symbol, _ in self._listed(self._symbols_written()).symbols]
        scope = self._scope(symbols)
        conditions, problems = read_conditions(self._node, self._at, symbols, scope)
        self.problems += problems
        title = self._text("title", symbols, scope)
        message = self._text("message", symbols, scope)
        setup = self._inherited("setup", lambda node, where: read_setup(node, where, symbols, scope))
        self._note_names(scope)
        if self._file.model is None:
            return None
        own = self._file.model.rules[self._number]
        fields = self._fields(own, self._file.model, conditions)
        if conditions is None or self.problems:
            return None
        rule = self._built(own, fields, conditions, scope, title, message, setup)
        if self._file.shared.lint:
            self._lint(rule, own, scope)
        else:
            self._flag_never_true(conditions)
        return rule

    def _lint(self, rule: Rule, own: RuleModel, scope: Scope) -> None:
        own_keys = frozenset(key.text for key, _ in self._node.items)
        written = Written(self._at, own_keys, tuple(self._templates), self._file.shared.instruments.overrides)
        self.warnings += condition_problems(rule, scope, written)
        for where, note in rule_notes(rule, written, self._file.shared.channels):
            self._warn(where, note.message, note.hint, code=note.code)
        self.warnings += unused_values(scope, self._node.get("values"), (*self._at, "values"))

    def _built(
        self, own: RuleModel, fields: dict[str, Any], conditions: Conditions, scope: Scope,
        title: Template | None, message: Template | None, setup: Setup | None,
    ) -> Rule:  # fmt: skip
        severity = fields.pop("severity", "warning")
        levels = [Level(one.when, one.clear_when, one.severity or severity) for one in conditions.levels]
        ladder = tuple(levels) if conditions.is_ladder else ()
        strongest = max((level.severity for level in levels), key=SEVERITIES.index)
        return Rule(
            id=own.id, when=levels[0].when, clear_when=None if ladder else levels[0].clear_when, ladder=ladder,
            severity=strongest, values={symbol: names for symbol, names in scope.values.items() if names},
            title=title, message=message, setup=setup,
            facts=self._facts(fields["symbols"], levels, title, message, setup),
            file=self._file.name, line=self._node.place.line, **fields,
        )  # fmt: skip

    def _fields(self, own: RuleModel, model: RuleFile, conditions: Conditions | None) -> dict[str, Any]:
        """The fields of engine.rule.Rule that are no expressions, checked against the symbols and the condition."""
        fields = {**_written(self._file.shared.defaults), **_written(model.defaults), **_written(own)}
        if "symbols" not in fields:
            self._refuse(self._at, "'symbols' is missing", "write e.g. symbols: [/ES]")
        listed = self._listed(fields.get("symbols", ()))
        symbols = fields["symbols"] = tuple(symbol for symbol, _ in listed.symbols)
        self._check_symbols(own, listed)
        if session := fields.get("session"):
            self._check_session(own, symbols, session)
        if conditions is not None:
            self._fit_to_events(own, fields, conditions)
        if "expires" in fields:
            fields["expires_us"] = self._expires_us(own, fields.pop("expires"), symbols)
        if own.was == own.id:
            self._refuse((*self._at, "was"), f"{own.id!r} is the rule's id itself", "write the id it had before")
        fields |= {"was": own.was} if own.was else {}
        return {f"{name.rstrip('_')}_s" if name in _IN_SECONDS else name: value for name, value in fields.items()}

    def _symbols_written(self) -> list[str]:
        """The sound entries of `symbols`, also while other things are wrong with the file."""
        for holder in (self._node, node_at(self._file.node, ("defaults",)), self._file.shared.node):
            listed = holder.get("symbols") if isinstance(holder, Mapping) else None
            if isinstance(listed, Sequence):
                texts = [item.text for item in listed.items if isinstance(item, Scalar)]
                return [text for text in texts if is_watchlist(text) or symbol_problem(text) is None]
        return []

    def _listed(self, entries: Many[str]) -> Listed:
        return expand(entries, self._file.shared.watchlists)

    def _scope(self, symbols: list[str]) -> Scope:
        scope, problems = read_lets(self._node.get("let"), (*self._at, "let"), self._file.scope)
        self.problems += problems
        self.problems += read_values(self._node.get("values"), (*self._at, "values"), symbols, scope)
        return scope

    def _note_names(self, scope: Scope) -> None:
        """Values that a symbol lacks, names that nothing uses."""
        for symbol, name in scope.lacking:
            where = (*self._at, "values", symbol)
            place = self._place(where)
            problem = Problem(place, path_text(where), f"{symbol} has no value {name!r}, which the rule uses",
                              f"write {symbol}: {{{name}: …}}")  # fmt: skip
            self.problems.append(problem)
        let = self._node.get("let")
        own = {key.text for key, _ in let.items} if isinstance(let, Mapping) else set()
        self._file.scope.used |= scope.used - own
        self.warnings += unused(scope, let, (*self._at, "let"))

    def _text(self, key: str, symbols: list[str], scope: Scope) -> Template | None:
        def read(node: Node, location: Location) -> tuple[Template | None, list[Problem]]:
            if not isinstance(node, Scalar):
                return None, []  # the model says so
            template, problems = read_template(node, location, symbols, scope)
            if template is not None:
                where = location if location[:2] == self._at else self._at
                self._templates.append((key, where, template))
            return template, problems

        return self._inherited(key, read)

    def _inherited(self, key: str, read: Callable[[Node, Location], tuple[Part | None, list[Problem]]]) -> Part | None:
        """What the nearest holder of the key gives; what is wrong with another file's is told at the rule."""
        for node, location, is_here in self._holders(key):
            found, problems = read(node, location)
            if not is_here:
                rule, path = self._node.place, path_text(self._at)
                problems = [
                    Problem(rule, path, f"{one.path}: {one.message}, which the rule inherits", one.hint)
                    for one in problems
                ]
            self.problems += problems
            return found
        return None

    def _holders(self, key: str) -> Iterator[tuple[Node, Location, bool]]:
        """The values of a key, the rule's own first, and whether they stand in this file."""
        if (own := self._node.get(key)) is not None:
            yield own, (*self._at, key), True
        if (default := node_at(self._file.node, ("defaults", key))) is not None:
            yield default, ("defaults", key), True
        if self._file.shared.node is not None and (shared := node_at(self._file.shared.node, (key,))) is not None:
            yield shared, (key,), False

    def _check_symbols(self, own: RuleModel, listed: Listed) -> None:
        for number, message, hint in listed.wrong:
            self._refuse(self._symbol_at(own, number), message, hint)
        for symbol, number in listed.symbols:
            for note in symbol_notes(self._instrument_of(symbol), self._file.shared.now_us):
                if self._file.shared.lint or note.code == "bare-symbol":
                    self._warn(self._symbol_at(own, number), note.message, note.hint, code=note.code)

    def _symbol_at(self, own: RuleModel, number: int) -> Location:
        return (*self._at, "symbols", number) if own.symbols is not None else self._at

    def _check_session(self, own: RuleModel, symbols: Many[str], session: str) -> None:
        inherited = own.session is None
        where = self._at if inherited else (*self._at, "session")
        for instrument in map(self._instrument_of, symbols):
            words = session_words(instrument)
            if session not in words:
                message = f"{instrument.symbol} has no session {session!r}"
                self._refuse(where, f"{message}, which the rule inherits" if inherited else message,
                             f"it has {', '.join(words)}")  # fmt: skip
            elif inherited and session == "rth" and instrument.kind is InstrumentClass.FUTURE:
                message = f"{instrument.symbol} is watched only in session rth, which the rule inherits"
                self._warn(where, message, "write session: rth in the rule if that is meant, else globex",
                           code="inherited-rth")  # fmt: skip

    def _fit_to_events(self, own: RuleModel, fields: dict[str, Any], conditions: Conditions) -> None:
        """What belongs to states: written on an event it is a mistake, inherited it is skipped (rules.md 4.4)."""
        misfits: dict[str, str] = {}
        if conditions.is_event:
            misfits["for_"] = f"{_AT_ONCE}; compare instead of crossing"
        if conditions.is_over_at_once:
            misfits["keep_firing_for"] = misfits["repeat"] = f"{_AT_ONCE}; write clear_when to keep it firing"
        for name, hint in misfits.items():
            if fields.pop(name, None) is None:
                continue
            if getattr(own, name) is not None:
                key = name.rstrip("_")
                self._refuse((*self._at, key), f"`{key}` on an event", hint)
            elif name == "for_" and self._file.shared.lint:
                self._warn(self._at, "the `for` that the rule inherits is skipped: its condition is an event",
                           "compare instead of crossing, or write `for` in the rules that need it",
                           code="inherited-for")  # fmt: skip
        fire = fields.get("fire", Fire())
        if conditions.is_event and fire.mode == "each_bar":
            del fields["fire"]
            if own.fire is not None:
                self._refuse((*self._at, "fire"), "`each_bar` on an event", f"{_AT_ONCE}; write every, or compare")
        if conditions.is_over_at_once and own.on_clear == "tell":
            self._warn((*self._at, "on_clear"), "an event has no end to tell of", "write clear_when to give it one",
                       code="no-end")  # fmt: skip

    def _flag_never_true(self, conditions: Conditions) -> None:
        for number, level in enumerate(conditions.levels):
            where = (*self._at, "levels", number, "when") if conditions.is_ladder else (*self._at, "when")
            for message, hint in never_true(level.when):
                self._warn(where, message, hint, code="never-true")

    def _expires_us(self, own: RuleModel, expires: Any, symbols: Many[str]) -> int:
        expires_us: int = expires.instant_us(map(self._instrument_of, symbols))
        if expires_us <= self._file.shared.now_us:
            where = self._at if own.expires is None else (*self._at, "expires")
            self._warn(where, "the rule has expired and is not judged", "write a later date, or remove the rule",
                       code="expired")  # fmt: skip
        return expires_us

    def _instrument_of(self, symbol: str) -> Instrument:
        return instrument_in(self._file.shared.instruments.overrides, symbol)

    def _facts(
        self, symbols: Many[str], levels: list[Level], title: Template | None, message: Template | None,
        setup: Setup | None,
    ) -> dict[str, str]:  # fmt: skip
        """What is not as in the catalogue of the symbols that the rule reads."""
        instruments = self._file.shared.instruments
        if not instruments.overrides:
            return {}
        trees = [tree for level in levels for tree in (level.when, level.clear_when) if tree is not None]
        for template in (title, message):
            slots = [part.expression for part in template.parts if isinstance(part, Slot)] if template else []
            trees += [tree for tree in slots if tree is not None]
        trees += [tree for _, tree in setup.parts] if setup else []
        derived = {one.symbol: one for one in instruments.derived}
        facts: dict[str, str] = {}
        for symbol in sorted({*symbols}.union(*map(symbols_of, trees))):
            facts[symbol] = facts_text(self._instrument_of(symbol), derived.get(symbol))
            if facts[symbol] == facts_text(instrument_of(symbol)):
                del facts[symbol]
        return facts

    def _place(self, location: Location) -> Place:
        return place_of(self._file.node, location)

    def _refuse(self, location: Location, message: str, hint: str) -> None:
        self.problems.append(Problem(self._place(location), path_text(location), message, hint))

    def _warn(self, location: Location, message: str, hint: str = "", *, code: str) -> None:
        self.warnings.append(Problem(self._place(location), path_text(location), message, hint, code))


def _written(fields: RuleFields) -> dict[str, Any]:
    """The keys that stand in the file and are a rule's fields, by their names in the model."""
    names = fields.model_fields_set & RuleFields.model_fields.keys() - READ_FROM_NODES
    return {name: getattr(fields, name) for name in names}
