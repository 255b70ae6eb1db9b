"""What a backfill asks for: trading days of symbols, and which of them are asked for in one call.

Pure. A day has the name of the date in New York on which it ends, so that of a future begins on the evening before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec

from tradeassistd.base.errors import UnfitError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.feed.history import INTERVALS, LATE_S, oldest_us, too_old
from tradeassistd.history.gaps import trading_windows
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.calendar import built_in
from tradeassistd.market.instrument import Instrument, is_symbol
from tradeassistd.market.session import NEW_YORK, trading_day

SYMBOLS_MAX = 500
DAYS_MAX = 100_000
"""Days times symbols of one request."""
FIRST_DAY = date(1970, 1, 1)
DEFAULT_DAYS = {"1m": 48, "5m": 270, "1d": 5 * 365}
"""How many calendar days a request without a first day has: what Schwab keeps, and five years of days."""
BEYOND_DAYS = 14
"""What is older than what Schwab is known to keep by more than that is not asked for."""
SPAN_DAYS = {"1m": 7, "5m": 28, "1d": 4 * 365}
"""What is asked for in one call, in calendar days: some 5,000 candles at most."""


class Request(msgspec.Struct, frozen=True):
    """Which days of which symbols, the last one included; made by `request_of`."""

    symbols: tuple[str, ...]
    interval: str
    from_day: date
    to_day: date
    again: bool = False
    """Also what was answered before."""
    by: str = ""
    """Who asked, for the audit."""


class Day(NamedTuple):
    """A trading day of a symbol. UTC microseconds; of `1d` from midnight to midnight in New York."""

    symbol: str
    day: str
    """YYYY-MM-DD."""
    from_us: int
    to_us: int
    why_not: str = ""
    """Why there is nothing to ask for, in words; empty when there is."""


def request_of(
    symbols: Sequence[str], interval: str, from_day: date | None, to_day: date | None, *, again: bool = False,
    by: str = "", now_us: int,
) -> Request:  # fmt: skip
    """The request for these days; without a last day up to the trading day of now, without a first one DEFAULT_DAYS.

    Raises UnfitError, in words for whoever asks.
    """
    if interval not in INTERVALS:
        raise UnfitError(f"Schwab makes no candles of {interval!r}", hint=f"write one of {', '.join(INTERVALS)}")
    if not symbols or len(symbols) > SYMBOLS_MAX:
        raise UnfitError(f"name one symbol at least, {SYMBOLS_MAX} at most")
    for symbol in symbols:
        if not is_symbol(symbol):
            raise UnfitError(f"{symbol!r} is not a symbol", hint="as Schwab writes them: /ES, /ESZ26, $SPX, SPY, BRK/B")
    if len(set(symbols)) < len(symbols):
        raise UnfitError("a symbol is named twice")
    today = _today(now_us)
    last = to_day or today
    first = from_day or max(FIRST_DAY, last - timedelta(days=DEFAULT_DAYS[interval]))
    if first > last:
        raise UnfitError(f"it begins on {first}, after its end on {last}")
    if first < FIRST_DAY or last > today:
        raise UnfitError(f"{first if first < FIRST_DAY else last} is out of reach",
                         hint=f"name days from {FIRST_DAY} to {today}, the trading day of now")  # fmt: skip
    if (days := ((last - first).days + 1) * len(symbols)) > DAYS_MAX:
        raise UnfitError(f"{days:,} days are too many at once", hint=f"ask for {DAYS_MAX:,} at most")
    return Request(tuple(symbols), interval, first, last, again, by)


def plan(request: Request, instrument_of: Callable[[str], Instrument], now_us: int) -> list[Day]:
    """The weekdays of a request that have begun, symbol by symbol, oldest first, also those with nothing to ask for."""
    return [day for symbol in request.symbols for day in _days(instrument_of(symbol), request, now_us)]


def calls(days: Iterable[Day], interval: str) -> list[list[Day]]:
    """The days in groups of one symbol each that one call can ask for; the newest first, for they matter most."""
    groups: list[list[Day]] = []
    for _, of_symbol in groupby(days, key=lambda day: day.symbol):
        group: list[Day] = []
        for day in of_symbol:
            if group and day.to_us - group[0].from_us > SPAN_DAYS[interval] * 86_400 * US_PER_S:
                groups.append(group)
                group = []
            group.append(day)
        groups.append(group)
    return sorted(groups, key=lambda group: -group[-1].to_us)


def _days(instrument: Instrument, request: Request, now_us: int) -> Iterator[Day]:
    windows = {
        _date(window.close_us - 1): window
        for window in trading_windows(
            instrument, _midnight_us(request.from_day - timedelta(days=5)), _midnight_us(request.to_day, 2)
        )
    }
    known_us = now_us - LATE_S * US_PER_S
    asked_us = oldest_us(request.interval, now_us) - BEYOND_DAYS * 86_400 * US_PER_S
    day = request.from_day
    while day <= request.to_day:
        window, name = windows.get(day), day.isoformat()
        midnights = _midnight_us(day), _midnight_us(day, 1)
        if window is None:
            if day.weekday() < 5 and midnights[0] < now_us:
                why = built_in().why(day)
                yield Day(instrument.symbol, name, *midnights, why_not=f"closed: {why}" if why else "closed")
        elif window.close_us <= asked_us:
            yield Day(instrument.symbol, name, *window, why_not=too_old(request.interval))
        elif request.interval == "1d":
            if midnights[1] <= known_us:
                yield Day(instrument.symbol, name, *midnights)
        elif window.open_us + INTERVALS_S[request.interval] * US_PER_S <= known_us:
            yield Day(instrument.symbol, name, *window)
        day += timedelta(days=1)


def _today(now_us: int) -> date:
    """The trading day of now, or the one that comes next."""
    return datetime.strptime(trading_day(now_us)[0], "%Y%m%d").date()


def _date(at_us: int) -> date:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()


def _midnight_us(day: date, days: int = 0) -> int:
    at = datetime.combine(day + timedelta(days=days), datetime.min.time(), NEW_YORK)
    return round(at.timestamp()) * US_PER_S
