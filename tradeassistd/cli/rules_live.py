"""`tradeassist rules list | show | reload`: what the running daemon says of its rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.wording import WORDS, amount, clock_time, signed

RELOAD_WITHIN_S = 120.0
"""A large rules directory on a busy machine takes its time."""


def show_list(socket: Path | None, *, as_json: bool) -> int:
    """Print every rule in force with its states."""
    rules = ask(socket, "/rules").document
    if as_json:
        typer.echo(json.dumps(rules, indent=2))
        return exit_codes.YES
    width = max((len(rule["id"]) for rule in rules), default=0)
    for rule in rules:
        states = Counter(state["state"] for state in rule["states"])
        said = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or rule["mode"]
        shadow = " (shadow)" if rule["mode"] == "shadow" else ""
        typer.echo(f"{rule['id']:<{width}}  {rule['severity']:<8}  {said:<22}  {' '.join(rule['symbols'])}{shadow}")
    typer.echo(f"{len(rules)} rules")
    return exit_codes.YES


def show_rule(socket: Path | None, rule_id: str, *, as_json: bool) -> int:
    """Print one rule: its condition as a tree with present values, and how far it is from firing."""
    from urllib.parse import quote

    rule = ask(socket, f"/rules/{quote(rule_id, safe='')}").document
    typer.echo(json.dumps(rule, indent=2) if as_json else "\n".join(rule_lines(rule)))
    return exit_codes.YES


def reload(socket: Path | None, *, wait: bool, allow_empty: bool, as_json: bool) -> int:
    """Have the daemon read its rules directory; exit code 1 when it rejected a file."""
    query = {"wait": wait, "allow_empty": allow_empty}
    answer = ask(socket, "/rules/reload", query, method="POST", within_s=RELOAD_WITHIN_S)
    result = answer.document
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    elif result["accepted"] is None:
        typer.echo("asked for; `tradeassist status` shows the result")
    else:
        for problem in result["problems"]:
            typer.echo(f"error: {problem}", err=True)
        changes = [f"{len(result[what])} {what}" for what in ("added", "changed", "removed") if result[what]]
        kept = f"; as it was: {', '.join(result['rejected'])}" if result["rejected"] else ""
        typer.echo(f"rules {result['hash'][:12]}: {', '.join(changes) or 'nothing changed'}{kept}")
    return exit_codes.NO if result["accepted"] is False else exit_codes.YES


def rule_lines(rule: dict[str, Any]) -> Iterator[str]:
    """A rule for the terminal."""
    session = f", session {rule['session']}" if rule["session"] else ""
    held = f", for {rule['for_s']} s" if rule["for_s"] else ""
    yield f"{rule['id']}  {rule['severity']}, {rule['evaluate']}{session}{held}, {rule['mode']}, " \
          f"{rule['file']}:{rule['line']}"  # fmt: skip
    if rule["description"]:
        yield f"  {rule['description']}"
    if not rule["standings"]:
        yield "  not judged: it is off"
    for one in rule["standings"]:
        yield ""
        yield f"{one['symbol']}  {_state_text(one)}"
        yield from _condition_lines(one["condition"], "", "")


def _state_text(one: dict[str, Any]) -> str:
    parts = [one["state"] + (f" since {clock_time(one['since'])}" if one["since"] else "")]
    if one["untold"]:
        parts.append("nobody was told yet")
    if one["due"]:
        parts.append(f"due {clock_time(one['due'])}")
    if one["why"]:
        parts.append(one["why"])
    elif one["condition"]["outcome"] is False and one["condition"]["distance_pct"] is not None:
        parts.append(f"{one['condition']['distance_pct']:.2f}% away")
    if one["told"]:
        parts.append(f"last told {clock_time(one['told'])}")
    return ", ".join(parts)


def _condition_lines(node: dict[str, Any], first: str, rest: str) -> Iterator[str]:
    """A node and what is under it; `first` stands before its own line, `rest` before the lines below."""
    outcome = WORDS[node["outcome"]]
    if not node["items"]:
        yield f"{first}{outcome}  {node['text']}{_values(node)}"
        return
    yield f"{first}{outcome}  {node['kind']}"
    for item in node["items"]:
        last = item is node["items"][-1]
        yield from _condition_lines(item, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _values(node: dict[str, Any]) -> str:
    unit, parts = node["unit"], []
    if node["left"] is not None or node["right"] is not None:
        parts.append(f"{amount(node['left'], unit)} against {amount(node['right'], unit)}")
    if node["outcome"] is False and node["distance"] is not None:
        percent = "" if node["distance_pct"] is None else f" ({node['distance_pct']:.2f}%)"
        parts.append(f"to go {signed(node['distance'], unit)}{percent}")
    if node["side"]:
        parts.append(f"seen {node['side']}")
    if node["why"]:
        parts.append(node["why"])
    return f"   [{'; '.join(parts)}]" if parts else ""
