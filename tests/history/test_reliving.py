"""What a start goes on from, with real files: how much of the tapes is relived, what is decided late, what may fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import PermanentError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine import reliving as engine_reliving
from tradeassistd.engine.events import Event, RulesSwap, Start
from tradeassistd.engine.needs import needs_whole_session
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import Kind, RuleState
from tradeassistd.history import reliving
from tradeassistd.history.reliving import GoneOn, go_on
from tradeassistd.history.replay import replay
from tradeassistd.history.warm import read_fills
from tradeassistd.market.bar import Bar
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Tick
from tradeassistd.rules.grammar import parse
from tradeassistd.store.directory import tape_paths
from tradeassistd.store.official import Span, insert_official, insert_span
from tradeassistd.store.tape_past import standing_at, stood
from tradeassistd.store.writer import Store


def rule(name: str, text: str, *symbols: str, at_load: str = "quiet") -> Rule:
    return Rule(name, symbols or ("SPY",), parse(text), cooldown_s=0, at_load=at_load)


MINUTE_US = 60 * US_PER_S
DAY_US = 1_440 * MINUTE_US
FALLS = (rule("level", "price crosses 100"), rule("falls", "pct_change(price, 20s) < -1%", at_load="fire"))


class Desk:
    """A daemon of one market, in memory but for its store; it may be killed."""

    def __init__(self, directory: Path, *rules: Rule, now_us: int = MONDAY_RTH_US) -> None:
        self.directory = directory
        self.market = Market(rules, now_us=now_us)
        self._taped = 0

    async def begin(self) -> None:
        self.store = await Store.open(self.directory, clock=ManualClock(MONDAY_RTH_US))

    async def save(self) -> None:
        """What the daemon does once a second."""
        engine = self.market.engine
        await self.store.save_bars(engine.take_bars(), engine.take_stretches(), engine.now_us - 2 * US_PER_S)
        await self.store.save_states(engine.take_states(), engine.now_us)

    async def killed(self) -> None:
        """What is on the tape stays there; what was not saved is lost."""
        for event in self.market.events[self._taped :]:
            self.store.record(event)
        self._taped = len(self.market.events)
        await self.store.flush()
        await self.store.end_stretches()
        self.states = await self.store.load_states()
        self.saved_us = await self.store.decided_until_us()
        await self.store.close()

    def again(self) -> GoneOn:
        """The next start."""
        start = Start(self.market.now_us + 1, "", self.states)
        return go_on(self.directory, RuleSet(self.market.rules), start, self.saved_us)


async def desk(directory: Path, *rules: Rule, now_us: int = MONDAY_RTH_US) -> Desk:
    made = Desk(directory, *rules, now_us=now_us)
    await made.begin()
    return made


async def test_a_first_start_relives_nothing(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    await one.store.close()
    gone_on = go_on(tmp_path, RuleSet(FALLS), Start(1, ""), 0)
    assert (gone_on.start.relived, gone_on.late, gone_on.fills) == (None, None, ())
    assert gone_on.document()["relived_from"] == ""


async def test_what_was_crossed_and_crossed_back_after_the_last_save_is_decided_once(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    one.market.wait(40)
    await one.save()
    told = [*one.market.trade("SPY", "102", after_s=0.1), *one.market.trade("SPY", "99", after_s=0.1)]
    assert [transition.rule_id for transition in told] == ["level", "level"]
    await one.killed()
    gone_on = one.again()
    assert gone_on.late is not None
    assert [transition for late in gone_on.late for transition in late.transitions] == told
    assert [late.event_us for late in gone_on.late] == [told[0].event_us, told[1].event_us]
    # The first of them is stored with the states it left; killed again, only the second is decided.
    await one.begin()
    await one.store.save_states(gone_on.late[0].states, gone_on.late[0].event_us)
    await one.killed()
    late = one.again().late
    assert late is not None and [transition for one_late in late for transition in one_late.transitions] == told[1:]


async def test_what_was_never_saved_is_decided_and_in_an_older_store_nothing_is(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    told = one.market.trade("SPY", "102", after_s=0.1)
    await one.killed()
    late = one.again().late
    assert late is not None and [transition for one_late in late for transition in one_late.transitions] == told
    await one.begin()
    await one.store.save_states([RuleState("level", "SPY", 0, "", judged_us=1)])  # as it was before it was noted
    await one.killed()
    assert one.again().late == []


async def test_windows_over_ticks_go_on_where_they_were(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    for price in ("101", "102", "101.5"):
        one.market.trade("SPY", price, after_s=7)
        one.market.wait(3)
    await one.save()
    await one.killed()
    gone_on = one.again()
    gone_on.engine.on_event(gone_on.start)
    through = one.market
    through.engine.lose(through.now_us)
    for seconds in range(40):
        now_us = through.now_us + seconds * US_PER_S
        held = [engine.symbols["SPY"].look_back("price", 20).held(now_us, 20) for engine in
                (through.engine, gone_on.engine)]  # fmt: skip
        assert held[0] == held[1]
    assert gone_on.start.relived is not None
    assert gone_on.start.relived.from_us == trading_day(MONDAY_RTH_US)[1]
    assert gone_on.document()["relived_events"] == len(one.market.events)


async def test_of_a_long_day_the_last_events_are_relived_and_the_undecided_ones_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await desk(tmp_path, *FALLS, rule("quiet", "price > 1", "/ES"))
    one.market.image("SPY", "99")
    one.market.image("/ES", "99")
    for _ in range(10):
        one.market.wait(60)
        one.market.trade("SPY", "99")
    await one.save()
    await one.killed()
    minute_us = one.market.now_us // MINUTE_US * MINUTE_US
    for limit, from_us in ((10_000, trading_day(MONDAY_RTH_US)[1]), (130, minute_us - 2 * MINUTE_US),
                           (0, (one.saved_us - 30 * US_PER_S) // MINUTE_US * MINUTE_US)):  # fmt: skip
        monkeypatch.setattr(reliving, "RELIVED_EVENTS_MAX", limit)
        gone_on = one.again()
        relived = gone_on.start.relived
        assert relived is not None and relived.from_us == from_us
        # What was quiet all the time is known all the same.
        assert gone_on.engine.symbols["/ES"].value("price") == 99 * 10**8
        assert [tick.symbol for tick in relived.ticks] == (["/ES", "SPY"] if limit < 10_000 else [])


async def test_more_is_relived_where_a_rule_reads_what_a_whole_session_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await desk(tmp_path, *FALLS, rule("mean", "price > vwap()"))
    one.market.image("SPY", "99")
    for _ in range(10):
        one.market.wait(60)
        one.market.trade("SPY", "99")
    await one.save()
    await one.killed()
    monkeypatch.setattr(reliving, "RELIVED_EVENTS_MAX", 10)
    assert one.again().engine.symbols["SPY"].vwap().value() == one.market.engine.symbols["SPY"].vwap().value()
    monkeypatch.setattr(reliving, "WHOLE_EVENTS_MAX", 130)
    minute_us = one.market.now_us // MINUTE_US * MINUTE_US
    relived = one.again().start.relived
    assert relived is not None and relived.from_us == minute_us - 2 * MINUTE_US


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("price > vwap()", True), ("price > day.high", True), ("price > prev_day.high", False),
        ("price > opening_range(15m).high", True), ("rvol(5m) > 2", True), ("close(1h) > 1", True),
        ("close(5m) > sma(close, 20, 5m)", False), ("close(1d)[1] > 1", True),
        ("price > 1 and sym(/ES).vwap() > 1", True),
        ("pct_change(price, 2h) > 1%", True), ("pct_change(price, 5m) > 1%", False), ("highest(price, 1h) > 1", True),
        ("price crosses 100 or sma(close, 20, 5m) > 3", False),
    ],
)  # fmt: skip
def test_what_needs_a_whole_session(text: str, needed: bool) -> None:
    rules = [rule("one", text)]
    assert needs_whole_session(rules, RuleSet(tuple(rules)).instrument_of) is needed


async def test_rules_are_judged_before_as_long_as_they_count(tmp_path: Path) -> None:
    one = await desk(tmp_path, rule("often", "count(price crosses 100, 3m) >= 2"), *FALLS)
    one.market.image("SPY", "99")
    one.market.wait(300)
    one.market.trade("SPY", "101")
    one.market.wait(100)
    await one.save()
    told = one.market.trade("SPY", "99")
    assert [transition.rule_id for transition in told] == ["often", "level", "falls"]
    await one.killed()
    gone_on = one.again()
    assert gone_on.late is not None and [late.transitions for late in gone_on.late] == [told]
    assert gone_on.start.relived is not None
    assert one.saved_us - gone_on.start.relived.judged_from_us == 210 * US_PER_S


@pytest.mark.parametrize("harm", ["thinned", "damaged"])
async def test_without_a_whole_tape_it_begins_as_ever(tmp_path: Path, harm: str) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    await one.save()
    one.market.trade("SPY", "101", after_s=1)
    await one.killed()
    (path,) = tape_paths(tmp_path)
    if harm == "thinned":
        with sqlite3.connect(path) as raw:
            raw.execute("INSERT OR REPLACE INTO meta VALUES ('density', '1s')")
        raw.close()
    else:
        path.write_bytes(b"not a database at all" * 1_000)
    gone_on = one.again()
    assert (gone_on.start.relived, gone_on.late, gone_on.engine.symbols["SPY"].tick) == (None, None, None)
    gone_on.engine.on_event(gone_on.start)
    assert {machine.rule.id: machine.state.judged_us > 0 for machine in gone_on.engine.machines}["level"]


async def test_a_damaged_tape_of_days_ago_takes_nothing_from_todays(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    one.market.wait(40)
    await one.killed()
    whole = one.again()
    assert whole.events > 40
    (tmp_path / "tape-20261112.db").write_bytes(b"no database" * 1_000)
    with capture_logs() as said:
        again = one.again()
    assert (again.start, again.events) == (whole.start, whole.events)
    assert [entry["reason"].split(":")[0] for entry in said] == ["tape-20261112.db is damaged"]


async def test_a_symbol_that_was_not_subscribed_for_a_while_has_a_hole(tmp_path: Path) -> None:
    average = rule("average", "price > sma(close, 2, 1m)")
    one = await desk(tmp_path, average)
    one.market.image("SPY", "99")
    for _ in range(4):
        one.market.trade("SPY", "99", after_s=60)
    one.market.reload(rule("other", "price > 1", "QQQ"))
    one.market.wait(30)
    one.market.reload(average)
    one.market.image("SPY", "98")
    one.market.wait(5)
    await one.save()
    await one.killed()
    states = [engine.symbols["SPY"] for engine in (one.market.engine, one.again().engine)]
    assert [state.bar_series("1m").track("close", "sma", (2,)).value() for state in states] == [None, None]
    assert {state.look_back("price", 20).held(one.market.now_us, 20) for state in states} == {None}


async def test_official_minutes_of_holes_go_in_behind_the_start(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    one.market.wait(125)
    await one.save()
    await one.killed()
    end_us = (one.market.now_us - 2 * US_PER_S) // MINUTE_US * MINUTE_US
    bars = [Bar("SPY", "1m", "always", at, at + MINUTE_US, 5, 6, 4, 5, 10, 0)
            for at in range(end_us - MINUTE_US, end_us + 5 * MINUTE_US, MINUTE_US)]  # fmt: skip
    await one.begin()
    span = Span("SPY", end_us - MINUTE_US, end_us + 5 * MINUTE_US)
    await one.store.transaction(lambda raw: insert_official(raw, bars, "rest", end_us))
    await one.store.transaction(lambda raw: insert_span(raw, span, "rest", end_us))
    await one.killed()
    (fill,) = one.again().fills
    assert (fill.source, fill.whole_from_us, fill.until_us) == ("rest", end_us, end_us + 5 * MINUTE_US)
    assert [row.start_us for row in fill.rows] == [end_us + number * MINUTE_US for number in range(5)]
    assert read_fills(tmp_path, ["SPY"], end_us + 5 * MINUTE_US) == []


async def test_what_stood_is_the_same_from_files_and_from_events(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS, rule("other", "price > 1", "QQQ"), now_us=MONDAY_RTH_US - DAY_US * 3)
    market = one.market
    for symbol, close in (("SPY", "98"), ("QQQ", "50"), ("SPY", "98"), ("SPY", "97"), ("SPY", "97")):
        market.facts(symbol, prev_close=close)
        market.image(symbol, "99")
    market.gap("QQQ")
    market.now_us = MONDAY_RTH_US  # another tape
    market.wait(3)
    market.image("QQQ", "51")
    market.trade("QQQ", "52", after_s=1)
    market.reload(*market.rules)
    market.trade("SPY", "100", after_s=1)
    await one.killed()
    assert len(tape_paths(tmp_path)) == 2
    for at_us in [event.event_us + 1 for event in market.events]:
        expected = stood_at(market.events, at_us)
        assert standing_at(tape_paths(tmp_path), at_us, {"SPY", "QQQ"}) == expected
    assert [fact.prev_close for fact in expected.facts if fact.symbol == "SPY"] == [98 * 10**8, 97 * 10**8, 97 * 10**8]


def stood_at(events: Sequence[Event], at_us: int) -> Any:
    before = [event for event in events if event.event_us < at_us]
    ticks = {event.symbol: event for event in before if isinstance(event, Tick)}
    return stood(ticks.values(), [event for event in before if not isinstance(event, Tick)])


async def test_a_replay_needs_what_a_start_has_relived(tmp_path: Path) -> None:
    one = await desk(tmp_path, *FALLS)
    one.market.image("SPY", "99")
    await one.save()
    told = one.market.trade("SPY", "101", after_s=1)
    await one.killed()
    gone_on = one.again()
    tape = [*one.market.events, gone_on.start]
    rule_set = RuleSet(one.market.rules)
    assert list(replay(tape, lambda _: rule_set)) == told
    assert [one.kind for one in told] == [Kind.FIRED]
    with pytest.raises(PermanentError, match="goes on from what is not on it"):
        list(replay([gone_on.start], lambda _: rule_set))
    assert list(replay(iter(tape), lambda _: rule_set, lambda us: (one for one in tape if one.event_us >= us))) == told
    with pytest.raises(TypeError, match="give a list"):
        list(replay(iter(tape), lambda _: rule_set))
    assert not isinstance(tape[-1], RulesSwap) and engine_reliving.PRACTICE_S == 30
