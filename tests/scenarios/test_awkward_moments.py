"""Faults at awkward moments: at a reset, the close or a break, and while the rules want other symbols."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.cases import BACK, DOWN, LOGIN_AGAIN, TAKEN, UP
from tests.scenarios.stage import MONDAY_10, instant_us, staged
from tradeassistd.engine.transition import Kind
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.sim.synthetic import SyntheticMarket

RULES = """
version: 1
rules:
  - {id: never-es, symbols: [/ES], when: 'price outside [6500, 7300] or day.low < 6500'}
  - id: never-spy
    symbols: [SPY]
    when: 'price outside [650, 730] or bid < 600 or ask < 600 or day.low < 600 or day.high < 600'
"""
MOMENTS = [
    # At the resets open, high and low go to 0 and the volume begins anew, however the line stands.
    ("2026-11-16T03:29:00-05:00", (), 120, 0, ()),
    ("2026-11-16T03:29:00-05:00", ((55, "drop"),), 120, 1, ()),
    ("2026-11-16T03:29:00-05:00", ((55, "mute, until: reconnect"),), 120, 1, ()),
    ("2026-11-16T07:27:00-05:00", ((50, "mute, for: 20s"),), 120, 0, ()),
    ("2026-11-16T07:27:30-05:00", ((29, "reset"),), 120, 1, ()),
    # At the close, and into the maintenance break of the futures.
    ("2026-11-16T15:59:00-05:00", ((59, "reset"),), 120, 1, ()),
    ("2026-11-16T16:59:00-05:00", ((59, "mute, until: reconnect"),), 180, 1, ()),
    # On Saturday nothing trades: nobody is woken, and with the Sunday opening it is back, or said to be down.
    ("2026-11-21T12:00:00-05:00", ((60, "outage, for: 20m"),), 2_400, 1, ()),
    ("2026-11-22T17:50:00-05:00", ((60, "outage, for: 12m"),), 1_200, 1, (DOWN, UP)),
    # A busy feed brings only heartbeats while REST, which would say whether the market is quiet, is down.
    (MONDAY_10, ((60, "mute, heartbeats: true, until: reconnect"),
                 (60, "rest_status, path: quotes, status: 503, times: 2")), 150, 1, ()),
    # A token is being refreshed, slowly, when the line drops and another program comes.
    (MONDAY_10, ((20, "access_token_expires"), (20, "rest_slow, path: token, by: 20s"), (21, "drop"),
                 (60, "second_login")), 420, 2, (TAKEN, UP)),
]  # fmt: skip


@pytest.mark.parametrize(("start", "faults", "lasts_s", "gaps", "says"), MOMENTS)
async def test_a_fault_at_an_awkward_moment(
    start: str, faults: tuple[tuple[int, str], ...], lasts_s: int, gaps: int, says: tuple[str, ...], tmp_path: Path
) -> None:
    market = SyntheticMarket(3, instant_us(start), ("/ES", "SPY"), ticks_per_s=1, slot_us=1_000_000)
    async with staged(tmp_path, market, RULES, saved_every_s=30) as stage:
        await stage.world.until(lambda: stage.state == "live", 30)
        passed_s = 0
        for at_s, fault in faults:
            await stage.world.pass_time(at_s - passed_s)
            passed_s = at_s
            stage.simulator.inject(fault)
        await stage.world.pass_time(lasts_s - passed_s)
        assert stage.state == "live", stage.reasons
    assert stage.said == list(says), stage.texts
    assert len(stage.gaps) == gaps
    assert [one for one in stage.watcher.transitions if one.rule_id.startswith("never")] == []
    assert stage.replayed() == stage.watcher.transitions


RELOAD = "version: 1\nrules:\n  - {id: never, symbols: %s, when: price < 1}\n"


@pytest.mark.parametrize(
    ("fault", "states", "gaps"),
    [
        *((f"refuse, command: ADD, code: {code}", ("degraded", "live"), 0) for code in (9, 11, 19, 20, 21)),
        ("refuse, command: ADD, code: 3", BACK, 1),
        ("refuse, command: ADD, code: 30", BACK, 1),
        ("refuse, command: ADD, code: 12", ("replaced", *LOGIN_AGAIN), 1),
        ("unanswered, command: ADD", BACK, 1),
        ("late_answer, command: ADD, by: 20s", (), 0),
        ("refuse, command: UNSUBS, code: 23", (), 0),
        ("unanswered, command: UNSUBS", BACK, 1),
    ],
)
async def test_a_fault_while_the_rules_want_other_symbols(
    fault: str, states: tuple[str, ...], gaps: int, tmp_path: Path
) -> None:
    market = SyntheticMarket(3, instant_us(MONDAY_10), ("/ES", "SPY", "/NQ", "QQQ"), ticks_per_s=1, slot_us=1_000_000)
    async with staged(tmp_path, market, RELOAD % "[/ES, QQQ]") as stage:
        await stage.live()
        await stage.world.pass_time(20)
        before = len(stage.states)
        stage.simulator.inject(fault)
        (tmp_path / "rules.d" / "rules.yaml").write_text(RELOAD % "[/ES, /NQ]", "utf-8")
        await stage.world.pass_time(360)
        assert tuple(stage.states[before:]) == states, stage.reasons
        assert stage.status()["feed"]["refused"] == {}
        assert {tick.symbol for tick in stage.watcher.ticks if tick.event_us > stage.now_us - 5_000_000} >= {
            "/ES",
            "/NQ",
        }
    assert stage.said == ([TAKEN, UP] if "replaced" in states else []), stage.texts
    assert len(stage.gaps) == gaps


CROSSED = "version: 1\nrules:\n  - {id: level, symbols: [/ES], when: price crosses %s, cooldown: 1s}\n"


@pytest.mark.parametrize("fault", ["outage, for: 5m", "second_login"])
async def test_a_level_that_the_market_passes_while_the_feed_is_away_is_told_once_as_missed(
    fault: str, tmp_path: Path
) -> None:
    """A first run shows where the market goes meanwhile; in the second one a level lies half way."""
    _, (before, after) = await away(tmp_path / "scout", fault, CROSSED % 1)
    assert before != after
    kinds, prices = await away(tmp_path / "daemon", fault, CROSSED % ((before + after) / 2))
    assert (kinds, prices) == ([Kind.MISSED], (before, after))


async def away(folder: Path, fault: str, rules: str) -> tuple[list[Kind], tuple[float, float]]:
    """What became of the rule when the feed was back, and the prices between which it was away."""
    market = SyntheticMarket(3, instant_us(MONDAY_10), ("/ES", "SPY"), ticks_per_s=1, slot_us=1_000_000)
    async with staged(folder, market, rules, saved_every_s=30) as stage:
        await stage.live()
        await stage.world.pass_time(60)
        stage.simulator.inject(fault)
        await stage.world.until(lambda: stage.state not in ("live", ""))
        await stage.world.until(lambda: stage.gaps and stage.watcher.ticks[-1].event_us > stage.gaps[0].event_us, 900)
    (gap,) = stage.gaps
    ticks = [tick for tick in stage.watcher.ticks if tick.symbol == "/ES" and tick.last]
    before = [tick.last for tick in ticks if tick.event_us < gap.event_us][-1]
    after = next(tick.last for tick in ticks if tick.event_us > gap.event_us)
    assert before is not None and after is not None
    kinds = [one.kind for one in stage.watcher.transitions if one.event_us > gap.event_us]
    return kinds, (before / PRICE_SCALE, after / PRICE_SCALE)
