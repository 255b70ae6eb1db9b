"""The hours of each market: which minutes of a day a session word means, on plain days, half days and holidays.

Minutes count from midnight New York of the trading day; negative ones lie on the evening before.

- A half day of the stock exchange ends `rth` early and `ext` four hours after that (13:00 and 17:00).
- An early halt of a future (13:00 on Juneteenth) ends its `globex`; it reopens that evening for the next day.
- `rth` of equity index futures is the stock exchange's: none on a day it is closed, until 13:00 on its half days. Other
  futures have no `rth` on a holiday that halts them early: such a day has no settlement of its own.
- `overnight` is from the opening of `globex` until the minute at which `rth` usually opens, on holidays too.
"""

from __future__ import annotations

from datetime import date

from tradeassistd.market.calendar import Calendar, Change
from tradeassistd.market.instrument import InstrumentClass, Market

WORDS: dict[InstrumentClass, tuple[str, ...]] = {
    InstrumentClass.EQUITY: ("rth", "ext"),
    InstrumentClass.INDEX: ("rth",),
    InstrumentClass.INTERNAL: ("rth",),
    InstrumentClass.FUTURE: ("rth", "globex", "overnight"),
}
"""The session words of each class, beside `always`."""
PUBLISHED = "published"
"""Not a word of rules: while an index is published, which is a little past the close; $VIX begins at 03:15."""
PUBLISHED_AFTER_CLOSE = 15
STOCK_INDEX_FUTURES = (Market.EQUITY_INDEX, Market.OTHER)

_STOCKS = {"rth": (570, 960), "ext": (240, 1200), PUBLISHED: (570, 960 + PUBLISHED_AFTER_CLOSE)}
_VIX = (195, 975)
_EXT_AFTER_CLOSE = 240
_RTH: dict[Market, tuple[int, int]] = {
    Market.EQUITY_INDEX: (570, 960), Market.ENERGY: (540, 870), Market.METALS: (500, 810), Market.RATES: (500, 900),
    Market.FX: (500, 900), Market.GRAINS: (570, 860), Market.OTHER: (570, 960),
}  # fmt: skip
_GLOBEX = (-360, 1020)
_GRAINS = (-240, 860)
# Before that day CME closed later than at 17:00 (recorded sessions of 2013 show 17:15). Until 2012-11-19 equity index
# futures traded 16:30-17:30 for the next day; here that hour is the end of the day.
_LATE_CLOSES = (
    (date(2012, 11, 19), 1050, STOCK_INDEX_FUTURES),
    (date(2015, 9, 21), 1035, (*STOCK_INDEX_FUTURES, Market.ENERGY, Market.METALS)),
)


def minutes_of(calendar: Calendar, market: Market, session: str, day: date) -> tuple[int, int] | None:
    """Opening and closing minute of that day's session by the table; an empty span or None when there is none."""
    change = calendar.change(market, day)
    if day.weekday() > 4 or change.closed:
        return None
    if market is Market.VIX:
        return _VIX[0], change.close_minute or _VIX[1]
    if market is Market.NYSE:
        return _stocks(session, change)
    opens, closes = _globex(market, day)
    opens, closes = change.open_minute or opens, change.close_minute or closes
    if session == "globex":
        return opens, closes
    if session == "overnight":
        return opens, min(_RTH[market][0], closes)
    rth = _rth(market, change, calendar.change(Market.NYSE, day))
    return (max(opens, rth[0]), min(closes, rth[1])) if rth else None


def _stocks(session: str, change: Change) -> tuple[int, int]:
    opens, closes = _STOCKS[session]
    if session == "ext":
        return opens, min(closes, change.close_minute + _EXT_AFTER_CLOSE) if change.close_minute else closes
    if change.close_minute:
        closes = change.close_minute + (PUBLISHED_AFTER_CLOSE if session == PUBLISHED else 0)
    return change.open_minute or opens, closes


def _rth(market: Market, change: Change, stocks: Change) -> tuple[int, int] | None:
    """The regular hours of a future, given what is different that day about it and about the stock exchange."""
    opens, closes = _RTH[market]
    if market in STOCK_INDEX_FUTURES:
        return None if stocks.closed else (stocks.open_minute or opens, stocks.close_minute or closes)
    return None if stocks.closed and change.close_minute else (opens, closes)


def _globex(market: Market, day: date) -> tuple[int, int]:
    if market is Market.GRAINS:
        return _GRAINS
    late = (minute for until, minute, markets in _LATE_CLOSES if day < until and market in markets)
    return _GLOBEX[0], next(late, _GLOBEX[1])
