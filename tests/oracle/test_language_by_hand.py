"""The oracle's events over time and the examples of rules.md on small markets, each worked out by hand."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.expression import (
    Apply,
    Arithmetic,
    Compare,
    Count,
    Cross,
    Day,
    Either,
    Every,
    Move,
    Number,
    OfBars,
    Seq,
    Streak,
    Sym,
    Vwap,
    bar,
    number,
    pct_change,
)
from tests.oracle.rule import Distance, OracleLevel
from tests.oracle.small_markets import OVER, PRICE, made, market, story, walk

# --- events over time -------------------------------------------------------------------------------------------------


def test_reaches_is_at_the_level_or_through_it_and_again_after_leaving_by_four_ticks() -> None:
    reaches = made(Cross(PRICE, "reaches", (number("100"),)))
    assert story(walk("100", "99.97", "100", "99.96", "100", "101", "99"), reaches) == ["1 fired", "5 fired", "7 fired"]
    assert story(walk("99.98", "100", start="100"), reaches) == []
    wide = made(Cross(PRICE, "reaches", (number("100"),)), rearm=Distance(Fraction(1), True))
    assert story(walk("100", "99.5", "100", "99", "100"), wide) == ["1 fired", "5 fired"]


def test_enters_and_exits_include_their_bounds() -> None:
    enters = made(Move(PRICE, "enters", number("100"), number("101")))
    exits = made(Move(PRICE, "exits", number("100"), number("101")))
    assert story(walk("100", "101", "101.5", "101"), enters) == ["1 fired", "4 fired"]
    assert story(walk("100", "101", "101.5", "101"), exits) == ["3 fired"]


def test_a_sequence_takes_the_latest_start_and_each_later_than_the_last() -> None:
    up = Cross(PRICE, "crosses_above", (number("100"),))
    wide = Cross(PRICE, "crosses_above", (number("102"),))
    assert story(walk("101", "99", "101", "103"), made(Seq((up, wide), 2))) == ["4 fired"]
    assert story(walk("103"), made(Seq((up, wide), 60))) == []  # both at once
    assert story(walk("101", "101.5", "101.5", "103"), made(Seq((up, wide), 2))) == []
    assert story(walk("101", "103", "101", "103"), made(Seq((up, wide), 60))) == ["2 fired"]  # a chain starts over


def test_a_count_is_known_once_it_has_been_watched_and_forgets() -> None:
    crossed = Cross(PRICE, "crosses", (number("100"),))
    twice = made(Compare(Count(crossed, 5), ">=", number("2")))
    here = walk("101", "99").wait(8)
    # Known from 6 s on, watched since 0.000001 s: the crossings of 1 and 2 s are in (1, 6], at 7 s none is.
    assert story(here, twice) == ["6 fired", "7 cleared"]


def test_a_streak_counts_closes_and_the_unknown_breaks_it() -> None:
    up = made(Compare(Streak(OVER, "1m"), ">=", number("2")))
    here = market(price="101").trade("SPY", "101").wait(60).trade("SPY", "101").wait(60).trade("SPY", "101")
    assert story(here, up) == ["120 fired"]
    here.quote("SPY", price=None).wait(60).trade("SPY", "101").wait(60).trade("SPY", "101").wait(60)
    assert story(here, up) == ["120 fired"]  # unknown at 180 s, and still at 240 s: there was no false


# --- the examples of rules.md ----------------------------------------------------------------------------------------


def test_fast_drop() -> None:
    drop = pct_change(300)
    rule = made(
        Compare(drop, "<=", number("-1%")), "/ES", clear_when=Compare(drop, ">", number("-0.4%")), keep_firing_for_s=120
    )
    here = market(symbol="/ES", price="6000").wait(330).trade("/ES", "5940").wait(30).trade("/ES", "5980")
    here.wait(90).wait(90)
    # -1 % exactly at 330 s; 5980 is -0.33 % from 360 s on, two minutes later it clears.
    assert story(here, rule) == ["330 fired", "481 cleared"]


def test_volume_spike() -> None:
    usual = OfBars("avg", "volume", 2, "1m", back=1)
    spike = Every(
        (
            Compare(bar("volume", "1m"), ">", Arithmetic("*", number("4x"), usual)),
            Compare(bar("volume", "1m"), ">", Number(Fraction(8), "8")),
        )
    )
    here = market()
    for size in (2, 2, 2, 9, 1):
        here.trade("SPY", "100", size).wait(60)
    # The fourth bar has nine against two; it closes at the trade after it, the fifth by the clock.
    assert story(here.wait(3), made(spike, evaluate="close(1m)")) == ["240 fired", "302 cleared"]


def test_risk_off() -> None:
    others = Either((Compare(Sym("$TICK", PRICE), "<", number("-800")), Compare(Sym("$VIX", PRICE), ">", number("20"))))
    rule = made(Every((Cross(PRICE, "crosses_below", (Vwap(),)), others)), "/ES")
    here = market("2026-11-15 17:59:59", "/ES", "100").image("$VIX", price="21").wait(1)
    here.trade("/ES", "100").wait(1).trade("/ES", "104", 3).wait(1).trade("/ES", "102")
    # VWAP 100, then 103 with the price above, then 102.8 with the price below; $TICK is unknown, $VIX decides.
    assert story(here, rule) == ["3 fired"]


def test_day_drawdown() -> None:
    down = Apply("pct_from", (PRICE, Day("prev_day", "close")))
    ladder = (
        OracleLevel(Compare(down, "<=", number("-2%")), Compare(down, ">", number("-1.5%"))),
        OracleLevel(Compare(down, "<=", number("-4%")), Compare(down, ">", number("-3.5%"))),
    )
    rule = made(ladder[0].when, "/ES", ladder=ladder, repeat_s=(300, 900, 3600))
    here = (
        market(symbol="/ES", price="6000")
        .facts("/ES", prev_close="6000")
        .wait(1)
        .trade("/ES", "5880")
        .wait(300)
        .wait(10)
    )
    here.trade("/ES", "5700").wait(1).trade("/ES", "5800")
    assert story(here, rule) == ["1 fired L1", "302 reminded L1", "311 fired L2", "312 cleared L2"]
