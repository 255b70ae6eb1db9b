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
from tradeassistd.cli.wording import WORDS, amount, clock_time, duration, signed

RELOAD_WITHIN_S = 120.0
"""A large rules directory on a busy machine takes its time."""
_RANKS = {"ok": 0, "pending": 1, "firing": 2}


def show_list(socket: Path | None, *, as_json: bool) -> int:
    """Print every rule in force with its states."""
    rules = ask(socket, "/rules").document
    if as_json:
        typer.echo(json.dumps(rules, indent=2))
        return exit_codes.YES
    width = max((len(rule["id"]) for rule in rules), default=0)
    for rule in rules:
        severity, said = _severity_text(rule), _states_text(rule)
        typer.echo(f"{rule['id']:<{width}}  {severity:<9} {said:<22}  {' '.join(rule['symbols'])}{_remarks(rule)}")
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
    yield f"{rule['id']}  {_severity_text(rule)}, {rule['evaluate']}{session}{held}, {rule['mode']}, " \
          f"{rule['file']}:{rule['line']}"  # fmt: skip
    if rule["description"]:
        yield f"  {rule['description']}"
    yield from (f"  {term}" for term in _terms(rule))
    if rule["expired"]:
        yield "  not judged any more: it has expired"
    if not rule["standings"]:
        yield "  not judged: it is off"
    levels = {level["level"]: level for level in rule["levels"]}
    for one in rule["standings"]:
        yield ""
        steps = f"level {one['level']} of {len(levels)}, {one['severity']}: " if one["level"] else ""
        yield f"{one['symbol']}  {steps}{_state_text(one)}"
        yield from _condition_lines(one["condition"], "", "")
        if clear_when := levels[one["level"]]["clear_when"]:
            yield f"over when {clear_when}"


def _severity_text(rule: dict[str, Any]) -> str:
    """The severity of what fires; else the rule's own, of a ladder the mildest with a plus."""
    levels: list[str] = [level["severity"] for level in rule["levels"]]
    if len(levels) == 1:
        return str(rule["severity"])
    highest = max((state["level"] for state in rule["states"] if state["state"] == "firing"), default=0)
    return levels[highest - 1] if highest else levels[0] + "+" * (len(set(levels)) > 1)


def _states_text(rule: dict[str, Any]) -> str:
    """How many symbols stand where, each by its foremost level: 1 firing (level 2 of 3), 1 ok."""
    if rule["expired"] or not rule["states"]:
        return "expired" if rule["expired"] else str(rule["mode"])
    foremost: dict[str, dict[str, Any]] = {}
    for state in rule["states"]:
        known = foremost.setdefault(state["symbol"], state)
        if (_RANKS[state["state"]], state["level"]) > (_RANKS[known["state"]], known["level"]):
            foremost[state["symbol"]] = state
    counted = Counter(state["state"] for state in foremost.values())
    highest = max((state["level"] for state in foremost.values() if state["state"] == "firing"), default=0)
    level = f" (level {highest} of {len(rule['levels'])})" if highest else ""
    return ", ".join(f"{count} {state}{level if state == 'firing' else ''}" for state, count in sorted(counted.items()))


def _remarks(rule: dict[str, Any]) -> str:
    """(shadow), what is silenced and what has told its one time, behind the symbols."""
    silenced = sorted({state["symbol"] for state in rule["states"] if state["silenced_until"]})
    spent = sorted({state["symbol"] for state in rule["states"] if state["spent"]})
    said = ["shadow"] if rule["mode"] == "shadow" else []
    if silenced:
        said.append("silenced" if set(silenced) == set(rule["symbols"]) else f"silenced: {' '.join(silenced)}")
    if spent:
        said.append("spent" if set(spent) == set(rule["symbols"]) else f"spent: {' '.join(spent)}")
    return f" ({', '.join(said)})" if said else ""


def _terms(rule: dict[str, Any]) -> Iterator[str]:
    """What the rule says beyond its condition, one line each; nothing that is as it is without saying."""
    if rule["active"]:
        yield f"watched {'; '.join(rule['active'])}"
    if rule["expires"]:
        yield f"expires {clock_time(rule['expires'])}"
    if rule["stale_after_s"]:
        yield f"a symbol without a row for {rule['stale_after_s']} s counts as unknown"
    fires = [rule["fire"]] if rule["fire"] != "every" else []
    fires += [f"at most {rule['max_per_session']} told in a session"] if rule["max_per_session"] else []
    fires += [f"again only after a {rule['rearm']}"] if rule["rearm"] != "clear" else []
    if fires:
        yield f"fires {', '.join(fires)}"
    if rule["keep_firing_for_s"]:
        yield f"over once that has held for {rule['keep_firing_for_s']} s"
    if rule["repeat_s"]:
        pauses = [duration(seconds) for seconds in rule["repeat_s"]]
        yield f"reminds after {', then '.join(pauses)} and so on, until acknowledged"
    if rule["on_clear"] == "tell":
        yield "tells when it is over"
    if rule["setup"]:
        kind = rule["setup"].get("type", "")
        parts = ", ".join(f"{name} {text}" for name, text in rule["setup"].items() if name != "type")
        yield f"setup {kind}{': ' * bool(kind and parts)}{parts}"


def _state_text(one: dict[str, Any]) -> str:
    parts = [one["state"] + (f" since {clock_time(one['since'])}" if one["since"] else "")]
    if one["untold"]:
        parts.append("nobody was told yet")
    if one["silenced_until"]:
        reason = f" ({one['silence_reason']})" if one["silence_reason"] else ""
        parts.append(f"silenced until {clock_time(one['silenced_until'])}{reason}")
    if one["acked"]:
        parts.append("acknowledged")
    if one["reminded"]:
        parts.append(f"reminded {one['reminded']} times" if one["reminded"] > 1 else "reminded once")
    if one["spent"]:
        parts.append("spent: it fires once")
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
    is_leaf = node["kind"] in ("state", "event")  # a seq has its events below it
    yield f"{first}{outcome}  {node['text'] + _values(node) if is_leaf else node['kind']}"
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
