"""`tradeassist watch`: the daemon's events as they happen, until Ctrl+C."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer

from tradeassistd.base.errors import PermanentError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import not_running, socket_of, unreachable, who_asks
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.cli.wording import amount, clock_time, time_of_day_us

CONNECT_WITHIN_S = 10.0
MARKS = {"info": "i", "notice": "*", "warning": "!", "critical": "!!"}
GOING_AWAY = 1001


def watch(socket: Path | None, kinds: list[str], symbols: list[str], *, as_json: bool) -> int:
    """Print one line an event. Exit code 69 when the daemon is not there or goes away, 1 when it cut us off."""
    wanted = {"kinds": ",".join(kinds), "symbols": ",".join(symbols)}
    query = urlencode({key: value for key, value in wanted.items() if value}, safe="/,$")
    try:
        for message in _messages(socket_of(socket), f"ws://localhost/events{f'?{query}' if query else ''}"):
            line = message if as_json else event_line(json.loads(message))
            if line:
                typer.echo(line)
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our lines has seen enough; what is left in the buffer must not be tried again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass
    return exit_codes.YES


def _messages(socket: Path, uri: str) -> Iterator[str]:
    """What the daemon sends. Raises NotRunningError or PermanentError when it ends."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import unix_connect

    try:
        # What waits is better held by the daemon, which knows when it is too much, than by a pipe of ours.
        said = who_asks()
        with unix_connect(
            str(socket), uri, compression=None, open_timeout=CONNECT_WITHIN_S, additional_headers=said,
            user_agent_header=said.pop("User-Agent"),
        ) as connection:  # fmt: skip
            for message in connection:
                yield message if isinstance(message, str) else message.decode()
            raise NotRunningError("the daemon has stopped")
    except InvalidStatus as error:
        answer = (error.response.body or b"").decode().strip()
        raise PermanentError(f"the daemon refused: {answer or error}") from None
    except ConnectionClosed as error:
        close = error.rcvd
        if close is None or close.code == GOING_AWAY:
            raise NotRunningError("the daemon has stopped") from None
        hint = "ask for fewer kinds or symbols"
        raise PermanentError(f"the daemon cut the connection: {close.reason}", hint=hint) from None
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise not_running(socket) from error
    except PermissionError as error:
        raise unreachable(socket, error) from error


def event_line(event: dict[str, Any]) -> str:
    """One event on one line; empty for what is of no interest in a terminal."""
    match event["kind"]:
        case "tick_update":
            quote = "  ".join(f"{name} {amount(event[name], 'price')}" for name in ("bid", "ask") if event[name])
            size = f" x {event['size']:,}" if event["size"] else ""
            return f"{time_of_day_us(event['event_us'])}  tick    {event['symbol']:<6} " \
                   f"{amount(event['last'], 'price')}{size}  {quote}".rstrip()  # fmt: skip
        case "alert_fired":
            alert = event["alert"]
            where = ", ".join(one["channel"] for one in alert["deliveries"]) or "no channel"
            return f"{time_of_day_us(alert['event_us'])}  ALERT   {MARKS.get(alert['severity'], ''):<2} " \
                   f"{alert['title']}  -> {where}"  # fmt: skip
        case "rule_triggered":
            ended = event["change"] in ("closed", "lapsed")
            why = f"  ({'' if ended else 'not told: '}{event['suppressed']})" if event["suppressed"] else ""
            level = f" level {event['level']}" if event["level"] else ""
            what = f"{event['rule']} {event['symbol']}{level} {event['change']}"
            return f"{time_of_day_us(event['event_us'])}  rule    {what}{why}"
        case "connection_events":
            gap = f" {clock_time(event['gap_from'])} to {clock_time(event['gap_to'])}" if event["gap_from"] else ""
            reason = f": {event['reason']}" if event["reason"] else ""
            return f"{time_of_day_us(event['event_us'])}  feed    {event['state']}{gap}{reason}"
        case "health_status":
            health = event["health"]
            return f"{'':12}  health  {'well' if health['healthy'] else '; '.join(health['problems'])}; " \
                   f"since the start: ticks {health['ticks']:,}, alerts told {health['told']:,}"  # fmt: skip
    return ""
