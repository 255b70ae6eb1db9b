"""`tradeassist rules test`: the unit tests of rules, why one failed, as text, as JSON, as annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.errors import PermanentError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.annotations import annotation
from tradeassistd.rules.testing.junit import junit_xml
from tradeassistd.rules.testing.run import (
    SUFFIX,
    FileResult,
    TestResult,
    never_true,
    run_file,
    test_files,
    untested,
)

FORMATS = ("text", "json", "github")
_PLACED = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)", re.DOTALL)


def run(
    paths: Sequence[Path], *, junit: Path | None = None, coverage: bool = False, output: str = "text"
) -> int:  # fmt: skip
    """Run the test files that `paths` name; gives the exit code. `output`: one of FORMATS."""
    results = []
    for file in test_files(paths):
        results.append(run_file(file))
        if output == "text":
            _show(results[-1])
    if junit is not None:
        _write(junit, junit_xml(results))
    if output == "json":
        typer.echo(json.dumps(_document(paths, results, coverage=coverage), indent=2))
    elif output == "github":
        for line in dict.fromkeys(_annotations(results)):  # test files may share a rule file that is broken
            typer.echo(line)
    if not results:
        typer.echo(f"no *{SUFFIX} file in {', '.join(map(str, paths))}", err=output != "text")
        return exit_codes.NO
    if output == "text":
        _show_summary(paths, results, coverage=coverage)
    return exit_codes.YES if all(result.passed for result in results) else exit_codes.NO


def _show(result: FileResult) -> None:
    typer.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.file}: {len(result.tests)} tests")
    for problem in result.problems:
        typer.echo(f"  error: {problem}")
    for test in result.tests:
        if test.failures:
            _show_failed(test)


def _show_failed(test: TestResult) -> None:
    typer.echo(f"  FAIL {test.place}: {test.name}")
    for failure in test.failures:
        typer.echo(f"    {failure}")
    typer.echo("    what happened, by the time since the start:")
    for line in test.happened:
        typer.echo(f"    {line}")


def _show_summary(paths: Sequence[Path], results: Sequence[FileResult], *, coverage: bool) -> None:
    if coverage:
        _show_coverage(paths, results)
    failed = sum(bool(test.failures) for result in results for test in result.tests)
    unread = sum(bool(result.problems) for result in results)
    tests = sum(len(result.tests) for result in results)
    typer.echo(f"{tests} tests in {len(results)} files: {failed} failed, {unread} files could not be read")


def _show_coverage(paths: Sequence[Path], results: Sequence[FileResult]) -> None:
    missing, files = never_true(results), untested(paths, results)
    for line in missing:
        typer.echo(f"never true: {line}")
    for file in files:
        typer.echo(f"never tested: {file}")
    if not missing and not files and any(result.tests for result in results):
        typer.echo("every condition of the tested rules was true in some test")


def _document(paths: Sequence[Path], results: Sequence[FileResult], *, coverage: bool) -> dict[str, Any]:
    files = [
        {
            "file": result.file, "passed": result.passed, "errors": list(result.problems),
            "tests": [
                {"name": test.name, "place": test.place, "passed": not test.failures, "failures": list(test.failures),
                 "happened": [line.strip() for line in test.happened]}
                for test in result.tests
            ],
        }
        for result in results
    ]  # fmt: skip
    covered = {"never_true": never_true(results), "never_tested": untested(paths, results)} if coverage else {}
    return {"passed": bool(results) and all(result.passed for result in results), "files": files, **covered}


def _annotations(results: Sequence[FileResult]) -> Iterator[str]:
    for result in results:
        for problem in result.problems:
            yield _annotation(problem, result, f"{result.file}:1:1", "rules test")
        for test in result.tests:
            for number, failure in enumerate(test.failures):
                happened = () if number else ("what happened, by the time since the start:", *test.happened)
                yield _annotation("\n".join((failure, *happened)), result, test.place, f"rules test: {test.name}")


def _annotation(said: str, result: FileResult, place: str, title: str) -> str:
    """What is said with its place, or at the place of the test."""
    found = _PLACED.fullmatch(said) or _PLACED.fullmatch(f"{place}: {said}")
    assert found is not None  # a place ends so
    return annotation("error", _found(found["file"], result), int(found["line"]), int(found["column"]),
                      title=title, text=found["text"])  # fmt: skip


def _found(file: str, result: FileResult) -> Path:
    """A rule file is told with the name of its directory, which is one of those the test file is in."""
    folder, _, name = file.rpartition("/")
    beside = (path / name for path in Path(result.file).parents if path.name == folder)
    return next((path for path in beside if path.is_file()), Path(file))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a directory that is there"
        ) from None
