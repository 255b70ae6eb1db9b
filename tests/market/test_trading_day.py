"""Trading days: from six in the evening, a weekend belongs to Monday, and a minute of one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.instants import INSTANTS, NEW_YORK, SYMBOLS, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import day_minute_us, trading_day, trading_window_at


@pytest.mark.parametrize(
    ("instant", "day", "began"),
    [
        ("2026-11-16 12:00", "20261116", "2026-11-13 18:00"),  # Monday takes the weekend
        ("2026-11-16 17:59:59.999999", "20261116", "2026-11-13 18:00"),
        ("2026-11-16 18:00", "20261117", "2026-11-16 18:00"),
        ("2026-11-17 00:00", "20261117", "2026-11-16 18:00"),
        ("2026-11-20 17:59", "20261120", "2026-11-19 18:00"),
        ("2026-11-20 18:00", "20261123", "2026-11-20 18:00"),  # Friday evening
        ("2026-11-21 12:00", "20261123", "2026-11-20 18:00"),
        ("2026-11-22 17:59", "20261123", "2026-11-20 18:00"),
        ("2026-11-22 18:00", "20261123", "2026-11-20 18:00"),
        ("2026-03-08 18:00", "20260309", "2026-03-06 18:00"),  # the clocks went forward that morning
        ("2026-11-01 18:00", "20261102", "2026-10-30 18:00"),  # and back
        ("2026-12-31 18:00", "20270101", "2026-12-31 18:00"),
    ],
)
def test_a_trading_day_runs_from_six_in_the_evening_and_the_weekend_is_monday(
    instant: str, day: str, began: str
) -> None:
    assert trading_day(at(instant)) == (day, at(began))


@given(INSTANTS)
def test_a_trading_day_is_a_weekday_that_began_before_and_does_not_last_longer_than_a_weekend(at_us: int) -> None:
    day, began_us = trading_day(at_us)
    assert began_us <= at_us
    assert date(int(day[:4]), int(day[4:6]), int(day[6:])).weekday() < 5
    assert at_us - began_us < (3 * 24 + 1) * 3600 * US_PER_S
    assert trading_day(began_us) == (day, began_us)
    before, _ = trading_day(began_us - 1)
    assert before < day


@given(st.lists(INSTANTS, min_size=2, max_size=30))
def test_trading_days_never_run_backwards(instants: list[int]) -> None:
    days = [trading_day(at_us) for at_us in sorted(instants)]
    assert all(earlier <= later for earlier, later in pairwise(days))


def test_every_trading_day_of_two_years_begins_where_the_one_before_ends() -> None:
    day = datetime(2025, 12, 31, 12, tzinfo=NEW_YORK)
    names: list[str] = []
    for _ in range(2 * 366):
        name, began_us = trading_day(int(day.timestamp()) * US_PER_S)
        if not names or names[-1] != name:
            names.append(name)
            assert datetime.fromtimestamp(began_us // US_PER_S, NEW_YORK).hour == 18
        day += timedelta(days=1)
    assert names == sorted(set(names))
    assert len(names) in range(520, 526)


@given(SYMBOLS, INSTANTS)
def test_a_trading_window_lies_within_one_trading_day(symbol: str, at_us: int) -> None:
    window = trading_window_at(instrument_of(symbol), at_us)
    if window is not None and symbol != "SPY":  # equities trade on until 20:00, the day ends at 18:00
        assert trading_day(window.open_us) == trading_day(window.close_us - 1)


@pytest.mark.parametrize(
    ("instant", "minute", "zone", "expected"),
    [
        ("2026-11-16 10:00", 15 * 60 + 50, NEW_YORK, "2026-11-16 15:50"),
        ("2026-11-15 18:30", 15 * 60 + 50, NEW_YORK, "2026-11-16 15:50"),  # Sunday evening is Monday's
        ("2026-11-13 19:00", 0, NEW_YORK, "2026-11-16 00:00"),
        ("2026-03-08 19:00", 9 * 60 + 30, NEW_YORK, "2026-03-09 09:30"),
        ("2026-11-16 10:00", 24 * 60, NEW_YORK, "2026-11-17 00:00"),
        ("2026-11-16 10:00", 9 * 60, ZoneInfo("America/Chicago"), "2026-11-16 10:00"),
        ("2026-11-16 10:00", 9 * 60, ZoneInfo("Europe/Berlin"), "2026-11-16 03:00"),
    ],
)
def test_a_minute_of_the_trading_day(instant: str, minute: int, zone: ZoneInfo, expected: str) -> None:
    assert day_minute_us(at(instant), minute, zone) == at(expected)
