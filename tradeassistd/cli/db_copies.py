"""`tradeassist db copies`: what earlier states of the files are kept beside them, and removing the older ones."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import typer

from tradeassistd.cli import exit_codes
from tradeassistd.cli.view.words import size
from tradeassistd.cli.wording import clock_time, counted
from tradeassistd.store.copies import Copy, copies, remove, superfluous


def show(directory: Path, *, prune: bool, keep: int, as_json: bool) -> int:
    """List them; with `prune` remove all but the newest `keep` of each file first."""
    found = copies(directory)
    removed = [*superfluous(found, keep)] if prune else []
    for one in removed:
        remove(directory, one)
    left = [one for one in found if one not in removed]
    if as_json:
        said = {"copies": msgspec.to_builtins(left), "removed": msgspec.to_builtins(removed)}
        typer.echo(json.dumps(said, indent=2))
        return exit_codes.YES
    if removed:
        typer.echo(f"removed {counted(len(removed), 'copy') if len(removed) == 1 else f'{len(removed)} copies'}, "
                   f"{size(sum(one.bytes for one in removed))}")  # fmt: skip
    typer.echo("\n".join(map(_line, left)) if left else "no copies are kept")
    if any(one.kind == "migration" for one in left):
        typer.echo(f"   `tradeassist db restore {directory}/NAME --replace` puts one of main.db back")
    return exit_codes.YES


def _line(one: Copy) -> str:
    schema = f", schema {one.schema}" if one.schema else ""
    return f"{one.name:<32} {size(one.bytes):>8}  {clock_time(one.made)}  {one.what}{schema}"
