"""The whole daemon on a disk without room: the tape stops, alerts go on, people are told, and it comes back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.e2e.harness import running, settings_for
from tests.e2e.webhook import webhook
from tests.store.makers import FRIDAY_US
from tradeassistd.engine.events import Gap
from tradeassistd.market.tick import Tick
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import room
from tradeassistd.store.directory import tape_paths
from tradeassistd.store.tape_reading import read_tape

RULES = """
version: 1
rules:
  - {id: often, symbols: [/ES], when: 'pct_change(price, 1s) > 0%'}
"""
S_US = 1_000_000


async def test_the_tape_stops_and_comes_back_and_alerts_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = [2**62]
    monkeypatch.setattr(room, "min_free_of", lambda setting, total: limit[0])
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.02)
    async with webhook() as hook, Simulator(SyntheticMarket(3, FRIDAY_US), speed=20.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES, f"{{phone: {{url: '{hook.url}'}}}}")
        assert settings.store.path is not None
        async with running(settings) as watcher:
            clock = watcher.daemon.clock
            await watcher.until(lambda event: isinstance(event, Tick))
            began_us = clock.now_us()
            await watcher.until_clock(began_us + 5 * S_US)
            stopped_ticks = len(watcher.ticks)
            limit[0] = 0
            await watcher.until_clock(clock.now_us() + 10 * S_US)
            back_us = clock.now_us()
            await watcher.until_clock(back_us + 5 * S_US)
            await hook.until(3, within_s=30)
    said = [str(post) for post in hook.posts]
    assert sum("The disk is nearly full" in post for post in said) == 1
    assert sum("There is room on the disk again" in post for post in said) == 1
    assert any("often" in post for post in said), said
    (path,) = tape_paths(settings.store.path)
    events = list(read_tape(path))
    on_tape = [event for event in events if isinstance(event, Tick)]
    seen = watcher.ticks
    assert stopped_ticks > 0 and on_tape == [tick for tick in seen if tick.event_us >= on_tape[0].event_us]
    assert len(on_tape) <= len(seen) - stopped_ticks + 1
    gaps = [event for event in events if isinstance(event, Gap) and "thinned" in event.reason]
    left_out = [tick for tick in seen if tick.event_us < on_tape[0].event_us]
    assert gaps and all(any(gap.from_us <= tick.event_us <= gap.to_us for gap in gaps) for tick in left_out)
    raw = sqlite3.connect(settings.store.path / "main.db")
    (alerts,) = raw.execute(
        "SELECT count(*) FROM transitions WHERE rule_id = 'often' AND event_us < ?", (back_us,)
    ).fetchone()
    raw.close()
    assert alerts >= 1
