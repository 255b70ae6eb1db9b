"""Makes tradeassistd/market/calendar.csv, every day since 1990 that is not plain: `make calendar`.

The days come from pandas_market_calendars, which costs a second to import and so never runs in the daemon. It is right
about the New York Stock Exchange; for CME it is corrected here, by the rules in `corrected` and by the single days in
calendar_facts.csv, each with the reason. A cell of the table is empty (a plain day), `closed`, the close `13:00`, or
open and close `11:00-14:00` (either may be left out), in New York time.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pandas_market_calendars as library  # type: ignore[import-not-found]

FIRST, LAST = date(1990, 1, 1), date(2035, 12, 31)
TABLE = Path(__file__).parents[1] / "tradeassistd" / "market" / "calendar.csv"
FACTS = Path(__file__).with_name("calendar_facts.csv")
# Which of the library's calendars is each market of ours, and its plain day there. CME_Equity has the half days at
# 13:00 and the days of mourning as closed, both wrong; "CME Globex Equity" has them right or not at all.
CALENDARS = {
    "nyse": ("NYSE", "09:30", "16:00"),
    "equity_index": ("CME Globex Equity", "18:00", "17:00"),
    "energy": ("CMEGlobex_Energy", "18:00", "17:00"),
    "metals": ("CMEGlobex_Metals", "18:00", "17:00"),
    "rates": ("CME Globex Fixed Income", "18:00", "17:00"),
    "fx": ("CMEGlobex_FX", "18:00", "17:00"),
    "grains": ("CMEGlobex_Grains", "20:00", "14:20"),
}
MARKETS = ("nyse", "vix", *tuple(CALENDARS)[1:])
CLOSED = "closed"
# Good Fridays on which the employment report came out (2034: by the rule of the first Friday): stock index futures stop
# at 9:15, rates and currencies at 11:15. On every other one all of CME is closed, which the library misses since 2024.
REPORT_FRIDAYS = {date(2010, 4, 2), date(2012, 4, 6), date(2015, 4, 3), date(2021, 4, 2), date(2023, 4, 7),
                  date(2026, 4, 3), date(2034, 4, 7)}  # fmt: skip
ONCE = {
    "1990-12-27": "Late open", "1991-01-17": "Moment of silence", "1991-02-25": "Moment of silence",
    "1994-02-11": "Blizzard", "1994-04-27": "Mourning for President Nixon", "1995-12-18": "Computer fault",
    "1996-01-08": "Blizzard", "1997-10-27": "Circuit breaker", "2001-09-11": "September 11",
    "2001-09-12": "September 11", "2001-09-13": "September 11", "2001-09-14": "September 11",
    "2001-09-17": "Moment of silence", "2001-10-08": "Moment of silence", "2002-09-11": "Memorial of September 11",
    "2003-03-20": "Moment of silence", "2004-06-07": "Moment of silence",
    "2004-06-11": "Mourning for President Reagan", "2005-06-01": "Communication fault",
    "2006-12-27": "Moment of silence", "2007-01-02": "Mourning for President Ford", "2012-10-29": "Hurricane Sandy",
    "2012-10-30": "Hurricane Sandy", "2018-12-05": "Mourning for President Bush",
    "2025-01-09": "Mourning for President Carter",
}  # fmt: skip


def main() -> None:
    """Write the table anew."""
    days = {day: corrected(day, cells) for day, cells in from_library().items()}
    with FACTS.open(newline="", encoding="utf-8") as file:
        for fact in csv.DictReader(file):
            days.setdefault(date.fromisoformat(fact["day"]), {})[fact["market"]] = fact["hours"]
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["day", *MARKETS, "why"])
        for day, cells in sorted(days.items()):
            if any(cells.values()):
                why = name_of(day) or "Day before a holiday"
                writer.writerow([day, *(cells.get(market, "") for market in MARKETS), why])


def from_library() -> dict[date, dict[str, str]]:
    """For every weekday the cells of the markets that are not plain, as the library has them."""
    weekdays = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    days: dict[date, dict[str, str]] = {day: {} for day in weekdays if day.weekday() < 5}
    for market, (name, opens, closes) in CALENDARS.items():
        schedule = library.get_calendar(name).schedule(FIRST, LAST, tz="America/New_York")
        hours = {
            stamp.date(): (row.market_open.strftime("%H:%M"), row.market_close.strftime("%H:%M"))
            for stamp, row in schedule.iterrows()
        }
        for day, cells in days.items():
            opened, closed = hours.get(day, (CLOSED, CLOSED))
            if opened == CLOSED:
                cells[market] = CLOSED
            elif opened != opens:
                cells[market] = f"{opened}-{closed if closed != closes else ''}"
            elif closed != closes:
                cells[market] = closed
    return days


def corrected(day: date, cells: dict[str, str]) -> dict[str, str]:
    """The cells of a day with what is known better."""
    name, cells = name_of(day), dict(cells)
    if name in ("Christmas", "New Year") and cells.get("nyse") == CLOSED:
        cells |= dict.fromkeys(tuple(CALENDARS), CLOSED)
    if name == "Juneteenth" and cells.get("nyse") == CLOSED:
        cells["grains"] = CLOSED  # the library lets them trade
    if name == "Good Friday":
        report = day in REPORT_FRIDAYS
        cells["equity_index"] = "09:15" if report else CLOSED
        cells["rates"] = cells["fx"] = "11:15" if report else CLOSED
    if name == "Labor Day" and day.year >= 2022:
        # As on the other Monday holidays since 2022; the library says 13:00 but for 2026 (its issue 464).
        cells["energy"] = cells["metals"] = "14:30"
    if cells.get("energy") == "14:30" and day.weekday() == 4:
        # A holiday on a Friday has no evening to come back in: all stop at noon Central (CME for 2025 and 2026).
        cells["energy"] = cells["metals"] = "13:00"
    if name == "Day after Thanksgiving":
        if day.year >= 2026:  # as CME published for 2026; the library goes back to 13:45 in 2027
            cells["energy"] = cells["metals"] = "14:45"
        cells["grains"] = "09:30-13:05"  # no evening session on Thanksgiving, close 12:05 Central
    if name == "Christmas Eve" and day.weekday() < 5 and cells.get("equity_index") != CLOSED:
        if day.year >= 2006:  # since NYMEX and COMEX trade on Globex: 12:45 Central; the library has it in 2026 only
            cells["energy"] = cells["metals"] = "13:45"
        cells["grains"] = "13:05"
    if name == "Day after Christmas" or name == "Day after New Year":
        cells["grains"] = cells.get("grains") or "09:30-"  # grains do not open on the evening of these two
    cells["vix"] = vix(day, cells)
    return cells


def vix(day: date, cells: dict[str, str]) -> str:
    """Cboe follows the NYSE and publishes its index a quarter of an hour longer.

    Since Memorial Day 2022 its overnight session, and so the index, runs until 11:30 on holidays on which CME trades
    past the NYSE's opening; the daily record of the index shows which.
    """
    stocks = cells.get("nyse", "")
    if stocks == CLOSED:
        futures = cells.get("equity_index", "")
        return "11:30" if day >= date(2022, 5, 30) and "09:30" < futures < CLOSED else CLOSED
    if stocks and "-" not in stocks:
        hour, minute = divmod(int(stocks[:2]) * 60 + int(stocks[3:]) + 15, 60)
        return f"{hour:02}:{minute:02}"
    return ""


def name_of(day: date) -> str:
    """Why the day is not plain, "" when it has no name."""
    if str(day) in ONCE:
        return ONCE[str(day)]
    easter = easter_of(day.year)
    week, monday = (day.day - 1) // 7 + 1, day.weekday() == 0
    if day == easter - timedelta(days=2):
        return "Good Friday"
    if monday and day.month == 5 and day.day > 24:
        return "Memorial Day"
    mondays = {(1, 3): "Martin Luther King Day", (2, 3): "Presidents' Day", (9, 1): "Labor Day"}
    if monday and (day.month, week) in mondays:
        return mondays[day.month, week]
    if day.month == 11 and day.weekday() == 3 and week == 4:
        return "Thanksgiving"
    if day.month == 11 and day.weekday() == 4 and 23 <= day.day <= 29:
        return "Day after Thanksgiving"
    fixed = {(1, 1): "New Year", (6, 19): "Juneteenth", (7, 4): "Independence Day", (12, 25): "Christmas"}
    for shift in (0, 1 if monday else 0, -1 if day.weekday() == 4 else 0):
        holiday = day - timedelta(days=shift)
        if (holiday.month, holiday.day) in fixed and (shift == 0 or holiday.weekday() > 4):
            return fixed[holiday.month, holiday.day]
    return {(1, 2): "Day after New Year", (7, 2): "Independence Day's eve", (7, 3): "Independence Day's eve",
            (7, 5): "Day after Independence Day", (12, 24): "Christmas Eve", (12, 26): "Day after Christmas",
            (12, 31): "New Year's Eve"}.get((day.month, day.day), "")  # fmt: skip


def easter_of(year: int) -> date:
    """Easter Sunday by the rule of Meeus, Jones and Butcher."""
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (golden + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


if __name__ == "__main__":
    main()
