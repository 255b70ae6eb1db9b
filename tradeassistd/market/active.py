"""Active windows of a rule: weekdays and wall-clock times of one time zone, such as mon-fri 09:45-11:30."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.session import EVER, Window

_DAY_US = 86_400 * US_PER_S
# Windows repeat each week: a joined one that is longer than a week has no end. Ten days each way hold every other one.
_DAYS_AROUND = 10
_ENDLESS_US = 8 * _DAY_US


@dataclass(frozen=True, slots=True)
class ActiveWindow:
    """`mon-fri 09:45-11:30 America/New_York`: minutes of the day; an end at or before the start is next day's."""

    weekdays: frozenset[int]
    """0 is Monday; the day the window begins."""
    from_minute: int
    to_minute: int
    zone: str = "America/New_York"


def active_window_at(windows: tuple[ActiveWindow, ...], at_us: int) -> Window | None:
    """The span that holds the instant, or None outside; windows that touch or overlap count as one.

    The end is not in it; 1440 (24:00) is midnight. Windows that leave no moment of the week out give EVER. A time that
    the clocks skip counts as an hour later; a window that is empty on such a day is none.
    """
    for span in _spans(windows, at_us // _DAY_US):
        if span.open_us <= at_us < span.close_us:
            return span
    return None


@lru_cache(maxsize=1024)
def _spans(windows: tuple[ActiveWindow, ...], epoch_day: int) -> tuple[Window, ...]:
    """The joined spans that may hold an instant of that UTC day."""
    joined: list[Window] = []
    middle = date(1970, 1, 1) + timedelta(days=epoch_day)
    for span in sorted(span for window in windows for span in _openings(window, middle)):
        if joined and span.open_us <= joined[-1].close_us:
            joined[-1] = Window(joined[-1].open_us, max(joined[-1].close_us, span.close_us))
        else:
            joined.append(span)
    first_us, end_us = epoch_day * _DAY_US, (epoch_day + 1) * _DAY_US
    return tuple(
        EVER if span.close_us - span.open_us > _ENDLESS_US else span
        for span in joined
        if span.open_us < end_us and span.close_us > first_us
    )


def _openings(window: ActiveWindow, middle: date) -> Iterator[Window]:
    zone = ZoneInfo(window.zone)
    to_minute = window.to_minute + (24 * 60 if window.to_minute <= window.from_minute else 0)
    for days in range(-_DAYS_AROUND, _DAYS_AROUND + 1):
        day = middle + timedelta(days=days)
        if day.weekday() in window.weekdays:
            span = Window(_wall_us(day, window.from_minute, zone), _wall_us(day, to_minute, zone))
            if span.open_us < span.close_us:
                yield span


def _wall_us(day: date, minute: int, zone: ZoneInfo) -> int:
    days, minute = divmod(minute, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(minute // 60, minute % 60), zone)
    return int(wall.astimezone(UTC).timestamp()) * US_PER_S
