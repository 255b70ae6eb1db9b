"""How near rules are to firing: what the API says, in the view's words, from a real engine behind a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.snapshots import a_rule
from tests.engine.market import Market
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Acknowledged, ReloadResult
from tradeassistd.api.hub import Hub
from tradeassistd.api.server import ApiServer
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.errors import TransientError
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.api_source import ASK_EVERY_S, RULES_ASKED_MAX, ApiSource
from tradeassistd.cli.view.snapshot import Distance, Snapshot
from tradeassistd.cli.view.standings import Condition, Standing, deciding, distance_of, state_of, with_standings
from tradeassistd.live.silencing import Silencing
from tradeassistd.rules.load import load_texts

RULES = """version: 1
rules:
  - {id: level, symbols: [/ES, /NQ], when: price > 6900}
  - {id: fires, symbols: [/ES], when: price > 1, at_load: fire}
  - {id: warms, symbols: [/ES], when: 'price > sma(close, 20, 5m)'}
  - {id: closed, symbols: [SPY], session: rth, when: price > 1}
  - {id: breadth, symbols: [$ADD], when: price crosses 0}
  - {id: nobody, symbols: [QQQ], when: price > 1}
  - {id: 'off', symbols: [/ES], when: price > 1, mode: 'off'}
"""


def leaf(pct: float | None, distance: float | None = 1.0, unit: str = "price", outcome: bool | None = False,
         why: str = "") -> Condition:  # fmt: skip
    return Condition("state", outcome, why, pct, distance, unit)


def joint(kind: str, *items: Condition, outcome: bool | None = False) -> Condition:
    return Condition(kind, outcome, items=items)


def standing(condition: Condition, symbol: str = "/ES", state: str = "ok", why: str = "") -> Standing:
    return Standing(symbol, state, why, condition)


def test_of_and_the_furthest_part_decides_and_of_or_the_nearest() -> None:
    near, far, unknown = leaf(0.1), leaf(30.0), leaf(None, None, outcome=None)
    assert deciding(joint("and", near, far)) is far
    assert deciding(joint("or", near, far, unknown)) is near
    assert deciding(joint("and", near, unknown)) is None
    assert deciding(joint("or", unknown)) is None
    assert deciding(joint("not", far)) is far
    assert deciding(joint("or", joint("and", near, unknown), far)) is far
    assert deciding(near) is near
    seen = leaf(None, None, why="happened at 09:41:10, counts until 09:56:10 New York")
    assert deciding(joint("event", seen, near, far)) is far
    assert deciding(joint("event", seen, near, unknown)) is None
    assert deciding(joint("event", leaf(40.0), near)) is not near


@pytest.mark.parametrize(
    ("condition", "symbol", "distance"),
    [
        (leaf(0.1, 6.75), "/ES", Distance(0.8, "6.75")),
        (leaf(3.0, -200.0), "/ES", Distance(0.0, "200.00")),
        (leaf(25.0, 225.0), "$TICK", Distance(0.75, "225")),  # a breadth figure moves by its own size
        (leaf(40.0, -0.0012, "ratio"), "/ES", Distance(0.6, "0.12%")),
        (leaf(50.0, 2.5, "ratio"), "/ES", Distance(0.5, "2.5x")),
        (leaf(10.0, 63_400.0, "volume"), "SPY", Distance(0.9, "63K")),
        (leaf(10.0, 1.25, "number"), "SPY", Distance(0.9, "1.25")),
        (leaf(50.0, 90.0, "seconds"), "SPY", Distance(0.5, "90 s")),
        (leaf(0.0001, 0.25), "/ES", Distance(0.99, "0.25")),  # not there is never full
        (leaf(None, 812.0), "$ADD", Distance(None, "812")),  # zero has no percent
        (leaf(0.0, 0.0, outcome=True), "/ES", Distance(1.0)),
        (leaf(0.0, 0.0, why="has to be below first"), "/ES", None),
        (leaf(None, None, outcome=None), "/ES", None),
    ],
)
def test_a_distance_is_a_share_and_a_measure(condition: Condition, symbol: str, distance: Distance | None) -> None:
    found = distance_of(standing(condition, symbol))
    assert (found is None) == (distance is None)
    if found is not None and distance is not None:
        assert found.text == distance.text
        assert found.closeness == (None if distance.closeness is None else pytest.approx(distance.closeness))


def test_a_condition_that_holds_has_no_distance_whatever_its_parts() -> None:
    assert distance_of(standing(joint("not", leaf(0.0, 3.0, outcome=False), outcome=True))) == Distance(1.0)
    assert distance_of(standing(joint("or", leaf(0.0, outcome=True), leaf(9.0), outcome=True))) == Distance(1.0)


@pytest.mark.parametrize(
    ("state", "why", "word"),
    [
        ("ok", "", view.OK), ("ok", "warming: 3 of 20 bars of 5m", view.WARMING), ("ok", "feed not live", view.UNKNOWN),
        ("ok", "expired Mon 09:30 New York", view.EXPIRED),
        ("ok", "session closed until Mon 09:30 New York", view.CLOSED), ("firing", "feed not live", view.FIRING),
        ("pending", "", view.PENDING),
    ],
)  # fmt: skip
def test_ok_is_only_said_of_what_is_known(state: str, why: str, word: str) -> None:
    assert state_of(standing(leaf(1.0), state=state, why=why)) == word


def test_the_foremost_symbol_stands_for_the_rule() -> None:
    rule = a_rule("several", "/ES /NQ /YM")
    far, near = standing(leaf(0.4), "/ES"), standing(leaf(0.1), "/NQ")
    blind = standing(leaf(None, None, outcome=None), "/YM", why="no quote yet")
    fires = standing(leaf(0.0, outcome=True), "/YM", "firing")
    assert with_standings(rule, [far, near, blind]).symbol == "/NQ"
    found = with_standings(rule, [far, near, fires])
    assert (found.symbol, found.state) == ("/YM", view.FIRING)
    assert (with_standings(rule, [blind]).symbol, with_standings(rule, [blind]).state) == ("", view.UNKNOWN)
    assert with_standings(rule, []) is rule
    assert with_standings(replace(rule, state=view.OFF), [fires]).state == view.OFF


class Still:
    """A source that always gives the same."""

    def __init__(self, shown: Snapshot) -> None:
        self.shown = shown

    def look(self) -> Snapshot:
        return self.shown


@asynccontextmanager
async def served(market: Market, path: Path) -> AsyncIterator[ApiServer]:
    def status() -> Mapping[str, Any]:
        return {
            "state": "running", "feed": {"state": "live", "reason": ""}, "rules": {"problems": [], "loaded": 7},
            "counters": {"ticks": 0, "alerts": 0, "told": 0}, "channels": {}, "store": {"tape_error": ""},
        }  # fmt: skip

    async def reload(*, allow_empty: bool = False) -> ReloadResult:
        raise TransientError("nothing to reload here")

    async def acknowledge(rule_id: str, symbol: str, by: str) -> Acknowledged:
        raise TransientError("nothing to acknowledge here")

    clock = WallClock()

    async def hear(make: object) -> None:
        raise TransientError("nothing to silence here")

    silencing = Silencing(market.engine, hear, 0)
    control = control_over(market.engine, path.parent, status, reload, acknowledge, silencing=silencing)
    server = ApiServer(control, Hub(clock, lambda: health_of(status())), clock)
    server.open(path, None)
    running = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_daemons_api_says_how_near_each_rule_is(tmp_path: Path) -> None:
    market = Market(load_texts({"rules.yaml": RULES}).rule_set.rules)
    market.trade("/ES", "6893.1")
    market.trade("/NQ", "6800")
    market.trade("$ADD", "812")
    rules = tuple(a_rule(rule.id, " ".join(rule.symbols), view.OFF if rule.mode == "off" else view.UNKNOWN)
                  for rule in market.engine.rule_set.rules)  # fmt: skip
    path, clock = tmp_path / "api.sock", ManualClock()
    source = ApiSource(Still(Snapshot(daemon=view.RUNNING, rules=rules)), path, clock)
    assert (await asyncio.to_thread(source.look)).rules == rules  # nobody answers yet
    clock.pass_time(ASK_EVERY_S)
    async with served(market, path):
        by_id = {rule.id: rule for rule in (await asyncio.to_thread(source.look)).rules}
        level = by_id["level"]
        assert (level.state, level.symbol) == (view.OK, "/ES")
        assert level.distance is not None and level.distance.text == "6.90"
        assert level.distance.closeness == pytest.approx(0.8)
        assert (by_id["fires"].state, by_id["fires"].distance) == (view.FIRING, Distance(1.0))
        assert by_id["warms"].state == view.WARMING
        assert by_id["breadth"].distance == Distance(None, "812")
        assert by_id["nobody"].state == view.UNKNOWN
        assert by_id["off"].state == view.OFF
        market.trade("/ES", "6899")
        assert (await asyncio.to_thread(source.look)).rules[0] == level  # asked twice a second, not at every look
        clock.pass_time(ASK_EVERY_S)
        nearer = (await asyncio.to_thread(source.look)).rules[0].distance
        assert nearer is not None and nearer.text == "1.00"
    clock.pass_time(ASK_EVERY_S)
    assert (await asyncio.to_thread(source.look)).rules == rules  # gone again, and so is what it said


async def test_many_rules_take_turns(tmp_path: Path) -> None:
    count = RULES_ASKED_MAX + 5
    lines = "\n".join(f"  - {{id: rule-{one}, symbols: [/ES], when: price > {7_000 + one}}}" for one in range(count))
    market = Market(load_texts({"rules.yaml": f"version: 1\nrules:\n{lines}\n"}).rule_set.rules)
    market.trade("/ES", "6999")
    rules = tuple(a_rule(f"rule-{one}", "/ES") for one in range(count))
    path, clock = tmp_path / "api.sock", ManualClock()
    source = ApiSource(Still(Snapshot(daemon=view.RUNNING, rules=rules)), path, clock)
    async with served(market, path):
        first = await asyncio.to_thread(source.look)
        assert sum(rule.distance is not None for rule in first.rules) == RULES_ASKED_MAX
        clock.pass_time(ASK_EVERY_S)
        second = await asyncio.to_thread(source.look)
        assert sum(rule.distance is not None for rule in second.rules) == count


async def test_a_rule_that_the_daemon_has_no_more_is_as_the_store_says(tmp_path: Path) -> None:
    there = "version: 1\nrules:\n  - {id: there, symbols: [/ES], when: price > 6900}\n"
    market = Market(load_texts({"rules.yaml": there}).rule_set.rules)
    market.trade("/ES", "6899")
    path, clock = tmp_path / "api.sock", ManualClock()
    gone = tuple(a_rule(name, "/ES") for name in ("gone/with spaces", "there", "gone too"))
    inner = Still(Snapshot(daemon=view.RUNNING, rules=gone))
    source = ApiSource(inner, path, clock)
    async with served(market, path):
        assert (await asyncio.to_thread(source.look)).rules == gone
        clock.pass_time(ASK_EVERY_S)
        second = (await asyncio.to_thread(source.look)).rules  # what is gone does not keep the others from being asked
        assert (second[0], second[2]) == (gone[0], gone[2]) and second[1].distance is not None
        inner.shown = Snapshot(daemon=view.STOPPED, rules=gone)
        assert (await asyncio.to_thread(source.look)) is inner.shown  # a daemon that is gone is not asked


async def test_what_is_no_answer_does_not_end_the_view(tmp_path: Path) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()
        writer.close()

    path = tmp_path / "api.sock"
    rules = (a_rule("a", "/ES"),)
    async with await asyncio.start_unix_server(babble, path):
        source = ApiSource(Still(Snapshot(daemon=view.RUNNING, rules=rules)), path, ManualClock())
        assert (await asyncio.to_thread(source.look)).rules == rules
