"""The real daemon and the simulator over sockets: a connection that is lost leaves no hole behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from tests.e2e.harness import running, settings_for
from tests.engine.test_series import MINUTE_US, at
from tests.store.waiting import until
from tradeassistd.base.instant import iso
from tradeassistd.cli.main import app
from tradeassistd.cli.status import status_text
from tradeassistd.engine.events import FILLS, Bars, Event, Gap
from tradeassistd.history.replay import replay
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

RULES = """version: 1
rules:
  - {id: average, symbols: [SPY], at_load: fire, when: 'price > sma(close, 6, 1m) * 0.5'}
  - {id: slow, symbols: [/ES], at_load: fire, when: 'price > ema(close, 3, 5m) * 0.5'}
"""
BEGIN_US = at("2026-11-16 10:00")
CUT_US = BEGIN_US + 2 * MINUTE_US + 7_000_000


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    return result.exit_code, result.stdout


async def test_a_cut_is_filled_windows_are_whole_and_replay_gives_the_same(tmp_path: Path) -> None:
    market = SyntheticMarket(3, BEGIN_US, ("SPY", "/ES"))
    cuts = [Cut(CUT_US, 40.0)]
    async with (
        Simulator(market, speed=30.0, cuts=cuts, start_symbols=["SPY"]) as simulator,
        running(settings := settings_for(tmp_path, simulator, RULES, fills=True)) as watcher,
    ):
        engine, config = watcher.daemon.live._engine, str(tmp_path / "config.yaml")  # type: ignore[union-attr]
        await watcher.until(lambda event: isinstance(event, Gap))
        back_us = max(event.to_us for event in watcher.events if isinstance(event, Gap))

        def filled(event: Event) -> bool:
            return isinstance(event, Bars) and event.source in FILLS and event.until_us > back_us

        symbols: set[str] = set()
        while symbols != {"SPY", "/ES"}:
            await watcher.until(filled)
            symbols |= {event.symbol for event in watcher.events if filled(event)}  # type: ignore[union-attr]
        await watcher.until(lambda event: not isinstance(event, Bars))  # with that it is in the windows
        # The store learns once a second what the daemon knows: what it knows now is there with the next status.
        assert settings.store.path is not None and watcher.daemon.live is not None
        state, ticks = settings.store.path, watcher.daemon.live.counters.ticks
        await until(lambda: queries.status(state)["counters"]["ticks"] >= ticks)
        series = engine.symbols["SPY"].series["1m", "rth"]
        assert any(track.value() is not None for track in series.tracks), "six minutes, two of them never watched"
        code, out = await asyncio.to_thread(command, "bars", "SPY", "--interval", "1m", "--config", config)
        minute_us = CUT_US // MINUTE_US * MINUTE_US
        found = {one["start"]: one["source"] for one in json.loads(out)["bars"]}
        assert code == 0 and found[iso(minute_us)] == "schwab" and found[iso(minute_us - MINUTE_US)] == "ticks"
        code, out = await asyncio.to_thread(command, "history", "verify", "SPY", "--config", config)
        today = json.loads(out)[-1]
        assert (today["symbol"], today["day"], today["differing"]) == ("SPY", "2026-11-16", 0)
        assert today["compared"] >= 1
        status = queries.status(state)
        assert status["history"]["filled"] >= 2 and status["feed"]["charts"] >= 2
        await until(lambda: "compared with Schwab's, all alike" in "\n".join(status_text(queries.status(state))))
    rule_set = load_texts({"rules.yaml": RULES}).rule_set
    tape = [event for path in reversed(queries.tape_paths(tmp_path / "state")) for event in queries.read_tape(path)]
    assert sum(isinstance(event, Bars) and event.source in FILLS for event in tape) >= 2
    assert list(replay(tape, lambda _: rule_set)) == watcher.transitions
    # The daemon is down: the store answers all the same.
    code, out = await asyncio.to_thread(command, "bars", "SPY", "--config", str(tmp_path / "config.yaml"))
    assert code == 0 and len(json.loads(out)["bars"]) > 20
