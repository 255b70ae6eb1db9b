"""`count` over a time and `streak` over closed bars."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.judged import Judged
from tests.engine.market import MONDAY_RTH_US
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.counting import Count, Streak
from tradeassistd.engine.conditions.kleene import Outcome
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.symbol.symbols import BARS_MOVED, SECOND_TURNED, SymbolState
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.tick import Field

MINUTE_US = 60 * US_PER_S


def counted(market: Judged) -> Value | None:
    return market.leaf.left


class Told:
    """A condition whose outcome a test sets."""

    def __init__(self) -> None:
        self.live: bool | None = False

    def outcome(self) -> Outcome:
        return Outcome(self.live, self.live)


# --- count -----------------------------------------------------------------------------------------------------------


def test_it_counts_what_happened_within_the_time_and_is_unknown_until_it_has_watched_that_long() -> None:
    market = Judged("count(price crosses 100, 10s) >= 3")
    seen = []
    for price in ("99", "101", "99", "101"):
        market.row(price=price)
        seen.append(counted(market))
    assert (seen, market.outcome.live) == ([None] * 4, None)
    market.wait(10)  # the watch began a microsecond past a whole second
    assert counted(market) is None
    market.wait(1)
    # Three crossings right behind the second ten seconds ago are not after it any more one second later.
    assert (counted(market), market.outcome) == (0, (False, False))
    for price in ("99", "101", "99"):
        market.row(price=price)
    assert (counted(market), market.outcome) == (3, (True, True))
    market.wait(10)
    assert counted(market) == 3
    market.wait(1)
    assert counted(market) == 0


@pytest.mark.parametrize("what", ["gap", "cut", "unknown"])
def test_a_break_begins_the_watch_anew(what: str) -> None:
    market = Judged("count(price crosses bid, 5s) >= 1")
    market.row(price="101", bid="100")
    market.wait(6)
    assert counted(market) == 0
    if what == "gap":
        market.gap()
        market.image(price="99", bid="100")  # missed, and nobody knows when
    elif what == "cut":
        market.cut()
        market.row(price="99")
    else:
        state = market.state_of("SPY")
        assert state.tick is not None
        state.tick = replace(state.tick, bid=None)
        market.judge()
        market.row(price="101", bid="100")
    assert counted(market) is None
    market.wait(5)
    assert counted(market) is None
    market.wait(1)
    assert counted(market) == 0


def test_the_end_of_the_trading_session_begins_the_watch_anew() -> None:
    market = Judged("count(price crosses 100, 5s) >= 1", now_us=MONDAY_RTH_US + 36_000 * US_PER_S - 20 * US_PER_S)
    market.row(price="99")
    market.wait(10)
    assert counted(market) == 0
    market.wait(15)  # 20:00 New York
    assert counted(market) is None


def test_another_session_begins_the_watch_anew_though_nothing_was_seen_in_between() -> None:
    market = Judged("count(price crosses 100, 5s) >= 1")
    market.row(price="99")
    market.wait(10)
    assert counted(market) == 0
    market.jump_to(market.now_us + 22 * 3600 * US_PER_S)
    assert counted(market) is None
    market.wait(5)
    assert counted(market) == 0


def test_a_count_moves_with_the_clock_and_with_what_its_event_reads() -> None:
    market = Judged("count(sym($VIX).price crosses 20, 5m) > 2 and count(price crosses vwap(), 5m) > 1")
    reads = market.compiler.reads
    assert reads["$VIX"] == Field.LAST
    assert reads["SPY"] & (SECOND_TURNED | Field.LAST | Field.TRADE) == SECOND_TURNED | Field.LAST | Field.TRADE
    assert [type(one).__name__ for one in market.compiler.sided] == ["Crossing", "Count"] * 2
    assert len(market.compiler.leaves) == 2


@given(
    st.lists(st.tuples(st.integers(0, 2_500), st.sampled_from((True, True, False, False, None))), max_size=40),
    st.integers(1, 6),
)
def test_a_count_is_what_counting_all_events_gives(rows: list[tuple[int, bool | None]], seconds: int) -> None:
    event = Told()
    count = Count(event, instrument_of("SPY"), seconds)
    now_us = MONDAY_RTH_US
    history: list[tuple[int, bool | None]] = []
    for after_ms, live in rows:
        now_us += after_ms * 1000 + 1
        event.live = live
        count.look(now_us)
        history.append((now_us, live))
        unknown = [at for at, was in history if was is None]
        since = [at for at, _ in history if not unknown or at > unknown[-1]]
        from_us = (now_us // US_PER_S - seconds) * US_PER_S
        watched = bool(since) and since[0] <= from_us
        assert count.value == (sum(bool(was) and at > from_us for at, was in history) if watched else None)


# --- streak ----------------------------------------------------------------------------------------------------------


def bars(market: Judged, *closes: str) -> list[Value | None]:
    """One-minute bars from 100 to each close; the streak after each has closed."""
    found = []
    for close in closes:
        market.row(price="100")
        market.row(price=close, after_s=1)
        market.jump_to((market.now_us // MINUTE_US + 1) * MINUTE_US + 2 * US_PER_S)
        market.now_us = (market.now_us // MINUTE_US + 1) * MINUTE_US
        found.append(counted(market))
    return found


def test_a_streak_counts_closes_in_a_row_and_a_false_one_makes_it_none() -> None:
    market = Judged("streak(close(1m) > open(1m), 1m) >= 2")
    market.image(price="100")
    market.now_us += MINUTE_US
    assert bars(market, "101", "102", "99", "101", "101") == [1, 2, 0, 1, 2]
    assert market.outcome == (True, True)


def test_the_state_is_asked_when_the_bar_closes_and_not_between() -> None:
    market = Judged("streak(price > 100, 1m) >= 1")
    market.image(price="100")
    market.now_us += MINUTE_US
    assert bars(market, "101", "99", "101") == [1, 0, 1]
    market.row(price="90")
    assert counted(market) == 1
    # The row that closes the bar is not applied yet: the bar's last price was 90.
    market.row(price="200", after_s=61)
    assert counted(market) == 0


def test_a_gap_breaks_a_streak_until_the_next_false() -> None:
    market = Judged("streak(price > 100, 1m) >= 1")
    market.image(price="100")
    market.now_us += MINUTE_US
    assert bars(market, "101", "101") == [1, 2]
    market.gap()
    market.image(price="100")
    assert counted(market) is None
    market.now_us += MINUTE_US
    assert bars(market, "101", "101", "99", "101") == [None, None, 0, 1]


def test_a_rule_that_was_not_watched_keeps_its_streak_for_its_bars_went_on() -> None:
    market = Judged("streak(price > 100, 1m) >= 1")
    market.image(price="100")
    market.now_us += MINUTE_US
    bars(market, "101")
    market.cut()
    assert bars(market, "101") == [2]


def test_a_streak_is_judged_for_its_bar_alone_but_wants_every_symbol_it_reads() -> None:
    market = Judged("streak(sym($VIX).price > 20 and price > 1, 5m) >= 3")
    assert market.compiler.reads == {"SPY": BARS_MOVED, "$VIX": 0}
    (streak,) = market.compiler.streaks
    assert (streak.symbol, streak.interval, streak.session) == ("SPY", "5m", "rth")
    assert [type(step).__name__ for step in market.compiler.steps] == ["Comparison"]
    state = market.state_of("SPY")
    state.retain(set(market.compiler.tracks), set())
    assert ("5m", "rth") in state.series


@given(st.lists(st.sampled_from((True, True, True, False, None)), max_size=30))
def test_a_streak_is_what_reading_the_closes_backwards_gives(closes: list[bool | None]) -> None:
    told = Told()
    streak = Streak(SymbolState(instrument_of("SPY")), "1m", "rth", told, ())
    for number in range(1, len(closes) + 1):
        told.live = closes[number - 1]
        streak.bar_closed(number)
        seen = closes[:number]
        while seen and seen[0] is None:
            seen.pop(0)  # before the first known close there is nothing to break
        run = 0
        while seen and seen[-1] is True:
            seen.pop()
            run += 1
        if not run:
            expected = 0 if seen and seen[-1] is False else None
        elif seen and seen[-1] is None:
            expected = None
        else:
            expected = run
        assert streak.value == expected


def test_values_of_counts_are_plain_numbers() -> None:
    market = Judged("count(price crosses 100, 1s) * 2 > 3")
    market.row(price="99")
    market.wait(3)
    for price in ("101", "99"):
        market.row(price=price)
    assert (counted(market), market.leaf.right, market.leaf.unit.points) == (4, Fraction(3), 1)
