"""Test files are read as strictly as rule files: every mistake has its place and says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.testing.files import RULES, one_test, problems, run_text

ROWS = "{symbol: /ES, every: 1m, values: '5990 6010'}"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("{symbol: /ES, every: 1m, vales: '1'}", "6:9: tests[0].input[0]: an input item has nothing to play (did you"),
        ("{symbol: /ES, every: 1m, values: '1', set: {price: 1}}", "has values and set (with exactly one of"),
        ("{symbol: /ES, every: 1m, values: '1', filed: bid}", "6:47: tests[0].input[0].filed: unknown key 'filed'"),
        ("{symbol: /ES, every: 1m, values: '1', field: bit}", "unknown field 'bit' (did you mean bid?)"),
        ("{symbol: /ES, values: '1'}", "'every' is missing"),
        ("{symbol: ES!, every: 1m, values: '1'}", "tests[0].input[0].symbol: 'ES!' is not a symbol"),
        ("{symbol: /ES, every: 5, values: '1'}", "'5' is not a time since the start (write the time since"),
        ("{symbol: /ES, every: 1m, values: '5+1'}", "'5+1' moves, but does not say how often"),
        ("{symbol: $VIX, at: 0s, set: {bid: 1}}", "$VIX has no bid (an index has a price only)"),
        ("{symbol: /ES, at: 0s, set: {prize: 1}}", "'prize' cannot be set (one of price"),
        ("{symbol: /ES, at: 0s, set: {halted: yes}}", "'yes' is not true or false"),
        ("{symbol: SPY, facts: {prev_day.high: 1}}", "Schwab does not tell prev_day.high (give whole bars before"),
        ("{symbol: SPY, facts: {prev_close: 1}}", "unknown fact 'prev_close' (one of day.open"),
        ("{at: 1m, event: gab}", "unknown event 'gab' (did you mean gap?)"),
        ("{at: 1m, event: silence, for: 1m}", "`silence` of what? (add rule: ID, symbol: /ES or tag: TAG"),
        ("{at: 1m, event: silence, rule: level}", "`silence` for how long? (add for: 5m)"),
        ("{at: 1m, event: silence, rule: levl, for: 1m}", "there is no rule 'levl' (did you mean level?)"),
        ("{at: 1m, event: silence, rule: l*, symbol: SPY, for: 1m}", "this silence fits no rule (the rules are level"),
        ("{at: 1m, event: silence, tag: 'a b', for: 1m}", "'a b' has a blank in it"),
        ("{at: 1m, event: ack, rule: l*}", "`ack` takes no globs (name one)"),
        ("{at: 1m, event: gap, tag: x, for: 1m}", "`gap` has no tag (remove it)"),
        ("{at: 1m, event: ack}", "`ack` of which rule? (add rule: ID)"),
        ("{at: 1m, event: ack, rule: levl}", "there is no rule 'levl' (did you mean level?)"),
        ("{at: 1m, event: roll, symbol: SPY}", "`roll` of which future?"),
        ("{symbol: SPY, bars: 7m, close: '1'}", "unknown bar interval '7m'"),
        ("{symbol: SPY, bars: 5m, close: '1 _ 2'}", "a bar without a value"),
        ("{symbol: SPY, bars: 5m, close: '1 2', volume: '1'}", "have different lengths"),
    ],
)  # fmt: skip
def test_a_wrong_input(tmp_path: Path, inputs: str, said: str) -> None:
    (problem,) = problems(tmp_path, inputs)
    assert said in problem


@pytest.mark.parametrize(
    ("expects", "said"),
    [
        ("{rule: levels, fires: 1}", "8:16: tests[0].expect[0].rule: there is no rule 'levels' (did you mean level?)"),
        ("{rule: level, fire: 1}", "unknown key 'fire' (did you mean fires?)"),
        ("{rule: level, symbol: SPY, fires: 1}", "level does not watch SPY (it has /ES)"),
        ("{rule: above, state: ok}", "above has a state per symbol (add symbol: one of /ES, SPY)"),
        ("{rule: level, level: 1, fires: 1}", "level has no level 1 (it has 0)"),
        ("{rule: level, state: fireing}", "unknown state 'fireing' (did you mean firing?)"),
        ("{rule: level, suppressed: {coldown: 1}}", "unknown reason 'coldown' (did you mean cooldown?)"),
        ("{rule: level, fires: -1}", "-1 is less than nothing"),
        ("{rule: level, at: 1m}", "expects nothing (write e.g. fires: 1"),
    ],
)
def test_a_wrong_expectation(tmp_path: Path, expects: str, said: str) -> None:
    (problem,) = problems(tmp_path, ROWS, expects)
    assert said in problem


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    found = problems(tmp_path, "{symbol: /ES, every: 1m, values: x}\n{at: 1m, event: ack}", "{rule: level, fire: 1}")
    assert [problem.split(":")[0] for problem in found] == ["6", "7", "9"]


def test_a_test_needs_a_zone_an_input_and_an_expectation(tmp_path: Path) -> None:
    text = one_test(ROWS, "{rule: level, fires: 1}", start="2026-11-16T10:00:00")
    assert "has no zone" in run_text(tmp_path, text).problems[0]
    (problem,) = run_text(tmp_path, one_test(ROWS, "").replace("expect:\n      - ", "expect: []")).problems
    assert "expect: must be a list" in problem


def test_rules_that_are_missing_or_broken_are_said(tmp_path: Path) -> None:
    text = one_test(ROWS, "{rule: level, fires: 1}")
    (problem,) = run_text(tmp_path, text.replace("../rules.yaml", "[../rule.yaml]")).problems
    assert problem.startswith("a.test.yaml:1:9: rules[0]: ../rule.yaml cannot be read: No such file")
    (problem,) = run_text(tmp_path, text, rules=RULES.replace("crosses 6000", "croses 6000")).problems
    assert "/rules.yaml:6:17: rules[0].when: " in problem


def test_rules_get_the_shared_files_of_their_directory(tmp_path: Path) -> None:
    (tmp_path / "_defaults.yaml").write_text("mode: shadow\n", "utf-8")
    result = run_text(tmp_path, one_test(ROWS, "{rule: level, fires: 0, suppressed: {mode: 1}}"))
    assert result.passed, result


def test_an_id_of_two_directories_is_refused(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rules.yaml").write_text(RULES, "utf-8")
    text = one_test(ROWS, "{rule: level, fires: 1}").replace("../rules.yaml", "[../rules.yaml, ../more/rules.yaml]")
    found = run_text(tmp_path, text).problems
    assert found[0] == "a.test.yaml:1:8: rules: id 'above' is used in two files (name one of them)"


@pytest.mark.parametrize(
    ("inputs", "at"),
    [
        ("{symbol: /EM, every: 1m, values: '5990 6010'}", "6:9: tests[0].input[0]"),
        (f"{ROWS}\n{{symbol: SPX, at: 1m, set: {{price: 1}}}}", "7:9: tests[0].input[1]"),
        (f"{ROWS}\n{{symbol: /NQ, bars: 5m, end: 0s, close: '1x3'}}", "7:9: tests[0].input[1]"),
        (f"{ROWS}\n{{symbol: /NQ, facts: {{prev_day.close: 1}}}}", "7:9: tests[0].input[1]"),
        (f"{ROWS}\n{{at: 1m, event: gap, for: 10s, symbol: /NQ}}", "7:9: tests[0].input[1]"),
    ],
)
def test_rows_of_a_symbol_that_no_rule_reads_are_refused(tmp_path: Path, inputs: str, at: str) -> None:
    (problem,) = problems(tmp_path, inputs)
    assert problem.startswith(f"{at}: no rule reads ") and problem.endswith("(they read /ES, SPY)")


def test_symbols_of_others_of_texts_and_of_rules_that_are_off_are_read(tmp_path: Path) -> None:
    rules = (
        "version: 1\nrules:\n"
        "  - {id: level, symbols: [/ES], when: price > sym($VIX).price, message: '{sym($TICK).price}'}\n"
        "  - {id: none, symbols: [$ADDX], mode: off, when: price > 1}\n"
    )
    (tmp_path / "_instruments.yaml").write_text("version: 1\n$ADDX: {derived: $ADVN - $DECN}\n", "utf-8")
    rows = "\n".join(f"{{symbol: {one}, at: 1m, set: {{price: 1}}}}" for one in ("/ES", "$VIX", "$TICK", "$ADDX"))
    assert run_text(tmp_path, one_test(rows, "{rule: level, fires: 0}"), rules=rules).problems == ()
