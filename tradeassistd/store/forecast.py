"""How fast the store grows, and when the disk is full at that rate; pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.instant import US_PER_S
from tradeassistd.store.sizes import LATELY_US, Sizes, TableSize, TapeSize

TAPES_MEASURED = 5
"""The newest finished days that growth is measured over."""
TRADING_DAYS_A_DAY = 5 / 7
DAY_OF_TAPE_S = 23 * 3_600
MEASURED_LEAST_S = 3_600
"""A day's tape that is younger says nothing of a whole one."""
DAYS_MAX = 10 * 365
_DAY_US = DAY_S * US_PER_S


class Forecast(NamedTuple):
    """Bytes; None where too little is stored to say."""

    tape_a_day: float | None
    """Of a trading day."""
    main_a_day: float
    """Of a calendar day."""
    full_in_days: int | None
    """Days until the tape stops for want of room; None: not within ten years."""
    tapes_level: float | None
    """What all tapes together come to while the oldest go; None when they are kept for ever."""


def forecast(sizes: Sizes, room: int, tape_kept_s: int | None) -> Forecast:
    """What comes at the present rate. `room`: bytes that may still be taken; tapes go after `tape_kept_s` seconds.

    What of main.db is kept for a while only is counted as if it stayed: it is little beside the tapes.
    """
    tape_a_day, main_a_day = _tape_a_day(sizes.tapes), sum(map(_table_a_day, sizes.tables))
    daily = (tape_a_day or 0.0) * TRADING_DAYS_A_DAY
    kept_days = None if tape_kept_s is None else tape_kept_s / DAY_S
    level = None if kept_days is None or tape_a_day is None else daily * kept_days
    return Forecast(tape_a_day, main_a_day, _full_in_days(sizes, room, daily, main_a_day, kept_days), level)


def _tape_a_day(tapes: tuple[TapeSize, ...]) -> float | None:
    """The mean of the newest finished days; without one what the day under way would come to."""
    finished = [one.size for one in tapes[:-1] if one.last_us][-TAPES_MEASURED:]
    if finished:
        return sum(finished) / len(finished)
    if not tapes:
        return None
    passed_s = (tapes[-1].last_us - tapes[-1].first_us) / US_PER_S
    return None if passed_s < MEASURED_LEAST_S else tapes[-1].size * max(DAY_OF_TAPE_S / passed_s, 1.0)


def _table_a_day(table: TableSize) -> float:
    """By the rows of the last days, as large as rows of this table are."""
    if not table.lately or not table.size:
        return 0.0
    days = min(max((table.newest_us - table.oldest_us) / _DAY_US, 1.0), LATELY_US / _DAY_US)
    return table.size / table.rows * table.lately / days


def _full_in_days(sizes: Sizes, room: int, tape_a_day: float, main_a_day: float, kept_days: float | None) -> int | None:
    today = date(1970, 1, 1) + timedelta(microseconds=sizes.newest_us)
    leaving: dict[int, float] = {}
    if kept_days is not None:
        for tape in sizes.tapes:
            age_days = (today - date(int(tape.day[:4]), int(tape.day[4:6]), int(tape.day[6:]))).days
            day = max(int(kept_days) - age_days, 1)
            leaving[day] = leaving.get(day, 0.0) + tape.size
    left = float(room)
    for day in range(1, DAYS_MAX + 1):
        left -= tape_a_day + main_a_day
        left += leaving.get(day, 0.0)
        if kept_days is not None and day > kept_days:
            left += tape_a_day
        if left < 0:
            return day
    return None
