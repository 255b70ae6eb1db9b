"""Values of the day: against the plain meanings over random days, and cases that would hurt a trader, one by one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.day_model import STEPS, Life, Plain, at, day, live_from, step
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.symbol.symbols import DAY_TURNED

STARTS = st.sampled_from(["16 08:00", "16 09:30", "16 10:00", "16 17:30", "16 17:59:59.9", "20 15:00"])
SYMBOLS = st.sampled_from(["SPY", "/ES"])


@settings(max_examples=150, deadline=None)
@given(SYMBOLS, STARTS, st.lists(STEPS, min_size=1, max_size=25))
def test_day_values_are_what_the_list_of_events_says(symbol: str, start: str, steps: list[tuple[object, ...]]) -> None:
    life = Life(symbol, at(start))
    words = {"day": "globex", "rth": "rth", "overnight": "overnight"} if symbol == "/ES" else {"day": "rth"}
    for what in steps:
        step(life, what)
        plain = Plain(symbol, life.first_us, life.log, life.now_us)
        live, earlier = life.state.live, plain.before_last_row()
        assert live is plain.watching()[0]
        for scope, word in words.items():
            # A row that opens its session, for its stamp is ahead of our clock, has nothing of it before.
            known_before = live and earlier.watching()[0] and earlier.sessions(word) == plain.sessions(word)
            for part in ("open", "high", "low", "volume"):
                now = plain.running(word, part) if live else None
                assert life.state.day_value(scope, part) == now, (scope, part)
                if part in ("high", "low"):
                    before = earlier.running(word, part) if known_before else None
                    assert life.state.day_value(scope, part, before=True) == before, (scope, part, "before")
                past = plain.previous(word, part)
                assert life.state.day_value(f"prev_{scope}", part) == past, (scope, part, "past")
            if scope != "day":
                assert life.state.day_value(f"prev_{scope}", "close") == plain.previous(word, "close"), scope
            found = plain.sessions(word)
            assert life.state.anchor(word) == (found[-1].open_us if found else 0)


def test_the_day_of_a_stock_is_the_regular_session_and_stays_until_the_next() -> None:
    life = live_from("SPY", "16 09:00")
    life.trade(120)
    assert day(life, "open", "high", "low", "volume") == [None] * 4
    life.wait(at("16 09:30"))
    assert day(life, "open", "high") == [None, None]
    for price in (101, 105, 99, 100):
        life.trade(price)
    life.wait(at("16 16:30"))
    life.trade(150)
    assert day(life, "open", "high", "low", "close") == [101, 105, 99, 100]
    life.wait(at("17 09:29"))
    assert day(life, "high") == [105]
    life.wait(at("17 09:30"))
    assert day(life, "open", "high") == [None, None]
    assert [life.state.day_value("prev_day", part) for part in ("open", "high", "low", "close")] == [101, 105, 99, 100]
    assert life.state.day_value("prev_rth", "high") == 105


def test_an_image_before_the_open_carries_yesterdays_high_and_does_not_count() -> None:
    life = Life("SPY", at("16 02:00"))
    life.facts(open=100, high=150, low=50)
    life.image(100, at("13 19:00") // 1000)
    life.wait(at("16 09:30"))
    life.trade(101)
    assert day(life, "open", "high", "low") == [101, 101, 101]
    life.facts(open=100, high=150, low=50, status=None, prev_close=99)  # something else moved
    assert day(life, "open", "high", "low") == [101, 101, 101]
    life.facts(open=100, high=103, low=100)
    assert day(life, "high", "low") == [103, 100]
    life.facts(open=100, high=150, low=100)  # now it is the day's
    assert day(life, "high", "low") == [150, 100]


def test_what_stands_at_the_open_by_our_clock_is_yesterdays_also_when_a_trade_came_early() -> None:
    life = live_from("SPY", "16 09:29")
    life.wait(at("16 09:29:59.5"))
    life.trade(100, late_us=-US_PER_S)
    life.facts(high=150)
    life.wait(at("16 09:30:01"))
    life.facts(high=150, prev_close=99)
    assert day(life, "high") == [100]


def test_the_zeros_of_half_past_three_take_nothing_from_the_day_that_was() -> None:
    life = live_from("SPY", "16 09:00")
    life.wait(at("16 10:00"))
    life.trade(100)
    life.facts(open=98, high=104, low=97)
    life.wait(at("16 17:00"))
    life.facts()
    assert day(life, "open", "high", "low") == [98, 104, 97]
    life.facts(high=105)  # a correction, and zeros
    assert day(life, "open", "high", "low") == [98, 105, 97]
    life.wait(at("17 03:30"))
    life.facts(prev_close=101)
    assert day(life, "open", "high", "low") == [98, 105, 97]
    life.volume = 0
    life.wait(at("17 07:28"))
    life.quote(99, 101)
    assert day(life, "volume") == [1]
    life.wait(at("17 09:30"))
    assert day(life, "open", "high", "low", "volume") == [None] * 4


def test_joined_in_mid_session_only_schwab_knows_the_extremes() -> None:
    life = live_from("SPY", "16 11:00", "16 10:59")
    life.trade(100)
    assert day(life, "open", "high", "low") == [None, None, None]
    life.facts(open=98, high=104)
    assert day(life, "open", "high", "low") == [98, 104, None]
    life.trade(106)
    assert day(life, "high") == [106]
    assert life.state.day_value("day", "high", before=True) == 104


def test_joined_after_the_close_schwab_still_tells_of_the_day() -> None:
    life = Life("SPY", at("16 17:30"))
    life.facts(open=98, high=104, low=97)
    life.image(100, at("16 17:29") // 1000)
    assert day(life, "open", "high", "low") == [98, 104, 97]
    life.wait(at("16 20:30"))
    life.facts(open=1, high=1, low=1)
    assert day(life, "open", "high", "low") == [98, 104, 97]


def test_after_a_gap_the_open_is_known_and_the_extremes_wait_for_schwab() -> None:
    life = live_from("SPY", "16 09:00")
    life.wait(at("16 09:30"))
    life.trade(101)
    life.facts(high=102, low=100)
    life.cut()
    assert day(life, "open", "high", "low") == [None] * 3  # the feed is not live
    life.wait(at("16 10:00"))
    life.image(100, at("16 09:59") // 1000)
    assert day(life, "open", "high", "low") == [101, None, None]
    life.trade(103)
    assert day(life, "high") == [None]
    life.facts(high=104, low=99)
    assert day(life, "high", "low") == [104, 99]


def test_a_gap_before_the_first_trade_of_a_session_misses_nothing_of_it() -> None:
    life = live_from("/ES", "16 16:50")
    life.cut()
    life.wait(at("16 18:00:20"))
    life.image(100, at("16 16:59") // 1000)
    life.trade(101)
    assert day(life, "open", "high") == [101, 101]


def test_futures_sessions_lie_in_one_another() -> None:
    life = live_from("/ES", "16 17:30", "16 16:59")
    life.wait(at("16 18:00"))
    life.trade(100)
    assert [life.state.day_value(scope, "high") for scope in ("day", "overnight", "rth")] == [100, 100, None]
    life.wait(at("17 09:30"))
    life.trade(105)
    assert [life.state.day_value(scope, "high") for scope in ("day", "overnight", "rth")] == [105, 100, 105]
    life.wait(at("17 16:30"))
    life.trade(110)
    assert [life.state.day_value(scope, "high") for scope in ("day", "overnight", "rth")] == [110, 100, 105]
    assert life.state.day_value("rth", "volume") == 1
    life.wait(at("17 18:00"))
    assert life.state.day_value("prev_day", "high") == 110
    assert life.state.day_value("prev_rth", "high") is None  # the regular session before the one that was
    assert life.state.day_value("rth", "high") == 105


def test_a_late_trade_counts_for_the_session_it_happened_in() -> None:
    life = live_from("SPY", "16 09:00")
    life.wait(at("16 15:59"))
    life.trade(100)
    life.wait(at("16 16:00:01"))
    life.trade(110, late_us=2 * US_PER_S)
    life.trade(120, late_us=0)
    assert day(life, "high", "close") == [110, 110]


def test_the_opening_trade_counts_when_our_clock_is_a_little_behind() -> None:
    life = live_from("SPY", "16 09:29")
    life.wait(at("16 09:29:59.5"))
    life.trade(100, late_us=-US_PER_S)
    assert day(life, "open") == [100]


def test_a_trade_stamped_far_ahead_of_our_clock_opens_nothing() -> None:
    life = live_from("SPY", "16 09:29")
    life.trade(100, late_us=-60 * US_PER_S)
    life.wait(at("16 09:30"))
    assert day(life, "open", "high") == [None, None]


def test_another_contract_makes_everything_seen_void() -> None:
    life = Life("/ES", at("16 17:59"))
    assert life.facts(contract="/ESZ26", high=200) is False  # type: ignore[arg-type]
    life.image(100, at("16 16:59") // 1000)
    life.wait(at("16 19:00"))
    life.trade(100)
    life.facts(contract="/ESZ26", high=100, low=90)  # type: ignore[arg-type]
    assert day(life, "high") == [100]
    assert life.facts(contract="/ESH27", high=100, low=150, prev_close=149) is True  # type: ignore[arg-type]
    assert life.state.contract == "/ESH27"
    assert day(life, "open", "high", "low") == [None, None, 150]
    life.trade(160)
    assert day(life, "high") == [None]
    assert life.facts(contract="/ESH27", high=161, low=150, prev_close=149) is False  # type: ignore[arg-type]
    assert day(life, "high") == [161]
    assert life.state.value("settle") == 149
    life.facts()
    assert life.state.contract == "/ESH27"


def test_turns_say_when_a_session_began_or_ended() -> None:
    life = live_from("/ES", "16 17:00")
    assert life.state.turn(at("16 17:59:59")) == 0
    assert life.state.turn(at("16 18:00")) == DAY_TURNED
    assert life.state.turn(at("17 09:29:59")) == 0
    assert life.state.turn(at("17 09:30")) == DAY_TURNED
    assert life.state.turn(at("17 15:59")) == 0
    assert life.state.turn(at("17 16:00")) == DAY_TURNED


def test_live_values() -> None:
    life = Life("SPY", at("16 15:50"))
    names = ("price", "mark", "mid", "spread", "spread_pct", "age", "minutes_to_close", "net_change", "net_pct")
    assert [life.state.value(name) for name in names] == [None] * len(names)
    assert life.state.stale(life.now_us, US_PER_S)
    life.image(None)
    assert life.state.value("mark") is None
    life.trade(100)
    assert life.state.value("mark") == 100
    life.quote(101, 103)
    assert (life.state.value("mark"), life.state.value("mid")) == (101, 102)
    life.quote(90, 95)
    assert life.state.value("mark") == 95
    row_us = life.now_us
    life.wait(row_us + 30 * US_PER_S)
    assert life.state.value("age") == 30
    assert life.state.row_us == row_us
    assert life.state.stale(life.now_us, 30 * US_PER_S) and not life.state.stale(life.now_us, 31 * US_PER_S)
    life.wait(at("16 15:51:30"))
    assert life.state.value("minutes_to_close") == Fraction(17, 2)
    life.wait(at("16 16:00"))
    assert life.state.value("minutes_to_close") is None
    with pytest.raises(ValueError, match="no quote value"):
        life.state.value("nonsense")


def test_halted_is_unknown_until_schwab_has_said() -> None:
    life = live_from("SPY", "16 10:00")
    assert life.state.flag("halted") is None
    life.facts(status="Normal")  # type: ignore[arg-type]
    assert life.state.flag("halted") is False
    life.facts(status="Halted")  # type: ignore[arg-type]
    assert life.state.flag("halted") is True
    life.cut()
    assert life.state.flag("halted") is None
    with pytest.raises(ValueError, match="no flag"):
        life.state.flag("open")


def test_what_there_is_not_is_refused() -> None:
    spy = live_from("SPY", "16 10:00").state
    for scope, part in (("overnight", "high"), ("day", "middle"), ("year", "open"), ("prev_year", "high")):
        with pytest.raises(ValueError, match="no"):
            spy.day_value(scope, part)
    with pytest.raises(ValueError, match="no session"):
        spy.vwap("globex")
