"""`tradeassist rules check`: everything wrong with rule files, as text, as JSON, as annotations on GitHub."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import FatalError, TradeAssistError
from tradeassistd.base.yaml12 import Problem
from tradeassistd.cli import exit_codes
from tradeassistd.cli.annotations import annotation
from tradeassistd.cli.wording import counted
from tradeassistd.engine.transition import RuleState
from tradeassistd.rules.lint import INVALID, severity_of
from tradeassistd.rules.lint_kept import kept_problems
from tradeassistd.rules.lint_spent import spent_problems
from tradeassistd.rules.load import Loaded, load_directory

FORMATS = ("text", "json", "github")
_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
"""Its words for how bad an annotation is."""


def check(
    directory: Path,
    *,
    output: str = "text",
    strict: bool = False,
    channels: frozenset[str] | None = None,
    state: Path | None = None,
    state_asked: bool = False,
    market_clock: bool = False,
    bars_kept_s: int | None = None,
) -> int:
    """Print every finding of every file, sorted by place; gives the exit code.

    `output` is one of FORMATS; `strict`: warnings (not infos) count too; `channels` are those of the settings. `state`
    is the state directory, only looked at: nothing is made or changed there. Without one, and where no daemon has
    stored anything yet, nobody knows which rules are spent. `state_asked`: the user named it, so that it has to be
    there (FatalError). `market_clock`: the daemon's time is that of its feed, and so is that of `expires`; before its
    first day it is the computer's. `bars_kept_s`: how long bars are kept, None: for ever, or nobody knows.
    """
    states = _stored_states(state, asked=state_asked) if state is not None else ()
    judged_us = max((one.judged_us for one in states), default=0) if market_clock else 0
    now_us = judged_us or WallClock().now_us()
    loaded = load_directory(directory, now_us=now_us, lint=True, channels=channels)
    prefix = f"{directory.resolve().name}/"
    spent = tuple(spent_problems(loaded.rule_set, states, prefix))
    unkept = kept_problems(loaded.rule_set, bars_kept_s, prefix)
    loaded = replace(loaded, warnings=tuple(sorted([*loaded.warnings, *spent, *unkept])))
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


def _stored_states(directory: Path, *, asked: bool) -> tuple[RuleState, ...]:
    """What the daemon has stored of its rules; none where there is no store, unless the user said there is one."""
    from tradeassistd.store import queries
    from tradeassistd.store.directory import MAIN_FILE

    unread: TradeAssistError
    try:
        if not asked and not (directory / MAIN_FILE).exists():
            return ()
        return queries.rule_states(directory, untouched=True)
    except OSError as error:
        unread = FatalError(f"{directory} cannot be read: {error.strerror}", hint="name a directory you may read")
    except TradeAssistError as error:
        unread = error
    if asked:
        raise unread
    typer.echo(f"tradeassist: which rules are spent is not known: {unread}", err=True)
    return ()


def _summary(loaded: Loaded) -> str:
    symbols = {symbol for rule in loaded.rule_set.rules for symbol in rule.symbols}
    count = Counter(severity_of(problem.code) for problem in loaded.warnings)
    infos = f", {counted(count['info'], 'info')}" if count["info"] else ""
    watched = f"{counted(len(loaded.rule_set.rules), 'rule')} on {counted(len(symbols), 'symbol')}"
    return f"{watched}, {counted(len(loaded.problems), 'error')}, {counted(count['warning'], 'warning')}{infos}"


def _document(problem: Problem) -> dict[str, str | int]:
    place = problem.place
    return {
        "file": place.file, "line": place.line, "column": place.column, "path": problem.path,
        "severity": severity_of(problem.code), "code": problem.code or INVALID, "message": problem.message,
        "hint": problem.hint,
    }  # fmt: skip


def _annotation(problem: Problem, directory: Path) -> str:
    place = problem.place
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    severity = severity_of(problem.code)
    return annotation(
        _GITHUB[severity], directory / Path(place.file).name, place.line, place.column,
        title=f"{severity} [{problem.code or INVALID}]",
        text=f"{message} ({problem.hint})" if problem.hint else message,
    )  # fmt: skip
