"""Trading sessions: when an instrument trades, and which trading day an instant belongs to.

A window that opens the evening before belongs to the day it closes on. The hours come from market.hours, holidays and
half days from market.calendar. The pause of equity index futures at 16:15-16:30 until June 2021 and that of grains at
08:45-09:30 are not cut out, so that a session is one window.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.calendar import Calendar, Window, built_in
from tradeassistd.market.hours import PUBLISHED, PUBLISHED_AFTER_CLOSE, STOCK_INDEX_FUTURES, WORDS, minutes_of
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market

__all__ = [
    "ALWAYS", "EVER", "NEW_YORK", "SESSION_WORDS", "Window", "bar_bounds", "correct", "day_minute_us", "next_open",
    "next_trading_open", "series_session", "session_words", "trading_day", "trading_window_at", "use", "window_at",
]  # fmt: skip

NEW_YORK = ZoneInfo("America/New_York")
ALWAYS = "always"
SESSION_WORDS = ("rth", "ext", "globex", "overnight", ALWAYS)
EVER = Window(-(2**62), 2**62)
NEXT_OPEN_DAYS_MAX = 30
"""How far ahead `next_open` looks; the longest closure since 1990 took six days."""

_DAY_ROLL = timedelta(hours=6)  # the trading day begins at 18:00 New York, six hours before midnight
_calendar: list[Calendar] = []  # at most one: the calendar in use, once it is not the built-in one


def use(calendar: Calendar) -> None:
    """Take `calendar` from now on. A window that a caller holds already stays with that caller until it closes."""
    _calendar[:] = [calendar]
    _day_window.cache_clear()


def correct(market: Market, day: date, session: str, open_us: int | None, close_us: int | None) -> None:
    """Lay what Schwab's market hours say over one session of one day; None and None: it does not open.

    Sessions inside it, as `rth` in `globex`, are held within what is corrected. Raises ValueError when it closes before
    it opens or only one of the two is None.
    """
    if (open_us is None) != (close_us is None):
        raise ValueError(f"{market} {session} {day}: both ends of a session, or none")
    window = None if open_us is None or close_us is None else Window(open_us, close_us)
    use(_in_use().corrected(market, day, session, window))


def session_words(instrument: Instrument) -> tuple[str, ...]:
    """The session words that mean something for `instrument`."""
    return (*WORDS[instrument.kind], ALWAYS)


def series_session(instrument: Instrument) -> str:
    """The session whose trades make the instrument's bars unless a rule says otherwise."""
    return instrument.session or ("globex" if instrument.kind is InstrumentClass.FUTURE else "rth")


def window_at(instrument: Instrument, session: str, at_us: int) -> Window | None:
    """The window of `session` that holds the instant, or None outside. Raises ValueError for a word it lacks."""
    market = _market(instrument, session)
    return EVER if session == ALWAYS else _window(market, session, at_us)


def trading_window_at(instrument: Instrument, at_us: int) -> Window | None:
    """The window in which the instrument trades that holds the instant, or None while it is closed."""
    return _window(instrument.market, _trading_session(instrument), at_us)


def bar_bounds(instrument: Instrument, session: str, interval: str, at_us: int) -> tuple[int, int] | None:
    """Start and end (UTC microseconds) of the bar an instant belongs to; None outside the session.

    Bars are anchored at the session's opening and the last one ends with the session; `1d` is the session; those of
    `always` are anchored at the epoch. Raises ValueError for a session the instrument lacks.
    """
    length_us = INTERVALS_S[interval] * US_PER_S
    if session == ALWAYS:
        return at_us // length_us * length_us, at_us // length_us * length_us + length_us
    window = window_at(instrument, session, at_us)
    if window is None or interval == "1d":
        return window
    start_us = at_us - (at_us - window.open_us) % length_us
    return start_us, min(start_us + length_us, window.close_us)


def next_open(instrument: Instrument, session: str, after_us: int) -> int:
    """When `session` opens next, later than the instant; the instant itself for `always`, which never closes.

    Raises ValueError for a word the instrument lacks, LookupError when it does not open within NEXT_OPEN_DAYS_MAX.
    """
    market = _market(instrument, session)
    return after_us if session == ALWAYS else _next_open(market, session, after_us)


