"""kill -9 again and again: no alert is lost, none comes twice without saying so, and the tape still replays."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections import Counter
from pathlib import Path

from tests.e2e.harness import settings_for
from tests.e2e.test_process import MONDAY_US, daemon, ended, said, start
from tests.e2e.webhook import webhook
from tradeassistd.engine.events import Start
from tradeassistd.history.replay import replay
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

KILLS = int(os.environ.get("TRADEASSIST_KILLS", "25"))
SEED = int(os.environ.get("TRADEASSIST_SEED", "7"))
RULES = """version: 1
defaults: {cooldown: 1s}
rules:
  - {id: es-average, symbols: [/ES, /NQ], when: 'price crosses sma(close, 2, 1m)'}
  - {id: spy-above, symbols: [SPY, QQQ], when: price > close(1m)}
  - {id: tick-turn, symbols: [$TICK], when: price crosses 0}
  - {id: move, symbols: [/CL, /GC], when: 'abs(pct_change(price, 20s)) > 0.02%', for: 2s}
"""
KEY = re.compile(r"id ([0-9a-f]{20})")


async def test_killed_again_and_again_nothing_is_lost_and_nothing_comes_twice_unsaid(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with Simulator(SyntheticMarket(SEED, MONDAY_US), speed=30.0) as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, RULES, f"{{hook: {{url: '{hook.url}', ttl: 24h}}}}")
        for life in range(KILLS):
            program = await start(*daemon(tmp_path))
            await said(program, "daemon.ready")
            # Every other life is killed in the middle of its work: how far the rest get, a slow machine decides.
            known = keys(hook.posts).keys()
            while life % 2 and keys(hook.posts).keys() <= known:
                await hook.until(len(hook.posts) + 1)
            # The only random wait there is: the kill must come at a moment nobody chose.
            await asyncio.sleep(chance.uniform(0.1, 1.2))
            program.kill()
            code, _, errors = await ended(program)
            assert code == -signal.SIGKILL, errors
        program = await start(*daemon(tmp_path))
        await said(program, "delivery.sent")
        stored = queries.alerts(tmp_path / "state", limit=100_000, include_suppressed=False)
        while {one.alert.id for one in stored} - keys(hook.posts).keys():
            await hook.until(len(hook.posts) + 1)
        program.terminate()
        code, _, errors = await ended(program)
        assert code == 0, errors
    posts = keys(hook.posts)
    told = {one.alert.id for one in queries.alerts(tmp_path / "state", limit=100_000, include_suppressed=False)}
    assert len(told) >= KILLS // 2
    waiting = {
        one.alert.id
        for one in queries.alerts(tmp_path / "state", limit=100_000)
        if any(delivery.state.value != "sent" for delivery in one.deliveries)
    }
    assert told - posts.keys() <= waiting  # what the last stop left in the outbox
    assert posts.keys() <= told
    seen: Counter[str] = Counter()
    for post in hook.posts:
        key = KEY.search(post["message"])
        assert key is not None
        assert not seen[key[1]] or "May be a repeat" in post["message"]
        seen[key[1]] += 1
    check_replay(tmp_path / "state")


def keys(posts: list[dict[str, str]]) -> Counter[str]:
    return Counter(key for post in posts for key in KEY.findall(post["message"]))


def check_replay(state: Path) -> None:
    """Over all the restarts the tape gives the stored transitions again, bit for bit.

    The tape is written before the decisions, so a kill between the two leaves the last of them on the tape alone: they
    were never told, and the next start decides them from the tape.
    """
    events = [event for tape in sorted(queries.tape_paths(state)) for event in queries.read_tape(tape)]
    again = list(replay(events, lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set))
    stored = [one for one in queries.transitions(state) if not one.rule_id.startswith("!")]
    starts = [event.event_us for event in events if isinstance(event, Start)]
    assert 1 < len(starts) <= KILLS + 1  # one that was killed before its first write is not on the tape
    assert again == stored
