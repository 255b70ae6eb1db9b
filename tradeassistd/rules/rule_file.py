"""One rule file: its text to rules, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Place,
    Problem,
    Problems,
    Scalar,
    Sequence,
    compose,
    node_at,
    path_text,
    place_of,
)
from tradeassistd.engine.expression import Expression
from tradeassistd.engine.kinds import STATE, check
from tradeassistd.engine.rule import Rule
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.session import session_words
from tradeassistd.rules.condition import read_condition
from tradeassistd.rules.model import DefaultsFile, RuleFields, RuleFile, RuleModel
from tradeassistd.rules.symbols import symbol_problem, symbol_warning
from tradeassistd.rules.validation import cut_texts, validated

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a sound file says."""

    rules: tuple[Rule, ...]
    warnings: tuple[Problem, ...]
    ids: dict[str, tuple[Place, str]]
    """Where each id is written: its place and its path."""


def read_rule_file(name: str, text: str, prefix: str, shared: RuleFields) -> FileRules:
    """The rules of one file; `shared` are the defaults of _defaults.yaml. Raises Problems with all of them."""
    node = compose(text, prefix + name)
    model, problems = validated(RuleFile, node)
    reading = _Reading(name, node, shared)
    problems += cut_texts(node, ("defaults",))
    conditions = reading.conditions()
    problems += reading.problems
    if problems or model is None:
        raise Problems(problems)
    rules = [reading.rule(model, number, tree) for number, tree in enumerate(conditions) if tree is not None]
    if reading.problems:
        raise Problems(reading.problems)
    return FileRules(tuple(rules), tuple(reading.warnings), reading.ids)


def read_defaults_file(name: str, text: str, prefix: str) -> RuleFields:
    """The keys of `_defaults.yaml`. Raises Problems."""
    node = compose(text, prefix + name)
    model, problems = validated(DefaultsFile, node)
    problems += cut_texts(node, ())
    if problems or model is None:
        raise Problems(problems)
    return model


class _Reading:
    def __init__(self, name: str, node: Node, shared: RuleFields) -> None:
        self._name = name
        self._node = node
        self._shared = shared
        rules = node.get("rules") if isinstance(node, Mapping) else None
        self._rules = rules.items if isinstance(rules, Sequence) else ()
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.ids: dict[str, tuple[Place, str]] = {}

    def conditions(self) -> list[Expression | None]:
        """The condition of every rule; notes what is wrong with them, with ids and with texts."""
        return [self._condition(number, rule) for number, rule in enumerate(self._rules)]

    def rule(self, model: RuleFile, number: int, when: Expression) -> Rule:
        """A rule whose own keys stand over those of `defaults`, and these over those of `_defaults.yaml`."""
        own, location = model.rules[number], ("rules", number)
        fields = {**_written(self._shared), **_written(model.defaults), **_written(own)}
        if "symbols" not in fields:
            self._refuse(location, "'symbols' is missing", "write e.g. symbols: [/ES]")
        symbols = fields.setdefault("symbols", ())
        self._check_symbols(location, own, symbols)
        if session := fields.get("session"):
            self._check_session(location, own, symbols, session)
        if "for_" in fields:
            fields["for_s"] = self._hold(location, own, when, symbols, fields.pop("for_"))
        if "cooldown" in fields:
            fields["cooldown_s"] = fields.pop("cooldown")
        return Rule(id=own.id, when=when, file=self._name, line=self._rules[number].place.line, **fields)

    def _condition(self, number: int, rule: Node) -> Expression | None:
        location: Location = ("rules", number)
        if not isinstance(rule, Mapping):
            return None  # the model says so
        self.problems += cut_texts(self._node, location)
        self._note_id(location, rule)
        when = rule.get("when")
        if when is None:
            return None
        instruments = [instrument_of(symbol) for symbol in self._symbols(rule)]
        tree, problems = read_condition(when, (*location, "when"), instruments)
        self.problems += problems
        return tree

    def _symbols(self, rule: Mapping) -> list[str]:
        """The sound symbols of a rule, also while other things are wrong with the file."""
        defaults = node_at(self._node, ("defaults",))
        for holder in (rule, defaults):
            listed = holder.get("symbols") if isinstance(holder, Mapping) else None
            if isinstance(listed, Sequence):
                texts = [item.text for item in listed.items if isinstance(item, Scalar)]
                return [text for text in texts if symbol_problem(text) is None]
        return list(self._shared.symbols or ())

    def _note_id(self, location: Location, rule: Mapping) -> None:
        written = rule.get("id")
        if not isinstance(written, Scalar) or not written.text:
            return
        where = (*location, "id")
        first, _ = self.ids.setdefault(written.text, (written.place, path_text(where)))
        if first != written.place:
            self._refuse(where, f"id {written.text!r} is used twice", f"the first one is in line {first.line}")

    def _check_symbols(self, location: Location, own: RuleModel, symbols: tuple[str, ...]) -> None:
        for number, symbol in enumerate(symbols):
            where = (*location, "symbols", number) if own.symbols is not None else location
            if symbol in symbols[:number]:
                self._refuse(where, f"{symbol} is listed twice", "remove one")
            if warning := symbol_warning(symbol):
                self.warnings.append(Problem(self._place(where), path_text(where), warning))

    def _check_session(self, location: Location, own: RuleModel, symbols: tuple[str, ...], session: str) -> None:
        inherited = own.session is None
        where = location if inherited else (*location, "session")
        for instrument in map(instrument_of, symbols):
            words = session_words(instrument)
            if session not in words:
                message = f"{instrument.symbol} has no session {session!r}"
                self._refuse(where, f"{message}, which the rule inherits" if inherited else message,
                             f"it has {', '.join(words)}")  # fmt: skip
            elif inherited and session == "rth" and instrument.kind is InstrumentClass.FUTURE:
                message = f"{instrument.symbol} is watched only in session rth, which the rule inherits"
                hint = "write session: rth in the rule if that is meant, else globex"
                self.warnings.append(Problem(self._place(where), path_text(where), message, hint))

    def _hold(
        self, location: Location, own: RuleModel, when: Expression, symbols: tuple[str, ...], seconds: int
    ) -> int:
        """`for` belongs to states: written on an event it is a mistake, inherited it is skipped (rules.md 4.4)."""
        if all(check(when, instrument_of(symbol)) == STATE for symbol in symbols):
            return seconds
        if own.for_ is not None:
            self._refuse(
                (*location, "for"), "`for` on an event", "an event is over at once; compare instead of crossing"
            )
        return 0

    def _place(self, location: Location) -> Place:
        return place_of(self._node, location)

    def _refuse(self, location: Location, message: str, hint: str) -> None:
        self.problems.append(Problem(self._place(location), path_text(location), message, hint))


def _written(fields: RuleFields) -> dict[str, Any]:
    """The keys that stand in the file and are a rule's fields, under the names engine.rule has for them."""
    return {name: getattr(fields, name) for name in fields.model_fields_set & RuleFields.model_fields.keys()}
