"""One `*.test.yaml` file: read strictly, with the rules it names; everything wrong comes with its place."""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from dataclasses import dataclass, replace
from pathlib import Path

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Place,
    Problem,
    Problems,
    compose,
    decode,
    did_you_mean,
    node_at,
    path_text,
    place_of,
)  # fmt: skip
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.silences import Silence
from tradeassistd.market.derived import Derived
from tradeassistd.market.instrument import Instrument
from tradeassistd.rules.instruments import INSTRUMENTS
from tradeassistd.rules.load import FILE_MAX_BYTES, load_texts
from tradeassistd.rules.shared_files import SHARED
from tradeassistd.rules.silences import fits_rule
from tradeassistd.rules.testing.checking import Location, checked, items_at
from tradeassistd.rules.testing.model import (
    BarsItem,
    EventItem,
    ExpectModel,
    FactsItem,
    SetItem,
    TestFileModel,
    TestModel,
    ValuesItem,
    is_glob,
)  # fmt: skip

Item = ValuesItem | SetItem | BarsItem | FactsItem | EventItem
SHAPES: Lookup[str, type[Item]] = {
    "values": ValuesItem, "set": SetItem, "bars": BarsItem, "facts": FactsItem, "event": EventItem,
}  # fmt: skip
"""By the key that tells what an input item is."""
BARS_MAX = 20_000
"""Bars of one history: a year of 5m bars of a stock."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry of `expect` and where it stands."""

    asked: ExpectModel
    place: Place


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test, checked."""

    name: str
    place: Place
    start_us: int
    until_s: int
    rule_set: RuleSet
    items: tuple[Item, ...]
    expected: tuple[Expectation, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the files that the test file names."""
        return self.rule_set.rules


def read_test_file(path: Path, shown: str) -> tuple[RuleTest, ...]:
    """The tests of a file; `shown` is its name in places. Raises Problems with everything that is wrong."""
    node = compose(_text(path, shown), shown)
    problems: list[Problem] = []
    model = checked(TestFileModel, node, (), problems)
    rule_set = _rule_set(path, model.rules, node, problems) if model else None
    reading = _Reading(node, rule_set or RuleSet(), problems, rules_known=rule_set is not None)
    tests = [reading.test(number) for number in range(items_at(node, ("tests",), problems))]
    if problems:
        raise Problems(dict.fromkeys(problems))
    return tuple(test for test in tests if test is not None)


