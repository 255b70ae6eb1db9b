"""Recorded sessions with duplicates, repeated partial updates and lost connections give the clean session's alerts,
except inside the gaps they declare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.e2e.harness import played, running, settings_for
from tests.e2e.test_recorded_sessions import (
    ES_FILE,
    GLOBEX_OPEN_US,
    MINUTE_US,
    Row,
    check_replay_gives_the_same,
    last_row_us,
    oracle_alerts,
    stored_alerts,
)
from tests.oracle.rules import ES, Pair, rule_file
from tests.recorded import recorded
from tradeassistd.engine.events import Gap
from tradeassistd.sim.faults.scenario import read_scenario
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut

DISTURBED = """
version: 1
seed: {seed}
faults:
  - {{fault: duplicates, at: 3m, for: 9m}}
  - {{fault: duplicates, at: 31m, for: 12m}}
random:
  - every: 2m-6m
    until: 55m
    one_of:
      - {{fault: burst, for: 20s, factor: 3}}
      - {{fault: times_back, for: 30s}}
      - {{fault: malformed, form: cut_off}}
      - unknown_service
      - feature_not_supported
"""


@pytest.mark.parametrize("seed", [1])  # others: change it; each takes half a minute
async def test_a_disturbed_hour_gives_the_alerts_of_a_clean_one_outside_its_gaps(seed: int, tmp_path: Path) -> None:
    path, chance = recorded(ES_FILE), Random(seed)
    minutes = sorted(chance.sample(range(5, 55, 5), 4))
    cuts = [Cut(GLOBEX_OPEN_US + minute * MINUTE_US, chance.randint(5, 200)) for minute in minutes]
    stored, expected = await play_disturbed(tmp_path, path, ES, cuts, DISTURBED.format(seed=seed))
    assert len(expected) >= 100
    assert stored == expected


async def play_disturbed(
    folder: Path, path: Path, pairs: Sequence[Pair], cuts: Sequence[Cut], faults: str,
    as_symbol: str | None = None,
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    """Play a file with those faults and lost connections: the alerts that the daemon stored, and the oracle's."""
    scenario = read_scenario(faults, "disturbed")
    market = RecordedMarket(path, as_symbol)
    async with (
        Simulator(market, speed=None, cuts=cuts, scenario=scenario) as simulator,
        running(settings_for(folder, simulator, rule_file(pairs))) as watcher,
    ):
        await played(simulator)
        await watcher.until_clock(simulator.now_us + 3_000_000)
    assert {one.fault.name for one in simulator.faults.over} >= {"duplicates", "burst"}
    assert [event.to_us for event in watcher.events if isinstance(event, Gap)] == [cut.until_us for cut in cuts]
    check_replay_gives_the_same(folder / "state", at_least=1)
    return stored_alerts(folder / "state", until_us=last_row_us(watcher)), oracle_alerts(path, pairs, cuts)
