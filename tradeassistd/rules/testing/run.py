"""Test files run one by one: each test on an engine of its own, each result with what differed and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.compile import Compiler
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.load import is_rule_file
from tradeassistd.rules.testing.expect import differences
from tradeassistd.rules.testing.inputs import end_s, steps
from tradeassistd.rules.testing.patterns import OFFSET_MAX_S, offset_text
from tradeassistd.rules.testing.play import Played, play
from tradeassistd.rules.testing.test_file import RuleTest, read_test_file
from tradeassistd.rules.testing.timeline import timeline

SUFFIX = ".test.yaml"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test that ran; `failures` is empty when all came as expected."""

    __test__ = False

    name: str
    place: str
    failures: tuple[str, ...]
    happened: tuple[str, ...]
    """The transitions as lines."""
    rules: tuple[Rule, ...] = ()
    came_true: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file: its tests, or why it could not be read."""

    file: str
    tests: tuple[TestResult, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems and not any(test.failures for test in self.tests)


def test_files(paths: Iterable[Path]) -> list[Path]:
    """The files that paths name, and all of a directory that is named. Raises ConfigError for a missing one."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(sorted(path.rglob(f"*{SUFFIX}"))))
        elif path.is_file() and path.name.endswith(SUFFIX):
            found[path] = None
        elif path.is_file():
            raise ConfigError(f"{path} is no test file", hint=f"the name of a test file ends in {SUFFIX}")
        else:
            raise ConfigError(f"there is no {path}", hint=f"name a *{SUFFIX} file or a directory of them")
    return list(found)


test_files.__test__ = False  # type: ignore[attr-defined]


def run_file(path: Path, shown: str = "") -> FileResult:
    """Run every test of one file; `shown` is its name in places, by default its path."""
    shown = shown or str(path)
    try:
        tests = read_test_file(path, shown)
    except TradeAssistError as error:
        return FileResult(shown, problems=tuple(str(error).splitlines()))
    return FileResult(shown, tuple(run_test(test) for test in tests))


def run_test(test: RuleTest) -> TestResult:
    """Play one test on an engine of its own, and compare."""
    try:
        end_us = _end_us(test)
        played = play(
            test.rule_set, steps(test.items, test.start_us, test.rule_set.instrument_of), test.start_us, end_us
        )  # fmt: skip
    except ConfigError as error:
        return TestResult(test.name, str(test.place), (str(error),), (), test.rules)
    failures = [*_faults(played), *_failures(test, played)]
    asked = {one.asked.rule for one in test.expected}  # a file's other rules are no news here
    lines = timeline([one for one in played.transitions if one.rule_id in asked], test.start_us)
    return TestResult(
        test.name, str(test.place), tuple(failures), tuple(lines), test.rules, frozenset(played.came_true)
    )  # fmt: skip


def never_true(results: Iterable[FileResult]) -> list[str]:
    """Comparisons of the tested rules that no test made true, as `file:line: rule: comparison`."""
    rules: dict[str, Rule] = {}
    came_true: set[tuple[str, str]] = set()
    for result in results:
        for test in result.tests:
            rules.update({rule.id: rule for rule in test.rules})
            came_true |= test.came_true
    return [
        f"{rule.file}:{rule.line}: {rule.id}: {text}"
        for rule in rules.values()
        for text in dict.fromkeys(_comparisons(rule))
        if (rule.id, text) not in came_true
    ]


def untested(paths: Iterable[Path], results: Iterable[FileResult]) -> list[str]:
    """Names of rule files beside a `tests` directory that is named, of which no test takes rules."""
    tested: set[str] = set()
    folders: dict[Path, None] = {}
    named = [path.resolve() for path in paths if path.is_dir()]
    for result in results:
        tested |= {rule.file for test in result.tests for rule in test.rules}
        above = [*Path(result.file).resolve().parents]
        if any(path in above for path in named):
            folders.update((folder.parent, None) for folder in above[:1] if folder.name == "tests")
    return [
        file.name
        for folder in folders
        for file in sorted(folder.glob("*.yaml"))
        if is_rule_file(file.name) and not file.name.startswith(".") and file.name not in tested
    ]


def _comparisons(rule: Rule) -> Iterator[str]:
    for symbol in rule.symbols:
        states: dict[str, SymbolState] = {}

        def state_of(name: str, states: dict[str, SymbolState] = states) -> SymbolState:
            return states.setdefault(name, SymbolState(instrument_of(name)))

        for level in rule.levels:
            compiler = Compiler(instrument_of(symbol), state_of, rearm=rule.rearm, stale_after_s=rule.stale_after_s)
            compiler.condition(rule.resolved(level.when, symbol))
            yield from (leaf.text for leaf in compiler.leaves)


def _end_us(test: RuleTest) -> int:
    """After the input, and after everything that is asked, each with the clock's turn that belongs to it."""
    ends = [test.until_s, end_s(test.items)]
    for one in test.expected:
        ends += [*([one.asked.at] if one.asked.at is not None else []), *(one.asked.cleared_at or ())]
        ends += one.asked.fired_at or ()
    if max(ends) > OFFSET_MAX_S:
        raise ConfigError(f"the test lasts {offset_text(max(ends))}", hint=f"at most {offset_text(OFFSET_MAX_S)}")
    return test.start_us + (max(ends) + 1) * US_PER_S


def _failures(test: RuleTest, played: Played) -> Iterator[str]:
    rules = {rule.id: rule for rule in test.rules}
    for one in test.expected:
        for difference in differences(one.asked, rules[one.asked.rule], played.transitions, test.start_us):
            symbol = f" {one.asked.symbol}" if one.asked.symbol else ""
            yield f"{one.place}: {one.asked.rule}{symbol}: {difference}"


def _faults(played: Played) -> Iterator[str]:
    for fault in played.faults:
        yield f"{fault.rule_id} {fault.symbol} raised {type(fault.error).__name__}: {fault.error}"
