"""Active windows: weekdays, midnight, zones, days on which the clocks change, and windows that join."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.active import ActiveWindow, active_window_at
from tradeassistd.market.session import EVER

NEW_YORK = "America/New_York"
ZONES = st.sampled_from([NEW_YORK, "America/Chicago", "Europe/Berlin", "Asia/Kolkata", "UTC"])
WEEKDAYS = frozenset(range(5))
EVERY_DAY = frozenset(range(7))
INSTANTS = st.integers(
    int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
    int(datetime(2027, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
)
WINDOWS = st.lists(
    st.builds(
        ActiveWindow,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.integers(0, 1439),
        st.integers(1, 1440),
        ZONES,
    ),
    min_size=1,
    max_size=4,
).map(tuple)


def at(text: str, zone: str = NEW_YORK) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * US_PER_S


def window(text: str, weekdays: frozenset[int] = WEEKDAYS, zone: str = NEW_YORK) -> ActiveWindow:
    """`09:45-11:30`."""
    first, last = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    return ActiveWindow(weekdays, first, last, zone)


@pytest.mark.parametrize(
    ("windows", "instant", "opens", "closes"),
    [
        ([window("09:45-11:30")], "2026-11-16 09:44:59", "", ""),
        ([window("09:45-11:30")], "2026-11-16 09:45", "2026-11-16 09:45", "2026-11-16 11:30"),
        ([window("09:45-11:30")], "2026-11-16 11:29:59", "2026-11-16 09:45", "2026-11-16 11:30"),
        ([window("09:45-11:30")], "2026-11-16 11:30", "", ""),
        ([window("09:45-11:30")], "2026-11-15 10:00", "", ""),  # a Sunday
        # over midnight it belongs to the day it begins
        ([window("22:00-02:00")], "2026-11-21 01:00", "2026-11-20 22:00", "2026-11-21 02:00"),
        ([window("22:00-02:00")], "2026-11-16 01:00", "", ""),
        ([window("09:00-09:00", frozenset({0}))], "2026-11-17 08:59", "2026-11-16 09:00", "2026-11-17 09:00"),
        # windows that touch or overlap are one
        ([window("09:30-10:00"), window("10:00-11:00")], "2026-11-16 09:45", "2026-11-16 09:30", "2026-11-16 11:00"),
        ([window("10:00-12:00"), window("09:30-10:30")], "2026-11-16 11:45", "2026-11-16 09:30", "2026-11-16 12:00"),
        ([window("09:30-10:00"), window("10:01-11:00")], "2026-11-16 09:45", "2026-11-16 09:30", "2026-11-16 10:00"),
        ([window("20:00-24:00"), window("00:00-01:00")], "2026-11-17 00:30", "2026-11-16 20:00", "2026-11-17 01:00"),
        ([window("00:00-24:00")], "2026-11-18 12:00", "2026-11-16 00:00", "2026-11-21 00:00"),
        # another zone, and joined across zones: 09:00 Chicago is 10:00 New York
        ([window("09:00-10:00", zone="America/Chicago")], "2026-11-16 10:30", "2026-11-16 10:00", "2026-11-16 11:00"),
        (
            [window("09:00-10:00", zone="America/Chicago"), window("09:30-10:00")],
            "2026-11-16 10:30", "2026-11-16 09:30", "2026-11-16 11:00",
        ),
        # the clocks go forward on 2026-03-08 and back on 2026-11-01
        ([window("00:00-24:00", frozenset({6}))], "2026-03-08 12:00", "2026-03-08 00:00", "2026-03-09 00:00"),
        ([window("00:00-24:00", frozenset({6}))], "2026-11-01 12:00", "2026-11-01 00:00", "2026-11-02 00:00"),
        ([window("09:45-11:30")], "2026-03-09 09:45", "2026-03-09 09:45", "2026-03-09 11:30"),
        ([window("09:45-11:30")], "2026-11-02 09:45", "2026-11-02 09:45", "2026-11-02 11:30"),
    ],
)  # fmt: skip
def test_windows_hold_their_start_and_not_their_end(
    windows: list[ActiveWindow], instant: str, opens: str, closes: str
) -> None:
    expected = (at(opens), at(closes)) if opens else None
    assert active_window_at(tuple(windows), at(instant)) == expected


def test_a_day_of_the_clock_change_is_an_hour_shorter_or_longer() -> None:
    sunday = (window("00:00-24:00", frozenset({6})),)
    for day, hours in (("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-08", 24)):
        span = active_window_at(sunday, at(f"{day} 12:00"))
        assert span is not None
        assert span.close_us - span.open_us == hours * 3600 * US_PER_S


def test_a_time_that_the_clocks_skip_is_an_hour_later_and_an_empty_window_is_none() -> None:
    sunday = frozenset({6})
    assert active_window_at((window("02:30-04:00", sunday),), at("2026-03-08 03:30")) == (
        at("2026-03-08 03:30"), at("2026-03-08 04:00"),
    )  # fmt: skip
    assert active_window_at((window("02:30-03:15", sunday),), at("2026-03-08 03:20")) is None
    assert active_window_at((window("02:30-03:15", sunday),), at("2026-03-15 03:00")) is not None


@pytest.mark.parametrize(
    "windows",
    [
        (window("00:00-24:00", EVERY_DAY),),
        (window("09:00-09:00", EVERY_DAY),),
        (window("00:00-12:00", EVERY_DAY), window("12:00-24:00", EVERY_DAY)),
    ],
)
def test_windows_without_a_break_are_for_ever(windows: tuple[ActiveWindow, ...]) -> None:
    for instant in ("2026-11-16 09:00", "2026-03-08 02:59", "2026-11-01 01:30"):
        assert active_window_at(windows, at(instant)) == EVER


def test_without_windows_there_is_none() -> None:
    assert active_window_at((), at("2026-11-16 12:00")) is None


@given(WINDOWS, INSTANTS)
def test_a_span_is_the_same_from_anywhere_in_it_and_ends_where_no_window_goes_on(
    windows: tuple[ActiveWindow, ...], at_us: int
) -> None:
    span = active_window_at(windows, at_us)
    if span is None or span == EVER:
        return
    assert span.open_us <= at_us < span.close_us
    assert active_window_at(windows, span.open_us) == span
    assert active_window_at(windows, span.close_us - 1) == span
    assert active_window_at(windows, span.open_us - 1) is None
    assert active_window_at(windows, span.close_us) is None


@given(WINDOWS, INSTANTS)
def test_it_says_what_reading_the_wall_clock_says(windows: tuple[ActiveWindow, ...], at_us: int) -> None:
    """Away from the Sundays on which clocks change, a window is open when the clock on the wall says so."""
    moment = datetime.fromtimestamp(at_us // US_PER_S, UTC)
    if (moment.month in (3, 10, 11) and moment.weekday() in (5, 6, 0)) or not windows:
        return
    assert (active_window_at(windows, at_us) is not None) is any(_open_on_the_wall(w, moment) for w in windows)


def _open_on_the_wall(one: ActiveWindow, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(one.zone))
    minute, yesterday = local.hour * 60 + local.minute, (local - timedelta(days=1)).weekday()
    if one.from_minute < one.to_minute:
        return local.weekday() in one.weekdays and one.from_minute <= minute < one.to_minute
    return (local.weekday() in one.weekdays and minute >= one.from_minute) or (
        yesterday in one.weekdays and minute < one.to_minute
    )
