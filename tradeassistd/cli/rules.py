"""`tradeassist rules …`: what a trader asks about rule files."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.cli import exit_codes
from tradeassistd.rules.load import load_directory


def check(directory: Path, *, as_json: bool) -> int:
    """Print every error and warning of every file; gives the exit code."""
    loaded = load_directory(directory, now_us=WallClock().now_us())
    if as_json:
        typer.echo(json.dumps({
            "rules": len(loaded.rule_set.rules),
            "hash": loaded.rule_set.hash,
            "errors": [str(problem) for problem in loaded.problems],
            "warnings": [str(problem) for problem in loaded.warnings],
        }, indent=2))  # fmt: skip
    else:
        for problem in loaded.problems:
            typer.echo(f"error: {problem}")
        for problem in loaded.warnings:
            typer.echo(f"warning: {problem}")
        symbols = {symbol for rule in loaded.rule_set.rules for symbol in rule.symbols}
        typer.echo(f"{len(loaded.rule_set.rules)} rules on {len(symbols)} symbols, {len(loaded.problems)} errors, "
                   f"{len(loaded.warnings)} warnings")  # fmt: skip
    return exit_codes.NO if loaded.problems else exit_codes.YES
