"""A fresh process that becomes the daemon step by step and says what each step added to its resident memory.

python -m bench.components          # the daemon's parts, with a hundred rules
python -m bench.components 10000    # so many rules: bytes each
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from collections.abc import Callable

from bench.measure import rss_mb

RULES = 100


def imports(*names: str) -> Callable[[], object]:
    return lambda: [importlib.import_module(f"tradeassistd.{name}") for name in names]


def engine(count: int) -> object:
    """Rules of the usual mix, read from text, in an engine."""
    from bench import rules
    from tradeassistd.engine.engine import Engine

    return Engine(rules.load(rules.mixed(count)))


def apprise() -> object:
    from tradeassistd.alerts.channels import open_channel
    from tradeassistd.base.clock import WallClock

    return open_channel("bench", "json://127.0.0.1:9", clock=WallClock())


STEPS: dict[str, Callable[[], object]] = {
    "settings, logs (pydantic, structlog)": imports("base.config", "base.log"),
    "store (sqlite3, aiosqlite)": imports("store.writer"),
    "rules, engine (lark, PyYAML)": imports("rules.load", "engine.engine"),
    f"{RULES} rules on 12 symbols": lambda: engine(RULES),
    "feed (schwab-py, httpx, websockets)": imports("feed.schwab", "feed.connection"),
    "notifications (one Apprise channel)": apprise,
    "local API (fastapi, uvicorn)": imports("api.server"),
    "the rest of the daemon": imports("app"),
}


def main() -> None:
    if len(sys.argv) > 1:
        count = int(sys.argv[1])
        kept = engine(RULES)  # everything is imported, and the arenas are warm
        gc.collect()
        before_mb = rss_mb()
        kept = engine(count)
        gc.collect()
        print(json.dumps({"bytes_per_rule": (rss_mb() - before_mb) * 1e6 / count, "kept": type(kept).__name__}))
        return
    grown: dict[str, float] = {"Python": rss_mb()}
    held = []
    for name, step in STEPS.items():
        before_mb = rss_mb()
        held.append(step())
        gc.collect()
        grown[name] = rss_mb() - before_mb
    print(json.dumps({"grown_mb": grown, "all_mb": rss_mb()}))


if __name__ == "__main__":
    main()
