"""Rule files and test files on disk for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

from tradeassistd.rules.testing.run import FileResult, TestResult, run_file

RULES = """\
version: 1
rules:
  - id: level
    symbols: [/ES]
    cooldown: 0s
    when: price crosses 6000
  - id: above
    symbols: [/ES, SPY]
    when: price > 6000
"""
START = "2026-11-16T10:00:00-05:00"


def write(folder: Path, text: str, rules: str = RULES) -> Path:
    """`rules.yaml` and `tests/a.test.yaml`; gives the path of the second."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "rules.yaml").write_text(rules, "utf-8")
    path = folder / "tests" / "a.test.yaml"
    path.write_text(text, "utf-8")
    return path


def run(
    folder: Path, inputs: str, expects: str, *, rules: str = RULES, start: str = START, more: str = ""
) -> TestResult:
    """One test of a readable file; `inputs` and `expects` are lines of flow maps without their dashes."""
    result = run_text(folder, one_test(inputs, expects, start=start, more=more), rules=rules)
    assert result.problems == ()
    (test,) = result.tests
    return test


def run_text(folder: Path, text: str, *, rules: str = RULES) -> FileResult:
    return run_file(write(folder, text, rules), "a.test.yaml")


def problems(folder: Path, inputs: str, expects: str = "{rule: level, fires: 0}", *, more: str = "") -> list[str]:
    """What is wrong with a file of one test, without the file's name."""
    result = run_text(folder, one_test(inputs, expects, more=more))
    return [problem.removeprefix("a.test.yaml:") for problem in result.problems]


def one_test(inputs: str, expects: str, *, start: str = START, more: str = "") -> str:
    def listed(lines: str) -> str:
        return "".join(f"      - {line.strip()}\n" for line in lines.strip().splitlines())

    return (
        f"rules: ../rules.yaml\ntests:\n  - name: a test\n    start: {start}\n{more}"
        f"    input:\n{listed(inputs)}    expect:\n{listed(expects)}"
    )
