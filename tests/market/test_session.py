"""Trading sessions and trading days: a table of instants, and laws over any instant."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorded
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.calendar import built_in
from tradeassistd.market.instrument import Market, instrument_of
from tradeassistd.market.session import (
    EVER,
    SESSION_WORDS,
    Window,
    bar_bounds,
    day_minute_us,
    next_open,
    next_trading_open,
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


# Laws over all the years of the table, every market, and the days that are not plain as often as the others.
ALL_SYMBOLS = st.sampled_from(["SPY", "$SPX", "$VIX", "$TICK", "/ES", "/CL", "/GC", "/ZN", "/6E", "/ZC", "/XYZ"])
DAYS = st.dates(date(1990, 1, 2), date(2035, 12, 30))
HOLIDAYS = DAYS.map(lambda day: _near_a_holiday(day))
CLOCK_CHANGES = st.sampled_from(
    [date(2012, 3, 11), date(2012, 11, 4), date(2024, 3, 10), date(2024, 11, 3), date(2026, 3, 8), date(2026, 11, 1)]
)
TIMES = st.times().map(lambda clock: clock.replace(tzinfo=None))
ANY_INSTANTS = st.builds(
    lambda day, clock: int(datetime.combine(day, clock, NEW_YORK).timestamp()) * US_PER_S + clock.microsecond,
    st.one_of(DAYS, HOLIDAYS, CLOCK_CHANGES),
    TIMES,
)


def _near_a_holiday(day: date) -> date:
    while not built_in().why(day) and day < date(2035, 12, 26):
        day += timedelta(days=1)
    return day


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), ANY_INSTANTS)
def test_a_window_holds_its_instant_lies_in_the_trading_window_and_touches_no_other(
    symbol: str, session: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument) or session == "always":
        return
    window = window_at(instrument, session, at_us)
    if window is None:
        return
    assert window.open_us <= at_us < window.close_us
    assert {window_at(instrument, session, us) for us in (window.open_us, window.close_us - 1)} == {window}
    assert window_at(instrument, session, window.open_us - 1) is None
    assert window_at(instrument, session, window.close_us) is None
    trading = trading_window_at(instrument, at_us)
    assert trading is not None
    assert trading.open_us <= window.open_us
    assert window.close_us <= trading.close_us
    assert window.close_us - window.open_us <= 24 * 3600 * US_PER_S


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), ANY_INSTANTS)
def test_the_next_opening_is_the_first_one(symbol: str, session: str, at_us: int) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument) or session == "always":
        return
    opens_us = next_open(instrument, session, at_us)
    assert opens_us > at_us
    window = window_at(instrument, session, opens_us)
    assert window is not None
    assert window.open_us == opens_us
    present = window_at(instrument, session, at_us)
    looked_at = range(present.close_us if present else at_us, opens_us, 600 * US_PER_S)
    assert all(window_at(instrument, session, us) is None for us in looked_at)


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), st.sampled_from(list(INTERVALS_S)), ANY_INSTANTS)
def test_a_bar_lies_in_its_window_and_the_next_one_begins_at_its_end(
    symbol: str, session: str, interval: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument):
        return
    bounds = bar_bounds(instrument, session, interval, at_us)
    window = window_at(instrument, session, at_us)
    assert (bounds is None) is (window is None)
    if bounds is None or window is None:
        return
    start_us, end_us = bounds
    assert window.open_us <= start_us <= at_us < end_us <= window.close_us
    assert end_us - start_us <= INTERVALS_S[interval] * US_PER_S
    assert bar_bounds(instrument, session, interval, start_us) == bounds
    assert bar_bounds(instrument, session, interval, end_us - 1) == bounds
    if end_us < window.close_us:
        assert end_us - start_us == INTERVALS_S[interval] * US_PER_S
        following = bar_bounds(instrument, session, interval, end_us)
        assert following is not None
        assert following[0] == end_us


@pytest.mark.parametrize(
    ("symbol", "session", "interval", "instant", "start", "end"),
    [
        ("SPY", "rth", "5m", "2026-11-16 09:34:59", "2026-11-16 09:30", "2026-11-16 09:35"),
        ("SPY", "rth", "1h", "2026-11-16 15:45", "2026-11-16 15:30", "2026-11-16 16:00"),  # the last one is short
        ("SPY", "rth", "1h", "2026-11-27 12:45", "2026-11-27 12:30", "2026-11-27 13:00"),  # and on a half day
        ("SPY", "rth", "1d", "2026-11-27 12:45", "2026-11-27 09:30", "2026-11-27 13:00"),
        ("/ES", "globex", "4h", "2026-11-16 16:30", "2026-11-16 14:00", "2026-11-16 17:00"),
        ("/ES", "globex", "1d", "2026-11-16 16:30", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "globex", "4h", "2026-11-26 12:30", "2026-11-26 10:00", "2026-11-26 13:00"),
        ("/GC", "rth", "30m", "2026-11-16 08:30", "2026-11-16 08:20", "2026-11-16 08:50"),
    ],
)
def test_bars_are_anchored_at_the_opening(
    symbol: str, session: str, interval: str, instant: str, start: str, end: str
) -> None:
    assert bar_bounds(instrument_of(symbol), session, interval, at(instant)) == (at(start), at(end))


def test_bars_of_always_are_anchored_at_the_epoch_and_outside_a_session_there_is_none() -> None:
    day_us = 86_400 * US_PER_S
    assert bar_bounds(instrument_of("SPY"), "always", "1d", 3 * day_us + 5) == (3 * day_us, 4 * day_us)
    assert bar_bounds(instrument_of("/ES"), "always", "2m", 3 * day_us - 1) == (3 * day_us - 120_000_000, 3 * day_us)
    assert bar_bounds(instrument_of("SPY"), "rth", "1m", at("2026-11-26 12:00")) is None
    with pytest.raises(ValueError, match="has no session 'globex'"):
        bar_bounds(instrument_of("SPY"), "globex", "1m", at("2026-11-16 12:00"))


@pytest.mark.parametrize(
    ("symbol", "session", "after", "opens"),
    [
        ("SPY", "rth", "2026-11-16 09:29", "2026-11-16 09:30"),
        ("SPY", "rth", "2026-11-16 09:30", "2026-11-17 09:30"),
        ("SPY", "rth", "2026-11-25 16:00", "2026-11-27 09:30"),  # over Thanksgiving
        ("SPY", "ext", "2026-11-27 17:00", "2026-11-30 04:00"),
        ("/ES", "globex", "2026-11-26 13:00", "2026-11-26 18:00"),
        ("/ES", "rth", "2026-11-26 10:00", "2026-11-27 09:30"),
        ("/ES", "globex", "2026-12-24 13:15", "2026-12-27 18:00"),  # Christmas on a Friday
        ("SPY", "rth", "2001-09-10 16:00", "2001-09-17 09:33"),
    ],
)
def test_when_a_session_opens_next(symbol: str, session: str, after: str, opens: str) -> None:
    assert next_open(instrument_of(symbol), session, at(after)) == at(opens)


def test_when_an_instrument_trades_next() -> None:
    assert next_trading_open(instrument_of("$VIX"), at("2026-11-13 20:00")) == at("2026-11-16 03:15")
    assert next_trading_open(instrument_of("SPY"), at("2026-11-13 20:00")) == at("2026-11-16 04:00")
    assert next_open(instrument_of("SPY"), "always", 7) == 7
    with pytest.raises(ValueError, match="has no session 'overnight'"):
        next_open(instrument_of("SPY"), "overnight", 7)


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


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("SPY", Market.NYSE), ("$SPX", Market.NYSE), ("$TICK", Market.NYSE), ("$VIX", Market.VIX),
        ("/ESZ26", Market.EQUITY_INDEX), ("/MNQ", Market.EQUITY_INDEX), ("/CLF27", Market.ENERGY),
        ("/NG", Market.ENERGY), ("/GC", Market.METALS), ("/HGH27", Market.METALS), ("/ZN", Market.RATES),
        ("/6E", Market.FX), ("/ZC", Market.GRAINS), ("/XYZ", Market.OTHER), ("CL", Market.NYSE),
    ],
)  # fmt: skip
def test_the_market_of_a_symbol(symbol: str, market: Market) -> None:
    assert instrument_of(symbol).market is market


@pytest.mark.parametrize(
    ("symbol", "opens", "rth", "closes"),
    [("/CL", (18, 0), (9, 0, 14, 30), (17, 0)), ("/GC", (18, 0), (8, 20, 13, 30), (17, 0)),
     ("/ZN", (18, 0), (8, 20, 15, 0), (17, 0)), ("/6E", (18, 0), (8, 20, 15, 0), (17, 0)),
     ("/ZC", (20, 0), (9, 30, 14, 20), (14, 20))],
)  # fmt: skip
def test_the_hours_of_the_other_futures(
    symbol: str, opens: tuple[int, int], rth: tuple[int, int, int, int], closes: tuple[int, int]
) -> None:
    def instant(day: int, hour: int, minute: int) -> int:
        return int(datetime.combine(date(2026, 11, day), time(hour, minute), NEW_YORK).timestamp()) * US_PER_S

    instrument, noon = instrument_of(symbol), instant(17, 12, 0)
    evening, night = instant(16, *opens), instant(17, 2, 0)
    assert window_at(instrument, "globex", noon) == (evening, instant(17, *closes))
    assert window_at(instrument, "rth", noon) == (instant(17, *rth[:2]), instant(17, *rth[2:]))
    assert window_at(instrument, "overnight", night) == (evening, instant(17, *rth[:2]))


# What was recorded lies in the windows, but for: an index that a vendor goes on repeating unchanged from 16:15 to 16:20
# (2 days, 6 bars each), and the crossed quotes of the fifteen changes before the reopening of Christmas 2023.
RECORDED = [
    ("bars/ES_ESZ13_20131006_20131011_1m.csv.gz", "ESZ13", "/ES", 0),
    ("bars/ES_ESZ21_20210919_20211217_5m.csv.gz", "ESZ21", "/ES", 0),
    ("bars/ES_20200413_20200414_tda_chart_history_1m.csv.gz", "/ES", "/ES", 0),
    ("bars/VIX_SPY_QQQ_AAPL_20190211_20190215_1m.csv.gz", "SPY", "SPY", 0),
    ("bars/VIX_SPY_QQQ_AAPL_20190211_20190215_1m.csv.gz", "VIX", "$VIX", 0),
    ("bars/SPX_2021_2023_5days_1m.csv.gz", "SPX", "$SPX", 12),
    ("ticks/ES_ESH4_20231225_globex_reopen_1h.csv.gz", "ESH4", "/ES", 15),
    ("ticks/GC_GCZ13_20131007_trades_session.csv.gz", "GCZ13", "/GC", 0),
    ("ticks/SPY_20131007_trades_session.csv.gz", "SPY", "SPY", 0),
]


def recorded_instants(name: str, symbol: str) -> Iterator[int]:
    """UTC microseconds of each bar's start, or of each tick of a file of ticks."""
    with gzip.open(recorded(name), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["symbol"] == symbol:
                yield int(row["ts"]) * 1000 if "ts" in row else int(row["ts_ns"]) // 1000


@pytest.mark.parametrize(("name", "recorded_symbol", "symbol", "outside"), RECORDED)
def test_what_was_recorded_lies_in_the_trading_windows(
    name: str, recorded_symbol: str, symbol: str, outside: int
) -> None:
    instrument = instrument_of(symbol)
    instants = list(recorded_instants(name, recorded_symbol))
    assert instants
    assert sum(trading_window_at(instrument, at_us) is None for at_us in instants) == outside


@pytest.mark.parametrize(("name", "symbol", "root"), [row[:3] for row in RECORDED if row[1] in ("ESZ13", "ESZ21")])
def test_a_recorded_contract_stops_where_its_windows_close(name: str, symbol: str, root: str) -> None:
    """Every break between two of its windows, Thanksgiving's too, is a break in the record, and no window is empty."""
    instrument = instrument_of(root)
    instants = list(recorded_instants(name, symbol))
    length_us = min(later - earlier for earlier, later in pairwise(instants))
    windows = {window: 0 for at_us in instants if (window := trading_window_at(instrument, at_us)) is not None}
    for at_us in instants:
        window = trading_window_at(instrument, at_us)
        assert window is not None
        windows[window] = at_us
    for window, last_us in list(windows.items())[:-1]:
        assert last_us + length_us == window.close_us, "the record goes on until the close"
        assert next_trading_open(instrument, window.open_us) in {later.open_us for later in windows}


def test_the_recorded_days_of_the_indices_are_the_trading_days_of_their_years() -> None:
    spx = set(_recorded_dates("bars/SPX_1990_2022_1d.csv.gz"))
    assert spx == {day for day in _weekdays(min(spx), max(spx)) if not built_in().change(Market.NYSE, day).closed}
    vix = set(_recorded_dates("bars/VIX_1990_2026_1d.csv.gz"))
    expected = {day for day in _weekdays(min(vix), max(vix)) if not built_in().change(Market.VIX, day).closed}
    # The record has a row for the day of mourning for President Reagan, and lacks four days on which stocks traded.
    assert vix - expected == {date(2004, 6, 11)}
    assert expected - vix >= {date(1991, 3, 1), date(1997, 1, 31), date(1997, 11, 26), date(1999, 12, 31)}
    assert len(expected - vix) == 4


def _recorded_dates(name: str) -> Iterator[date]:
    with gzip.open(recorded(name), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield datetime.fromtimestamp(int(row["ts"]) // 1000, UTC).date()


def _weekdays(first: date, last: date) -> Iterator[date]:
    days = (first + timedelta(days=count) for count in range((last - first).days + 1))
    return (day for day in days if day.weekday() < 5)
