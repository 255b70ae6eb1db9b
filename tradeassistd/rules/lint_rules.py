"""What there is to warn of in one rule that reads well, and between the rules of a directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tradeassistd.base.yaml12 import Place, Problem, path_text
from tradeassistd.engine.language.expression import Call, Expression, Number, Other, render
from tradeassistd.engine.language.functions import FUNCTIONS
from tradeassistd.engine.language.walk import substitute, walk
from tradeassistd.engine.rule import Evaluate, Fire, Rule
from tradeassistd.engine.template import Slot, Template
from tradeassistd.market.instrument import Instrument, instrument_in
from tradeassistd.rules.lint import Note
from tradeassistd.rules.lint_conditions import Bounds, ConditionReading, implies
from tradeassistd.rules.lint_orders import side_of
from tradeassistd.rules.lint_spans import is_positive
from tradeassistd.rules.lint_times import is_watched_at, is_watched_in, longest_watch_s
from tradeassistd.rules.lint_values import holds_live_price, skipped_bars, true_at_rest, unknown_values
from tradeassistd.rules.names import Location, Scope


@dataclass(frozen=True, slots=True)
class Written:
    """Where the parts of a rule stand in its file."""

    at: Location
    """Path of the rule."""
    own: frozenset[str]
    """The keys that the rule writes itself; it inherits the others."""
    texts: tuple[tuple[str, Location, Template], ...] = ()
    """Templates: key, path of the text (that of the rule when it inherits it), the template."""
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    """What overrides the catalogue."""

    def instrument_of(self, symbol: str) -> Instrument:
        """What is known of a symbol of the rule."""
        return instrument_in(self.instruments, symbol)

    def location(self, key: str, *steps: str | int) -> Location:
        """The path of a key, or of the rule when it inherits it."""
        return (*self.at, key, *steps) if key in self.own else self.at


_SHORT_S = 3600
"""No session is as short."""
_DURATIONS = frozenset({"s", "m", "h", "d"})
Told = tuple[Location, Note]


def condition_problems(rule: Rule, scope: Scope, written: Written) -> Iterator[Problem]:
    """What is wrong with the conditions of a rule, each at its own text."""
    seen: set[tuple[Place, str]] = set()
    for values, instrument in _profiles(rule, written):
        reading = ConditionReading(instrument, rule.session, values, scope.sources)
        _read_levels(rule, values, reading)
        for source, node, note in reading.findings:
            place, location = source.place(node, scope.origins)
            if (place, note.code) not in seen:
                seen.add((place, note.code))
                yield Problem(place, path_text(location), note.message, note.hint, note.code)


def _read_levels(rule: Rule, values: Mapping[str, Expression], reading: ConditionReading) -> None:
    """Every condition of a rule, and how those of one level and of its neighbours go together."""
    milder: Bounds = {}
    for number, level in enumerate(rule.levels, 1):
        before = len(reading.findings)
        bounds = reading.read(level.when, None)
        notes = [*skipped_bars(level.when, rule.evaluate.interval)]
        if len(reading.findings) == before:  # one mistake is told once
            notes += true_at_rest(level.when, values, for_s=rule.for_s)
        for note in notes:
            reading.note(None, level.when, note)
        if number > 1 and implies(milder, bounds):
            message = f"holds whenever level {number - 1} does, which is never told because this one is higher"
            reading.note(None, level.when, Note("ladder-order", message, "the mildest condition comes first"))
        if level.clear_when is not None:
            clear = reading.read(level.clear_when, None)
            if implies(bounds, clear) and not rule.keep_firing_for_s:
                message = f"`{render(level.clear_when)}` holds while it begins to fire, so that it is over at once"
                reading.note(None, level.clear_when, Note("clears-at-once", message, "turn the comparison round"))
        milder = bounds


def rule_notes(rule: Rule, written: Written, channels: frozenset[str] | None) -> Iterator[Told]:
    """What is wrong with the other keys of a rule; `channels` are those of the settings, None when nobody knows."""
    yield from _times(rule, written)
    yield from _too_long(rule, written)
    yield from _noise(rule, written)
    yield from _texts(rule, written)
    for number, name in enumerate(rule.notify if channels is not None else ()):
        if channels is not None and name not in channels:
            known = f"the settings have {', '.join(sorted(channels))}" if channels else "the settings have none"
            yield written.location("notify", number), Note("unknown-channel", f"there is no channel {name!r}", known)


def _profiles(rule: Rule, written: Written) -> Iterator[tuple[Mapping[str, Expression], Instrument]]:
    """One symbol of each kind that conditions read alike, with its values."""
    seen: set[object] = set()
    for symbol in rule.symbols:
        instrument, values = written.instrument_of(symbol), rule.values.get(symbol, {})
        kind = (instrument.kind, is_positive(instrument), tuple(values.items()))
        if kind not in seen:
            seen.add(kind)
            yield values, instrument


def _times(rule: Rule, written: Written) -> Iterator[Told]:
    instruments = [written.instrument_of(symbol) for symbol in rule.symbols]
    where = f"session {rule.session}" if rule.session else "the hours in which it trades"
    minute = rule.evaluate.at_minute
    if minute is not None:
        outside = [one.symbol for one in instruments if not is_watched_at(one, rule.session, minute)]
        if outside:
            message = f"{minute // 60:02}:{minute % 60:02} New York lies outside {where} of {outside[0]}"
            yield (
                written.location("evaluate"),
                Note("outside-session", f"{message}: it is never judged", "write a time within it"),
            )
    for number, window in enumerate(rule.active):
        outside = [one.symbol for one in instruments if not is_watched_in(one, rule.session, window)]
        if outside:
            message = f"this time lies outside {where} of {outside[0]}: nothing is watched in it"
            note = Note("outside-session", message, "write another time, or another session")
            yield written.location("active", number), note


def _too_long(rule: Rule, written: Written) -> Iterator[Told]:
    """`for: 8h` in a session of six and a half hours, whose end begins it anew."""
    if rule.for_s <= _SHORT_S:
        return
    for symbol in rule.symbols:
        longest_s = longest_watch_s(written.instrument_of(symbol), rule.session)
        if rule.for_s > longest_s:
            where = f"session {rule.session}" if rule.session else "trading"
            message = (
                f"{where} of {symbol} lasts {longest_s / 3600:g} hours, and its end begins `for` anew: never fires"
            )
            yield written.location("for"), Note("never-true", message, "write a shorter one")
            return


def _noise(rule: Rule, written: Written) -> Iterator[Told]:
    is_held = rule.rearm or rule.max_per_session or rule.for_s or rule.keep_firing_for_s or rule.fire != Fire()
    if rule.cooldown_s or is_held or rule.evaluate != Evaluate() or rule.mode != "live":
        return
    if any(level.clear_when is None and holds_live_price(level.when) for level in rule.levels):
        message = "a price that goes to and fro at the level is told each time"
        note = Note("no-cooldown", message, "write a cooldown, clear_when, for, or rearm: move 8t")
        yield written.location("cooldown"), note


def _texts(rule: Rule, written: Written) -> Iterator[Told]:
    for _, location, template in written.texts:
        slots = [part for part in template.parts if isinstance(part, Slot)]
        if not rule.ladder and any(slot.word == "level" for slot in slots):
            yield location, Note("unknown-value", "{level} stays empty: the rule has no levels", "leave it out")
        trees = [slot.expression for slot in slots if slot.expression is not None]
        yield from ((location, note) for tree in trees for note in _unknown(rule, written, tree))
        yield from ((location, note) for note in _for_the_text_alone(rule, trees))
    for name, tree in rule.setup.parts if rule.setup else ():
        where = written.location("setup", name)
        yield from ((where, note) for note in _unknown(rule, written, tree))
    yield from _one_sided(rule, written)


def _one_sided(rule: Rule, written: Written) -> Iterator[Told]:
    """`stop: 'price - 8t'` beside `target: 'price - 16t'`: what is to be gained lies where the loss does."""
    parts = dict(rule.setup.parts) if rule.setup else {}
    if not parts.keys() >= {"entry", "stop", "target"}:
        return
    for values, instrument in _profiles(rule, written):
        entry, stop, target = (substitute(parts[name], values) for name in ("entry", "stop", "target"))
        sides = {side_of(stop, entry, instrument), side_of(target, entry, instrument)}
        if len(sides) == 1 and 0 not in sides:
            where = "above" if 1 in sides else "below"
            note = Note("one-sided", f"stop and target both lie {where} the entry", "turn the sign of one of them")
            yield written.location("setup", "target"), note
            return


def _for_the_text_alone(rule: Rule, trees: Sequence[Expression]) -> Iterator[Note]:
    """Other symbols, and windows that have to fill, of which no condition waits to be known."""
    conditions = [tree for level in rule.levels for tree in (level.when, level.clear_when) if tree is not None]
    read = {_reading(part) for tree in conditions for part in walk(tree)}
    for text in dict.fromkeys(_reading(part) for tree in trees for part in walk(tree)):
        if text and text not in read:
            message = f"no condition of the rule reads {text}: the text says n/a as long as it is unknown"
            yield Note("text-only", message, "nothing to mend, if that will do")


def _reading(part: Expression) -> str:
    """The symbol, or the window that has to fill, which a part of an expression reads; "" for other parts."""
    if isinstance(part, Other):
        return part.symbol
    if not isinstance(part, Call) or part.name not in FUNCTIONS:
        return ""
    return render(part) if any(isinstance(arg, Number) and arg.suffix in _DURATIONS for arg in part.args) else ""


def _unknown(rule: Rule, written: Written, tree: Expression) -> Iterator[Note]:
    found = {
        note: None
        for values, instrument in _profiles(rule, written)
        for note in unknown_values(substitute(tree, values), instrument)
    }
    yield from found


@dataclass(slots=True)
class Directory:
    """What is wrong between rules: fill it rule by rule, in order."""

    places: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """By id: where the rule is, and its path."""
    was: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """By id: where `was` is written, and its path."""

    def problems(self, rules: tuple[Rule, ...]) -> Iterator[Problem]:
        """Those of the whole directory."""
        for rule in rules:
            if rule.was in self.places and rule.id in self.was:
                place, path = self.was[rule.id]
                first = self.places[rule.was][0]
                yield Problem(place, path, f"{rule.was!r} is still there and keeps its state", f"it is {first}",
                              "was-in-use")  # fmt: skip
        yield from self._duplicates(rules)

    def _duplicates(self, rules: tuple[Rule, ...]) -> Iterator[Problem]:
        first: dict[object, Rule] = {}
        for rule in rules:
            twins: dict[str, list[str]] = {}
            plain = tuple(map(rule.fingerprint, [""] * len(rule.numbers), rule.numbers))
            kind = (rule.session, rule.active, rule.for_s, rule.mode)
            for symbol in rule.symbols:
                own = [rule.fingerprint(symbol, number) for number in rule.numbers] if symbol in rule.values else plain
                earlier = first.setdefault((symbol, tuple(own), kind), rule)
                if earlier is not rule:
                    twins.setdefault(earlier.id, []).append(symbol)
            for other, symbols in twins.items():
                place, path = self.places[rule.id]
                message = f"has the condition of {other} on {', '.join(symbols[:3])}{', …' * (len(symbols) > 3)}"
                yield Problem(place, path, message, f"it is {self.places[other][0]}", "duplicate")
