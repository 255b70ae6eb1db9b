"""Tracks on a bar series: live values, slots of the day, what cuts and reloads leave of them, and that none grows."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_series import MINUTE_US, OPEN_US, Trades, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import next_open
from tradeassistd.market.tick import Field, Tick


def test_tracks_move_when_a_bar_closes_and_forget_at_a_cut() -> None:
    fed = Trades()
    close, mean = fed.series.track("close"), fed.series.track("close", "sma", (2,))
    assert fed.series.track("close", "sma", (2,)) is mean
    assert fed.series.track("close", "sma", (3,)) is not mean
    assert fed.series.has("close", "sma", (2,)) and not fed.series.has("close", "sma", (4,))
    for minute, price in enumerate((10, 20, 40)):
        fed.trade(OPEN_US + minute * MINUTE_US, price)
    assert (close.value(), mean.value()) == (20, 15)
    fed.series.cut(OPEN_US + 150 * US_PER_S)
    assert (close.value(), mean.value()) == (None, None)
    assert fed.series.closed_count == 2, "a cut takes no closed bar back"
    with pytest.raises(KeyError):
        fed.series.track("close", "smaa", (2,))


def test_all_parts_of_a_function_are_one_track() -> None:
    series = Trades().series
    bands = series.track("close", "bollinger", (20, Fraction(5, 2)))
    assert series.track("close", "bollinger", (20, Fraction(5, 2))) is bands
    series.track("close")
    assert series.retain({bands}) and not series.retain(set())


READS: list[tuple[str, str, tuple[int | Fraction, ...], tuple[str, ...]]] = [
    ("close", "", (), ("",)),
    ("volume", "", (), ("",)),
    *(("close", name, (n,), ("",)) for n in (1, 3) for name in ("sma", "ema", "wma", "roc", "rsi", "stdev", "zscore")),
    ("high", "highest", (1,), ("",)),
    ("high", "highest", (3,), ("",)),
    ("low", "lowest", (3,), ("",)),
    ("volume", "avg", (2,), ("",)),
    ("", "atr", (1,), ("",)),
    ("", "atr", (3,), ("",)),
    ("close", "macd", (2, 3, 2), ("line", "signal", "hist")),
    ("close", "bollinger", (3, Fraction(5, 2)), ("upper", "mid", "lower")),
    ("", "rvol", (), ("",)),
]


def read_all(tracks: list[Track], live: bool = False) -> list[Value | None]:
    """Every track at every part and three bars back."""
    return [
        track.value(back, part, live)
        for track, (_, _, _, parts) in zip(tracks, READS, strict=True)
        for part in parts
        for back in range(3)
    ]


def tracked(fed: Trades) -> list[Track]:
    tracks = [fed.series.track(name, function, counts) for name, function, counts, _ in READS]
    for track in tracks:
        track.reach_back(2)
    return tracks


def at_their_closes(tracks: list[Track]) -> list[Value | None]:
    return [track.value(back, part) for track, one in zip(tracks, READS, strict=True) for part in one[3]
            for back in range(3)]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from([0, 5, 20, 61, 200]), st.integers(0, 4), st.integers(0, 3), st.booleans()),
             min_size=1, max_size=14),
    st.integers(0, 13),
)  # fmt: skip
def test_a_live_value_is_what_the_value_would_be_if_the_bar_closed_now_and_changes_nothing(
    trades: list[tuple[int, int, int, bool]], cut_at: int
) -> None:
    fed, unasked = Trades(), Trades()
    tracks, untouched = tracked(fed), tracked(unasked)
    now_us = OPEN_US
    for index, (wait_s, price, size, cut) in enumerate(trades):
        now_us += wait_s * US_PER_S
        for one in (fed, unasked):
            if cut and index == cut_at:
                one.series.cut(now_us)
            one.trade(now_us, price, size)
        series, copied = copy.deepcopy((fed.series, tracks))
        closed = series.close_by_clock(now_us + 24 * 60 * MINUTE_US)
        live = read_all(tracks, live=True)
        if closed:
            assert live == at_their_closes(copied)
        else:
            assert live[::3] == [None] * len(live[::3]), "nothing is forming"
            assert live[1::3] == at_their_closes(tracks)[::3]
        assert at_their_closes(tracks) == at_their_closes(untouched)


def test_a_live_field_is_that_of_the_forming_bar_and_one_back_is_the_last_closed() -> None:
    fed = Trades()
    close, volume, highest = (
        fed.series.track("close"), fed.series.track("volume"), fed.series.track("high", "highest", (2,)),
    )  # fmt: skip
    assert close.value(live=True) is None
    for second, price in ((0, 10), (30, 50), (59, 20), (60, 30), (70, 12)):
        fed.trade(OPEN_US + second * US_PER_S, price, 2)
    assert (close.value(), close.value(live=True), close.value(1, live=True)) == (20, 12, 20)
    assert (volume.value(), volume.value(live=True)) == (6, 4)
    assert (highest.value(), highest.value(live=True)) == (None, 50)
    fed.clock(OPEN_US + 4 * MINUTE_US)
    assert (close.value(live=True), close.value(1, live=True), close.value()) == (None, 12, 12)


def days(count: int) -> Iterable[int]:
    """The opening of each of the next regular sessions, holidays left out."""
    open_us = OPEN_US
    for _ in range(count):
        yield open_us
        open_us = next_open(instrument_of("SPY"), "rth", open_us)


def test_relative_volume_survives_cuts_and_counts_the_sessions_whose_bar_was_whole() -> None:
    fed = Trades(interval="2h")
    rvol = fed.series.track("", "rvol")
    hour_us = 60 * MINUTE_US
    found = []
    for index, open_us in enumerate(days(9)):
        if index == 3:  # a gap in the first bar: it counts for the second slot only
            fed.trade(open_us, size=10_000)
            fed.series.cut(open_us + hour_us)
        else:
            fed.trade(open_us, size=10 + index)
        fed.trade(open_us + 2 * hour_us, size=100)
        fed.trade(open_us + 3 * hour_us, size=200)
        before_close = rvol.value(live=True)
        fed.clock(open_us + 5 * hour_us)
        assert rvol.value() == before_close
        found.append((rvol.value(), fed.bars[-1].volume))
    assert found == [(None if index < 5 else 1, 300) for index in range(9)]
    fed.trade(OPEN_US, size=1)  # long past: late, and counted nowhere
    last = list(days(10))[-1]
    fed.trade(last, size=14)
    before = [10 + index for index in range(9) if index != 3]
    assert rvol.value(live=True) == Fraction(14 * len(before), sum(before))
    fed.series.cut(last + 1)
    assert (rvol.value(live=True), rvol.value()) == (None, None)


@pytest.mark.parametrize("session", ["rth", "always"])
@pytest.mark.parametrize("interval", ["1d", "4h"])
def test_the_slot_of_a_bar_is_its_distance_from_the_opening_also_when_the_clocks_change(
    session: str, interval: str
) -> None:
    fed = Trades(interval=interval, session=session)
    rvol = fed.series.track("", "rvol")
    open_us = at("2026-10-23 09:30") - 60 * MINUTE_US  # daylight time until the first of November
    for index in range(8):
        fed.trade(open_us, size=10)
        fed.clock(open_us + 24 * 60 * MINUTE_US)
        if session == "rth" or interval == "1d":  # elsewhere the same hour of the wall clock is another bar
            assert (rvol.value() is None) == (index < 5)
        open_us = next_open(instrument_of("SPY"), "rth", open_us)
    assert len(fed.bars) == 8


def held(thing: object) -> int:
    """How many values an object and what belongs to it hold."""
    if isinstance(thing, (tuple, list, deque)):
        return sum(map(held, thing))
    if isinstance(thing, dict):
        return sum(map(held, thing.values()))
    return sum(map(held, vars(thing).values())) if hasattr(thing, "__dict__") and not callable(thing) else 1


def test_what_tracks_hold_does_not_grow_with_the_bars_they_have_seen() -> None:
    fed = Trades(interval="2h")
    tracks = tracked(fed)
    sizes = {}
    for index, open_us in enumerate(days(200)):
        for slot in range(4):
            fed.trade(open_us + slot * 120 * MINUTE_US, 100 + (index * 7 + slot * 3) % 12)
        sizes[index] = held(tracks)
    assert len(fed.bars) > 700
    assert max(sizes[index] for index in range(30, 60)) >= max(sizes[index] for index in range(60, 200))


# --- what a reload asks for ------------------------------------------------------------------------------------------


def traded(state: SymbolState, us: int, price: int) -> None:
    tick = Tick(us, "SPY", price, None, None, None, None, None, us // 1000, None, 1, Field.LAST | Field.TRADE)
    state.turn(us)
    state.close_bars(tick)
    state.apply(tick)


def test_a_track_asked_for_while_a_bar_waits_for_its_grace_takes_that_bar_once() -> None:
    state = SymbolState(instrument_of("SPY"))
    series = state.bar_series("1m")
    for minute, price in enumerate((10, 20, 40)):
        traded(state, OPEN_US + minute * MINUTE_US, price)
    state.turn(OPEN_US + 3 * MINUTE_US + BAR_GRACE_US)  # a row moved the clock; the bar closes at the next clock event
    track = state.track(series, "close", "sma", (2,), 1)
    assert (track.value(), track.value(1), track.seen) == (15, None, 2)
    state.close_bars_by_clock(OPEN_US + 3 * MINUTE_US + BAR_GRACE_US)
    assert (track.value(), track.value(1), track.seen) == (30, 15, 3)


def test_a_deeper_look_back_fills_older_values_and_leaves_the_running_average_alone() -> None:
    state = SymbolState(instrument_of("SPY"))
    series = state.bar_series("1m")
    track = state.track(series, "close", "ema", (2,), 0)
    for minute in range(6):
        traded(state, OPEN_US + minute * MINUTE_US, 10 * (minute + 1))
    before = track.value()
    assert (track.value(1), state.track(series, "close", "ema", (2,), 3)) == (None, track)
    assert (track.value(), track.value(1), track.value(3), track.value(4)) == (before, 35, 15, None)
    assert state.bars._past_bars
    state.retain({track}, set())
    assert not state.bars._past_bars, "kept for the length of a reload only"
    assert state.track(series, "close", "ema", (2,), 1).value(3) == 15


def test_a_new_series_of_a_reload_gives_all_its_tracks_the_same_bars_and_goes_on_from_there() -> None:
    state = SymbolState(instrument_of("SPY"))
    for minute in range(11):
        traded(state, OPEN_US + minute * MINUTE_US, minute)
    series = state.bar_series("5m")
    close, mean = state.track(series, "close", "", (), 1), state.track(series, "close", "sma", (2,), 0)
    assert (close.value(), close.value(1), mean.value(), series.closed_count) == (9, 4, Fraction(13, 2), 2)
    assert close.value(live=True) == 10
    state.cut(OPEN_US + 11 * MINUTE_US, OPEN_US + 11 * MINUTE_US)
    assert state.track(series, "close", "sma", (3,), 0).value() is None
