"""Derived symbols and overridden facts at the intake: ticks in their place, doubts counted, swaps told."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import pytest
from structlog.testing import capture_logs

from tradeassistd.base.clock import MarketClock
from tradeassistd.engine.events import Connection, Event, Facts, Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Tick
from tradeassistd.rules.instruments import read_instruments_file

T0 = 1_700_000_000_000  # ms, a whole second
ADDX = "$ADDX: {derived: '$ADVN - $DECN'}\n"


def rule_set(text: str, name: str = "") -> RuleSet:
    found = read_instruments_file("_instruments.yaml", text, "rules.d/")
    return RuleSet(hash=name, instruments=found.overrides, derived=found.derived)


def intake(text: str) -> Intake:
    return Intake(MarketClock(), Start(0, "hash"), last_us=0, last_known_us=0, rule_set=rule_set(text))


def feed(taker: Intake, *changes: Change, at_ms: int = T0) -> list[Event]:
    return list(taker.frame(Frame(at_ms, list(changes))))


def prices(events: Iterable[Event]) -> list[tuple[str, object]]:
    return [
        (one.symbol, None if one.last is None else Fraction(one.last, PRICE_SCALE))
        for one in events
        if isinstance(one, Tick)
    ]


def test_a_derived_tick_comes_right_behind_that_of_its_component() -> None:
    taker = intake(ADDX)
    events = feed(taker, Change("$ADVN", last=1500), Change("$DECN", last=1200), Change("SPY", last=500))
    assert prices(events) == [("$ADVN", 1500), ("$DECN", 1200), ("$ADDX", 300), ("SPY", 500)]
    times = [event.event_us for event in events]
    assert times == sorted(set(times))
    later = feed(taker, Change("$DECN", last=1200), Change("$ADVN", last=1490, trade_ms=T0), at_ms=T0 + 5)
    assert prices(later) == [("$DECN", 1200), ("$ADVN", 1490), ("$ADDX", 290)]
    derived = later[-1]
    assert isinstance(derived, Tick) and (derived.size, derived.trade_ms) == (0, T0)


def test_slow_values_of_a_component_come_before_what_is_made_of_it() -> None:
    taker = intake("$X: {derived: 'SPY * 2'}\n")
    feed(taker, Change("SPY", last=100))
    events = feed(taker, Change("SPY", last=101, high=101), at_ms=T0 + 5)
    assert [type(event) for event in events] == [Tick, Facts, Tick]


def test_a_lost_connection_makes_it_begin_anew() -> None:
    taker = intake(ADDX)
    feed(taker, Change("$ADVN", last=1500), Change("$DECN", last=1200))
    list(taker.connection(ConnectionChange("backoff", "reset")))
    assert prices(feed(taker, Change("$ADVN", last=1500), at_ms=T0 + 9_000)) == [("$ADVN", 1500)]
    again = feed(taker, Change("$DECN", last=1200), at_ms=T0 + 9_001)
    assert prices(again) == [("$DECN", 1200), ("$ADDX", 300)]
    assert isinstance(again[-1], Tick) and again[-1].is_image


def test_what_is_not_plausible_is_left_out_counted_and_said_once() -> None:
    taker = intake("$NEW: {plausible: [-10, 10], class: internal}\n")
    with capture_logs() as said:
        events = feed(taker, *(Change("$NEW", last=last) for last in (5, 11, 10, -10.5, -3000)))
    assert prices(events) == [("$NEW", 5), ("$NEW", None), ("$NEW", 10), ("$NEW", None), ("$NEW", None)]
    assert taker.doubted == {"$NEW": 3}
    (warned,) = said
    assert (warned["event"], warned["symbol"], warned["value"]) == ("quote.not_plausible", "$NEW", 11)
    assert warned["plausible"] == ["-10", "10"]


def test_built_in_bounds_hold_without_a_file() -> None:
    taker = Intake(MarketClock(), Start(0, "hash"), last_us=0, last_known_us=0)
    assert prices(feed(taker, Change("$TICK", last=-900), Change("$UVOL", last=9e11))) == [
        ("$TICK", -900), ("$UVOL", None),
    ]  # fmt: skip


def begun(text: str) -> Intake:
    taker = intake(text)
    feed(taker, Change("$ADVN", last=1500, prev_close=3), Change("$DECN", last=1200), Change("$NEW", last=0))
    return taker


def test_a_swap_without_other_instruments_tells_nothing() -> None:
    taker = begun(ADDX)
    assert list(taker.use(rule_set(ADDX, "other rules"), ("$ADVN", "$DECN", "$NEW"))) == []
    assert prices(feed(taker, Change("$ADVN", last=1501), at_ms=T0 + 1)) == [("$ADVN", 1501), ("$ADDX", 301)]


def test_a_derived_symbol_that_comes_in_stands_at_once_where_its_components_are_streamed() -> None:
    taker = begun("$NEW: {class: internal}\n")
    events = list(taker.use(rule_set("$NEW: {class: internal}\n" + ADDX), ("$ADVN", "$DECN", "$NEW")))
    assert prices(events) == [("$ADDX", 300)]
    assert isinstance(events[0], Tick) and events[0].is_image and events[0].event_us > T0 * 1000


def test_a_component_that_was_not_streamed_any_more_may_be_old_and_is_waited_for() -> None:
    taker = begun("$NEW: {class: internal}\n")
    assert list(taker.use(rule_set(ADDX), ("$ADVN",))) == []
    assert prices(feed(taker, Change("$DECN", last=1200), at_ms=T0 + 1)) == [("$DECN", 1200), ("$ADDX", 300)]


def test_a_formula_that_changes_and_one_that_goes() -> None:
    taker, streamed = begun(ADDX), ("$ADVN", "$DECN")
    assert prices(taker.use(rule_set("$ADDX: {derived: '$ADVN + $DECN'}\n"), streamed)) == [("$ADDX", 2700)]
    assert list(taker.use(RuleSet(), streamed)) == []
    assert prices(feed(taker, Change("$ADVN", last=1), at_ms=T0 + 1)) == [("$ADVN", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$NEW: {class: internal}\n", [("$NEW", None)]),  # what the zero was is told by the next row
        ("$ADVN: {plausible: [0, 1000]}\n", [("$ADVN", None)]),
        ("$ADVN: {market: vix}\n", [("$ADVN", 1500)]),  # other hours: all that is known of it begins anew
        ("$ADVN: {name: Up}\n", []),
        ("$ADVN: {tick_size: 2}\n", []),
        ("/ES: {tick_size: 1}\n", []),
    ],
)
def test_a_symbol_with_other_facts_is_told_anew_when_it_stands_otherwise(
    text: str, expected: list[tuple[str, object]]
) -> None:
    taker = begun("SPY: {name: Spider}\n")
    events = list(taker.use(rule_set(text), ("$ADVN", "$DECN", "$NEW")))
    assert prices(events) == expected
    assert [type(event) for event in events] == [Facts, Tick] * len(expected)


def test_the_rules_that_come_before_the_first_frame_hold_from_it_on() -> None:
    taker = intake("version: 1\n")
    taker.begin_with(rule_set(ADDX, "newer"))
    events = feed(taker, Change("$ADVN", last=3), Change("$DECN", last=1))
    assert [event.rules_hash for event in events if isinstance(event, Start)] == ["newer"]
    assert prices(events) == [("$ADVN", 3), ("$DECN", 1), ("$ADDX", 2)]
    assert not [event for event in events if isinstance(event, Connection)]
