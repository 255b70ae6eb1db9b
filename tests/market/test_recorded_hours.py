"""What was recorded lies in the trading windows, and the recorded days are the trading days."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from tests.recorded import recorded
from tradeassistd.market.calendar import built_in
from tradeassistd.market.instrument import Market, instrument_of
from tradeassistd.market.session import next_trading_open, trading_window_at

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
