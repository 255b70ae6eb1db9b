"""`tradeassist rules schema`: the JSON Schema of a kind of rule file, for editors."""

from __future__ import annotations

import typer

from tradeassistd.base.yaml12 import did_you_mean
from tradeassistd.cli import exit_codes
from tradeassistd.rules.own_functions import use_installed


def show(kind: str) -> int:
    """Print the schema; gives the exit code. Raises typer.BadParameter for a kind that is none."""
    use_installed()  # a name of one's own cannot be that of a function, and the schema says so
    from tradeassistd.rules.schema.documents import KINDS, schema_text

    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"one of {' '.join(KINDS)}"
        raise typer.BadParameter(f"unknown kind of file {kind!r} ({hint})", param_hint="--for")
    typer.echo(schema_text(kind), nl=False)
    return exit_codes.YES
