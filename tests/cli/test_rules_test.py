"""`tradeassist rules test`: a line per file, why a test failed, an exit code, JUnit XML, coverage."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from typer.testing import CliRunner

from tests.rules.testing.files import one_test, write
from tradeassistd.cli.main import app

ROWS = "{symbol: /ES, every: 1m, values: '5990 6010'}"
SOUND = one_test(ROWS, "{rule: level, fires: 1}")
WRONG = one_test(ROWS, "{rule: level, fires: 2}")
QUIET = one_test("{symbol: /ES, every: 1m, values: '5990'}", "{rule: level, fires: 0}")


def rules_test(*arguments: object) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["rules", "test", *map(str, arguments)])
    return result.exit_code, result.output.splitlines()


def test_a_passing_file(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    assert rules_test(path) == (0, [f"ok   {path}: 1 tests", "1 tests in 1 files: 0 failed, 0 files could not be read"])


def test_a_failing_test_says_what_happened(tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)
    code, lines = rules_test(tmp_path)
    assert code == 1
    assert lines[:3] == [
        f"FAIL {path}: 1 tests",
        f"  FAIL {path}:3:5: a test",
        f"    {path}:8:9: level: fires: expected 2, got 1",
    ]
    assert "level: fired, now ok  price crosses 6000 [6010.00 | 6000.00]" in lines[4]


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, SOUND)
    (tmp_path / "tests" / "b.test.yaml").write_text("tests: 1", "utf-8")
    code, lines = rules_test(tmp_path)
    assert code == 1
    assert lines[0].startswith("ok ") and lines[1].startswith("FAIL ")
    assert lines[-1] == "1 tests in 2 files: 0 failed, 1 files could not be read"


def test_nothing_to_run_is_no_success(tmp_path: Path) -> None:
    assert rules_test(tmp_path) == (1, [f"no *.test.yaml file in {tmp_path}"])


def test_junit_xml_has_every_test_and_why_it_failed(tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)
    (tmp_path / "tests" / "b.test.yaml").write_text("tests: 1", "utf-8")
    code, _ = rules_test(path.parent, "--junit", tmp_path / "out.xml")
    top = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert code == 1
    assert [(one.get("failures"), one.get("errors")) for one in top] == [("1", "0"), ("0", "1")]
    (failure,) = top.iter("failure")
    assert failure.text is not None and "fires: expected 2, got 1" in failure.text and "6010.00" in failure.text


def test_a_junit_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    result = CliRunner().invoke(app, ["rules", "test", str(path), "--junit", str(tmp_path / "a" / "b")])
    assert result.exit_code == 1 and "cannot be written" in str(result.exception)


def test_coverage_lists_what_was_never_true(tmp_path: Path) -> None:
    code, lines = rules_test(write(tmp_path, QUIET), "--coverage")
    assert code == 0
    assert lines[1:3] == [
        "never true: rules.yaml:3: level: price crosses 6000",
        "never true: rules.yaml:7: above: price > 6000",
    ]
