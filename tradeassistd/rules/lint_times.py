"""Times of a rule at which its symbols are not watched: `at(20:30)` in `rth`, `active` on a Saturday.

Two plain weeks, one of winter and one of summer, stand for all: what lies outside in both of them always does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import NEW_YORK, Window, day_minute_us, trading_window_at, window_at

_PLAIN_MONDAYS = ((2026, 1, 12), (2026, 6, 8))
_STEP_MINUTES = 5
_MINUTE_US = 60 * US_PER_S


@lru_cache(maxsize=1024)
def is_watched_at(instrument: Instrument, session: str, minute: int) -> bool:
    """Whether that minute of some trading day lies in the session, its end included."""
    for noon in _days(NEW_YORK):
        at_us = day_minute_us(_us(noon), minute)
        if _window(instrument, session, at_us) or _window(instrument, session, at_us - 1):
            return True
    return False


@lru_cache(maxsize=1024)
def is_watched_in(instrument: Instrument, session: str, window: ActiveWindow) -> bool:
    """Whether a part of the window lies in the session on some day."""
    minutes = (window.to_minute - window.from_minute) % 1440 or 1440
    for noon in _days(ZoneInfo(window.zone)):
        if noon.weekday() in window.weekdays:
            begin_us = _us(noon.replace(hour=0) + timedelta(minutes=window.from_minute))
            for minute in range(0, minutes, _STEP_MINUTES):
                if _window(instrument, session, begin_us + minute * _MINUTE_US):
                    return True
    return False


@lru_cache(maxsize=1024)
def longest_watch_s(instrument: Instrument, session: str) -> int:
    """How long the instrument is watched without a break on a plain day, in seconds."""
    longest_us = 0
    for noon in _days(NEW_YORK):
        for hours in range(24):
            window = _window(instrument, session, _us(noon + timedelta(hours=hours)))
            longest_us = max(longest_us, window.close_us - window.open_us if window else 0)
    return longest_us // US_PER_S


def _days(zone: ZoneInfo) -> Iterator[datetime]:
    for year, month, day in _PLAIN_MONDAYS:
        for later in range(7):
            yield datetime(year, month, day, 12, tzinfo=zone) + timedelta(days=later)


def _window(instrument: Instrument, session: str, at_us: int) -> Window | None:
    return window_at(instrument, session, at_us) if session else trading_window_at(instrument, at_us)


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * US_PER_S
