"""Looking back on live values, and their extremes: the laws by brute force, and that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.day_model import Life, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.symbol.extremes import TickExtreme
from tradeassistd.engine.symbol.windows import LookBack
from tradeassistd.market.session import Window, trading_window_at

T0 = 1_700_000_000 * US_PER_S
STEPS_US = st.sampled_from([1, 250_000, 999_999, 1_000_000, 1_000_001, 3_500_000])


def held_by_brute_force(records: list[tuple[int, int | None]], event_us: int, seconds: int) -> int | None:
    """The latest value set at or before the last whole second not after `event_us - seconds`."""
    second_us = event_us // US_PER_S * US_PER_S - seconds * US_PER_S
    return next((value for at_us, value in reversed(records) if at_us <= second_us), None)


@given(
    st.lists(st.tuples(STEPS_US, st.none() | st.integers(0, 9)), min_size=1, max_size=50),
    st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 20)), min_size=1, max_size=10),
)
def test_what_is_held_is_the_latest_value_at_or_before_the_whole_second(
    steps: list[tuple[int, int | None]], questions: list[tuple[int, int]]
) -> None:
    look_back, records, now_us = LookBack(), [], T0
    look_back.reach_back(20)
    for step_us, value in steps:
        now_us += step_us
        look_back.record(now_us, value)
        records.append((now_us, value))
        assert look_back.held(now_us, 1) == held_by_brute_force(records, now_us, 1)
    for later_us, seconds in questions:
        assert look_back.held(now_us + later_us, seconds) == held_by_brute_force(records, now_us + later_us, seconds)


def test_an_event_on_the_whole_second_counts_for_that_second_and_one_right_after_it_for_the_next() -> None:
    look_back = LookBack()
    look_back.reach_back(5)
    look_back.record(T0, 1)
    look_back.record(T0 + 1, 2)
    assert look_back.held(T0 + 2 * US_PER_S, 2) == 1
    assert look_back.held(T0 + 2 * US_PER_S, 1) == 2
    assert look_back.held(T0 + 2 * US_PER_S - 1, 1) == 1
    assert look_back.held(T0, 1) is None


def test_a_day_of_seconds_keeps_no_more_than_the_reach_and_still_answers_rightly() -> None:
    short, long = LookBack(), LookBack()
    short.reach_back(60)
    long.reach_back(6_000)
    long.reach_back(10)  # the longest reach counts
    for second in range(20_000):
        at_us = T0 + second * US_PER_S
        short.record(at_us, second)
        long.record(at_us, second)
        if second % 997 == 0 and second > 6_000:
            assert short.held(at_us, 60) == second - 60
            assert long.held(at_us, 6_000) == second - 6_000
    assert len(short._values) <= 4_097
    assert len(long._values) <= 6_002


def test_pruning_keeps_the_old_value_that_is_still_the_one_held_at_the_reach() -> None:
    look_back = LookBack()
    look_back.reach_back(5_000)
    look_back.record(T0, 7)
    for second in range(4_990, 4_990 + 4_100):
        look_back.record(T0 + second * US_PER_S, second)
    # The last question reaches 5,000 s back, to second 4,089: only the very first value holds there.
    assert look_back.held(T0 + 9_089 * US_PER_S, 5_000) == 7


def test_after_a_cut_nothing_is_held() -> None:
    look_back = LookBack()
    look_back.reach_back(5)
    look_back.record(T0, 1)
    look_back.clear()
    assert look_back.held(T0 + 5 * US_PER_S, 5) is None
    look_back.record(T0 + 6 * US_PER_S, 2)
    assert look_back.held(T0 + 8 * US_PER_S, 2) == 2


# highest and lowest over ticks

ROWS = st.one_of(
    st.tuples(st.just("trade"), st.integers(95, 105)),
    st.tuples(st.just("trade"), st.integers(95, 105)),
    st.tuples(st.just("quote"), st.integers(95, 99), st.integers(100, 103)),
    st.tuples(st.just("none")),
    st.tuples(st.just("wait"), st.sampled_from([1, 400_000, 999_999, 1_000_000, 2_500_000, 9_000_000])),
    st.tuples(st.just("wait"), st.sampled_from([1, 400_000, 999_999, 1_000_000, 2_500_000, 9_000_000])),
    st.tuples(st.just("cut")),
    st.tuples(st.just("roll")),
)
Held = list[tuple[int, int | None]]


def extreme_by_brute_force(held: Held, now_us: int, seconds: int, pick: Callable[[list[int]], int]) -> int | None:
    """Of the value that stood where the window begins and of all set after it; `held` is (event time, value)."""
    since_us = (now_us // US_PER_S - seconds) * US_PER_S
    stood = [value for at_us, value in held if at_us <= since_us]
    if not stood or stood[-1] is None:
        return None
    return pick([stood[-1], *(value for at_us, value in held if at_us > since_us and value is not None)])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["16 10:00", "16 16:59:50", "16 17:59:55"]), st.lists(ROWS, min_size=1, max_size=60))
def test_running_extremes_are_those_of_the_rows_in_the_window(start: str, rows: list[tuple[object, ...]]) -> None:
    life = Life("/ES", at(start))
    quotes = ("price", "bid", "mark")
    watched = {(quote, sign): life.state.extreme(quote, 5, sign) for quote in quotes for sign in (1, -1)}
    held: dict[str, Held] = {quote: [] for quote in quotes}
    contract: str | None = None
    window: Window | None = None
    for row in rows:
        rowed = True
        match row:
            case ("trade", int(price)):
                life.trade(price)
            case ("quote", int(bid), int(ask)):
                life.quote(bid, ask)
            case ("none",):
                life.none_yet()
            case ("wait", int(for_us)):
                rowed = False
                life.wait(life.now_us + for_us)
            case ("cut",):
                rowed = False
                life.cut()
            case ("roll",):
                rowed, contract = False, "/ESH27" if contract == "/ESZ26" else "/ESZ26"
                if not life.facts(contract=contract):  # type: ignore[arg-type]
                    row = ("first contract",)
        before, window = window, trading_window_at(life.state.instrument, life.now_us)
        if row[0] in ("cut", "roll") or before != window:
            held = {quote: [] for quote in quotes}
        if rowed:
            for quote in quotes:
                held[quote].append((life.now_us, life.state.value(quote)))  # type: ignore[arg-type]
        for (quote, sign), extreme in watched.items():
            pick = max if sign > 0 else min
            assert extreme.value(life.now_us) == extreme_by_brute_force(held[quote], life.now_us, 5, pick)
            new = held[quote] and held[quote][-1][0] > (life.now_us // US_PER_S - 5) * US_PER_S
            earlier = extreme_by_brute_force(held[quote][:-1] if new else held[quote], life.now_us, 5, pick)
            assert extreme.value(life.now_us, before=True) == earlier


def test_an_extreme_of_mid_is_exact_and_one_asked_for_late_is_unknown_until_it_was_watched() -> None:
    life = Life("SPY", at("16 10:00"))
    life.image(100)
    life.quote(99, 100)
    life.wait(at("16 10:01"))
    highest = life.state.extreme("mid", 30, 1)
    assert highest is life.state.extreme("mid", 30, 1)
    life.wait(at("16 10:01:29"))
    assert highest.value(life.now_us) is None
    life.wait(at("16 10:01:30"))
    assert highest.value(life.now_us) == Fraction(199, 2)


def test_a_new_high_is_one_beside_the_value_from_before_its_row() -> None:
    life = Life("SPY", at("16 10:00"))
    highest = life.state.extreme("price", 5, 1)
    life.image(100)
    life.wait(at("16 10:00:10"))
    life.trade(101)
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (101, 100)
    life.quote(99, 102)
    assert highest.value(life.now_us, before=True) == 101


def test_the_last_row_is_left_out_as_long_as_it_lies_in_the_window() -> None:
    life = Life("SPY", at("16 10:00"))
    highest = life.state.extreme("price", 5, 1)
    life.image(100)
    life.wait(at("16 10:00:10"))
    life.trade(103)
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (103, 100)
    life.wait(at("16 10:00:14"))
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (103, 100)
    life.wait(at("16 10:00:16"))
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (103, 103)
    life.none_yet()
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (103, 103)
    life.wait(at("16 10:00:22"))
    assert (highest.value(life.now_us), highest.value(life.now_us, before=True)) == (None, None)


def test_a_day_of_falling_prices_keeps_no_more_than_the_window() -> None:
    look_back = LookBack()
    look_back.reach_back(60)
    extreme = TickExtreme(60, 1, look_back)
    for second in range(5_000):
        look_back.record(T0 + second * US_PER_S, -second)
        extreme.record(T0 + second * US_PER_S, -second)
    assert len(extreme._stood) <= 61
    assert extreme.value(T0 + 4_999 * US_PER_S) == Fraction(60 - 4_999, 2)
