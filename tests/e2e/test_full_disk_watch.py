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


async def test_the_tape_stops_and_comes_back_and_alerts_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = [2**62]
    monkeypatch.setattr(room, "min_free_of", lambda setting, total: limit[0])
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.02)
    async with webhook() as hook, Simulator(SyntheticMarket(3, FRIDAY_US), speed=20.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES, f"{{phone: {{url: '{hook.url}'}}}}")
        assert settings.store.path is not None
        async with running(settings) as watcher:
            # Who is told when does not go by market time, which runs on here while nobody comes round to telling.
            await hook.until_said("The disk is nearly full")
            stopped = len(watcher.ticks)
            await hook.until_said("often")
            await watcher.until(lambda event: isinstance(event, Tick))
            full, alerts = watcher.ticks[stopped:], [*watcher.transitions]
            limit[0] = 0
            await hook.until_said("There is room on the disk again")
            back = len(watcher.ticks)
            await watcher.until(lambda event: isinstance(event, Tick))
    said = [str(post) for post in hook.posts]
    assert sum("The disk is nearly full" in post for post in said) == 1
    assert sum("There is room on the disk again" in post for post in said) == 1
    (path,) = tape_paths(settings.store.path)
    events = list(read_tape(path))
    on_tape = [event for event in events if isinstance(event, Tick)]
    gaps = [event for event in events if isinstance(event, Gap) and "thinned" in event.reason]
    left_out = [tick for tick in watcher.ticks if any(gap.from_us <= tick.event_us <= gap.to_us for gap in gaps)]
    assert on_tape == [tick for tick in watcher.ticks if tick not in left_out]
    assert full and all(tick in left_out for tick in full)
    assert watcher.ticks[back:] and all(tick in on_tape for tick in watcher.ticks[back:])
    raw = sqlite3.connect(settings.store.path / "main.db")
    stored = {event_us for (event_us,) in raw.execute("SELECT event_us FROM transitions WHERE rule_id = 'often'")}
    raw.close()
    often = {one.event_us for one in alerts if one.rule_id == "often"}
    assert often and often <= stored
