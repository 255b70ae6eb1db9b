"""`tradeassist rules check`: everything wrong with rule files, as text, as JSON, as annotations on GitHub."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.yaml12 import Problem
from tradeassistd.cli import exit_codes
from tradeassistd.rules.lint import INVALID, severity_of
from tradeassistd.rules.load import Loaded, load_directory

FORMATS = ("text", "json", "github")
_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
"""Its words for how bad an annotation is."""


def check(
    directory: Path, *, output: str = "text", strict: bool = False, channels: frozenset[str] | None = None
) -> int:
    """Print every finding of every file, sorted by place; gives the exit code.

    `output` is one of FORMATS; `strict`: warnings (not infos) count too; `channels` are those of the settings.
    """
    loaded = load_directory(directory, now_us=WallClock().now_us(), lint=True, channels=channels)
    found = sorted([*loaded.problems, *loaded.warnings])
    match output:
        case "json":
            typer.echo(json.dumps([_document(problem) for problem in found], indent=2))
        case "github":
            for problem in found:
                typer.echo(_annotation(problem, directory))
        case _:
            for problem in found:
                typer.echo(f"{severity_of(problem.code)}: {problem} [{problem.code or INVALID}]")
            typer.echo(_summary(loaded))
    counted = ("error", "warning") if strict else ("error",)
    return exit_codes.NO if any(severity_of(problem.code) in counted for problem in found) else exit_codes.YES


def _summary(loaded: Loaded) -> str:
    symbols = {symbol for rule in loaded.rule_set.rules for symbol in rule.symbols}
    count = Counter(severity_of(problem.code) for problem in loaded.warnings)
    infos = f", {count['info']} infos" if count["info"] else ""
    rules, errors = len(loaded.rule_set.rules), len(loaded.problems)
    return f"{rules} rules on {len(symbols)} symbols, {errors} errors, {count['warning']} warnings{infos}"


def _document(problem: Problem) -> dict[str, str | int]:
    place = problem.place
    return {
        "file": place.file, "line": place.line, "column": place.column, "path": problem.path,
        "severity": severity_of(problem.code), "code": problem.code or INVALID, "message": problem.message,
        "hint": problem.hint,
    }  # fmt: skip


def _annotation(problem: Problem, directory: Path) -> str:
    """A workflow command: GitHub shows it beside the line, when `file` is the path in the repository.

    Percent signs and line ends are escaped, and in properties `:` and `,` (GitHub's actions/toolkit, command.ts).
    """
    place = problem.place
    file = Path(os.path.relpath(directory / Path(place.file).name)).as_posix()  # the step runs at the repository's top
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    title = f"{severity_of(problem.code)} [{problem.code or INVALID}]"
    where = f"file={_property(file)},line={place.line},col={place.column},title={_property(title)}"
    text = f"{message} ({problem.hint})" if problem.hint else message
    return f"::{_GITHUB[severity_of(problem.code)]} {where}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
