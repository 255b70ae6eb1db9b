"""The calendar: sixty instants and who trades then, holidays of each market, the table's form, and corrections."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market import session as sessions
from tradeassistd.market.calendar import PLAIN, Calendar, Change, Window, built_in
from tradeassistd.market.instrument import Market, instrument_of
from tradeassistd.market.session import correct, trading_window_at, use, window_at

NEW_YORK = ZoneInfo("America/New_York")

# Who trades at sixty instants (New York). A cell names the open sessions: r rth, e ext, g globex, o overnight, - none.
# Indices: r rth, p published past rth. Written from the exchanges' notices, not from the table.
INSTANTS = """
# instant          | SPY | $SPX | $VIX | /ES | /CL | /GC | what
# a plain Wednesday
2024-05-15 03:59   | -   | -    | p    | go  | go  | go  | before the early session
2024-05-15 04:00   | e   | -    | p    | go  | go  | go  | it opens
2024-05-15 08:20   | e   | -    | p    | go  | go  | gr  | gold's day begins
2024-05-15 09:00   | e   | -    | p    | go  | gr  | gr  | crude's day begins
2024-05-15 09:30   | re  | rp   | rp   | gr  | gr  | gr  | the bell
2024-05-15 13:30   | re  | rp   | rp   | gr  | gr  | g   | gold's day ends
2024-05-15 14:30   | re  | rp   | rp   | gr  | g   | g   | crude's day ends
2024-05-15 16:00   | e   | p    | p    | g   | g   | g   | the close
2024-05-15 16:15   | e   | -    | -    | g   | g   | g   | indices stop
2024-05-15 17:00   | e   | -    | -    | -   | -   | -   | maintenance break
2024-05-15 17:59   | e   | -    | -    | -   | -   | -   | maintenance break
2024-05-15 18:00   | e   | -    | -    | go  | go  | go  | reopened
2024-05-15 20:00   | -   | -    | -    | go  | go  | go  | the late session has ended
# weekends and both changes of the clocks
2024-05-17 16:59   | e   | -    | -    | g   | g   | g   | Friday
2024-05-17 18:00   | e   | -    | -    | -   | -   | -   | Friday evening
2024-05-18 12:00   | -   | -    | -    | -   | -   | -   | Saturday
2024-05-19 17:59   | -   | -    | -    | -   | -   | -   | Sunday
2024-05-19 18:00   | -   | -    | -    | go  | go  | go  | Sunday open
2024-03-10 17:59   | -   | -    | -    | -   | -   | -   | clocks forward, Sunday
2024-03-10 18:00   | -   | -    | -    | go  | go  | go  | clocks forward, Sunday open
2024-03-11 09:29   | e   | -    | p    | go  | gr  | gr  | Monday after
2024-03-11 09:30   | re  | rp   | rp   | gr  | gr  | gr  | Monday after
2024-11-03 01:30   | -   | -    | -    | -   | -   | -   | clocks back
2024-11-03 18:00   | -   | -    | -    | go  | go  | go  | clocks back, Sunday open
2024-11-04 15:59   | re  | rp   | rp   | gr  | g   | g   | Monday after
2024-11-04 16:00   | e   | p    | p    | g   | g   | g   | Monday after
# holidays on which Globex halts early
2024-01-15 12:59   | -   | -    | -    | g   | g   | g   | Martin Luther King Day
2024-01-15 13:00   | -   | -    | -    | -   | g   | g   | index futures halt
2024-01-15 14:30   | -   | -    | -    | -   | -   | -   | all halt
2024-01-15 18:00   | -   | -    | -    | go  | go  | go  | open for Tuesday
2024-06-18 18:00   | e   | -    | -    | go  | go  | go  | Juneteenth opens the evening before
2024-06-19 09:29   | -   | -    | p    | go  | g   | g   | Juneteenth: no regular hours, so crude's night ends at nine
2024-06-19 12:00   | -   | -    | -    | g   | g   | g   | Juneteenth
2024-06-19 13:00   | -   | -    | -    | -   | g   | g   | Juneteenth halt
2024-06-19 14:29   | -   | -    | -    | -   | g   | g   | Juneteenth
2026-06-19 12:59   | -   | -    | -    | g   | g   | g   | Juneteenth on a Friday
2026-06-19 13:00   | -   | -    | -    | -   | -   | -   | on a Friday all stop together
2026-06-19 18:00   | -   | -    | -    | -   | -   | -   | and do not reopen
2021-06-18 12:00   | re  | rp   | rp   | gr  | gr  | gr  | not yet a holiday in 2021
# half days
2024-07-03 12:59   | re  | rp   | rp   | gr  | gr  | gr  | Independence Day's eve
2024-07-03 13:00   | e   | p    | p    | g   | gr  | gr  | stocks close
2024-07-03 13:15   | e   | -    | -    | -   | gr  | gr  | index futures close
2024-07-03 17:00   | -   | -    | -    | -   | -   | -   | the late session is over
2024-07-04 14:00   | -   | -    | -    | -   | g   | g   | Independence Day
2025-07-04 13:30   | -   | -    | -    | -   | -   | -   | Independence Day on a Friday
2024-11-28 12:30   | -   | -    | -    | g   | g   | g   | Thanksgiving
2024-11-29 13:10   | e   | p    | p    | g   | gr  | gr  | day after Thanksgiving
2024-11-29 13:50   | e   | -    | -    | -   | -   | -   | metals and energy have closed too
2024-12-24 13:20   | e   | -    | -    | -   | gr  | gr  | Christmas Eve
2024-12-24 18:30   | -   | -    | -    | -   | -   | -   | no evening session for Christmas
# closed, or nearly
2024-12-25 12:00   | -   | -    | -    | -   | -   | -   | Christmas
2024-12-25 18:00   | -   | -    | -    | go  | go  | go  | open for the 26th
2023-04-07 09:14   | -   | -    | -    | go  | -   | -   | Good Friday with the employment report
2023-04-07 09:15   | -   | -    | -    | -   | -   | -   | and over
2024-03-28 18:30   | e   | -    | -    | -   | -   | -   | the evening before a Good Friday without it
2024-03-29 09:00   | -   | -    | -    | -   | -   | -   | Good Friday
2025-01-09 09:20   | -   | -    | p    | go  | gr  | gr  | mourning for President Carter
2025-01-09 09:30   | -   | -    | -    | -   | gr  | gr  | index futures stop
2012-10-30 09:00   | -   | -    | -    | go  | gr  | gr  | Hurricane Sandy
2012-10-30 12:00   | -   | -    | -    | -   | gr  | gr  | Hurricane Sandy
2001-09-12 12:00   | -   | -    | -    | -   | gr  | gr  | after September 11
# CME closed at 17:15 until 2015
2013-10-08 17:14   | e   | -    | -    | g   | g   | g   | recorded
2013-10-08 17:15   | e   | -    | -    | -   | -   | -   | recorded
2015-09-21 17:00   | e   | -    | -    | -   | -   | -   | the first day of 17:00
"""
SYMBOLS = ("SPY", "$SPX", "$VIX", "/ES", "/CL", "/GC")
LETTERS = {"r": "rth", "e": "ext", "g": "globex", "o": "overnight"}
ROWS = [line.split("|") for line in INSTANTS.splitlines() if line and not line.startswith("#")]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


def open_sessions(symbol: str, at_us: int) -> set[str]:
    instrument = instrument_of(symbol)
    letters = {
        letter
        for letter, word in LETTERS.items()
        if word in sessions.session_words(instrument) and window_at(instrument, word, at_us) is not None
    }
    trades = trading_window_at(instrument, at_us) is not None
    if symbol.startswith("$") and trades:
        letters.add("p")
    assert trades or not letters, "outside its trading window nothing is open"
    return letters


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0].strip()} {row[-1].strip()}" for row in ROWS])
def test_who_trades_when(row: list[str]) -> None:
    instant, *cells, _ = (cell.strip() for cell in row)
    expected = {symbol: set(cell) - {"-"} for symbol, cell in zip(SYMBOLS, cells, strict=True)}
    assert {symbol: open_sessions(symbol, at(instant)) for symbol in SYMBOLS} == expected


def test_the_table_of_instants_is_long_enough() -> None:
    assert len(ROWS) >= 60


# The stock exchange's holidays and early closes as it published them.
NYSE = {
    2024: ("01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25", "07-03 11-29 12-24"),
    2025: ("01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25", "07-03 11-28 12-24"),
    2026: ("01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25", "11-27 12-24"),
    2027: ("01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24", "11-26"),
}


@pytest.mark.parametrize("year", NYSE)
def test_the_stock_exchange_keeps_its_published_days(year: int) -> None:
    closed, half = (set(days.split()) for days in NYSE[year])
    assert {f"{day:%m-%d}" for day in weekdays(year) if built_in().change(Market.NYSE, day).closed} == closed
    early = {day for day in weekdays(year) if built_in().change(Market.NYSE, day).close_minute is not None}
    assert {f"{day:%m-%d}" for day in early} == half
    assert {built_in().change(Market.NYSE, day) for day in early} == {Change(close_minute=780)}


GLOBEX_CLOSED = "2024-01-01 2024-03-29 2024-12-25 2025-01-01 2025-04-18 2025-12-25 2026-01-01 2026-12-25"


@pytest.mark.parametrize(
    ("market", "closed"),
    [
        (Market.EQUITY_INDEX, GLOBEX_CLOSED),
        (Market.ENERGY, f"{GLOBEX_CLOSED} 2026-04-03"),
        (Market.METALS, f"{GLOBEX_CLOSED} 2026-04-03"),
    ],
)
def test_globex_is_closed_on_three_days_a_year(market: Market, closed: str) -> None:
    days = (day for year in (2024, 2025, 2026) for day in weekdays(year))
    assert {day.isoformat() for day in days if built_in().change(market, day).closed} == set(closed.split())


def test_a_future_of_an_unknown_root_keeps_the_days_of_index_futures() -> None:
    noon = at("2026-09-07 12:00")
    assert window_at(instrument_of("/XYZ"), "globex", noon) == window_at(instrument_of("/ES"), "globex", noon)


def test_vix_has_hours_on_the_holidays_of_its_record_and_stocks_do_not() -> None:
    day = date(2024, 7, 4)
    assert built_in().change(Market.VIX, day) == Change(close_minute=690)
    assert trading_window_at(instrument_of("$SPX"), at("2024-07-04 10:00")) is None
    assert trading_window_at(instrument_of("$VIX"), at("2024-07-04 10:00")) is not None
    assert trading_window_at(instrument_of("$VIX"), at("2021-07-05 10:00")) is None, "Cboe kept holidays until 2022"


def weekdays(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)


def table() -> list[dict[str, str]]:
    text = files("tradeassistd.market").joinpath("calendar.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_each_line_of_the_table_is_a_weekday_that_is_not_plain_in_order_and_with_its_reason() -> None:
    rows = table()
    days = [row["day"] for row in rows]
    assert days == sorted(set(days))
    assert (days[0], days[-1]) == ("1990-01-01", "2035-12-26")
    assert set(rows[0]) == {"day", "why", *Market} - {Market.OTHER}
    cell = re.compile(r"closed|(\d\d:\d\d|\d\d:\d\d-|)(\d\d:\d\d)?|")
    for row in rows:
        assert date.fromisoformat(row["day"]).weekday() < 5
        cells = [row[market] for market in Market if market is not Market.OTHER]
        assert any(cells), row
        assert all(cell.fullmatch(text) for text in cells), row
        assert row["why"], row


@pytest.mark.parametrize("year", range(1990, 2036))
def test_every_year_has_its_holidays(year: int) -> None:
    closed = [day for day in weekdays(year) if built_in().change(Market.NYSE, day).closed]
    assert 8 <= len(closed) <= 14, "2001 had four days of September more"
    assert any(built_in().why(day) == "Good Friday" for day in closed)


def test_a_day_without_a_line_is_plain() -> None:
    assert built_in().change(Market.NYSE, date(2026, 11, 16)) is PLAIN
    assert built_in().why(date(2026, 11, 16)) == ""
    assert built_in().why(date(2026, 6, 19)) == "Juneteenth"


@pytest.mark.parametrize(
    ("cell", "change"),
    [
        ("", PLAIN),
        ("closed", Change(closed=True)),
        ("13:00", Change(close_minute=780)),
        ("11:00-14:00", Change(open_minute=660, close_minute=840)),
        ("09:31-", Change(open_minute=571)),
    ],
)
def test_what_a_cell_says(cell: str, change: Change) -> None:
    assert Calendar({"2026-11-16": {"nyse": cell}}).change(Market.NYSE, date(2026, 11, 16)) == change


def test_the_table_loads_at_once() -> None:
    def load_s() -> float:
        built_in.cache_clear()
        began = time.perf_counter()
        built_in()
        return time.perf_counter() - began

    assert min(load_s() for _ in range(5)) < 0.010


# Corrections from Schwab's market hours.
@pytest.fixture
def own_calendar() -> Iterator[None]:
    """Whatever a test corrects is forgotten after it."""
    yield
    use(built_in())


DAY = date(2026, 11, 17)
NOON = at("2026-11-17 12:00")


@pytest.mark.usefixtures("own_calendar")
def test_a_corrected_session_is_the_one_that_counts_and_only_that_day() -> None:
    spy = instrument_of("SPY")
    correct(Market.NYSE, DAY, "rth", at("2026-11-17 09:30"), at("2026-11-17 13:00"))
    assert window_at(spy, "rth", NOON) == (at("2026-11-17 09:30"), at("2026-11-17 13:00"))
    assert window_at(spy, "rth", at("2026-11-17 13:00")) is None
    assert window_at(spy, "rth", at("2026-11-18 13:00")) is not None
    spx = trading_window_at(instrument_of("$SPX"), NOON)
    assert spx == (at("2026-11-17 09:30"), at("2026-11-17 13:15")), "an index stops a quarter of an hour later"
    assert window_at(instrument_of("/ES"), "rth", NOON) == window_at(spy, "rth", NOON)
    assert window_at(instrument_of("/CL"), "rth", at("2026-11-17 14:00")) is not None


@pytest.mark.usefixtures("own_calendar")
def test_a_day_that_schwab_says_is_closed() -> None:
    for word in ("rth", "ext"):
        correct(Market.NYSE, DAY, word, None, None)
    for symbol in ("SPY", "$SPX", "$VIX", "$TICK"):
        assert trading_window_at(instrument_of(symbol), NOON) is None
    assert window_at(instrument_of("/ES"), "rth", NOON) is None
    assert window_at(instrument_of("/ES"), "globex", NOON) is not None
    assert sessions.next_open(instrument_of("SPY"), "rth", NOON) == at("2026-11-18 09:30")


@pytest.mark.usefixtures("own_calendar")
def test_a_corrected_globex_holds_the_sessions_within_it() -> None:
    correct(Market.METALS, DAY, "globex", at("2026-11-16 19:00"), at("2026-11-17 12:30"))
    gold, silver, crude = instrument_of("/GC"), instrument_of("/SI"), instrument_of("/CL")
    assert window_at(gold, "overnight", at("2026-11-16 18:30")) is None
    assert window_at(gold, "overnight", at("2026-11-16 19:00")) == (at("2026-11-16 19:00"), at("2026-11-17 08:20"))
    assert window_at(silver, "rth", NOON) == (at("2026-11-17 08:20"), at("2026-11-17 12:30"))
    assert window_at(crude, "globex", at("2026-11-17 13:00")) is not None


@pytest.mark.usefixtures("own_calendar")
def test_a_holiday_can_be_opened_and_a_saturday_too() -> None:
    correct(Market.NYSE, date(2026, 11, 26), "rth", at("2026-11-26 09:30"), at("2026-11-26 16:00"))
    correct(Market.NYSE, date(2026, 11, 28), "ext", at("2026-11-28 08:00"), at("2026-11-28 12:00"))
    assert window_at(instrument_of("SPY"), "rth", at("2026-11-26 12:00")) is not None
    assert trading_window_at(instrument_of("SPY"), at("2026-11-28 11:59")) is not None


def test_a_correction_makes_another_calendar_and_leaves_the_first_alone() -> None:
    window = Window(1, 2)
    other = built_in().corrected(Market.NYSE, DAY, "rth", window)
    assert other.is_corrected(Market.NYSE, DAY, "rth")
    assert other.correction(Market.NYSE, DAY, "rth") == window
    assert not built_in().is_corrected(Market.NYSE, DAY, "rth")


@pytest.mark.parametrize(("open_us", "close_us"), [(NOON, NOON), (NOON, NOON - 1), (None, NOON), (NOON, None)])
def test_a_correction_without_sense_is_refused(open_us: int | None, close_us: int | None) -> None:
    with pytest.raises(ValueError, match="session"):
        correct(Market.NYSE, DAY, "rth", open_us, close_us)
    assert window_at(instrument_of("SPY"), "rth", NOON) == (at("2026-11-17 09:30"), at("2026-11-17 16:00"))
