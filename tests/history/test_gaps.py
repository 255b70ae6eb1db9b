"""What is missing, held against a count minute by minute, and at the edges by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_series import MINUTE_US, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.history.gaps import (
    ASKED_SPAN_US,
    DAY_US,
    asked_together,
    joined,
    missing,
    trading_days_back,
    trading_windows,
)
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import trading_window_at
from tradeassistd.store.official import Span

SPY, ES, VIX = (instrument_of(symbol) for symbol in ("SPY", "/ES", "$VIX"))
BEGIN_US = at("2026-11-24 18:30")


def spans(found: list[Span]) -> list[tuple[str, str]]:
    """As minutes since Tuesday 2026-11-24 00:00, New York."""
    midnight_us = at("2026-11-24 00:00")

    def text(us: int) -> str:
        days, minute = divmod((us - midnight_us) // MINUTE_US, 1440)
        return f"{24 + days} {minute // 60:02d}:{minute % 60:02d}"

    return [(text(one.from_us), text(one.to_us)) for one in found]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 86_400), st.integers(0, 40_000)), max_size=6), st.sampled_from((SPY, ES, VIX)))
def test_a_minute_is_missing_when_it_trades_and_any_instant_of_it_is_unknown(
    given_spans: list[tuple[int, int]], instrument: object
) -> None:
    known = [(BEGIN_US + a * US_PER_S, BEGIN_US + (a + length) * US_PER_S) for a, length in given_spans]
    until_us = BEGIN_US + 26 * 3600 * US_PER_S
    found = missing(instrument, known, BEGIN_US, until_us)  # type: ignore[arg-type]
    told = {at_us for one in found for at_us in range(one.from_us, one.to_us, MINUTE_US)}
    whole = joined(known)
    expected = {
        at_us
        for at_us in range(BEGIN_US, until_us, MINUTE_US)
        if trading_window_at(instrument, at_us) is not None  # type: ignore[arg-type]
        and not any(a <= at_us and at_us + MINUTE_US <= b for a, b in whole)
    }
    assert told == expected
    assert all(one.to_us < after.from_us for one, after in pairwise(found)), "none touches another"


def test_a_holiday_a_half_day_and_a_weekend_are_not_missing() -> None:
    """Thanksgiving 2026-11-26 is closed; the Friday after it ends at 17:00 in extended hours."""
    found = missing(SPY, [], at("2026-11-25 12:00"), at("2026-11-30 10:00"))
    assert spans(found) == [("25 12:00", "25 20:00"), ("27 04:00", "27 17:00"), ("30 04:00", "30 10:00")]


def test_the_daily_break_of_a_future_parts_what_is_missing() -> None:
    found = missing(ES, [], at("2026-11-24 16:30"), at("2026-11-24 18:30"))
    assert spans(found) == [("24 16:30", "24 17:00"), ("24 18:00", "24 18:30")]


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([("10:00:00", "11:00:00")], []),
        # A second at either end spoils its minute.
        ([("10:00:01", "11:00:00")], [("24 10:00", "24 10:01")]),
        ([("10:00:00", "10:59:59")], [("24 10:59", "24 11:00")]),
        # A hole of a second within a minute, and one over the turn of a minute.
        ([("09:00:00", "10:30:10"), ("10:30:11", "12:00:00")], [("24 10:30", "24 10:31")]),
        ([("09:00:00", "10:30:59"), ("10:31:00", "12:00:00")], [("24 10:30", "24 10:31")]),
        ([("09:00:00", "10:30:59"), ("10:31:01", "12:00:00")], [("24 10:30", "24 10:32")]),
        # Between two holes less than a minute is known: they are one.
        ([("09:00:00", "10:10:30"), ("10:11:10", "10:11:50"), ("10:13:00", "12:00:00")], [("24 10:10", "24 10:13")]),
        # Known spans that overlap, touch, are empty, or come in another order.
        ([("10:30:00", "12:00:00"), ("09:00:00", "10:30:00"), ("10:05:00", "10:05:00")], []),
    ],
)
def test_edges(known: list[tuple[str, str]], found: list[tuple[str, str]]) -> None:
    spans_ = [(at(f"2026-11-24 {a}"), at(f"2026-11-24 {b}")) for a, b in known]
    assert spans(missing(SPY, spans_, at("2026-11-24 10:00"), at("2026-11-24 11:00"))) == found


def test_bounds_within_a_minute_leave_that_minute_out() -> None:
    assert spans(missing(SPY, [], at("2026-11-24 10:00:30"), at("2026-11-24 10:02:30"))) == [("24 10:01", "24 10:02")]
    assert missing(SPY, [], at("2026-11-24 10:00:30"), at("2026-11-24 10:00:40")) == []


def test_windows_end_where_the_calendar_does() -> None:
    far_us = at("2034-12-29 12:00")
    windows = list(trading_windows(SPY, far_us, far_us + 10 * DAY_US))
    assert windows and all(a.close_us <= b.open_us for a, b in pairwise(windows))


def test_what_is_asked_at_once_spans_a_week_at_most_and_loses_nothing() -> None:
    few = [Span("SPY", day * DAY_US, day * DAY_US + MINUTE_US) for day in (0, 4, 9, 11, 30)]
    assert [[span.from_us // DAY_US for span in group] for group in asked_together(few)] == [[0, 4], [9, 11], [30]]
    long = Span("/ES", 0, 25 * DAY_US)
    parts = [part for group in asked_together([long]) for part in group]
    assert [part.to_us - part.from_us for part in parts] == [ASKED_SPAN_US] * 3 + [4 * DAY_US]
    assert (parts[0].from_us, parts[-1].to_us) == (0, 25 * DAY_US)


@pytest.mark.parametrize(("days", "began"), [(1, "2026-11-20 18:00"), (2, "2026-11-19 18:00"), (6, "2026-11-13 18:00")])
def test_trading_days_back_leave_weekends_out(days: int, began: str) -> None:
    """The day of Monday 2026-11-23 begins when Friday's ends."""
    assert trading_days_back(at("2026-11-23 10:00"), days) == at(began)
