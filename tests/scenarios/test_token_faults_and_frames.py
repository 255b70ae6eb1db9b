"""Faults that last until somebody does something, and those that need a file or a silent symbol to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded import recorded
from tests.scenarios.cases import CASES, OTHERS
from tests.scenarios.stage import MONDAY_10, Stage, instant_us, staged
from tradeassistd.feed.token import TokenFile
from tradeassistd.sim.faults.kinds import KINDS
from tradeassistd.sim.synthetic import SyntheticMarket

RULES = "version: 1\nrules:\n  - {id: never, symbols: [/ES, SPY], when: price < 1 or bid < 1}\n"
NEEDED, ENDS_SOON = "Schwab login needed: nothing is watched", "Schwab login needed, or the feed ends"


def market(start: str = MONDAY_10) -> SyntheticMarket:
    return SyntheticMarket(3, instant_us(start), ("/ES", "SPY"), ticks_per_s=1, slot_us=1_000_000)


def test_every_fault_has_its_scenario() -> None:
    in_cases = {fault.split(",")[0] for case in CASES for fault in case.faults}
    assert in_cases | OTHERS.keys() == KINDS.keys()
    assert all((Path(__file__).parent / f"{name}.py").exists() for name in OTHERS.values())


async def log_in(stage: Stage) -> None:
    TokenFile(stage.folder / "token.json").write(stage.simulator.tokens())
    await stage.world.until(lambda: stage.state == "live")


@pytest.mark.parametrize("how", ["dead", "invalid_client"])
async def test_a_dead_token_is_told_once_and_not_asked_for_again_until_somebody_logs_in(
    how: str, tmp_path: Path
) -> None:
    async with staged(tmp_path, market(), RULES, saved_every_s=60) as stage:
        await stage.live()
        stage.simulator.inject(f"token_refused, how: {how}, times: 100")
        stage.simulator.inject("access_token_expires")
        stage.simulator.inject("drop")
        await stage.world.until(lambda: stage.state == "auth_needed", 60)
        await stage.world.pass_time(3600)
        refusals = next(one for one in stage.simulator.faults.running.values() if one.fault.name == "token_refused")
        assert stage.said == [NEEDED]
        assert refusals.hits == 1
        stage.simulator.end_faults()
        await log_in(stage)
        await stage.world.pass_time(5)
    assert stage.said == [NEEDED, "The feed is back"]
    assert "tradeassist auth login" in stage.texts
    assert len(stage.gaps) == 1


async def test_a_token_that_dies_leaves_the_stream_alone_and_is_told_before_it_hurts(tmp_path: Path) -> None:
    async with staged(tmp_path, market(), RULES, saved_every_s=60) as stage:
        await stage.live()
        stage.simulator.inject("refresh_token_dies")
        await stage.world.until(lambda: stage.said, 1800)
        assert (stage.said, stage.state) == ([ENDS_SOON], "live")
        last = stage.watcher.ticks[-1]
        await log_in(stage)
        await stage.world.pass_time(1900)
        assert stage.said == [ENDS_SOON] and stage.states.count("live") == 1
        assert stage.watcher.ticks[-1].event_us > last.event_us
    assert stage.gaps == []


async def test_recorded_frames_of_every_kind_end_nothing(tmp_path: Path) -> None:
    path = recorded("frames/frames.jsonl")
    async with staged(tmp_path, market(), RULES) as stage:
        await stage.live()
        stage.simulator.inject(f"recorded_frames, file: {path}")
        await stage.world.pass_time(30)
        assert stage.states[-1] == "live"
    assert [one for one in stage.watcher.transitions if one.rule_id == "never"] == []
    assert stage.replayed() == stage.watcher.transitions


async def test_rest_that_disagrees_about_prices_takes_nothing_away(tmp_path: Path) -> None:
    """REST is asked when a symbol was traded, never for its price: the stream's stands."""
    async with staged(tmp_path, market(), RULES) as stage:
        await stage.live()
        await stage.world.pass_time(60)
        stage.simulator.inject("quotes_disagree, away: 20%")
        stage.simulator.inject("silent, symbols: /ES, for: 4m")
        await stage.world.pass_time(300)
        assert any("/ES" in reason for reason in stage.reasons)
        prices = [tick.last for tick in stage.watcher.ticks if tick.symbol == "/ES" and tick.last]
        assert max(prices) < min(prices) * 1.02
        assert stage.state == "live"
