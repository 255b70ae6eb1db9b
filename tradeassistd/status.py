"""What the daemon says of itself: `tradeassist status`, `systemctl status`. No secrets."""

from __future__ import annotations

import os
from typing import Any

from tradeassistd import __version__
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.base.config import Settings
from tradeassistd.base.instant import iso
from tradeassistd.engine.engine import Engine
from tradeassistd.feed.feed import Feed
from tradeassistd.live.path import Live
from tradeassistd.rules.load import Loaded
from tradeassistd.store.writer import Store


def status_document(
    settings: Settings, loaded: Loaded, engine: Engine, live: Live, feed: Feed, store: Store, dispatcher: Dispatcher
) -> dict[str, Any]:
    """What `tradeassist status` shows."""
    return {
        "state": "running",
        "version": __version__,
        "pid": os.getpid(),
        "clock": settings.clock,
        "feed": feed.status(),
        "login": feed.login_status(),
        "symbols": feed.symbols(),
        "rules": {"directory": str(settings.rules.dir), "loaded": len(loaded.rule_set.rules),
                  "hash": loaded.rule_set.hash[:12], "problems": [str(problem) for problem in loaded.problems]},
        "silences": _silences(engine, live.last_us),
        "counters": {"ticks": live.counters.ticks, "alerts": live.counters.alerts, "told": live.counters.told,
                     "rule_faults": live.counters.faults},
        "channels": dispatcher.status(),
        "store": store.status(),
        "api": {"socket": str(settings.api.socket), "listen": settings.api.listen or ""},
    }  # fmt: skip


def status_line(engine: Engine, live: Live, feed: Feed) -> str:
    """What `systemctl status` shows."""
    counts = ((len(engine.wanted), "symbol"), (len(engine.rule_set.rules), "rule"), (live.counters.alerts, "alert"))
    said = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"{feed.connection.state}, {said} since the start"


def _silences(engine: Engine, now_us: int) -> list[dict[str, Any]]:
    """The silences in force; what they lie over is asked of the API."""
    return [
        {"number": one.number or None, "over": one.text, "until": iso(one.until_us), "reason": one.reason, "by": one.by}
        for one in engine.silences.in_force(now_us)
    ]
