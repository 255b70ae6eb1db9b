"""When an instrument trades and which session its bars run over, worked out apart from the daemon's calendar.

Stocks, indices, $VIX and equity index futures, by the wall clock of New York. Only the table of holidays and half days,
tradeassistd/market/calendar.csv, is shared with the daemon, as data.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
US_PER_S = 1_000_000
TABLE = Path(__file__).resolve().parents[2] / "tradeassistd" / "market" / "calendar.csv"
EVER = (-(2**62), 2**62)

Minutes = tuple[int, int]
"""(open, close) in minutes from midnight of the trading day; a negative one lies on the evening before."""
Window = tuple[int, int]
"""(open, close) in UTC microseconds; open included, close not."""


class Session:
    """One named session of an instrument: its windows, one a day at most."""

    def __init__(self, minutes: Callable[[date], Minutes | None]) -> None:
        self._minutes = minutes
        self._found = (0, 0)

    def on(self, day: date) -> Window | None:
        """The window of a trading day; None when there is none."""
        minutes = None if day.weekday() > 4 else self._minutes(day)
        if minutes is None or minutes[0] >= minutes[1]:
            return None
        return instant_us(day, minutes[0]), instant_us(day, minutes[1])

    def window(self, at_us: int) -> Window | None:
        """The window that holds an instant; None outside."""
        if self._found[0] <= at_us < self._found[1]:
            return self._found
        found = self.latest(at_us)
        if at_us >= found[1]:
            return None
        self._found = found
        return found

    def latest(self, at_us: int) -> Window:
        """The last window that opened at or before an instant."""
        day = datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date() + timedelta(days=1)
        while (window := self.on(day)) is None or window[0] > at_us:
            day -= timedelta(days=1)
        return window

    def touches(self, from_us: int, until_us: int) -> bool:
        """Whether the session is open at any instant of [from, until)."""
        return self.latest(until_us - 1)[1] > from_us

    def before(self, window: Window) -> Window:
        """The window before another."""
        return self.latest(window[0] - 1)

    def week_before(self, at_us: int) -> list[Window]:
        """All windows of the week before that of the latest window; a week is Monday to Friday by trading day."""
        close_us = self.latest(at_us)[1]
        day = datetime.fromtimestamp(close_us // US_PER_S - 1, NEW_YORK).date()
        monday = day - timedelta(days=day.weekday() + 7)
        found = (self.on(monday + timedelta(days=n)) for n in range(5))
        return [window for window in found if window is not None]


class Always(Session):
    """The session word that never ends."""

    def __init__(self) -> None:
        super().__init__(lambda day: None)

    def window(self, at_us: int) -> Window:
        return EVER

    def latest(self, at_us: int) -> Window:
        return EVER


def words(symbol: str) -> tuple[str, ...]:
    """The session words an instrument has."""
    if symbol.startswith("/"):
        return "globex", "overnight", "rth", "always"
    return ("rth", "always") if symbol.startswith("$") else ("rth", "ext", "always")


@cache
def session(symbol: str, word: str) -> Session:
    """A session of a symbol; raises ValueError for a word the symbol lacks."""
    if word not in words(symbol):
        raise ValueError(f"{symbol} has no session {word!r}")
    if word == "always":
        return Always()
    if symbol.startswith("/"):
        return Session(lambda day: _future(word, day))
    return Session(lambda day: _stock(word, day))


def own_word(symbol: str) -> str:
    """The session word of the symbol's bars and of its day."""
    return "globex" if symbol.startswith("/") else "rth"


def series_session(symbol: str, word: str | None = None) -> Session:
    """The session whose trades make the symbol's bars; raises ValueError for a word the symbol lacks."""
    return session(symbol, word or own_word(symbol))


@cache
def trading_session(symbol: str) -> Session:
    """The whole time the symbol trades; outside it no rule of the symbol is judged."""
    if symbol == "$VIX":
        return Session(_vix)
    if symbol.startswith("$"):
        return Session(_published)
    return session(symbol, "globex" if symbol.startswith("/") else "ext")


def active_window(windows: tuple[tuple[frozenset[int], int, int], ...], at_us: int) -> Window | None:
    """The first active window that holds an instant; one whose end is not after its start ends the next day."""
    today = datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()
    for weekdays, from_minute, to_minute in windows:
        for day in (today - timedelta(days=1), today):
            until = to_minute if to_minute > from_minute else to_minute + 1440
            window = instant_us(day, from_minute), instant_us(day, until)
            if day.weekday() in weekdays and window[0] <= at_us < window[1]:
                return window
    return None


@cache
def _table() -> dict[str, dict[str, str]]:
    """The lines of the calendar by ISO date."""
    with TABLE.open(newline="", encoding="utf-8") as text:
        return {line["day"]: line for line in csv.DictReader(text)}


def _changed(day: date, market: str) -> tuple[bool, int | None, int | None]:
    """(closed, opening minute, closing minute) instead of the usual: `16:15`, `09:30-`, `09:30-13:05`."""
    cell = _table().get(day.isoformat(), {}).get(market, "")
    if cell == "closed":
        return True, None, None
    opens, dash, closes = cell.partition("-")
    if not dash:
        opens, closes = "", opens
    return False, _minute(opens), _minute(closes)


def _minute(text: str) -> int | None:
    return int(text[:2]) * 60 + int(text[3:]) if text else None


def _stock(word: str, day: date) -> Minutes | None:
    closed, opens, closes = _changed(day, "nyse")
    if closed:
        return None
    if word == "ext":  # a half day's extended hours end four hours after the bell
        return 240, 1200 if closes is None else min(1200, closes + 240)
    return opens or 570, closes or 960


def _published(day: date) -> Minutes | None:
    hours = _stock("rth", day)  # an index is published a quarter of an hour past the bell
    return hours and (hours[0], hours[1] + 15)


def _vix(day: date) -> Minutes | None:
    closed, _, closes = _changed(day, "vix")
    return None if closed else (195, closes or 975)


def _future(word: str, day: date) -> Minutes | None:
    closed, opens, closes = _changed(day, "equity_index")
    if closed:
        return None
    whole = (-360 if opens is None else opens, closes or 1020)
    if word == "globex":
        return whole
    if word == "overnight":
        return whole[0], min(570, whole[1])
    stocks = _stock("rth", day)  # regular hours are the stock exchange's
    return stocks and (max(stocks[0], whole[0]), min(stocks[1], whole[1]))


@cache
def instant_us(day: date, minute: int) -> int:
    """A wall-clock minute of New York, counted from midnight of a day, in UTC microseconds."""
    days, minute = divmod(minute, 1440)
    local = datetime.combine(day + timedelta(days=days), time(minute // 60, minute % 60), NEW_YORK)
    return int(local.astimezone(UTC).timestamp()) * US_PER_S
