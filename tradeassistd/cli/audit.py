"""`tradeassist audit`: what the daemon did and who asked it to, from the store, whether or not it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeassistd.cli import exit_codes
from tradeassistd.cli.options import AsJson, Config, state_directory_of

audit_app = typer.Typer(rich_markup_mode=None)
KIND_WIDTH = 13
LIST_SHOWN = 8


@audit_app.command()
def audit(
    kind: Annotated[list[str] | None, typer.Option(
        "--kind", help="Only these: a kind or a glob, e.g. rest or 'db.*'; may be repeated.", show_default=False,
    )] = None,
    since: Annotated[str, typer.Option(
        help="From then on: 30m, 2h (ago), a date, or '2026-11-20 09:30' in New York.", show_default=False,
    )] = "",
    until: Annotated[str, typer.Option(help="Up to then; of a date its end.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Calls to Schwab, subscriptions, reads of the API, exports, and what people did. Exit code 1: nothing fits."""
    raise typer.Exit(show(state_directory_of(config), kind or [], since, until, limit=limit, as_json=as_json))


def show(directory: Path, kinds: list[str], since: str, until: str, *, limit: int, as_json: bool) -> int:
    """Print the notes that fit, oldest first; exit code 1 when there are none."""
    from tradeassistd.base.instant import iso
    from tradeassistd.cli.instants import to_us
    from tradeassistd.store import queries

    found = queries.audit(
        directory, limit, kinds=kinds, since_us=_since_us(directory, since), until_us=to_us(until, 2**62, "--until")
    )
    found.sort(key=lambda note: note[0])  # they are stored in batches, those of one moment in any order
    if as_json:
        documents = [{"time": iso(at_us), "event_us": at_us, "kind": kind, **body} for at_us, kind, body in found]
        typer.echo(json.dumps(documents, indent=2))
    else:
        typer.echo("\n".join(note_line(*one) for one in found) if found else "nothing fits")
    return exit_codes.YES if found else exit_codes.NO


def note_line(at_us: int, kind: str, body: Mapping[str, Any]) -> str:
    """One note on one line: 2026-11-16 09:30:01.250  rest  GET /marketdata/v1/quotes 200 in 35 ms."""
    from tradeassistd.cli.queries import new_york

    when = new_york(at_us) if at_us else "before the market's time"
    return f"{when:<23}  {kind:<{KIND_WIDTH}}  {' '.join(_words(kind, dict(body)))}".rstrip()


def _since_us(directory: Path, text: str) -> int:
    from tradeassistd.base.instant import US_PER_S
    from tradeassistd.base.yaml12 import ValueProblem, duration_s
    from tradeassistd.cli.instants import from_us

    try:
        return max(0, _now_us(directory) - duration_s(text) * US_PER_S) if text else 0
    except ValueProblem:
        return from_us(text, 0, "--since")


def _now_us(directory: Path) -> int:
    """Market time: the computer's, or where the market of a simulator has come to."""
    from tradeassistd.base.clock import WallClock
    from tradeassistd.store import queries

    if queries.status(directory).get("clock") != "market":
        return WallClock().now_us()
    newest = queries.audit(directory, 1)
    return newest[0][0] if newest else 0


def _words(kind: str, body: dict[str, Any]) -> Iterator[str]:
    """A note in words: first what was done, then who did it, then the rest as it stands."""
    if kind in ("rest", "api.read", "api.change"):
        yield from (str(body.pop(key)) for key in ("method", "path") if key in body)
        query = body.pop("query", {})
        if query:
            yield " ".join(f"{key}={value}" for key, value in query.items()) if isinstance(query, dict) else f"?{query}"
        if "status" in body:
            yield str(body.pop("status"))
        if "ms" in body:
            yield f"in {body.pop('ms')} ms"
    by, program = body.pop("by", ""), body.pop("with", "")
    for key, value in body.items():
        if value not in ("", [], {}, None):
            yield f"{key}={_value(value)}"
    if by or program:
        yield f"by {by or 'somebody'}" + (f" ({program})" if program else "")


def _value(value: Any) -> str:
    if isinstance(value, list):
        more = f",+{len(value) - LIST_SHOWN}" if len(value) > LIST_SHOWN else ""
        return ",".join(map(str, value[:LIST_SHOWN])) + more
    return json.dumps(value) if isinstance(value, dict) else str(value)
