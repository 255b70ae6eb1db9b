"""The rule language's reference: its tables are the code's, every word is in it, and every example of it loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.make_reference import BY_TIME_EXAMPLES, EXAMPLES, FILES, KEYS, ROOT, TABLES, filled
from docs.translations import THINKORSWIM, TRADINGVIEW, Translation
from tradeassistd.engine import gates, machine
from tradeassistd.engine.language.arguments import function_of
from tradeassistd.engine.language.expression import CROSS_OPS, RANGE_OPS, REACHES, Call
from tradeassistd.engine.language.functions import BAR_FIELDS, BY_TIME, DAY_VALUES, FLAGS, FUNCTIONS, QUOTES
from tradeassistd.engine.language.kinds import check, unit_of
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.template import WORDS
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.load import Loaded, load_texts
from tradeassistd.rules.model import RuleFile, RuleModel, keys_of
from tradeassistd.rules.shared_files import SHARED
from tradeassistd.rules.testing.run import run_file, test_files
from tradeassistd.rules.texts import SETUP_KEYS

README, RULES = (file.read_text("utf-8") for file in FILES)
BOTH = README + RULES
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
SYMBOLS = ("/ES", "SPY")
TRADINGVIEW_WORDS = (
    "Crossing", "Crossing Up", "Crossing Down", "Greater Than", "Less Than", "Entering Channel", "Exiting Channel",
    "Inside Channel", "Outside Channel", "Moving Up", "Moving Down", "Moving Up %", "Moving Down %",
    "Only Once", "Once Per Bar", "Once Per Bar Close", "Once Per Minute",
)  # fmt: skip
FENCE = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[tuple[str, str]]:
    """(file name, text) of every yaml example: `# name.yaml` in its first line, else a rule file."""
    for file, text in zip(FILES, (README, RULES), strict=True):
        for number, block in enumerate(FENCE.findall(text), 1):
            named = re.match(r"# (\S+\.yaml)\n", block)
            yield (named[1] if named else f"{file.stem.lower()}-{number}.yaml"), block


def is_test(name: str) -> bool:
    return name.endswith(".test.yaml")


def is_settings(block: str) -> bool:
    """Not a rule file: the daemon's settings, which tests/test_readme.py reads."""
    return re.match(r"(schwab|clock|store):", block) is not None


def load(keys: str, symbol: str = "/ES") -> Loaded:
    """A file of one rule with these lines, `id` and `symbols` added where they lack."""
    lines = keys.splitlines()
    written = {line.partition(":")[0] for line in lines}
    added = [line for key, line in (("id", "id: a"), ("symbols", f"symbols: ['{symbol}']")) if key not in written]
    body = "\n    ".join([*added, *lines])
    return load_texts({"_watchlists.yaml": "core: [/NQ]\n", "a.yaml": f"version: 1\nrules:\n  -\n    {body}\n"})


def rule_of(keys: str) -> Rule:
    """The rule these lines are. What else a key needs has to be among them."""
    loaded = load(keys)
    assert not loaded.problems, [*map(str, loaded.problems)]
    return loaded.rule_set.rules[0]


def test_the_tables_are_up_to_date() -> None:
    for text in (README, RULES):
        assert filled(text) == text, "run make reference"
    assert sorted(re.findall(r"<!-- (.+): made by make reference -->", BOTH)) == sorted(TABLES)


def test_a_table_that_was_changed_is_made_anew_and_a_mark_that_is_unknown_or_open_is_refused() -> None:
    changed = README.replace("| required |", "| optional |", 1)
    assert changed != README and filled(changed) == README
    with pytest.raises(ValueError, match="no table 'keyz'"):
        filled("<!-- keyz: made by make reference -->\n")
    with pytest.raises(ValueError, match="not closed"):
        filled("<!-- keys: made by make reference -->\n")


EXAMPLE_FILES = [(name, block) for name, block in examples() if not is_settings(block) and not is_test(name)]


def test_there_are_examples_and_only_the_settings_are_left_out() -> None:
    assert len(EXAMPLE_FILES) >= 10
    assert sum(is_settings(block) for _, block in examples()) == 3
    assert {"_defaults.yaml", "_watchlists.yaml"} <= {name for name, _ in EXAMPLE_FILES}


