"""`tradeassist notify test`: sends each channel a message and says what became of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import typer

from tradeassistd.alerts.channels import open_channel
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.cli import exit_codes

LIMIT_S = 15.0
"""For each channel; a good one takes a second or two."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one test message."""

    channel: str
    ok: bool
    took_ms: int
    error: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        if self.ok:
            return f"ok, taken in {self.took_ms} ms"
        return f"failed: {self.error}" + (f" ({self.hint})" if self.hint else "")


def send_tests(config: Path | None, channel: str, *, as_json: bool) -> int:
    """Send the test and print one line per channel, or one JSON list; gives the exit code. Raises ConfigError."""
    channels = load_settings(config).channels
    if not channels:
        raise ConfigError("the settings have no channels", hint="add one: channels: {desk: {url: 'desktop://'}}")
    if channel and channel not in channels:
        typer.echo(f"tradeassist: no channel is called {channel}; there is {', '.join(channels)}", err=True)
        return exit_codes.USAGE
    wanted = {name: channels[name].url.get_secret_value() for name in ([channel] if channel else channels)}
    outcomes = []
    for name, url in wanted.items():
        outcomes.append(asyncio.run(_try(name, url, WallClock())))
        if not as_json:
            typer.echo(f"{name:<{max(map(len, wanted))}}  {outcomes[-1].text}")
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(outcomes), indent=2))
    return exit_codes.YES if all(outcome.ok for outcome in outcomes) else exit_codes.NO


async def _try(name: str, url: str, clock: Clock) -> Outcome:
    began_s = clock.elapsed_s()
    error = hint = ""
    try:
        channel = open_channel(name, url, clock=clock)
        began_s = clock.elapsed_s()
        try:
            async with clock.deadline(LIMIT_S):
                await channel.send(_message(name))
        finally:
            await channel.close()
    except TradeAssistError as problem:
        error, hint = problem.message.removeprefix(f"channel {name}: "), problem.hint
    except TimeoutError:
        error, hint = f"no answer within {LIMIT_S:.0f} s", "Try it again; the message may still arrive"
    return Outcome(name, not error, round((clock.elapsed_s() - began_s) * 1_000), error, hint)


def _message(name: str) -> Message:
    """It must not be taken for an alert, and should look and sound like the usual one."""
    body = f"This is a test of the channel {name}, sent by `tradeassist notify test`. No rule fired."
    return Message("TEST - tradeassist", body, "warning", "test")
