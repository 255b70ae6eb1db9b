"""`tradeassist rules functions`: every function that a rule may use, and whether a user's own are sound."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.yaml12 import did_you_mean
from tradeassistd.cli import exit_codes
from tradeassistd.engine.language.functions import BY_TIME, FUNCTIONS, Function, Gives
from tradeassistd.rules.function_trial import Trial, try_out, written_like
from tradeassistd.rules.own_functions import Installed, use_installed

_UNITS = {Gives.ARGUMENT: "unit of its argument", Gives.EVENT: "event"}


def show(name: str = "", *, try_them: bool = False, as_json: bool = False) -> int:
    """List the functions, or one of them; `try_them`: call users' functions as `try_out` does. Gives the exit code.

    1 when there is no such function, and when an installed one cannot be used or is not sound.
    """
    installed = use_installed()
    entries = [table[one] for one in FUNCTIONS for table in (FUNCTIONS, BY_TIME) if one in table and name in ("", one)]
    problems = [problem for problem in installed.problems if name in ("", problem.path)]
    if not entries and not problems:
        typer.echo(f"tradeassist: there is no function {name!r} ({did_you_mean(name, FUNCTIONS) or _LIST})", err=True)
        return exit_codes.NO
    trials = {}
    if try_them:
        trials = {one.name: try_out(one.own, WallClock()) for one in entries if one.own is not None}
    if as_json:
        document = {
            "functions": [_document(one, installed, trials.get(one.name)) for one in entries],
            "problems": [str(problem) for problem in problems],
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        _print(entries, installed, trials, whole=bool(name), only_own=try_them)
        for problem in problems:
            typer.echo(f"error: {problem}")
        if try_them and not trials and not problems:
            typer.echo("no package brings functions of its own")
    return exit_codes.NO if problems or any(trial.problems for trial in trials.values()) else exit_codes.YES


_LIST = "tradeassist rules functions lists all"


def _print(
    entries: Iterable[Function], installed: Installed, trials: dict[str, Trial], *, whole: bool, only_own: bool
) -> None:
    for one in entries:
        if only_own and one.own is None:
            continue
        typer.echo(f"{one.signature}\n    {one.doc}" if whole or not only_own else one.signature)
        if not only_own:
            known = "" if one.warm_up == "none" else f"; known after {one.warm_up}"
            typer.echo(f"    {_unit(one)}{known}; {_origin(one, installed)}")
        if whole:
            _print_whole(one)
        if trial := trials.get(one.name):
            _print_trial(trial)


def _print_whole(one: Function) -> None:
    """What one function takes, and its lines."""
    for argument, takes in _takes(one):
        typer.echo(f"    {argument}: {takes}")
    for part, says in one.parts.items():
        typer.echo(f"    .{part}: {says.doc}")
    if one.own is not None:
        typer.echo(f"    for example {one.own.example or written_like(one.own)}; version {one.own.version}")


def _print_trial(trial: Trial) -> None:
    for problem in trial.problems:
        typer.echo(f"    FAIL {problem}")
    if not trial.problems:
        over = f" over {trial.bars} bars" if trial.bars else ""
        typer.echo(f"    ok   {trial.written}{over}: {trial.calls} calls, {trial.mean_us:.0f} us each")


def _document(one: Function, installed: Installed, trial: Trial | None) -> dict[str, Any]:
    provided = installed.functions.get(one.name) if one.own is not None else None
    document: dict[str, Any] = {
        "name": one.name,
        "signature": one.signature,
        "arguments": [{"name": name, "takes": takes} for name, takes in _takes(one)],
        "keywords": {key: str(kind) for key, kind in one.keywords.items()},
        "lines": {part: says.doc for part, says in one.parts.items()},
        "unit": _unit(one),
        "warm_up": one.warm_up,
        "doc": one.doc,
        "from": _origin(one, installed),
        "version": one.own.version if one.own is not None else None,
        "entry_point": provided.entry if provided else None,
    }  # fmt: skip
    if trial is not None:
        document["check"] = {"call": trial.written, "calls": trial.calls, "mean_us": round(trial.mean_us, 1),
                             "problems": trial.problems}  # fmt: skip
    return document


def _takes(one: Function) -> list[tuple[str, str]]:
    """What its arguments are called, and what each takes."""
    names = one.named or tuple(kind.name.lower() for kind in one.args)
    units = one.own.units if one.own is not None else (None,) * len(names)
    return [(name, str(kind) if unit is None else f"a {unit}")
            for name, kind, unit in zip(names, one.args, units, strict=True)]  # fmt: skip


def _unit(one: Function) -> str:
    return _UNITS.get(one.gives, str(one.gives))


def _origin(one: Function, installed: Installed) -> str:
    if one.own is None:
        return "built in"
    provided = installed.functions.get(one.name)
    return provided.package if provided else "this process"
