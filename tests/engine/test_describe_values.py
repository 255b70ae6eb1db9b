"""How a rule stands that reads values of the day, counts, streaks and sequences: what they are, or why they are not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.describing.describe import Leg, Standing, describe
from tradeassistd.engine.rule import Level, Move, Rule
from tradeassistd.market.active import ActiveWindow
from tradeassistd.rules.grammar import parse

OPEN_US = MONDAY_RTH_US - 1800 * US_PER_S
"""Monday 09:30 New York."""
HOUR_US = 3600 * US_PER_S


def rule(text: str, *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule("r", symbols, parse(text), **{"cooldown_s": 0, **fields})


def watched(text: str, *, at_us: int = MONDAY_RTH_US, **fields: Any) -> Market:
    """A rule on SPY, first seen at 100 at that time."""
    market = Market((rule(text, **fields),), now_us=at_us)
    market.image("SPY", "100", bid="99.5", ask="100.5")
    return market


def standing(market: Market) -> Standing:
    (one,) = describe(market.engine, "r")
    return one


def leg(market: Market) -> Leg:
    return standing(market).condition


# --- why it is unknown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("price > prev_day.close", "no close of the day before yet"),
        ("net_pct > 1%", "no close of the day before yet"),
        ("net_change > 1", "no close of the day before yet"),
        ("price > prev_day.high", "the day before was not watched whole"),
        ("price > prev_rth.low", "the rth before was not watched whole"),
        ("price > prev_week.close", "the week before was not watched whole"),
        ("price > year.high", "Schwab has not said the year's high yet"),
        ("halted", "Schwab has not said if halted"),
        ("sym(QQQ).halted", "QQQ: no quote yet"),
        ("sym(/ES).price > sym(/ES).settle", "/ES: no quote yet; /ES: no settlement yet"),
        ("price > day.high", "not watched from the session's open; known from the next session on"),
        ("price > rth.open", "not watched from the session's open; known from the next session on"),
        ("price > vwap()", "trades until 10:00 were missed; known from the next session on"),
        ("price > opening_range(15m).high", "trades until 10:00 were missed; known from the next session on"),
        ("price > highest(price, 30s)", "warming: 0 of 30 s"),
        ("rvol(1m) > 2x", "warming: needs 5 sessions with a bar of 1m at this time of day"),
        ("close(1m, live) > 5", "no bar of 1m is forming"),
        ("sma(close, 3, 1m, live) > 5", "no bar of 1m is forming"),
        ("sma(close, 3, 1m, live)[1] > 5", "warming until 10:03: 0 of 3 bars of 1m"),
        ("close(5m, rth) > close(5m, live)[1]", "warming until 10:05: 0 of 1 bars of 5m"),
        ("macd(close, 12, 26, 9, 1m).signal[2] > 0", "warming until 10:36: 0 of 36 bars of 1m"),
        ("bollinger(close, 20, 2, 1m).upper > 0", "warming until 10:20: 0 of 20 bars of 1m"),
        (
            "price < close(1m) - 2 * atr(14, 1m)",
            "warming until 10:01: 0 of 1 bars of 1m; warming until 10:15: 0 of 15 bars of 1m",
        ),
        ("count(price crosses 5, 30m) > 2", "warming: watched 0 of 30 min"),
        ("count(price crosses 5, 90s) > 2", "warming: watched 0 of 90 s"),
        ("count(price crosses sma(close, 2, 1m) and bid > 1, 30m) > 2", "warming until 10:02: 0 of 2 bars of 1m"),
        ("streak(price > 5, 1m) > 2", "until a 1m bar closes with a known condition"),
        ("pct_from(price, prev_day.close) > max(1%, net_pct)", "no close of the day before yet"),
    ],
)  # fmt: skip
def test_an_unknown_leaf_says_why(when: str, why: str) -> None:
    market = watched(when)
    assert leg(market).outcome is None
    assert leg(market).why == why


def test_a_live_window_counts_the_forming_bar() -> None:
    market = watched("sma(close, 3, 1m, live) > 5")
    market.trade("SPY", "100")
    assert leg(market).why == "warming until 10:02: 0 of 2 bars of 1m"


def test_what_is_asked_for_inside_a_session_is_known_from_the_next_one_on() -> None:
    market = watched("price > 90", at_us=OPEN_US - 60 * US_PER_S)
    market.wait(70)
    market.trade("SPY", "101")
    market.reload(rule("price > vwap()"))
    market.trade("SPY", "102")
    assert leg(market).why == "asked for after the session's open; known from the next session on"


@pytest.mark.parametrize(
    "when",
    ["price > day.high", "price > rth.low", "price > day.open", "price > vwap()", "price > opening_range(15m).high"],
)
def test_before_the_first_trade_of_the_session_it_says_so(when: str) -> None:
    market = watched(when, at_us=OPEN_US - HOUR_US)
    market.trade("SPY", "100")
    assert leg(market).why in ("before the session's first trade", "before its first session")
    market.wait(3600)
    wanted = "opening range until 09:45" if "opening" in when else "before the session's first trade"
    assert leg(market).why == wanted
    market.trade("SPY", "100", after_s=1)
    first = {"price > day.high": "no day.high before this row yet", "price > rth.low": "no rth.low before this row yet"}
    assert leg(market).why == (wanted if "opening" in when else first.get(when, ""))
    market.trade("SPY", "100", after_s=1)
    assert leg(market).why == (wanted if "opening" in when else "")


def test_an_extreme_is_compared_as_it_was_before_the_row() -> None:
    market = watched("price > highest(price, 10s)")
    market.wait(12)
    assert (leg(market).outcome, leg(market).left, leg(market).right) == (False, 100.0, 100.0)
    market.trade("SPY", "101")
    assert (leg(market).outcome, leg(market).left, leg(market).right) == (True, 101.0, 100.0)
    market.wait(11)  # nothing has come for ten seconds: the highest of them is the price itself
    assert (leg(market).outcome, leg(market).left, leg(market).right) == (False, 101.0, 101.0)


def test_an_opening_range_is_unknown_until_its_end_and_known_from_then_on() -> None:
    market = watched("price > opening_range(1m).high", at_us=OPEN_US - 60 * US_PER_S)
    market.wait(61)
    market.trade("SPY", "101")
    assert leg(market).why == "opening range until 09:31"
    market.wait(62)
    market.trade("SPY", "102")
    assert (leg(market).outcome, leg(market).right) == (True, 101.0)


def test_a_gap_in_the_session_says_until_when_trades_were_missed() -> None:
    market = watched("price > vwap()", at_us=OPEN_US - 60 * US_PER_S)
    market.wait(70)
    market.trade("SPY", "101")
    assert leg(market).outcome is False
    market.drop()
    assert leg(market).why == "feed not live"
    market.resume(after_s=20)
    market.image("SPY", "102")
    market.trade("SPY", "102")
    assert leg(market).why == "trades until 09:30:10 were missed; known from the next session on"


def test_facts_make_day_values_known() -> None:
    market = watched("price > prev_day.close and net_pct > 1% and price < year.high and not halted")
    market.facts("SPY", prev_close="98", year_high="120", year_low="80", status="Normal")
    market.trade("SPY", "100")
    close, net, year, halted = leg(market).items
    assert (close.left, close.right, close.outcome) == (100.0, 98.0, True)
    assert net.left == pytest.approx(2 / 98)
    assert (net.unit, year.right, year.outcome) == ("ratio", 120.0, True)
    assert (halted.outcome, halted.items[0].kind, halted.items[0].text) == (True, "state", "halted")
    assert (halted.items[0].left, halted.items[0].right, halted.items[0].distance) == (0.0, 1.0, None)
    market.facts("SPY", prev_close="98", status="Halted")
    assert (leg(market).items[3].outcome, leg(market).outcome) == (False, False)


def test_a_symbol_without_a_row_for_too_long_is_stale() -> None:
    market = watched("price > 90 and close(1m) > 5", stale_after_s=30)
    market.wait(29)
    assert leg(market).items[0].outcome is True
    market.wait(6)
    assert [item.why for item in leg(market).items] == ["stale: no row for 34 s"] * 2
    assert standing(market).why == "stale: no row for 34 s"


def test_minutes_to_close_are_known_inside_the_session_alone() -> None:
    market = watched("minutes_to_close < 30", at_us=OPEN_US - HOUR_US)
    assert leg(market).why == "outside its session"
    market.wait(3601)
    market.trade("SPY", "100")
    assert (leg(market).unit, leg(market).right) == ("number", 30.0)
    assert leg(market).left == pytest.approx(390, abs=0.1)


# --- counts, streaks, levels that are reached ------------------------------------------------------------------------


def test_a_count_says_how_long_it_has_watched_and_then_how_often() -> None:
    market = watched("count(price crosses 100.5, 2m) >= 2")
    market.trade("SPY", "100")
    market.wait(61)
    assert leg(market).why == "warming: watched 1 of 2 min"
    market.trade("SPY", "101")
    market.wait(61)
    one = leg(market)
    assert (one.left, one.right, one.unit, one.distance, one.outcome) == (1.0, 2.0, "number", 1.0, False)


def test_two_counts_say_each_its_own() -> None:
    market = watched("count(price crosses 100.5, 1m) >= 1 or count(price crosses 100.5, 5m) >= 1")
    market.wait(65)
    assert [item.why for item in leg(market).items] == ["", "warming: watched 1 of 5 min"]


def test_a_streak_shows_its_length() -> None:
    market = watched("streak(close(1m) > 99, 1m) >= 3")
    market.wait(65)
    for _ in range(2):
        market.trade("SPY", "100")
        market.wait(65)
    one = leg(market)
    assert (one.left, one.right, one.outcome) == (2.0, 3.0, False)


def test_a_level_that_is_reached_says_how_far_it_has_to_be_left() -> None:
    market = watched("price reaches 101", rearm=Move(Fraction(1, 2), "%"))
    assert (leg(market).kind, leg(market).side, leg(market).why) == ("event", "below", "")
    assert leg(market).distance == 1.0
    market.trade("SPY", "101")
    assert market.kinds() == ["fired"]
    assert (leg(market).side, leg(market).why) == ("reached", "has to be 0.5% away first")
    market.trade("SPY", "102")
    assert (leg(market).side, leg(market).why) == ("above", "")


def test_each_level_that_is_reached_has_its_own_side() -> None:
    market = watched("price reaches any [99, 101]")
    market.trade("SPY", "101")
    assert (leg(market).side, leg(market).why, leg(market).right) == ("above, reached", "", 99.0)
    market = watched("price reaches 100")
    assert (leg(market).side, leg(market).why) == ("reached", "has to be 4t away first")


# --- sequences -------------------------------------------------------------------------------------------------------

SEQUENCE = "seq(price crosses_above 101, price crosses_below 99, price crosses_above 100, within=15m)"


def test_a_sequence_shows_its_events_what_happened_and_what_it_waits_for() -> None:
    market = watched(SEQUENCE)
    one = leg(market)
    assert (one.kind, one.outcome, one.why) == ("event", False, "waits for price crosses_above 101")
    assert [item.text for item in one.items] == [
        "price crosses_above 101", "price crosses_below 99", "price crosses_above 100",
    ]  # fmt: skip
    assert [item.side for item in one.items] == ["below", "above", "none"]

    market.wait(60)
    market.trade("SPY", "102")
    first, second, third = leg(market).items
    assert first.why == "happened at 10:01:00, counts until 10:16:00 New York"
    assert (second.why, third.why) == ("", "has to be below first")
    assert leg(market).why == "waits for price crosses_below 99"
    assert leg(market).distance_pct == pytest.approx(300 / 99)
    assert (first.distance_pct, second.distance) == (None, -3.0)

    market.wait(60)
    market.trade("SPY", "98")
    first, second, third = leg(market).items
    assert second.why == "happened at 10:02:00, counts until 10:16:00 New York"
    assert leg(market).why == "waits for price crosses_above 100"
    assert leg(market).distance_pct == third.distance_pct == pytest.approx(2.0)

    market.trade("SPY", "101")
    assert market.kinds() == ["fired"]
    assert [item.why for item in leg(market).items[:1]] == [""]
    assert leg(market).why == "waits for price crosses_above 101"


def test_a_sequence_that_took_too_long_waits_for_its_first_event_again() -> None:
    market = watched("seq(price crosses_above 101, price crosses_below 99, within=30s)")
    market.trade("SPY", "102")
    market.wait(25)
    assert leg(market).items[0].why.startswith("happened at 10:00:00, counts until 10:00:30")
    market.wait(10)
    assert (leg(market).items[0].why, leg(market).why) == ("has to be below first", "waits for price crosses_above 101")


def test_an_unknown_event_of_a_sequence_says_why() -> None:
    market = watched("seq(price crosses 101, price crosses sma(close, 3, 1m), within=5m)")
    market.trade("SPY", "102")
    market.wait(1)
    last = leg(market).items[1]
    assert (last.outcome, last.why) == (None, "warming until 10:03: 0 of 3 bars of 1m")
    assert (leg(market).outcome, leg(market).why) == (None, "warming until 10:03: 0 of 3 bars of 1m")


def test_a_sequence_beside_a_comparison_takes_only_its_own_leaves() -> None:
    market = watched(f"price > 50 and {SEQUENCE} and bid > 50")
    above, seq, bid = leg(market).items
    assert (above.text, above.outcome, bid.text, bid.outcome) == ("price > 50", True, "bid > 50", True)
    assert len(seq.items) == 3


# --- the rule as a whole ---------------------------------------------------------------------------------------------


def test_a_ladder_stands_once_per_level_with_its_severity() -> None:
    steps = (Level(parse("price > 101"), severity="warning"), Level(parse("price > 103"), severity="critical"))
    market = Market((rule("price > 101", ladder=steps, severity="info"),))
    market.image("SPY", "100")
    market.trade("SPY", "102")
    found = {one.level: one for one in describe(market.engine, "r")}
    assert {level: one.severity for level, one in found.items()} == {1: "warning", 2: "critical"}
    assert (found[1].state, found[2].state) == ("firing", "ok")
    assert (found[1].condition.text, found[2].condition.distance) == ("price > 101", 1.0)


def test_a_rule_without_a_ladder_has_level_0_and_its_own_severity() -> None:
    one = standing(watched("price > 101", severity="critical"))
    assert (one.level, one.severity) == (0, "critical")


def test_values_per_symbol_stand_in_the_condition() -> None:
    values = {"SPY": {"r1": parse("105")}, "QQQ": {"r1": parse("400")}}
    market = Market((rule("price > r1", symbols=("SPY", "QQQ"), values=values),))
    market.image("SPY", "100")
    market.image("QQQ", "390")
    assert [(one.symbol, one.condition.text, one.condition.right) for one in describe(market.engine, "r")] == [
        ("SPY", "price > 105", 105.0), ("QQQ", "price > 400", 400.0),
    ]  # fmt: skip


def test_an_expired_rule_says_since_when() -> None:
    market = watched("price > 101", expires_us=MONDAY_RTH_US + 60 * US_PER_S)
    assert standing(market).why == ""
    market.wait(61)
    assert standing(market).why == "expired Mon 10:01 New York"


@pytest.mark.parametrize(
    ("window", "session", "until"),
    [
        (ActiveWindow(frozenset({0}), 11 * 60 + 5, 11 * 60 + 10), "", "Mon 11:05"),
        (ActiveWindow(frozenset({1}), 9 * 60, 11 * 60), "rth", "Tue 09:30"),
        (ActiveWindow(frozenset({0, 2}), 9 * 60, 9 * 60 + 50), "rth", "Wed 09:30"),
        (ActiveWindow(frozenset({0}), 16 * 60 + 30, 17 * 60, "Europe/London"), "rth", "Mon 11:30"),
        (ActiveWindow(frozenset({5}), 9 * 60, 11 * 60), "always", "Sat 09:00"),
    ],
)
def test_outside_its_active_times_a_rule_says_when_it_is_watched_next(
    window: ActiveWindow, session: str, until: str
) -> None:
    market = watched("price > 101", active=(window,), session=session)
    assert standing(market).why == f"session closed until {until} New York"


def test_a_rule_that_can_never_be_watched_says_no_time() -> None:
    saturday = ActiveWindow(frozenset({5}), 9 * 60, 11 * 60)
    assert standing(watched("price > 101", active=(saturday,), session="rth")).why == "session closed"
