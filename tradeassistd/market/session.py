"""Trading sessions: when an instrument trades, and which trading day an instant belongs to.

Hours are New York wall time by class of instrument, Monday to Friday; a window that opens the evening before belongs to
the day it closes on. Holidays and half days are not known yet.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument, InstrumentClass

NEW_YORK = ZoneInfo("America/New_York")
ALWAYS = "always"
_DAY_ROLL = timedelta(hours=6)  # the trading day begins at 18:00 New York, six hours before midnight

# Opening and closing minute, counted from midnight New York of the trading day (negative: the evening before).
_HOURS: dict[InstrumentClass, dict[str, tuple[int, int]]] = {
    InstrumentClass.EQUITY: {"rth": (570, 960), "ext": (240, 1200)},
    InstrumentClass.INDEX: {"rth": (570, 960)},
    InstrumentClass.INTERNAL: {"rth": (570, 960)},
    InstrumentClass.FUTURE: {"rth": (570, 960), "globex": (-360, 1020), "overnight": (-360, 570)},
}
# An index is published a little past the close; $VIX also follows its futures from 03:15 on.
_INDEX_HOURS = (570, 975)
_VIX_HOURS = (195, 975)

SESSION_WORDS = ("rth", "ext", "globex", "overnight", ALWAYS)


class Window(NamedTuple):
    """One session of one day, UTC microseconds: open included, close not."""

    open_us: int
    close_us: int


EVER = Window(-(2**62), 2**62)


def session_words(instrument: Instrument) -> tuple[str, ...]:
    """The session words that mean something for `instrument`."""
    return (*_HOURS[instrument.kind], ALWAYS)


def series_session(instrument: Instrument) -> str:
    """The session whose trades make the instrument's bars unless a rule says otherwise."""
    return "globex" if instrument.kind is InstrumentClass.FUTURE else "rth"


def window_at(instrument: Instrument, session: str, at_us: int) -> Window | None:
    """The window of `session` that holds the instant, or None outside. Raises ValueError for a word it lacks."""
    return _window(*_hours(instrument, session), at_us)


def trading_window_at(instrument: Instrument, at_us: int) -> Window | None:
    """The window in which the instrument trades that holds the instant, or None while it is closed."""
    if instrument.symbol == "$VIX":
        return _window(*_VIX_HOURS, at_us)
    if instrument.kind is InstrumentClass.INDEX:
        return _window(*_INDEX_HOURS, at_us)
    widest = {InstrumentClass.EQUITY: "ext", InstrumentClass.FUTURE: "globex"}.get(instrument.kind, "rth")
    return window_at(instrument, widest, at_us)


def trading_day(at_us: int) -> tuple[str, int]:
    """The trading day of an instant as YYYYMMDD, and when that day began (UTC microseconds).

    A day runs from 18:00 to 18:00 New York; Friday evening and the weekend belong to Monday.
    """
    day = (_local(at_us) + _DAY_ROLL).date()
    day += timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))
    before = day - timedelta(days=3 if day.weekday() == 0 else 1)
    return f"{day:%Y%m%d}", _instant_us(before, 24 * 60 - 360)


def _hours(instrument: Instrument, session: str) -> tuple[int, int]:
    if session == ALWAYS:
        return (0, 0)
    try:
        return _HOURS[instrument.kind][session]
    except KeyError:
        raise ValueError(f"{instrument.symbol} has no session {session!r}") from None


def _window(open_minute: int, close_minute: int, at_us: int) -> Window | None:
    if open_minute == close_minute:
        return EVER
    today = _local(at_us).date()
    for day in (today, today + timedelta(days=1)):
        if day.weekday() < 5:
            window = _day_window(open_minute, close_minute, day)
            if window.open_us <= at_us < window.close_us:
                return window
    return None


@lru_cache(maxsize=256)
def _day_window(open_minute: int, close_minute: int, day: date) -> Window:
    return Window(_instant_us(day, open_minute), _instant_us(day, close_minute))


def _instant_us(day: date, minute: int) -> int:
    """Midnight New York plus minutes of *wall* time, so that 09:30 is 09:30 on the day the clocks change."""
    days, minute = divmod(minute, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(minute // 60, minute % 60), NEW_YORK)
    return int(wall.astimezone(UTC).timestamp()) * US_PER_S


def _local(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK)
