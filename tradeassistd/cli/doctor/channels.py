"""Checks the places alerts go to: what a running daemon has seen of them, else what works from here; sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from tradeassistd.alerts.channels import open_channel
from tradeassistd.alerts.channels.channel import LocalChannel
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import Settings
from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning
from tradeassistd.cli.wording import counted


def channels(settings: Settings, told: Mapping[str, Mapping[str, Any]], clock: Clock) -> Iterator[Finding]:
    """`told`: what a running daemon says of its channels, by name; empty when none runs."""
    for name, channel in settings.channels.items():
        check, seen = f"channel {name}", told.get(name, {})
        if failures := seen.get("failures_in_a_row"):
            yield problem(check, f"the daemon's last {counted(failures, 'try').replace('trys', 'tries')} failed: "
                          f"{seen.get('last_error')}", f"Try it: tradeassist notify test {name}")  # fmt: skip
            continue
        try:
            said = asyncio.run(_ready(name, channel.url.get_secret_value(), clock))
        except ConfigError as error:
            yield problem(check, error.message.removeprefix(f"channel {name}: "), error.hint)
            continue
        except TradeAssistError as error:
            if seen.get("sent"):  # the daemon may have the session that this shell lacks
                yield ok(check, f"the daemon has sent {counted(seen['sent'], 'message')} there")
            else:
                yield problem(check, f"cannot work from here: {error.message}", error.hint)
            continue
        if seen.get("held") or seen.get("waiting"):
            waiting = f"{seen.get('waiting', 0)} waiting, {seen.get('held', 0)} held"
            yield warning(check, f"{said}; {waiting}", "Held ones go when their quiet hours end")
        else:
            yield ok(check, said)
    for name in sorted(told.keys() - settings.channels.keys()):
        yield warning(f"channel {name}", "the daemon still has something for it, and the settings do not name it",
                      "Name it again under channels, or let the deliveries expire")  # fmt: skip


async def _ready(name: str, url: str, clock: Clock) -> str:
    """What the channel would use. Raises ConfigError for a URL that cannot be used, TradeAssistError otherwise."""
    channel = await asyncio.to_thread(open_channel, name, url, clock=clock)
    try:
        if isinstance(channel, LocalChannel):
            return f"{await channel.ready()} would take it"
        return f"its URL can be used; `tradeassist notify test {name}` sends a message"
    finally:
        await channel.close()
