"""One track alone: what it keeps of the past, also when a rule reaches further back later, and its parts."""

from __future__ import annotations

from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.bar_values import COUNTS, VALUES, bar, run
from tradeassistd.engine.bars.indicators import INDICATORS, Track


def mean_track(count: int) -> Track:
    return Track(attrgetter("close"), lambda: INDICATORS["sma"](count))


@given(VALUES, st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(0, 60), COUNTS)
def test_a_track_gives_the_value_n_bars_ago_also_when_a_rule_reaches_further_back_later(
    values: list[int], reaches: list[int], later: int, count: int
) -> None:
    track = mean_track(count)
    track.reach_back(reaches[0])
    for index, value in enumerate(values):
        if index == later:
            for reach in reaches:
                track.reach_back(reach)
        track.step(bar(value))
    expected = run("sma", [count], values)
    # What was dropped before a rule asked for it is unknown, never another bar's value.
    reached = later < len(values)
    kept_since = later - reaches[0] - 1 if reached else 0
    for back in range(max(reaches) + 1 if reached else reaches[0] + 1):
        index = len(values) - 1 - back
        assert track.value(back) == (expected[index] if index >= max(0, kept_since) else None)


def test_a_plain_track_reads_its_field_and_a_reset_one_starts_from_nothing() -> None:
    plain, mean = Track(attrgetter("volume")), mean_track(2)
    for one in (plain, mean):
        one.reach_back(1)
        assert one.value() is None
        one.step(bar(10))
        one.step(bar(20))
    assert (plain.value(), plain.value(1), plain.value(2)) == (1, 1, None)
    assert (mean.value(), mean.seen) == (15, 2)
    mean.reset()
    assert (mean.value(), mean.seen) == (None, 0)
    mean.step(bar(30))
    assert mean.value() is None
    mean.step(bar(50))
    assert (mean.value(), mean.value(1)) == (40, None)


@given(VALUES, st.integers(0, 60), st.integers(0, 60), st.integers(0, 8))
def test_a_warmed_track_is_the_one_that_was_there_all_along(values: list[int], since: int, at: int, reach: int) -> None:
    past = [bar(value) for value in values[:at]]
    there = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    there.reach_back(reach)
    for one in past:
        there.step(one)
    late = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    late.reach_back(reach)
    late.warm(past)
    deepened = Track(attrgetter("close"), lambda: INDICATORS["ema"](3))
    for one in past:
        deepened.step(one)
    deepened.reach_back(reach)
    deepened.warm(past)
    for value in [None, *values[at:]]:
        if value is not None:
            for track in (there, late, deepened):
                track.step(bar(value))
        for back in range(reach + 2):
            assert there.value(back) == late.value(back) == deepened.value(back)
        assert there.seen == late.seen == deepened.seen


def test_to_reach_further_back_does_not_seed_a_running_average_anew() -> None:
    track = Track(attrgetter("close"), lambda: INDICATORS["ema"](2))
    for value in (1000, 10, 20, 30):
        track.step(bar(value))
    before = track.value()
    assert track.reach_back(1)
    track.warm([bar(20), bar(30)])  # the recent bars no longer hold the spike that the average remembers
    assert track.value() == before


def test_parts_share_one_track_and_must_be_named() -> None:
    track = Track(attrgetter("close"), lambda: INDICATORS["macd"](1, 2, 2))
    for value in (10, 20):
        track.step(bar(value))
    assert (track.value(part="line"), track.value(part="signal"), track.value(part="hist")) == (5, None, None)
    with pytest.raises(AttributeError):
        track.value()
    with pytest.raises(AttributeError):
        track.value(part="upper")