@pytest.mark.parametrize(("name", "block"), EXAMPLE_FILES, ids=[name for name, _ in EXAMPLE_FILES])
def test_every_example_loads_without_a_finding(name: str, block: str) -> None:
    shared = {one: text for one, text in EXAMPLE_FILES if one in SHARED}
    loaded = load_texts(shared | {name: block})
    found = [*map(str, loaded.problems), *map(str, loaded.warnings)]
    assert not found
    assert name in SHARED or loaded.rule_set.rules


def test_the_tests_of_the_reference_pass(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name, block in examples():
        (tmp_path / name).write_text(block, "utf-8")
    (result,) = map(run_file, test_files([tmp_path / "tests"]))
    assert [failure for test in result.tests for failure in test.failures] == []
    assert result.passed and result.tests


# /ES is above 6,900 from 50 s on, but for three short moments; rows come every five seconds from 10:00:10 on.
PRICES = "6890x10 6901 6890 6901 6890 6901x200 6890x2 6910x4"
TOLD = {
    "Only Once": 1,
    "Once Per Bar": 3,  # the first of three rises, the third when that bar is over, the rise at the end
    "Once Per Bar Close": 3,  # 10:05, 10:10 and 10:15
    "Once Per Minute": 20,  # the rise, the third one 30 s later, 17 closes from 10:02 to 10:18, the rise at the end
}


def test_the_frequencies_tell_as_often_as_they_say(tmp_path: Path) -> None:
    rules, expected = "version: 1\ndefaults: {symbols: [/ES], at_load: fire, cooldown: 0s}\nrules:\n", ""
    for number, line in enumerate(TRADINGVIEW[13:]):
        keys = "".join(f"    {key}\n" for key in (f"when: {line.when}", *line.keys.splitlines()))
        rules += f"  - id: frequency-{number}\n{keys}"
        expected += f"      - {{rule: frequency-{number}, fires: {TOLD[line.theirs]}}}\n"
    (tmp_path / "a.yaml").write_text(rules, "utf-8")
    file = tmp_path / "a.test.yaml"
    file.write_text(
        "rules: [a.yaml]\ntests:\n  - name: all\n    start: 2026-11-18T10:00:10-05:00\n    input:\n"
        f"      - {{symbol: /ES, field: price, every: 5s, values: '{PRICES}'}}\n    expect:\n{expected}", "utf-8",
    )  # fmt: skip
    result = run_file(file)
    assert not result.problems and [failure for test in result.tests for failure in test.failures] == []


def test_every_key_of_a_rule_is_in_the_table_with_words_of_its_own() -> None:
    assert set(KEYS) == set(keys_of(RuleModel))
    says = [field.description or "" for field in RuleModel.model_fields.values()]
    assert all(one.endswith(".") and len(one) > 10 for one in says)
    assert len(set(says)) == len(says)
    for name, field in RuleModel.model_fields.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{field.alias or name}` |"))
        assert row.endswith(f"| {field.description} |")


# What a key of the table needs beside it to make a rule.
BESIDE = {"when": "", "levels": "", "clear_when": "when: price > 6920", "values": "when: price > r1",
          "let": "when: drop < -1%"}  # fmt: skip
WRITTEN = [(key, value) for key, written in KEYS.items() for value in written.values]


@pytest.mark.parametrize(("key", "value"), WRITTEN, ids=[f"{key}={value}" for key, value in WRITTEN])
def test_every_value_in_the_table_of_keys_loads(key: str, value: str) -> None:
    keys = "\n".join(filter(None, (BESIDE.get(key, "when: price > 1"), f"{key}: {value}")))
    problems = [load(keys, symbol).problems for symbol in SYMBOLS]
    assert () in problems, problems


@pytest.mark.parametrize("key", [key for key, written in KEYS.items() if written.default])
def test_the_defaults_of_the_table_are_the_defaults(key: str) -> None:
    bare = rule_of("when: price > 1")
    assert rule_of(f"when: price > 1\n{key}: {KEYS[key].default}") == bare
    others = [value for value in KEYS[key].values if value != KEYS[key].default]
    assert all(rule_of(f"when: price > 1\n{key}: {value}") != bare for value in others)


@pytest.mark.parametrize("key", [key for key, written in KEYS.items() if written.remark == "required"])
def test_the_required_keys_are_required(key: str) -> None:
    whole = "version: 1\nrules:\n  - severity: info\n    id: a\n    symbols: [/ES]\n    when: price > 1\n"
    assert not load_texts({"a.yaml": whole}).problems
    (problem,) = load_texts({"a.yaml": re.sub(rf"    {key}: .*\n", "", whole)}).problems
    assert f"'{key}' is missing" in str(problem)


def test_the_example_of_every_function_means_that_function() -> None:
    assert set(EXAMPLES) == set(FUNCTIONS) and set(BY_TIME_EXAMPLES) == set(BY_TIME)
    for table, known in ((EXAMPLES, FUNCTIONS), (BY_TIME_EXAMPLES, BY_TIME)):
        for name, example in table.items():
            tree = parse(example)
            call = getattr(tree, "base", tree)
            assert isinstance(call, Call) and function_of(call) is known[name]
            assert (check if name == "seq" else unit_of)(tree, instrument_of("/ES")) is not None
            assert f"| `{example}`" in README


def test_every_word_of_the_language_is_in_the_reference() -> None:
    words = [*QUOTES, *FLAGS, *(f"{scope}.{part}" for scope, parts in DAY_VALUES.items() for part in parts)]
    words += [f"{name}(5m)" for name in BAR_FIELDS]
    for text in (README, RULES):
        assert [word for word in words if f"`{word}`" not in text] == []
    words = [*INTERVALS_S, *SESSION_WORDS, *SETUP_KEYS, *WORDS, "live", "any", "all", "not", "within"]
    assert [word for word in words if not re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", BOTH)] == []
    operators = re.findall(r"`([^`]+)`", RULES.split("| operator |")[1].split("\n\n")[0])
    known = {operator.partition(" ")[0] for operator in operators}
    assert known >= {*COMPARISONS, *CROSS_OPS, REACHES, *RANGE_OPS, *FLAGS}


@pytest.mark.parametrize(("column", "module", "names"), [
    ("| reason |", gates, ("AT_LOAD", "HIGHER_LEVEL", "LOG", "MODE", "SPENT", "REARM", "COOLDOWN", "SILENCE")),
    ("| end |", machine, ("RULE_CHANGED", "RULE_REMOVED", "SESSION_END", "EXPIRED")),
])  # fmt: skip
def test_every_reason_is_in_its_table(column: str, module: object, names: tuple[str, ...]) -> None:
    table = RULES.split(column)[1].split("\n\n")[0]
    found = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert found - {"cleared"} == {getattr(module, name) for name in names}


def test_all_of_tradingview_and_the_alert_modes_of_thinkscript_are_translated() -> None:
    assert tuple(line.theirs.partition(",")[0] for line in TRADINGVIEW) == TRADINGVIEW_WORDS
    theirs = [line.theirs for line in THINKORSWIM]
    assert theirs[:3] == ["Alert.ONCE", "Alert.BAR", "Alert.TICK"]
    for word in ("crosses above", "crosses below", "Highest(", "Average(", "ExpAverage(", "RSI(", "VWAP("):
        assert any(word in line for line in theirs), word


@pytest.mark.parametrize("line", [*TRADINGVIEW, *THINKORSWIM], ids=lambda line: str(line.theirs))
def test_what_you_would_write_here_loads_without_a_finding(line: Translation) -> None:
    for when in filter(None, (line.when, line.also)):
        keys = f"when: {when}\n{line.keys}"
        loaded = load(keys)
        assert not [*map(str, loaded.problems), *map(str, loaded.warnings)]
        (rule,) = loaded.rule_set.rules
        assert check(rule.when, instrument_of("/ES")) == check(parse(when), instrument_of("/ES"))
        assert f"`when: {when}`" in README or f"`{when}`" in README


def test_crossings_are_events_and_comparisons_states_as_the_remarks_say() -> None:
    for line in TRADINGVIEW[:13]:
        crossing = line.theirs.startswith(("Crossing", "Entering", "Exiting"))
        assert check(parse(line.when), instrument_of("/ES")) == ("event" if crossing else "state")


def test_the_keys_of_a_file_are_in_the_reference() -> None:
    row = next(line for line in RULES.splitlines() if line.startswith("| `*.yaml` |"))
    assert re.findall(r"`(\w+)`", row) == [*RuleFile.model_fields]


def test_links_between_the_pages_lead_somewhere() -> None:
    for text, home in ((README, ROOT), (RULES, ROOT / "docs")):
        for target, anchor in re.findall(r"\]\(((?!https?:)[^)#]*)(#[^)]*)?\)", text):
            page = (home / target).read_text("utf-8") if target else text
            headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                        for line in page.splitlines() if line.startswith("#")}  # fmt: skip
            assert not anchor or anchor[1:] in headings, (target, anchor)