def next_trading_open(instrument: Instrument, after_us: int) -> int:
    """When the instrument begins to trade next, later than the instant; for `closed until`. Raises LookupError."""
    return _next_open(instrument.market, _trading_session(instrument), after_us)


def trading_day(at_us: int) -> tuple[str, int]:
    """The trading day of an instant as YYYYMMDD, and when that day began (UTC microseconds).

    A day runs from 18:00 to 18:00 New York; Friday evening and the weekend belong to Monday. Holidays do not matter.
    """
    day = _trading_date(at_us)
    before = day - timedelta(days=3 if day.weekday() == 0 else 1)
    return f"{day:%Y%m%d}", _instant_us(before, 24 * 60 - 360)


def day_minute_us(at_us: int, minute: int, zone: ZoneInfo = NEW_YORK) -> int:
    """When the clock of `zone` shows that minute of the day, on the date of the trading day of `at_us`."""
    return _instant_us(_trading_date(at_us), minute, zone)


def _in_use() -> Calendar:
    return _calendar[0] if _calendar else built_in()


def _market(instrument: Instrument, session: str) -> Market:
    if session != ALWAYS and session not in WORDS[instrument.kind]:
        raise ValueError(f"{instrument.symbol} has no session {session!r}")
    return Market.NYSE if instrument.market is Market.VIX else instrument.market


def _trading_session(instrument: Instrument) -> str:
    """The widest session of the instrument."""
    kind = instrument.kind
    return {InstrumentClass.EQUITY: "ext", InstrumentClass.FUTURE: "globex", InstrumentClass.INDEX: PUBLISHED}.get(
        kind, "rth"
    )


def _window(market: Market, session: str, at_us: int) -> Window | None:
    today = _local(at_us).date()
    for day in (today, today + timedelta(days=1)):
        window = _day_window(market, session, day)
        if window is not None and window.open_us <= at_us < window.close_us:
            return window
    return None


def _next_open(market: Market, session: str, after_us: int) -> int:
    today = _local(after_us).date()
    for days in range(NEXT_OPEN_DAYS_MAX + 1):
        window = _day_window(market, session, today + timedelta(days=days))
        if window is not None and window.open_us > after_us:
            return window.open_us
    raise LookupError(f"{market} {session} does not open within {NEXT_OPEN_DAYS_MAX} days")


@lru_cache(maxsize=4096)
def _day_window(market: Market, session: str, day: date) -> Window | None:
    """The window of that day's session, as corrected and held within the corrected sessions around it; or None."""
    calendar = _in_use()
    if calendar.is_corrected(market, day, session):
        return calendar.correction(market, day, session)
    minutes = minutes_of(calendar, market, session, day)
    if minutes is None or minutes[0] >= minutes[1]:
        return None
    window = Window(_instant_us(day, minutes[0]), _instant_us(day, minutes[1]))
    for around, outer, later_us in _around(market, session):
        if calendar.is_corrected(around, day, outer):
            held = calendar.correction(around, day, outer)
            if held is None:
                return None
            window = Window(max(window.open_us, held.open_us), min(window.close_us, held.close_us + later_us))
    return window if window.open_us < window.close_us else None


def _around(market: Market, session: str) -> tuple[tuple[Market, str, int], ...]:
    """The sessions that this one lies in once they are corrected: market, word, how much later than it this may end."""
    if session == PUBLISHED:
        return ((Market.NYSE, "rth", PUBLISHED_AFTER_CLOSE * 60 * US_PER_S),)
    if market is Market.NYSE:
        return ((Market.NYSE, "ext", 0),) if session == "rth" else ()
    stocks = ((Market.NYSE, "rth", 0),) if session == "rth" and market in STOCK_INDEX_FUTURES else ()
    return ((market, "globex", 0), *stocks)


@lru_cache(maxsize=4096)
def _instant_us(day: date, minute: int, zone: ZoneInfo = NEW_YORK) -> int:
    """Midnight plus minutes of *wall* time, so that 09:30 is 09:30 on the day the clocks change."""
    days, minute = divmod(minute, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(minute // 60, minute % 60), zone)
    return int(wall.astimezone(UTC).timestamp()) * US_PER_S


def _trading_date(at_us: int) -> date:
    day = (_local(at_us) + _DAY_ROLL).date()
    return day + timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))


def _local(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK)