class _Reading:
    def __init__(self, node: Node, rule_set: RuleSet, problems: list[Problem], *, rules_known: bool) -> None:
        self._node = node
        self._rule_set = rule_set
        self._rules = rule_set.by_id
        self._rules_known = rules_known
        self._problems = problems
        self._read = _symbols_read(rule_set)

    def test(self, number: int) -> RuleTest | None:
        where: Location = ("tests", number)
        model = checked(TestModel, self._node, where, self._problems)
        items = [self._item((*where, "input", at)) for at in range(self._count((*where, "input")))]
        expected = [self._expected((*where, "expect", at)) for at in range(self._count((*where, "expect")))]
        if model is None:
            return None
        rule_set = self._rule_set
        if model.at_load:
            rule_set = replace(
                rule_set, rules=tuple(replace(rule, at_load=model.at_load) for rule in rule_set.rules)
            )  # fmt: skip
        return RuleTest(
            model.name, place_of(self._node, where), model.start, model.until, rule_set,
            tuple(item for item in items if item), tuple(one for one in expected if one),
        )  # fmt: skip

    def _count(self, where: Location) -> int:
        return items_at(self._node, where, self._problems)

    def _item(self, where: Location) -> Item | None:
        node = node_at(self._node, where)
        keys = [key.text for key, _ in node.items] if isinstance(node, Mapping) else []
        shapes = [key for key in keys if key in SHAPES]
        if isinstance(node, Mapping) and len(shapes) != 1:
            hint = f"with exactly one of {', '.join(SHAPES)}"
            near = next((better for key in keys if (better := did_you_mean(key, SHAPES))), "") if not shapes else ""
            self._refuse(where, f"an input item has {' and '.join(shapes) or 'nothing to play'}", near or hint)
            return None
        item = checked(SHAPES[shapes[0]] if shapes else ValuesItem, self._node, where, self._problems)
        return self._sound(item, where) if item else None

    def _sound(self, item: Item, where: Location) -> Item | None:
        wrong = _unfit(item)
        if isinstance(item, EventItem) and not wrong:
            if item.rule and not is_glob(item.rule):
                self._rule(item.rule, (*where, "rule"))
            elif item.event == "silence" and self._rules_known and not self._is_over_something(item):
                wrong = "this silence fits no rule", f"the rules are {_few(self._rules)}"
        if not wrong and self._rules_known and item.symbol and not is_glob(item.symbol):
            wrong = self._unread(item.symbol)
        if wrong:
            self._refuse(where, *wrong)
            return None
        return item

    def _unread(self, symbol: str) -> tuple[str, str] | None:
        """A row of a misspelt symbol changes nothing, and `fires: 0` would be met for the wrong reason."""
        if symbol in self._read:
            return None
        return f"no rule reads {symbol}", f"they read {_few(self._read)}"

    def _is_over_something(self, item: EventItem) -> bool:
        rules, symbols, tags = ((glob,) if glob else () for glob in (item.rule, item.symbol, item.tag))
        silence = Silence(0, 0, rules, symbols, tags)
        return any(fits_rule(silence, rule) for rule in self._rule_set.rules)

    def _expected(self, where: Location) -> Expectation | None:
        asked = checked(ExpectModel, self._node, where, self._problems)
        if asked is None:
            return None
        rule = self._rule(asked.rule, (*where, "rule"))
        if rule is None:
            return None
        if asked.symbol and asked.symbol not in rule.symbols:
            self._refuse((*where, "symbol"), f"{rule.id} does not watch {asked.symbol}", f"it has {_few(rule.symbols)}")
        elif not asked.symbol and len(rule.symbols) > 1 and asked.state is not None:
            self._refuse(where, f"{rule.id} has a state per symbol", f"add symbol: one of {_few(rule.symbols)}")
        if asked.level is not None and asked.level not in rule.numbers:
            self._refuse((*where, "level"), f"{rule.id} has no level {asked.level}", f"it has {_few(rule.numbers)}")
        if asked.model_fields_set <= {"rule", "symbol", "level", "at"}:
            self._refuse(where, "expects nothing", "write e.g. fires: 1 or state: ok")
        return Expectation(asked, place_of(self._node, where))

    def _rule(self, rule_id: str, where: Location) -> Rule | None:
        rule = self._rules.get(rule_id)
        if rule is None and self._rules_known:
            hint = did_you_mean(rule_id, self._rules) or f"one of {_few(self._rules)}"
            self._refuse(where, f"there is no rule {rule_id!r}", hint)
        return rule

    def _refuse(self, where: Location, message: str, hint: str) -> None:
        self._problems.append(Problem(place_of(self._node, where), path_text(where), message, hint))


def _unfit(item: Item) -> tuple[str, str] | None:
    """What a single field cannot see: message and hint."""
    match item:
        case ValuesItem() | SetItem():
            return _unfit_row(item)
        case BarsItem():
            columns = (item.open, item.high, item.low, item.volume)
            if len(item.close) > BARS_MAX:
                return f"more than {BARS_MAX:,} bars", "a longer interval reaches further back"
            if None in item.close or any(column is not None and None in column for column in columns):
                return "a bar without a value", "leave the bar out: bars have no gaps"
            if any(column is not None and len(column) != len(item.close) for column in columns):
                return "open, high, low, close and volume have different lengths", "give each bar one of each"
        case EventItem(event="ack") if not item.rule:
            return "`ack` of which rule?", "add rule: ID"
        case EventItem(event="silence") if not (item.rule or item.symbol or item.tag):
            return "`silence` of what?", "add rule: ID, symbol: /ES or tag: TAG; each may be a glob"
        case EventItem(event="silence") if not item.for_:
            return "`silence` for how long?", "add for: 5m"
        case EventItem() if item.event != "silence" and item.tag:
            return f"`{item.event}` has no tag", "remove it"
        case EventItem() if item.event != "silence" and (is_glob(item.rule) or is_glob(item.symbol)):
            return f"`{item.event}` takes no globs", "name one"
        case EventItem(event="roll") if not item.symbol.startswith("/"):
            return "`roll` of which future?", "add symbol: /ES"
    return None


