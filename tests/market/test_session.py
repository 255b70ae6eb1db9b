"""Trading sessions and trading days: a table of instants, and laws over any instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import (
    EVER,
    SESSION_WORDS,
    Window,
    series_session,
    session_words,
    trading_day,
    trading_window_at,
    window_at,
)

NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = st.sampled_from(["SPY", "/ES", "$SPX", "$VIX", "$TICK"])
# Two years around the daylight saving changes of 2026, to the second and a microsecond.
INSTANTS = st.integers(
    int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
    int(datetime(2027, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
)


def at(text: str) -> int:
    """`2026-11-16 09:30` or `…:59.999999`, New York wall time, in microseconds."""
    wall = datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
    return int(wall.replace(microsecond=0).timestamp()) * US_PER_S + wall.microsecond


@pytest.mark.parametrize(
    ("symbol", "session", "instant", "opens", "closes"),
    [
        # an ordinary Monday in winter
        ("SPY", "rth", "2026-11-16 09:29:59.999999", "", ""),
        ("SPY", "rth", "2026-11-16 09:30", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("SPY", "rth", "2026-11-16 15:59:59.999999", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("SPY", "rth", "2026-11-16 16:00", "", ""),
        ("SPY", "ext", "2026-11-16 03:59", "", ""),
        ("SPY", "ext", "2026-11-16 04:00", "2026-11-16 04:00", "2026-11-16 20:00"),
        ("SPY", "ext", "2026-11-16 20:00", "", ""),
        ("$SPX", "rth", "2026-11-16 12:00", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("$TICK", "rth", "2026-11-16 16:00", "", ""),
        # futures: the evening before belongs to the day, the break does not
        ("/ES", "globex", "2026-11-16 16:59:59.999999", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "globex", "2026-11-16 17:00", "", ""),
        ("/ES", "globex", "2026-11-16 17:59:59", "", ""),
        ("/ES", "globex", "2026-11-16 18:00", "2026-11-16 18:00", "2026-11-17 17:00"),
        ("/ES", "globex", "2026-11-17 00:00", "2026-11-16 18:00", "2026-11-17 17:00"),
        ("/ES", "overnight", "2026-11-17 09:29", "2026-11-16 18:00", "2026-11-17 09:30"),
        ("/ES", "overnight", "2026-11-17 09:30", "", ""),
        ("/ES", "rth", "2026-11-17 09:30", "2026-11-17 09:30", "2026-11-17 16:00"),
        # the weekend
        ("/ES", "globex", "2026-11-13 17:00", "", ""),
        ("/ES", "globex", "2026-11-13 18:00", "", ""),
        ("/ES", "globex", "2026-11-15 17:59", "", ""),
        ("/ES", "globex", "2026-11-15 18:00", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "overnight", "2026-11-13 20:00", "", ""),
        ("SPY", "ext", "2026-11-14 12:00", "", ""),
        ("SPY", "rth", "2026-11-15 12:00", "", ""),
        # the week the clocks go forward (Sunday 2026-03-08): 09:30 is an hour of UTC earlier
        ("SPY", "rth", "2026-03-06 09:30", "2026-03-06 09:30", "2026-03-06 16:00"),
        ("SPY", "rth", "2026-03-09 09:30", "2026-03-09 09:30", "2026-03-09 16:00"),
        ("/ES", "globex", "2026-03-08 17:59", "", ""),
        ("/ES", "globex", "2026-03-08 18:00", "2026-03-08 18:00", "2026-03-09 17:00"),
        # and back (Sunday 2026-11-01)
        ("SPY", "rth", "2026-10-30 15:59", "2026-10-30 09:30", "2026-10-30 16:00"),
        ("SPY", "rth", "2026-11-02 09:30", "2026-11-02 09:30", "2026-11-02 16:00"),
        ("/ES", "globex", "2026-11-01 18:00", "2026-11-01 18:00", "2026-11-02 17:00"),
        ("/ES", "globex", "2026-11-01 17:30", "", ""),
    ],
)
def test_sessions_hold_their_opening_and_not_their_close(
    symbol: str, session: str, instant: str, opens: str, closes: str
) -> None:
    expected = Window(at(opens), at(closes)) if opens else None
    assert window_at(instrument_of(symbol), session, at(instant)) == expected


@pytest.mark.parametrize(
    ("symbol", "instant", "trades"),
    [
        ("SPY", "2026-11-16 04:00", True),
        ("SPY", "2026-11-16 19:59", True),
        ("SPY", "2026-11-16 20:00", False),
        ("/ES", "2026-11-16 03:00", True),
        ("/ES", "2026-11-16 17:30", False),
        ("$SPX", "2026-11-16 09:29", False),
        ("$SPX", "2026-11-16 16:14", True),
        ("$SPX", "2026-11-16 16:15", False),
        ("$VIX", "2026-11-16 03:14", False),
        ("$VIX", "2026-11-16 03:15", True),
        ("$VIX", "2026-11-16 04:00", True),
        ("$VIX", "2026-11-16 16:14", True),
        ("$VIX", "2026-11-16 16:15", False),
        ("$VIX", "2026-11-14 12:00", False),
        ("$TICK", "2026-11-16 15:59", True),
        ("$TICK", "2026-11-16 16:00", False),
    ],
)
def test_an_instrument_trades_in_its_widest_session(symbol: str, instant: str, trades: bool) -> None:
    assert (trading_window_at(instrument_of(symbol), at(instant)) is not None) is trades


@pytest.mark.parametrize(
    ("symbol", "words", "series"),
    [
        ("SPY", ("rth", "ext", "always"), "rth"),
        ("/ES", ("rth", "globex", "overnight", "always"), "globex"),
        ("$VIX", ("rth", "always"), "rth"),
        ("$TICK", ("rth", "always"), "rth"),
    ],
)
def test_each_class_has_its_session_words(symbol: str, words: tuple[str, ...], series: str) -> None:
    instrument = instrument_of(symbol)
    assert session_words(instrument) == words
    assert series_session(instrument) == series
    assert set(words) <= set(SESSION_WORDS)
    for word in set(SESSION_WORDS) - set(words):
        with pytest.raises(ValueError, match=f"has no session '{word}'"):
            window_at(instrument, word, 0)


@given(SYMBOLS, st.sampled_from(SESSION_WORDS), INSTANTS)
def test_a_window_holds_the_instant_and_every_instant_of_it_gives_the_same_window(
    symbol: str, session: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument):
        return
    window = window_at(instrument, session, at_us)
    if session == "always":
        assert window == EVER
        return
    if window is None:
        return
    assert window.open_us <= at_us < window.close_us
    assert window_at(instrument, session, window.open_us) == window
    assert window_at(instrument, session, window.close_us - 1) == window
    assert window_at(instrument, session, window.open_us - 1) != window
    assert window_at(instrument, session, window.close_us) != window
    trading = trading_window_at(instrument, at_us)
    assert trading is not None, "within a session the instrument trades"


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
