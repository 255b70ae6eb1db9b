"""The oracle's state machine on small markets, through cuts, rolls and reloads, each worked out by hand."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.expression import Apply, Compare, Cross, Day, Not, number, pct_change
from tests.oracle.market_text import instant
from tests.oracle.rule import Distance, OracleLevel, OracleRule
from tests.oracle.small_markets import OVER, PRICE, made, market, story, value, walk

# --- the state machine -----------------------------------------------------------------------------------------------


def test_for_counts_known_time_and_starts_anew_after_a_gap() -> None:
    rule = made(OVER, for_s=5)
    assert story(walk("101").wait(6), rule) == ["1 pending", "7 fired"]
    assert story(walk("101", "99").wait(6), rule) == ["1 pending", "2 lapsed"]
    paused = walk("101").wait(2).quote("SPY", price=None).wait(10).quote("SPY", price="101").wait(6)
    assert story(paused, rule) == ["1 pending", "17 fired"]  # two seconds before and a little over three after
    cut = walk("101").wait(4).lost().wait(3).gap().image("SPY", price="101").wait(6)
    assert story(cut, rule) == ["1 pending", "14 fired"]


def test_what_is_true_at_load_is_quiet_at_once() -> None:
    assert story(walk("102", start="101").wait(9), made(OVER, for_s=5, at_load="quiet")) == ["0 fired at_load"]


def test_a_clear_condition_of_its_own_must_hold_and_then_when_must_be_seen_false() -> None:
    low = Compare(PRICE, "<", number("99"))
    rule = made(OVER, clear_when=low, keep_firing_for_s=3)
    here = walk("101", "99.5", "98", "101", "98").wait(4)
    assert story(here, rule) == ["1 fired", "9 cleared"]
    same = made(OVER, clear_when=Compare(PRICE, ">", number("101")))
    assert story(walk("101", "102", "103", "99", "101"), same) == ["1 fired", "2 cleared", "5 fired"]


def test_an_event_latches_until_it_is_cleared() -> None:
    crossed = Cross(PRICE, "crosses", (number("100"),))
    rule = made(crossed, clear_when=Compare(PRICE, "<", number("98")), on_clear="tell")
    assert story(walk("101", "99", "101", "97", "101"), rule) == ["1 fired", "4 cleared tell", "5 fired"]


def test_levels_are_machines_of_their_own_and_the_highest_is_told() -> None:
    ladder = (OracleLevel(OVER), OracleLevel(Compare(PRICE, ">", number("105"))))
    here = walk("101", "106", "99", "106")
    assert story(here, made(OVER, ladder=ladder)) == [
        "1 fired L1", "2 fired L2", "3 cleared L2", "3 cleared L1", "4 fired L2", "4 fired L1 higher_level",
    ]  # fmt: skip


def test_budgets_are_spent_by_what_is_told() -> None:
    up_and_down = ("101", "99", "101", "99", "101")
    fired = ["1 fired", "2 cleared", "3 fired spent", "4 cleared", "5 fired spent"]
    assert story(walk(*up_and_down), made(OVER, fire="once")) == fired
    assert story(walk(*up_and_down), made(OVER, max_per_session=1)) == fired
    bars = story(walk(*up_and_down).wait(60), made(OVER, fire="once_per_bar(1m)"))
    assert bars == [*fired, "60 told"]
    assert story(walk("101").wait(2), made(OVER, mode="shadow")) == ["1 fired mode"]


def test_a_silence_keeps_back_what_is_told_at_its_end_and_says_nothing_of_ends_and_reminders() -> None:
    here = walk("99").silence("r", 20).trade("SPY", "101").wait(30).silence("r", 20).wait(5).trade("SPY", "99")
    assert story(here.wait(30), made(OVER, on_clear="tell")) == [
        "1 fired silence",
        "22 told",
        "36 cleared silence tell",
    ]
    ended = walk("99").silence("r", 600).trade("SPY", "101").wait(4).end_silence(1).wait(2)
    assert story(ended, made(OVER)) == ["1 fired silence", "6 told"]
    elsewhere = walk("99").silence("r", 600, "QQQ").silence("other", 600).trade("SPY", "101")
    assert story(elsewhere, made(OVER)) == ["1 fired"]


def test_each_bar_tells_again_at_its_close_while_it_holds() -> None:
    here = market().trade("SPY", "101").wait(62).trade("SPY", "101").wait(62).trade("SPY", "99").wait(62)
    assert story(here, made(OVER, fire="each_bar(1m)")) == ["0 fired", "62 fired", "122 fired", "124 cleared"]


def test_rearm_asks_that_the_price_has_been_away() -> None:
    rule = made(OVER, rearm=Distance(Fraction(2), True))
    here = walk("101", "99", "101", "98", "101")  # two percent of 101: 2.02
    assert story(here, rule) == ["1 fired", "2 cleared", "3 fired rearm", "4 cleared", "5 fired"]


def test_reminders_until_somebody_has_seen_it() -> None:
    rule = made(OVER, repeat_s=(5, 15))
    assert story(walk("101").wait(38), rule) == ["1 fired", "7 reminded", "22 reminded", "37 reminded"]
    assert story(walk("101").wait(7).ack("r").wait(38), rule) == ["1 fired", "7 reminded"]


def test_a_day_rule_closes_with_the_day_and_rises_again() -> None:
    here = market("2026-11-16 19:59:50").facts("SPY", prev_close="90").wait(20).until("2026-11-17 04:00:01")
    over = made(Compare(Apply("pct_from", (PRICE, Day("prev_day", "close"))), ">", number("5%")))
    found = story(here.trade("SPY", "101"), over)
    assert found == ["0 fired", "10 closed session_end", "28811 fired late"]
    assert story(here, made(OVER)) == ["28811 fired late"]


def test_a_rule_that_expires_closes_and_is_judged_no_more() -> None:
    rule = made(OVER, expires_us=instant("2026-11-16 10:00:03"))
    assert story(walk("101", "99", "101").wait(3).trade("SPY", "99"), rule) == [
        "1 fired", "2 cleared", "3 closed expired",
    ][:2]  # fmt: skip
    assert story(walk("101").wait(3), rule) == ["1 fired", "3 closed expired"]


def test_a_stale_symbol_is_unknown_and_an_active_window_is_a_session() -> None:
    rule = made(Not(OVER), stale_after_s=3, for_s=5)
    assert story(market().wait(9), rule) == ["0 pending"]
    here = market("2026-11-16 10:00:58").wait(1).trade("SPY", "101").wait(3).trade("SPY", "101")
    active = ((frozenset(range(5)), 601, 602),)
    assert story(here, made(OVER, active=active)) == ["4 fired"]


def test_at_a_time_of_day_once_and_before_the_row() -> None:
    at = "at(10:01)"
    here = market(price="101").until("2026-11-16 10:00:59").wait(1.5).trade("SPY", "99").wait(30)
    assert story(here, made(OVER, evaluate=at)) == ["60 fired"]
    unknown = market(price=None).until("2026-11-16 10:01:05").trade("SPY", "101").wait(2)
    assert story(unknown, made(OVER, evaluate=at)) == ["66 fired late"]


# --- cuts, rolls, reloads --------------------------------------------------------------------------------------------


def test_a_roll_sets_sides_anew_and_windows_too() -> None:
    crossed = made(Cross(PRICE, "crosses", (number("100"),)), "/ES")
    here = market(symbol="/ES").facts("/ES", contract="/ESZ26").wait(1)
    here.facts("/ES", contract="/ESH27").trade("/ES", "110").wait(1).trade("/ES", "99")
    assert story(here, crossed) == ["2 fired"]
    assert value(here, pct_change(1), "/ES") is None


def test_a_restart_keeps_what_was_stored_and_tells_late() -> None:
    here = walk().wait(1).restart().wait(3).image("SPY", price="101")
    assert story(here, made(OVER)) == ["4 fired late"]
    assert story(here, made(Cross(PRICE, "crosses", (number("100"),)))) == ["4 missed late"]
    fell = walk("101").restart().wait(3).image("SPY", price="99")
    assert story(fell, made(OVER)) == ["1 fired", "4 cleared late"]


def test_reload_keeps_state_where_the_condition_stays() -> None:
    rule = made(OVER)
    same = walk("101").swap([made(OVER, cooldown_s=60)]).wait(1).trade("SPY", "102")
    assert story(same, rule) == ["1 fired"]
    gone = walk("101").swap([]).wait(1).swap([rule]).wait(1).trade("SPY", "99")
    assert story(gone, rule) == ["1 fired", "1 closed rule_removed", "3 cleared late"]
    changed = walk("101").swap([made(Compare(PRICE, ">", number("100.5")))]).wait(1).trade("SPY", "99")
    assert story(changed, rule) == ["1 fired", "2 cleared"]
    ended = walk("101").swap([made(Compare(PRICE, ">", number("102")))]).wait(1).trade("SPY", "103")
    assert story(ended, rule) == ["1 fired", "1 closed rule_changed", "2 fired"]
    renamed = OracleRule("new", OVER, "tick", 0, "fire", ("SPY",), was="r")
    assert story(walk("101").swap([renamed]).wait(1).trade("SPY", "99"), rule) == ["1 fired", "2 cleared"]
