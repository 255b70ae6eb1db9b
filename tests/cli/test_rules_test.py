"""`tradeassist rules test`: a line per file, why a test failed, an exit code, JUnit XML, annotations, coverage."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from tests.rules.testing.files import RULES, one_test, write
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


def test_coverage_lists_rule_files_that_no_test_reads(tmp_path: Path) -> None:
    write(tmp_path, QUIET)
    for name in ("other.yaml", "_defaults.yaml", ".other.yaml", "note.txt"):
        (tmp_path / name).write_text("severity: info\n", "utf-8")
    assert [line for line in rules_test(tmp_path / "tests", "--coverage")[1] if "tested" in line] == [
        "never tested: other.yaml"
    ]
    _, lines = rules_test(tmp_path / "tests" / "a.test.yaml", "--coverage")
    assert not any("tested" in line for line in lines), "one file was asked for"


def test_coverage_of_nothing_is_not_all(tmp_path: Path) -> None:
    _, lines = rules_test(write(tmp_path, "tests: 1"), "--coverage")
    assert not any(line.startswith("every condition") for line in lines)


def test_failures_are_annotations_at_the_lines_of_a_pull_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, WRONG)
    (tmp_path / "tests" / "b.test.yaml").write_text("tests: 1", "utf-8")
    monkeypatch.chdir(tmp_path)
    code, lines = rules_test("tests", "--format", "github", "--junit", "out.xml")
    assert code == 1 and Path("out.xml").exists()
    failed, *unread = lines
    assert failed.startswith(
        "::error file=tests/a.test.yaml,line=8,col=9,title=rules test%3A a test::level: fires: expected 2, got 1%0A"
        "what happened, by the time since the start:%0A"
    )
    assert "[6010.00 | 6000.00]" in failed
    assert unread and all(line.startswith("::error file=tests/b.test.yaml,line=1,") for line in unread)
    assert rules_test(write(tmp_path, SOUND), "--format", "github") == (0, [])


def test_a_broken_rule_is_an_annotation_at_its_own_line_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my" / "rules.d"
    folder.mkdir(parents=True)
    path = write(folder, SOUND, RULES.replace("crosses 6000", "croses 6000"))
    path.with_name("b.test.yaml").write_text(SOUND, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert rules_test("my/rules.d/tests", "--format", "github") == (1, [
        "::error file=my/rules.d/rules.yaml,line=6,col=17,title=rules test::rules[0].when: 'croses' cannot stand here "
        "(did you mean crosses?)"
    ])  # fmt: skip


def test_the_results_as_one_document(tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)
    code, lines = rules_test(path, "--json", "--coverage")
    document = json.loads("\n".join(lines))
    assert (code, document["passed"], document["never_tested"]) == (1, False, [])
    assert document["never_true"] == []
    (file,) = document["files"]
    assert (file["file"], file["passed"], file["errors"]) == (str(path), False, [])
    (test,) = file["tests"]
    assert (test["name"], test["place"], test["passed"]) == ("a test", f"{path}:3:5", False)
    assert test["failures"] == [f"{path}:8:9: level: fires: expected 2, got 1"]
    assert any("level: fired, now ok" in line for line in test["happened"])
    assert CliRunner().invoke(app, ["rules", "test", str(path), "--format", "xml"]).exit_code == 2
