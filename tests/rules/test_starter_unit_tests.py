"""The shipped rules pass their own unit tests, and these try every rule and every condition of it."""

from __future__ import annotations

from pathlib import Path

from tradeassistd.rules.load import load_directory
from tradeassistd.rules.testing.run import never_true, run_file, test_files

RULES = Path(__file__).parents[2] / "rules.d"
RESULTS = [run_file(path, path.name) for path in test_files([RULES])]


def test_they_pass() -> None:
    assert RESULTS
    for result in RESULTS:
        assert result.passed, result


def test_every_rule_file_is_tried() -> None:
    files = {rule.file for rule in load_directory(RULES).rule_set.rules}
    assert {result.file.replace(".test.yaml", ".yaml") for result in RESULTS} == files


def test_every_condition_is_true_in_some_test() -> None:
    assert never_true(RESULTS) == []
