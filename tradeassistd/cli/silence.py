"""`tradeassist silence`, `snooze` and `silences`: what nobody is told of for a while, said to the running daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.login import login_name
from tradeassistd.cli.wording import clock_time

RULES_SHOWN = 6


def silence(
    socket: Path | None, rules: Sequence[str], symbols: Sequence[str], tags: Sequence[str], *, for_s: int, until: str,
    reason: str, as_json: bool,
) -> int:  # fmt: skip
    """Silence what fits, for so long or until then. What cannot be is a PermanentError in the daemon's words."""
    query: dict[str, str | int | Sequence[str]] = {"rule": rules, "symbol": symbols, "tag": tags, "for_s": for_s}
    query |= {"until": until, "reason": reason, "by": login_name()}
    done = ask(socket, "/silences", query, method="POST").document
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    else:
        typer.echo(f"{done['number']}: nobody is told of {_over(done)} until {clock_time(done['until'])}")
        typer.echo(f"   what still fires then is told then; `tradeassist silences --end {done['number']}` ends it now")
    return exit_codes.YES


def show(socket: Path | None, *, as_json: bool) -> int:
    """Print the silences in force."""
    found = ask(socket, "/silences").document
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo("\n".join(line for one in found for line in _lines(one)) if found else "no silences")
    return exit_codes.YES


def end(socket: Path | None, number: int, *, as_json: bool) -> int:
    """End one; exit code 1 when none in force has that number."""
    done = ask(socket, f"/silences/{number}", {"by": login_name()}, method="DELETE").document
    typer.echo(json.dumps(done, indent=2) if as_json else f"{number}: over; what it kept back and still fires is told")
    return exit_codes.YES


def _lines(one: dict[str, Any]) -> Iterator[str]:
    """3  rule es-*  until Mon 2026-11-16 12:00:00, by anna: maintenance; and below it what that lies over."""
    said = f", by {one['by']}" if one["by"] else "" if one["number"] else ", in _silences.yaml"
    reason = f": {one['reason']}" if one["reason"] else ""
    number = str(one["number"] or "-")
    yield f"{number:<4}{_globs(one)}  until {clock_time(one['until'])}{said}{reason}"
    if _globs(one) != f"rule {_over(one)}":
        yield f"    over {_over(one)}"


def _globs(one: dict[str, Any]) -> str:
    return ", ".join(f"{what} {' '.join(one[what])}" for what in ("rule", "symbol", "tag") if one[what])


def _over(one: dict[str, Any]) -> str:
    """The rules it lies over, the first few by name."""
    rules = one["rules"]
    more = f" and {len(rules) - RULES_SHOWN} more rules" if len(rules) > RULES_SHOWN else ""
    symbols = f" on {' '.join(one['symbol'])}" if one["symbol"] else ""
    return f"{', '.join(rules[:RULES_SHOWN]) or 'no rule'}{more}{symbols}"
