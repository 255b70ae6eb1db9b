"""Every good example loads without a word and passes its own unit tests; together they show what the language has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradeassistd.rules.load import load_directory
from tradeassistd.rules.testing.run import FileResult, never_true, run_file

GOOD = Path(__file__).parents[1] / "data" / "rules" / "good"
TESTS = sorted((GOOD / "tests").glob("*.test.yaml"))
EXAMPLES = ("es-levels", "spy-ema-cross", "fast-drop", "volume-spike", "risk-off", "day-drawdown")
"""The rules that the language is explained with."""


@pytest.fixture(scope="module")
def results() -> dict[str, FileResult]:
    return {path.name: run_file(path, path.name) for path in TESTS}


def test_they_load_without_problems_or_warnings() -> None:
    loaded = load_directory(GOOD)
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert len({rule.file for rule in loaded.rule_set.rules}) >= 40
    assert set(EXAMPLES) <= set(loaded.rule_set.by_id)


def test_each_file_has_its_tests_and_says_what_it_is_for() -> None:
    files = [path for path in GOOD.glob("*.yaml") if not path.name.startswith("_")]
    assert {path.stem for path in files} == {path.name.removesuffix(".test.yaml") for path in TESTS}
    for path in files:
        assert path.read_text("utf-8").startswith("# "), path.name


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.yaml"))
def test_its_unit_tests_pass(path: Path, results: dict[str, FileResult]) -> None:
    result = results[path.name]
    assert result.problems == ()
    assert result.tests
    for test in result.tests:
        assert test.failures == (), "\n".join((test.name, *test.failures, *test.happened))


def test_every_comparison_is_true_in_some_test(results: dict[str, FileResult]) -> None:
    assert never_true(results.values()) == []