def _symbols_read(rule_set: RuleSet) -> tuple[str, ...]:
    """Every symbol that a row can change something of, also those that derived symbols are made of."""
    engine = Engine(rule_set)
    listed = (symbol for rule in rule_set.rules for symbol in rule.symbols)  # also of a rule that is off
    return tuple(sorted({*listed, *engine.wanted, *engine.streamed}))


def _unfit_row(item: ValuesItem | SetItem) -> tuple[str, str] | None:
    parts = {item.field} if isinstance(item, ValuesItem) else set(item.set)
    if item.symbol.startswith("$") and (wrong := parts & {"bid", "ask", "bid_size", "ask_size", "size"}):
        return f"{item.symbol} has no {min(wrong)}", "an index has a price only"
    if isinstance(item, ValuesItem) and item.size is not None and (item.field != "price" or None in item.size):
        return "only trades have a size, and each has one", "leave `size` away"
    return None


def _rule_set(path: Path, named: tuple[str, ...], node: Node, problems: list[Problem]) -> RuleSet | None:
    """The rules of the files that are named, each with the shared files of its own directory.

    All but `_silences.yaml`: what somebody keeps quiet at present must not fail the tests.
    """
    rules: dict[str, Rule] = {}
    instruments: dict[str, Instrument] = {}
    derived: dict[str, Derived] = {}
    files = [(path.parent / name).resolve() for name in named]
    for folder in dict.fromkeys(file.parent for file in files):
        texts: dict[str, str] = {}
        for number, (name, file) in enumerate(zip(named, files, strict=True)):
            if file.parent != folder:
                continue
            try:
                texts[file.name] = _text(file, name)
            except ConfigError as error:
                where = ("rules", number) if node_at(node, ("rules", number)) else ("rules",)
                hint = f"paths count from {path.parent}"
                problems.append(Problem(place_of(node, where), path_text(where), error.message, hint))
        for name in SHARED:
            if (folder / name).is_file():
                texts[name] = _text(folder / name, f"{folder.name}/{name}")
        loaded = load_texts(texts, prefix=f"{folder.name}/")
        problems += loaded.problems
        for rule in loaded.rule_set.rules:
            if rule.id in rules:
                place = place_of(node, ("rules",))
                problems.append(Problem(place, "rules", f"id {rule.id!r} is used in two files", "name one of them"))
            rules[rule.id] = rule
        made = {one.symbol: one for one in loaded.rule_set.derived}
        for symbol, instrument in loaded.rule_set.instruments.items():
            if symbol in instruments and (instruments[symbol], derived.get(symbol)) != (instrument, made.get(symbol)):
                message, hint = f"{symbol} is not the same in two directories", f"mend one {INSTRUMENTS}"
                problems.append(Problem(place_of(node, ("rules",)), "rules", message, hint))
        instruments.update(loaded.rule_set.instruments)
        derived.update(made)
    if problems:
        return None
    return RuleSet(tuple(rules.values()), instruments=instruments, derived=tuple(derived.values()))


def _text(path: Path, shown: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read: {error.strerror}", hint="see that the file is there") from None
    if len(data) > FILE_MAX_BYTES:
        raise ConfigError(f"{shown} is larger than {FILE_MAX_BYTES:,} bytes", hint="split it")
    return decode(data, shown)


def _few(names: object) -> str:
    listed = [str(name) for name in names] if hasattr(names, "__iter__") else []
    return ", ".join(listed[:12]) + (", …" if len(listed) > 12 else "")
