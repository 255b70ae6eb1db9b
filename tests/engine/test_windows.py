"""Looking back on live values: the law by brute force, and that memory stays bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.windows import LookBack

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
