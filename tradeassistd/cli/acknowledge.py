"""`tradeassist ack RULE [SYMBOL]`: somebody has seen it, so the daemon stops reminding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.login import login_name
from tradeassistd.cli.wording import clock_time


def acknowledge(socket: Path | None, rule: str, symbol: str, *, as_json: bool) -> int:
    """Acknowledge the rule's firings, of one symbol or (empty) of all; exit code 1 when there are none."""
    done = ask(socket, "/ack", {"rule": rule, "symbol": symbol, "by": login_name()}, method="POST").document
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    for firing in done["firings"] if not as_json else ():
        typer.echo(_firing_line(done, firing))
    if done["firings"]:
        return exit_codes.YES
    if not as_json:
        which = f"{rule} {symbol}".strip()
        typer.echo(f"{which}: nothing fires that anybody was told about", err=True)
    return exit_codes.NO


def _firing_line(done: dict[str, Any], firing: dict[str, Any]) -> str:
    """es-levels /ES: no more reminders for the firing since 10:05:03; with the day when it began on another one."""
    level = f" level {firing['level']}" if firing["level"] else ""
    since = clock_time(firing["since"]) if firing["since"] else "an unknown time"
    day, _, time = since.rpartition(" ")
    if clock_time(done["event_time"]).startswith(f"{day} "):
        since = time
    return f"{done['rule']} {firing['symbol']}{level}: no more reminders for the firing since {since}"
