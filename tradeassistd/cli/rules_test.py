"""`tradeassist rules test`: the unit tests of rules, one line per file, and why a test failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from tradeassistd.base.errors import PermanentError
from tradeassistd.cli import exit_codes
from tradeassistd.rules.testing.junit import junit_xml
from tradeassistd.rules.testing.run import SUFFIX, FileResult, TestResult, never_true, run_file, test_files


def run(paths: Sequence[Path], *, junit: Path | None = None, coverage: bool = False) -> int:
    """Run the test files that `paths` name; gives the exit code."""
    results = []
    for file in test_files(paths):
        results.append(run_file(file))
        _show(results[-1])
    if junit is not None:
        _write(junit, junit_xml(results))
    if not results:
        typer.echo(f"no *{SUFFIX} file in {', '.join(map(str, paths))}")
        return exit_codes.NO
    if coverage:
        _show_coverage(results)
    failed = sum(bool(test.failures) for result in results for test in result.tests)
    unread = sum(bool(result.problems) for result in results)
    tests = sum(len(result.tests) for result in results)
    typer.echo(f"{tests} tests in {len(results)} files: {failed} failed, {unread} files could not be read")
    return exit_codes.NO if failed or unread else exit_codes.YES


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


def _show_coverage(results: Sequence[FileResult]) -> None:
    missing = never_true(results)
    for line in missing:
        typer.echo(f"never true: {line}")
    if not missing:
        typer.echo("every condition of the tested rules was true in some test")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a directory that is there"
        ) from None
