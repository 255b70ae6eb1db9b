"""Lives through everything that can go wrong over HTTP, and prints what the daemon made of it as JSON.

Run as a program of its own, so that which HTTP library authlib takes is decided anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import structlog
from authlib.integrations.httpx_client import oauth2_client

from tests.scenarios.stage import MONDAY_10, instant_us, staged
from tests.scenarios.world import WorldLoop
from tradeassistd.feed.token import TokenFile
from tradeassistd.sim.synthetic import SyntheticMarket

RULES = "version: 1\nrules:\n  - {id: level, symbols: [/ES], when: price > 1}\n"
FAULTS = (
    "rest_down, path: preference",
    "rest_status, path: preference, status: 403, html: true",
    "rest_status, path: preference, status: 429, retry_after: 30s",
    "user_preference, answer: unauthorized",
    "user_preference, answer: error",
    "user_preference, answer: empty",
    "token_refused, how: blocked",
    "token_refused, how: unavailable",
    "token_refused, how: dead",
)


async def live_through(folder: Path) -> dict[str, Any]:
    """States with their reasons, gaps and titles, without what differs from run to run: ports, event times to the
    microsecond, and when the last gap ends, as inotify tells of a new token in time of its own."""
    market = SyntheticMarket(3, instant_us(MONDAY_10), ("/ES",), ticks_per_s=1, slot_us=1_000_000)
    async with staged(folder, market, RULES) as stage:
        await stage.live()
        for fault in FAULTS:
            stage.simulator.inject(fault)
            if fault.startswith("token"):
                stage.simulator.inject("access_token_expires")
            stage.simulator.inject("drop")
            await stage.world.pass_time(75)
        assert stage.state == "auth_needed"
        TokenFile(folder / "token.json").write(stage.simulator.tokens())
        await stage.live()
        await stage.world.pass_time(30)
        return {
            "library": oauth2_client.httpx2.__name__,
            "states": stage.states,
            "reasons": [re.sub(r":\d+", ":PORT", reason) for reason in stage.reasons],
            "gaps": [(gap.from_us // 1_000_000, gap.to_us // 1_000_000) for gap in stage.gaps[:-1]],
            "said": stage.said,
        }


def main() -> None:
    """The folder is the only argument."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with asyncio.Runner(loop_factory=WorldLoop) as runner:
        print(json.dumps(runner.run(live_through(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
