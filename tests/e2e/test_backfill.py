"""A backfill in the running daemon: what it stores of a hole goes into the windows of rules at once."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.e2e.harness import running, settings_for
from tradeassistd.cli import backfill
from tradeassistd.engine.events import FILLS, Bars, Event, Gap
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut
from tradeassistd.sim.synthetic import SyntheticMarket

TEN_US = round(datetime(2026, 12, 1, 10, 0, tzinfo=NEW_YORK).timestamp()) * 1_000_000
MINUTE_US = 60_000_000
CUT = Cut(TEN_US + 90_000_000, 120.0)
RULES = "version: 1\nrules: [{id: average, symbols: [SPY], when: 'price > sma(close, 3, 1m) * 1.5'}]\n"


async def test_what_is_fetched_of_a_hole_goes_into_the_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRADEASSIST_HISTORY__FILL_DAYS", "0")  # nobody else fetches it
    monkeypatch.setenv("TRADEASSIST_HISTORY__CHARTS", "false")
    async with (
        Simulator(SyntheticMarket(3, TEN_US, ["SPY"]), speed=60.0, cuts=[CUT]) as simulator,
        running(settings_for(tmp_path, simulator, RULES)) as watcher,
    ):
        await watcher.until(lambda event: isinstance(event, Gap) and event.from_us > TEN_US)
        (gap,) = [event for event in watcher.events if isinstance(event, Gap) and event.from_us > TEN_US]
        await watcher.until_clock(gap.to_us + 2 * MINUTE_US)

        def is_of_the_hole(event: Event) -> bool:
            # More may come of the minutes up to now, for the store learns once a second what was watched.
            if not isinstance(event, Bars) or event.source not in FILLS:
                return False
            return event.whole_from_us <= gap.from_us < event.until_us

        filled = asyncio.create_task(watcher.until(is_of_the_hole))
        today = date(2026, 12, 1)
        code = await asyncio.to_thread(
            backfill.run, tmp_path / "config.yaml", ["SPY"], "1m", today, today, again=False, every_day=False,
            as_json=False,
        )  # fmt: skip
        assert code == 0 and "the day is not over" in capsys.readouterr().out
        await filled
        assert watcher.daemon.live is not None
        bars = next(event for event in watcher.events if is_of_the_hole(event))
        assert isinstance(bars, Bars) and (bars.symbol, bars.interval, bars.source) == ("SPY", "1m", "rest")
        assert bars.whole_from_us <= gap.from_us < gap.to_us <= bars.until_us
        starts = [row.start_us for row in bars.rows]
        assert starts == list(range(bars.whole_from_us, bars.until_us, MINUTE_US)), "a minute is missing"
