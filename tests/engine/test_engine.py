"""The engine: who is judged at an event and in which order, faults kept apart, bars and cuts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Connection, Event, Facts, Gap, Stop
from tradeassistd.engine.rule import Evaluate, Rule, RuleSet
from tradeassistd.engine.transition import Kind
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.grammar import parse


def rule(name: str, text: str, *, symbols: tuple[str, ...] = ("SPY",), close: str = "", **fields: Any) -> Rule:
    return Rule(name, symbols, parse(text), evaluate=Evaluate(close), **{"cooldown_s": 0, "at_load": "fire", **fields})


def told(market: Market) -> list[tuple[str, str, str]]:
    return [(one.rule_id, one.symbol, one.kind.value) for one in market.all]


# --- order (rules.md 4.6) --------------------------------------------------------------------------------------------


def test_before_a_row_bars_close_then_timers_run_then_close_rules_and_only_then_the_row_applies() -> None:
    market = Market((
        rule("on-tick", "price > 105"),
        rule("on-close", "close(1m) > 0 and price < 105", close="1m"),
        rule("waiting", "price > 100", cooldown_s=90),
    ))  # fmt: skip
    market.image("SPY", "99")
    for price in ("101", "99", "102"):
        market.trade("SPY", price)
    market.all.clear()
    found = market.trade("SPY", "106", after_s=95)
    # The close rule still sees the old price; so does the told-later alert, though its rule stands after the others.
    assert [(one.rule_id, one.kind) for one in found] == [
        ("waiting", Kind.TOLD),
        ("on-close", Kind.FIRED),
        ("on-tick", Kind.FIRED),
    ]
    assert [one.price for one in found] == [102 * 10**8, 102 * 10**8, 106 * 10**8]
    assert len({one.event_us for one in found}) == 1


def test_rules_are_judged_in_file_order_and_symbols_as_listed() -> None:
    market = Market((
        rule("z-first", "sym($VIX).price > 20", symbols=("SPY", "/ES", "QQQ")),
        rule("a-second", "sym($VIX).price > 20", symbols=("QQQ", "AAPL")),
    ))  # fmt: skip
    market.image("$VIX", "19")
    assert told(market) == []
    market.trade("$VIX", "21", 0)
    assert [(name, symbol) for name, symbol, _ in told(market)] == [
        ("z-first", "SPY"), ("z-first", "/ES"), ("z-first", "QQQ"), ("a-second", "QQQ"), ("a-second", "AAPL"),
    ]  # fmt: skip


def test_on_a_clock_event_too_the_order_is_that_of_the_files() -> None:
    market = Market((
        rule("looks-back", "pct_change(price, 3s) < 0%", symbols=("QQQ", "SPY")),
        rule("on-bars", "close(1m) > 0"),
        rule("at-close", "close(1m) > 0", symbols=("QQQ", "SPY"), close="1m"),
    ))  # fmt: skip
    for symbol in ("SPY", "QQQ"):
        market.image(symbol, "100")
        market.trade(symbol, "100")
    market.wait(58)
    for symbol in ("SPY", "QQQ"):
        market.trade(symbol, "99")
    market.all.clear()
    market.wait(4)  # at 10:01:02 the bars close and the price of 10:00:59 has held for three seconds
    assert told(market) == [
        ("at-close", "QQQ", "fired"), ("at-close", "SPY", "fired"),
        ("looks-back", "QQQ", "cleared"), ("looks-back", "SPY", "cleared"), ("on-bars", "SPY", "fired"),
    ]  # fmt: skip
    assert len({one.event_us for one in market.all}) == 1


def test_a_rule_that_reads_several_changed_values_is_judged_once_with_all_of_them() -> None:
    market = Market((rule("r", "bid > 100 and ask > 100 and price < 100"),))
    market.image("SPY", "99", bid="98", ask="99")
    found = market.quote("SPY", bid="101", ask="102")
    assert [one.kind for one in found] == [Kind.FIRED]
    assert [one.left for one in found[0].operands] == [101.0, 102.0, 99.0]


def test_a_rule_is_judged_only_when_something_it_reads_has_changed() -> None:
    market = Market((rule("r", "bid > 100"),))
    market.image("SPY", "99", bid="98", ask="99")
    judged_us = market.engine.machines[0].state.judged_us
    market.trade("SPY", "120")
    market.trade("QQQ", "120")
    market.wait(3)
    assert market.engine.machines[0].state.judged_us == judged_us
    market.quote("SPY", bid="99")
    assert market.engine.machines[0].state.judged_us == market.now_us


@pytest.mark.parametrize("interval", ["1m", "2m"])
def test_a_close_rule_is_judged_when_that_bar_of_its_own_symbol_closes_and_at_nothing_else(interval: str) -> None:
    market = Market((rule("r", "price > 0 and sym(QQQ).price > 0", close=interval),))
    judged: list[int] = []
    for symbol in ("SPY", "QQQ"):
        market.image(symbol, "100")
    for _ in range(40):
        market.trade("SPY", "100", after_s=9)
        market.trade("QQQ", "101")
        judged_us = market.engine.machines[0].state.judged_us
        if judged_us and judged_us not in judged:
            judged.append(judged_us)
    # Trades come each nine seconds: the first one behind the end of a bar closes it.
    length_us = {"1m": 60, "2m": 120}[interval] * US_PER_S
    assert len(judged) == 360 * US_PER_S // length_us
    assert all((at_us - MONDAY_RTH_US) % length_us < 9 * US_PER_S for at_us in judged)


def test_a_close_rule_judges_what_the_closed_bar_says() -> None:
    market = Market((rule("r", "volume(1m) > 2x * avg(volume, 2, 1m)[1]", close="1m"),))
    market.image("SPY", "100")
    for size in (100, 100, 900, 10, 10):
        market.trade("SPY", "100", size, after_s=60)
    assert told(market) == [("r", "SPY", "fired"), ("r", "SPY", "cleared")]
    assert [one.value for one in market.all] == [900.0, 10.0]


def test_a_bar_closes_on_the_clock_two_seconds_after_its_end_and_its_rules_are_judged_then() -> None:
    market = Market((rule("tick", "close(1m) > 0"), rule("close", "close(1m) > 0", close="1m")))
    market.image("SPY", "100")
    market.trade("SPY", "100")
    assert market.wait(61) == []
    found = market.wait(1)
    assert [one.rule_id for one in found] == ["close", "tick"]
    assert {one.event_us for one in found} == {MONDAY_RTH_US + 62 * US_PER_S}


def test_wanted_are_the_symbols_of_the_rules_and_of_what_they_look_at() -> None:
    market = Market((
        rule("a", "price > sym(/NQ).price and sym($VIX).price > 20", symbols=("/ES", "SPY")),
        rule("b", "close(5m) > 0", symbols=("QQQ",), close="5m"),
        rule("c", "sym(GLD).price > 0", symbols=("AAPL",), mode="off"),
    ))  # fmt: skip
    assert market.engine.wanted == ("$VIX", "/ES", "/NQ", "QQQ", "SPY")


def test_rule_sets_know_their_rules_by_name() -> None:
    one = rule("a", "price > 1")
    assert RuleSet((one,)).by_id == {"a": one}


# --- faults (rules.md 4.9) -------------------------------------------------------------------------------------------

BROKEN = "globex"
"""A session that SPY has not, which the loader refuses: here it stands for any defect in a rule."""


def test_a_rule_that_raises_stops_nobody_else_and_is_reported() -> None:
    market = Market((rule("broken", "price > 100", session=BROKEN), rule("sound", "price > 100")))
    market.image("SPY", "101")
    assert told(market) == [("sound", "SPY", "fired")]
    (fault,) = market.engine.take_faults()
    assert (fault.rule_id, fault.symbol, fault.event_us, fault.disabled_s) == ("broken", "SPY", market.now_us, 0)
    assert "SPY has no session 'globex'" in str(fault.error)
    assert market.engine.take_faults() == []


def test_three_faults_in_a_minute_leave_a_rule_out_for_one_five_and_then_thirty_minutes() -> None:
    market = Market((rule("broken", "price > 100", session=BROKEN),))
    market.image("SPY", "101")
    left_out: list[tuple[int, int]] = []  # (when, for how many seconds)
    for second in range(3 * 3600):
        market.trade("SPY", "101", after_s=1)
        left_out += [(second, fault.disabled_s) for fault in market.engine.take_faults() if fault.disabled_s]
    assert [seconds for _, seconds in left_out][:4] == [60, 300, 1800, 1800]
    begins = [begin for begin, _ in left_out]
    # Left out, then three more faults within three seconds, then left out for longer.
    assert [later - begin for begin, later in pairwise(begins)][:4] == [62, 302, 1802, 1802]


@pytest.mark.parametrize(("apart_s", "left_out"), [(29, True), (30, False), (45, False)])
def test_faults_further_apart_than_three_a_minute_leave_nobody_out(apart_s: int, left_out: bool) -> None:
    market = Market((rule("broken", "price > 100", session=BROKEN),))
    market.image("SPY", "101")
    for _ in range(8):
        market.trade("SPY", "101", after_s=apart_s)
    assert any(fault.disabled_s for fault in market.engine.take_faults()) is left_out


def test_only_the_symbol_a_rule_fails_on_is_left_out() -> None:
    market = Market((rule("mixed", "price > 100", symbols=("SPY", "/ES"), session=BROKEN),))
    for _ in range(5):
        market.trade("SPY", "99")
        market.trade("/ES", "99")
    market.trade("/ES", "101")
    assert told(market) == [("mixed", "/ES", "fired")]
    assert {fault.symbol for fault in market.engine.take_faults()} == {"SPY"}


def test_a_rule_that_is_mended_by_the_market_goes_on_when_its_time_is_over() -> None:
    market = Market((rule("r", "price > 100"),))
    machine = market.engine.machines[0]
    judge, machine.judge = machine.judge, lambda now_us: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    for _ in range(3):
        market.trade("SPY", "101", after_s=1)
    machine.judge = judge  # type: ignore[method-assign]
    market.trade("SPY", "102", after_s=59)
    assert told(market) == []
    market.trade("SPY", "103", after_s=1)
    assert told(market) == [("r", "SPY", "fired")]


# --- cuts and other events -------------------------------------------------------------------------------------------


def test_a_gap_of_one_symbol_cuts_only_who_reads_it() -> None:
    market = Market((
        rule("spy", "price crosses 100"),
        rule("qqq", "price crosses 100", symbols=("QQQ",)),
        rule("both", "price crosses sym(SPY).price", symbols=("QQQ",)),
    ))  # fmt: skip
    market.image("SPY", "99")
    market.image("QQQ", "98")
    market.now_us += US_PER_S
    market.engine.on_event(Gap(market.now_us, MONDAY_RTH_US, market.now_us, "stale", ("SPY", "UNHEARD")))
    assert market.engine.symbols["QQQ"].live
    assert not market.engine.symbols["SPY"].live
    market.trade("QQQ", "101")
    assert told(market) == [("qqq", "QQQ", "fired")]
    market.trade("SPY", "100.5")
    assert told(market)[1:] == [("spy", "SPY", "missed"), ("both", "QQQ", "missed")]


def test_a_connection_that_is_not_live_makes_everything_unknown_and_one_that_is_changes_nothing() -> None:
    market = Market((rule("r", "price > 100"),))
    market.image("SPY", "101")
    assert market.engine.on_event(Connection(market._next(), "live")) == []
    assert market.engine.symbols["SPY"].value("price") == 101 * 10**8
    assert market.engine.on_event(Connection(market._next(), "backoff")) == []
    assert market.engine.symbols["SPY"].value("price") is None


@pytest.mark.parametrize("make", [Stop, lambda at_us: Facts(at_us, "SPY", open=1, contract="/ESZ26")])
def test_events_that_concern_others_move_nothing(make: Callable[[int], Event]) -> None:
    market = Market((rule("r", "price > 100"),))
    market.image("SPY", "101")
    assert market.engine.on_event(make(market._next())) == []
    assert market.engine.symbols["SPY"].value("price") == 101 * 10**8


def test_every_symbol_s_minute_bars_over_all_its_trades_are_given_out_once() -> None:
    market = Market((rule("r", "close(5m) > 0 and close(1m, rth) > 0"),))
    market.image("SPY", "100")
    for price in ("100", "101", "102"):
        market.trade("SPY", price, after_s=60)
        market.trade("QQQ", price)  # no rule reads it, and it is kept all the same
    market.wait(63)
    bars = market.engine.take_bars()
    assert {(bar.interval, bar.session) for bar in bars} == {("1m", "always")}
    assert [bar.close // 10**8 for bar in bars if bar.symbol == "SPY"] == [100, 101, 102]
    assert [bar.close // 10**8 for bar in bars if bar.symbol == "QQQ"] == [100, 101, 102]
    assert market.engine.take_bars() == []


# --- what a symbol knows ---------------------------------------------------------------------------------------------


def test_a_symbol_without_a_tick_knows_nothing() -> None:
    market = Market((rule("r", "spread_pct > 1%"),))
    state = market.engine.symbols["SPY"]
    assert [state.value(name) for name in ("price", "bid", "ask", "mid", "spread", "spread_pct")] == [None] * 6


def test_what_needs_both_sides_of_the_quote_is_unknown_with_one() -> None:
    market = Market((rule("r", "spread > 0"),))
    market.image("SPY", "100", bid="99")
    state = market.engine.symbols["SPY"]
    assert (state.value("bid"), state.value("ask")) == (99 * 10**8, None)
    assert [state.value(name) for name in ("mid", "spread", "spread_pct")] == [None] * 3
    market.quote("SPY", bid="-1", ask="1")
    assert state.value("mid") == 0
    assert state.value("spread_pct") is None, "relative to nothing"


def test_a_new_session_has_nothing_to_look_back_on() -> None:
    market = Market((rule("r", "pct_change(price, 5s) > -100%", symbols=("/ES",)),))
    sixteen_59_50 = MONDAY_RTH_US + 7 * 3600 * US_PER_S - 10 * US_PER_S
    market.now_us = sixteen_59_50
    market.image("/ES", "100")
    market.wait(8)
    leaf = market.engine.machines[0]._leaves[0]
    assert leaf.left == 0
    market.now_us = sixteen_59_50 + 3610 * US_PER_S - 1
    market.wait(3)  # 18:00:00 to 18:00:02
    market.trade("/ES", "100")
    assert leaf.left is None
    market.wait(6)
    assert leaf.left == 0


def test_a_trade_that_came_without_an_exchange_time_counts_at_its_event_time() -> None:
    market = Market((rule("r", "close(1m) > 0", close="1m"),))
    for second in (0, 61):
        at_us = MONDAY_RTH_US + second * US_PER_S + 2
        size_at = Field.LAST | Field.VOLUME | Field.TRADE
        market._take(Tick(at_us, "SPY", 10**10, None, None, None, None, 5, None, None, 5, int(size_at)))
    assert told(market) == [("r", "SPY", "fired")]


def test_the_first_image_spoils_the_bar_its_last_trade_lies_in_and_only_for_symbols_that_trade() -> None:
    market = Market((rule("r", "close(1m) > 0 or sym($VIX).close(1m) > 0"),))
    at_us = MONDAY_RTH_US + 30 * US_PER_S
    for symbol, volume in (("SPY", 900), ("$VIX", None)):
        at_us += 1
        image = int(Field.IMAGE | Field.LAST)
        market._take(Tick(at_us, symbol, 10**10, None, None, None, None, volume, at_us // 1000, None, None, image))
    market.now_us = at_us
    for symbol in ("SPY", "$VIX"):
        market.trade(symbol, "100", after_s=1)
        market.trade(symbol, "100", after_s=60)
    market.wait(62)
    starts = {symbol: [] for symbol in ("SPY", "$VIX")}  # type: dict[str, list[int]]
    for bar in market.engine.take_bars():
        starts[bar.symbol].append((bar.start_us - MONDAY_RTH_US) // (60 * US_PER_S))
    assert starts["SPY"] == [1]
    assert starts["$VIX"][0] == 1


def test_clock_events_are_taken_before_anything_is_known() -> None:
    market = Market((rule("r", "pct_change(price, 5s) > 0%"),))
    assert market.engine.on_event(ClockTurn(MONDAY_RTH_US + US_PER_S)) == []
