"""Values of a day: crossings that begin anew with their session, and running extremes as before the last row."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.judged import Judged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.leaves import ABOVE, BELOW, NO_SIDE, SidedLeaf
from tradeassistd.engine.symbol.symbols import BARS_MOVED, DAY_TURNED, SECOND_TURNED
from tradeassistd.market.tick import Field

MINUTE_US = 60 * US_PER_S


def at(wall: str) -> int:
    """A New York wall time of November 2026."""
    return int(datetime.fromisoformat(f"2026-11-{wall}:00-05:00").timestamp()) * US_PER_S


def watched(text: str, *, symbol: str = "SPY", opened: str = "16 09:30", **fields: object) -> Judged:
    """Watched from an hour before the open, and one second into the session."""
    market = Judged(text, symbol, now_us=at(opened) - 3600 * US_PER_S, **fields)  # type: ignore[arg-type]
    market.row(price="100", size=None, changed=Field.IMAGE)
    market.jump_to(at(opened) + US_PER_S)
    return market


def trades(market: Judged, prices: str) -> list[bool | None]:
    return [market.row(price=price).live for price in prices.split()]


# --- extremes as before the row -------------------------------------------------------------------------------------


def test_a_price_above_the_day_s_high_is_a_new_high() -> None:
    market = watched("price > day.high")
    # The first trade has no high before it; equal is no new high; a quote in between takes the row away.
    assert trades(market, "100 101 101 100 102 103") == [None, True, False, False, True, True]
    assert market.row(bid="99", ask="104", size=None, changed=Field.BID | Field.ASK).live is False


def test_a_crossing_of_the_day_s_high_is_told_once_per_climb() -> None:
    market = watched("price crosses_above day.high")
    assert trades(market, "100 99 101 102 103 101 104 105") == [
        None, False, True, False, False, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("price > day.high", True),
        ("day.high < price", True),
        ("mid > rth.high", True),
        ("price - 0 > day.high", True),
        ("price exits [day.low, day.high]", True),
        ("price >= day.high", True),
        ("day.high > 100.5", True),
        ("pct_from(price, day.high) >= 0%", True),  # both on one side: with the row
        ("pct_from(price, day.high) > 0%", False),
        ("sym(/ES).price > day.high", None),  # another symbol's quote says nothing of this one's rows
        ("price > highest(price, 30s)", True),
        ("price > highest(mid, 30s)", True),
        ("highest(price, 30s) > 100.5", True),
    ],
)
def test_the_other_side_of_the_comparison_decides_what_a_running_extreme_is(text: str, last: bool | None) -> None:
    market = watched(text)
    market.row(price="100", bid="99.9", ask="100.1")
    market.row(price="99.8", bid="99.9", ask="100.1")
    market.wait(31)
    market.row(price="100", bid="99.9", ask="100.1")
    assert market.row(price="101", bid="100.9", ask="101.1").live is last


def test_it_is_judged_at_every_row_for_each_makes_before_another_moment() -> None:
    row = Field.LAST | Field.BID | Field.ASK | Field.BID_SIZE | Field.ASK_SIZE | Field.VOLUME | Field.TRADE
    assert Judged("price > day.high").compiler.reads["SPY"] & row == row
    assert Judged("day.high > 5").compiler.reads["SPY"] & (Field.BID | Field.ASK_SIZE) == 0


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_a_new_high_or_low_is_one_past_all_prices_before(offsets: list[int]) -> None:
    market = watched("price > day.high")
    low = watched("price < rth.low")
    for number, offset in enumerate(offsets):
        price = f"{100 + offset}"
        new_high = offset > max(offsets[:number]) if number else None
        new_low = offset < min(offsets[:number]) if number else None
        assert (market.row(price=price).live, low.row(price=price).live) == (new_high, new_low)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_a_price_above_the_highest_of_five_seconds_is_above_all_that_stood_in_them(
    rows: list[tuple[int, int]],
) -> None:
    market = watched("price > highest(price, 5s)")
    market.row(price="100")
    market.wait(6)
    held = [(market.now_us - 6 * US_PER_S, 0)]
    for offset, seconds in rows:
        market.wait(seconds)
        live = market.row(price=f"{100 + offset}").live
        from_us = (market.now_us // US_PER_S - 5) * US_PER_S
        stood = [value for number, (_, value) in enumerate(held)
                 if number + 1 == len(held) or held[number + 1][0] > from_us]  # fmt: skip
        assert live is (offset > max(stood))
        held.append((market.now_us, offset))


def test_a_live_highest_of_bars_is_as_before_the_row_too() -> None:
    market = watched("price > highest(high, 2, 1m, live)")
    for prices in ("100 103 101", "101 102"):
        trades(market, prices)
        market.jump_to((market.now_us // MINUTE_US + 1) * MINUTE_US + 2 * US_PER_S)
    # Before the first row of a bar: the closed ones, 103 and 102. Then the last closed one and the forming bar.
    assert trades(market, "103 103.5 103.5 103.4 104") == [False, True, False, False, True]
    market.jump_to((market.now_us // MINUTE_US + 1) * MINUTE_US + 2 * US_PER_S)
    assert trades(market, "104.1") == [True]
    assert market.compiler.reads["SPY"] & (BARS_MOVED | Field.BID | Field.TRADE) == BARS_MOVED | Field.BID | Field.TRADE
    assert not Judged("highest(high, 2, 1m, live) > 5").compiler.reads["SPY"] & Field.BID


# --- a new session, a new side ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["crosses", "crosses_below", "reaches"])
@pytest.mark.parametrize("level", ["day.open", "vwap()", "prev_day.close", "opening_range(1m).low"])
def test_a_crossing_of_a_day_s_value_begins_anew_with_the_day(op: str, level: str) -> None:
    market = watched(f"price {op} {level}")
    if level == "prev_day.close":
        market.facts(prev_close="100")
    trades(market, "100 100")
    market.jump_to(at("16 09:32"))
    trades(market, "101 101")
    leaf = market.leaf
    assert isinstance(leaf, SidedLeaf) and leaf.sides == (ABOVE,)
    market.jump_to(at("17 09:30"))
    if level == "prev_day.close":
        market.facts(prev_close="120")
    trades(market, "120 120")
    market.jump_to(at("17 09:32"))
    # Yesterday it was above; today it is below from the start: no crossing.
    assert trades(market, "119") == [False]
    assert leaf.sides == (BELOW,)
    assert trades(market, "121 118")[-1] is (None if market.outcome.live is None else True)


def test_of_several_levels_only_those_of_the_day_begin_anew() -> None:
    market = watched("price crosses any [101, day.open, 300]")
    trades(market, "100 101")  # equal to the first level, which keeps the side below
    leaf = market.leaf
    assert isinstance(leaf, SidedLeaf) and leaf.sides == (BELOW, ABOVE, BELOW)
    market.jump_to(at("17 09:30"))
    assert leaf.sides == (BELOW, NO_SIDE, BELOW)
    assert trades(market, "106") == [True]
    assert (leaf.right, leaf.sides) == (101 * 10**8, (ABOVE, NO_SIDE, BELOW))


def test_a_range_of_the_day_begins_anew_too() -> None:
    market = watched("price exits [prev_day.close - 1, prev_day.close + 1]")
    market.facts(prev_close="100")
    assert trades(market, "100 102 100") == [False, True, False]
    market.jump_to(at("17 09:30"))
    market.facts(prev_close="120")
    assert trades(market, "100") == [False]  # outside of today's from the start
    assert trades(market, "120 122") == [False, True]


@pytest.mark.parametrize(
    ("start", "side"),
    [("16 15:00", ABOVE), ("17 10:00", NO_SIDE)],
)
def test_a_restart_within_the_session_keeps_the_side_and_over_its_end_does_not(start: str, side: int) -> None:
    market = watched("price crosses prev_day.close")
    market.facts(prev_close="100")
    trades(market, "101")
    again = Judged("price crosses prev_day.close", memory=list(market.memory), now_us=at(start))
    again.cut()
    again.facts(prev_close="100")
    again.image(price="100")  # equal moves no side
    leaf = again.leaf
    assert isinstance(leaf, SidedLeaf)
    assert leaf.sides == (side,)
    crossed = side == ABOVE
    assert again.row(price="99") == (crossed, crossed)


def test_a_crossing_of_plain_levels_has_no_anchor() -> None:
    assert Judged("price crosses any [1, 2]").memory == [0, 0]
    assert Judged("price crosses any [1, day.open, day.high, vwap()]").memory == [0] * 6  # day and the vwap's session
    assert Judged("day.high crosses sym(/ES).day.high").memory == [0] * 3


def test_a_condition_says_whether_it_reads_a_day_and_what_moves_it() -> None:
    market = Judged("price > prev_day.close and streak(close(5m) > 1, 5m) > 1")
    assert market.compiler.reads_day
    assert market.compiler.reads["SPY"] & DAY_TURNED
    plain = Judged("price > 5 and highest(price, 5m) > 5 and age < 5s")
    assert not plain.compiler.reads_day
    assert plain.compiler.reads["SPY"] & SECOND_TURNED
