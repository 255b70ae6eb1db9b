"""Every fault of the simulator, and two at once, against the real daemon in market time: states, words, gaps, rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.cases import CASES, LOGIN_AGAIN, PAIRS, Case
from tests.scenarios.stage import MONDAY_10, Stage, instant_us, staged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.transition import Kind
from tradeassistd.market.price import price_text
from tradeassistd.sim.synthetic import SyntheticMarket

SYMBOLS = ("/ES", "SPY", "$TICK")
RULES = """
version: 1
rules:
  # Holds for no price this market ever makes: a zero, a bad print, half a frame would fire it.
  - {id: never-es, symbols: [/ES], when: 'price outside [6500, 7300]'}
  - {id: never-spy, symbols: [SPY], when: 'price outside [650, 730] or bid < 600 or ask < 600 or day.low < 600'}
  - {id: never-tick, symbols: [$TICK], when: 'price outside [-5000, 5000]'}
  # Shows that bars close and rules are judged; written to the store, told to nobody.
  - id: pulse
    symbols: [/ES, SPY]
    mode: shadow
    cooldown: 1s
    evaluate: close(1m)
    fire: each_bar(1m)
    when: close(1m) > 0
"""


@pytest.mark.parametrize("case", [*CASES, *PAIRS], ids=lambda case: case.name)
async def test_a_fault(case: Case, tmp_path: Path) -> None:
    market = SyntheticMarket(3, instant_us(MONDAY_10), SYMBOLS, ticks_per_s=1, slot_us=1_000_000)
    async with staged(tmp_path, market, RULES) as stage:
        await stage.live()
        await stage.world.pass_time(12)
        before, began_us = len(stage.states), stage.now_us
        for fault in case.faults:
            stage.simulator.inject(fault)
        await stage.world.pass_time(case.lasts_s)
        states = stage.states[before:]
        await _check_it_goes_on(stage)
        assert stage.simulator.faults.over or not case.faults
        assert all(one.hits for one in stage.simulator.faults.over if one.fault.name != "skew"), (
            "a fault struck nothing"
        )
    _check_states(case, states, stage)
    assert stage.said == list(case.says), stage.texts
    assert len(stage.gaps) == case.gaps or (case.gaps is None and stage.gaps)
    assert all(gap.from_us <= began_us + US_PER_S and gap.to_us > began_us for gap in stage.gaps[:1])
    assert [one for one in stage.watcher.transitions if one.rule_id.startswith("never")] == []
    assert stage.replayed() == stage.watcher.transitions


def _check_states(case: Case, states: list[str], stage: Stage) -> None:
    if case.again:
        assert tuple(states[-4:]) == LOGIN_AGAIN
        assert set(states) <= {"backoff", *LOGIN_AGAIN} and states[0] == "backoff"
    else:
        assert tuple(states) == case.states, stage.reasons
    assert case.reason in " ".join(stage.reasons)


async def _check_it_goes_on(stage: Stage) -> None:
    """A minute later bars close, rules are judged, and every value is the market's own."""
    since_us = stage.now_us
    await stage.world.pass_time(61)
    pulses = [one for one in stage.watcher.transitions if one.rule_id == "pulse" and one.event_us > since_us]
    assert {one.symbol for one in pulses if one.kind is Kind.FIRED} == {"/ES", "SPY"}
    assert stage.state == "live"
    assert stage.status()["feed"]["state"] == "live"
    for symbol in ("/ES", "SPY"):
        record = stage.simulator.market.find(symbol)
        assert record is not None
        tick, layout = (
            next(tick for tick in reversed(stage.watcher.ticks) if tick.symbol == symbol),
            record.listing.layout,
        )
        told = [price_text(value or 0) for value in (tick.last, tick.bid, tick.ask)]
        assert told == [record.values[number] for number in (layout.last, layout.bid, layout.ask)]
