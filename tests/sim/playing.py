"""Short markets on a real simulator, and how a test waits for what they send."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.sim.clients import Tap, record
from tradeassistd.base.clock import ManualClock
from tradeassistd.sim.recorded import RecordedMarket

START_MS = 1_381_132_800_000
START_US = START_MS * 1000
LIMIT_S = 60


def trades(folder: Path, count: int, *, every_ms: int = 1000, symbol: str = "SPY") -> RecordedMarket:
    """A market of `count` trades, priced 1, 2, 3 and so on."""
    rows = [f"{START_MS + number * every_ms}000000,{symbol},{number + 1},1,,,," for number in range(count)]
    return RecordedMarket(record(folder / f"{symbol}.csv", *rows))


async def drink(stream: Any, tap: Tap, items: int) -> None:
    """Read until that many items have come; fails when they do not come in time."""
    async with asyncio.timeout(LIMIT_S):
        while len(tap.items) < items:
            await stream.handle_message()


async def until(clock: ManualClock, condition: Any) -> None:
    """Let machine time go on, a step for each turn of the loop, until the condition holds."""
    while not condition():
        if clock.pauses_s:
            clock.pass_time(max(0.0, clock.pauses_s[0] - clock.elapsed_s()))
        await asyncio.sleep(0)
