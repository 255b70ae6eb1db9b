"""Which days a backfill asks for, in how many calls, and which requests cannot be meant."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.errors import UnfitError
from tradeassistd.feed.history import LATE_S
from tradeassistd.history.trading_days import SPAN_DAYS, SYMBOLS_MAX, Day, calls, plan, request_of
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import NEW_YORK


def at(text: str) -> int:
    """UTC microseconds of a wall time in New York."""
    return round(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000


NOW_US = at("2026-12-01 21:00")


def days(symbol: str, first: str, last: str, interval: str = "1m", now_us: int = NOW_US) -> list[Day]:
    request = request_of(
        (symbol,), interval, date.fromisoformat(first), date.fromisoformat(last), now_us=now_us
    )  # fmt: skip
    return plan(request, instrument_of, now_us)


def test_days_of_a_stock_are_its_extended_sessions_and_closed_ones_say_why() -> None:
    found = days("SPY", "2026-11-25", "2026-11-30")
    assert found == [
        Day("SPY", "2026-11-25", at("2026-11-25 04:00"), at("2026-11-25 20:00")),
        Day("SPY", "2026-11-26", at("2026-11-26 00:00"), at("2026-11-27 00:00"), "closed: Thanksgiving"),
        Day("SPY", "2026-11-27", at("2026-11-27 04:00"), at("2026-11-27 17:00")),
        Day("SPY", "2026-11-30", at("2026-11-30 04:00"), at("2026-11-30 20:00")),
    ]


def test_a_day_of_a_future_begins_on_the_evening_before() -> None:
    found = days("/ES", "2026-11-26", "2026-11-30")
    assert [(day.day, day.from_us, day.to_us) for day in found] == [
        ("2026-11-26", at("2026-11-25 18:00"), at("2026-11-26 13:00")),
        ("2026-11-27", at("2026-11-26 18:00"), at("2026-11-27 13:15")),
        ("2026-11-30", at("2026-11-29 18:00"), at("2026-11-30 17:00")),
    ]


def test_a_daily_bar_is_asked_for_once_its_day_is_over() -> None:
    for now, last in (("2026-11-30 23:59", "2026-11-27"), ("2026-12-01 00:01", "2026-11-30")):
        found = days("SPY", "2026-11-25", "2026-11-30", "1d", at(now))
        assert found[-1] == Day("SPY", last, at(f"{last} 00:00"), at(f"{last} 00:00") + 86_400_000_000)


@pytest.mark.parametrize("interval", ["1m", "5m"])
def test_today_is_asked_for_as_soon_as_it_has_a_bar(interval: str) -> None:
    first_end_us = at("2026-11-30 04:00") + {"1m": 60, "5m": 300}[interval] * 1_000_000
    for late_s, last in ((LATE_S - 1, "2026-11-27"), (LATE_S, "2026-11-30")):
        found = days("SPY", "2026-11-25", "2026-11-30", interval, first_end_us + late_s * 1_000_000)
        assert found[-1].day == last


def test_what_schwab_does_not_keep_is_not_asked_for() -> None:
    found = days("SPY", "2026-09-01", "2026-11-30")
    too_old = [day.day for day in found if day.why_not == "Schwab keeps candles of 1m for 48 days"]
    assert too_old[-1] == "2026-09-30"  # 62 days back: what is a little older than is known is tried
    assert {day.day for day in found if day.why_not.startswith("closed")} == {"2026-09-07", "2026-11-26"}
    assert not any(
        "keeps" in day.why_not for day in days("SPY", "2026-02-20", "2026-03-01", "5m", at("2026-11-30 12:00"))
    )
    assert not any("keeps" in day.why_not for day in days("SPY", "1995-01-03", "1995-06-30", "1d"))


def test_the_newest_days_come_first_and_a_week_of_minutes_is_one_call() -> None:
    request = request_of(("SPY", "/ES"), "1m", date(2026, 11, 2), date(2026, 11, 20), now_us=NOW_US)
    groups = calls(plan(request, instrument_of, NOW_US), "1m")
    assert [(group[0].symbol, group[0].day, group[-1].day) for group in groups] == [
        ("SPY", "2026-11-16", "2026-11-20"), ("/ES", "2026-11-16", "2026-11-20"),
        ("SPY", "2026-11-09", "2026-11-13"), ("/ES", "2026-11-09", "2026-11-13"),
        ("SPY", "2026-11-02", "2026-11-06"), ("/ES", "2026-11-02", "2026-11-06"),
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(["SPY", "/ES", "$VIX"]), st.integers(0, 400)), max_size=60, unique=True),
    st.sampled_from(["1m", "5m", "1d"]),
)
def test_calls_hold_every_day_once_and_are_no_longer_than_allowed(some: list[tuple[str, int]], interval: str) -> None:
    first = at("2025-06-02 00:00")
    wanted = [
        Day(symbol, f"{number:03}", first + number * 86_400_000_000, first + (number + 1) * 86_400_000_000)
        for symbol, number in sorted(some)
    ]
    groups = calls(wanted, interval)
    assert sorted(day for group in groups for day in group) == wanted
    for group in groups:
        assert len({day.symbol for day in group}) == 1
        assert group == sorted(group)
        assert group[-1].to_us - group[0].from_us <= SPAN_DAYS[interval] * 86_400_000_000
    ends = [group[-1].to_us for group in groups]
    assert ends == sorted(ends, reverse=True)


def test_without_days_a_request_goes_back_as_far_as_schwab_keeps() -> None:
    today = date(2026, 12, 2)  # at nine in the evening the next trading day has begun
    for interval, back in (("1m", 48), ("5m", 270), ("1d", 5 * 365)):
        request = request_of(("SPY",), interval, None, None, now_us=NOW_US)
        assert (request.from_day, request.to_day) == (today - timedelta(days=back), today)
    request = request_of(("SPY",), "1m", None, date(2026, 6, 1), again=True, by="anna", now_us=NOW_US)
    assert (request.from_day, request.again, request.by) == (date(2026, 4, 14), True, "anna")


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"interval": "2m"}, "no candles of '2m'.*1m, 5m, 1d"),
        ({"symbols": ()}, "one symbol at least"),
        ({"symbols": tuple(f"A{one}" for one in range(SYMBOLS_MAX + 1))}, "500 at most"),
        ({"symbols": ("spy",)}, "'spy' is not a symbol"),
        ({"symbols": ("SPY", "QQQ", "SPY")}, "named twice"),
        ({"from_day": date(2026, 11, 3), "to_day": date(2026, 11, 2)}, "after its end"),
        ({"to_day": date(2026, 12, 3)}, "2026-12-03 is out of reach.*to 2026-12-02"),
        ({"from_day": date(1969, 12, 31)}, "1969-12-31 is out of reach"),
        ({"symbols": tuple(f"A{one}" for one in range(499)), "interval": "1d"}, "too many at once"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_meant_is_refused_in_words(given_: dict[str, Any], words: str) -> None:
    request = {"symbols": ("SPY",), "interval": "1m", "from_day": None, "to_day": None} | given_
    with pytest.raises(UnfitError, match=words):
        request_of(**request, now_us=NOW_US)
