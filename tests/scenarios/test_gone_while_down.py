"""A daemon that ends while the line is down, or a symbol lost, begins its next life with the whole gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.stage import MONDAY_10, Stage, instant_us, staged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.synthetic import SyntheticMarket

RULES = "version: 1\nrules:\n  - {id: any, symbols: [/ES, SPY], when: price > 1, mode: shadow}\n"
HOW = ("stopped", "killed")


def market() -> SyntheticMarket:
    return SyntheticMarket(3, instant_us(MONDAY_10), ("/ES", "SPY"), ticks_per_s=3)


async def end(stage: Stage, how: str) -> None:
    """The daemon's life is over, and the next begins twenty seconds later."""
    if how == "killed":
        await stage.world.until(lambda: not stage.world.writes, 5)
        stage.strike()
        await stage.bury()
    else:
        await stage.stop()
    await stage.world.pass_time(20)
    await stage.start()


def last_row_us(stage: Stage, symbol: str = "") -> int:
    return max(tick.event_us for tick in stage.watcher.ticks if symbol in ("", tick.symbol))


@pytest.mark.parametrize("lives", [("stopped",), ("killed",), ("killed", "stopped"), ("stopped", "killed", "killed")])
async def test_the_gap_begins_where_the_line_was_lost(lives: tuple[str, ...], tmp_path: Path) -> None:
    async with staged(tmp_path, market(), RULES) as stage:
        await stage.live()
        await stage.world.pass_time(30)
        stage.simulator.inject("outage, for: 20m")
        await stage.world.until(lambda: stage.state == "backoff", 60)
        lost_us = last_row_us(stage)
        for how in lives:
            await stage.world.pass_time(120)
            await end(stage, how)
        assert not stage.gaps
        stage.simulator.end_faults()
        await stage.live(600)
        (gap,) = stage.gaps
        assert (gap.reason, gap.symbols) == ("restart", ())
        assert lost_us <= gap.from_us <= lost_us + US_PER_S
        assert gap.to_us <= min(tick.event_us for tick in stage.watcher.ticks)


@pytest.mark.parametrize("how", HOW)
async def test_the_line_that_was_back_is_known_until_the_end(how: str, tmp_path: Path) -> None:
    async with staged(tmp_path, market(), RULES) as stage:
        await stage.live()
        stage.simulator.inject("outage, for: 20s")
        await stage.world.until(lambda: len(stage.gaps) == 1 and stage.state == "live", 120)
        await stage.world.pass_time(30)
        last_us = last_row_us(stage)
        await end(stage, how)
        await stage.live()
        (gap,) = stage.gaps
        assert gap.reason == "restart" and gap.from_us >= last_us - US_PER_S  # a kill takes what is not on the tape yet


@pytest.mark.parametrize("how", HOW)
async def test_a_symbol_that_was_lost_has_its_own_gap(how: str, tmp_path: Path) -> None:
    async with staged(tmp_path, market(), RULES) as stage:
        await stage.live()
        stage.simulator.inject("silent, symbols: SPY, image: false")
        await stage.world.until(lambda: any(gap.symbols == ("SPY",) for gap in stage.gaps), 900)
        (lost,) = stage.gaps
        await stage.world.pass_time(60)
        await end(stage, how)
        await stage.live()
        stage.simulator.end_faults()
        await stage.world.until(lambda: any(tick.symbol == "SPY" for tick in stage.watcher.ticks), 900)
        whole, own = stage.gaps[0], [gap for gap in stage.gaps if gap.symbols == ("SPY",)]
        assert whole.symbols == () and whole.from_us > lost.to_us
        assert own[0].from_us == lost.to_us
        assert own[-1].to_us <= min(tick.event_us for tick in stage.watcher.ticks if tick.symbol == "SPY")
