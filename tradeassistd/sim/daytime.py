"""The shape of a New York trading day: how busy and nervous each minute is, and when the day's values start over."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from math import exp

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.session import NEW_YORK, window_at

US_PER_MINUTE = 60 * US_PER_S
OPEN_MINUTE = 570
CLOSE_MINUTE = 960
_SESSION_MINUTES = CLOSE_MINUTE - OPEN_MINUTE

# When fields start over, minutes of the New York day (protocol notes, 4.1, and the Globex day).
PRICES_RESET = 210
VOLUME_RESET = 448
GLOBEX_OPEN = 1080
_STOCK = instrument_of("SPY")
RESETS = (PRICES_RESET, VOLUME_RESET, GLOBEX_OPEN)


class NewYorkDay:
    """One calendar day in New York: turns instants into minutes of the day."""

    def __init__(self, at_us: int) -> None:
        self.date = datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()
        self.starts_us = instant_us(self.date, 0)
        self.ends_us = instant_us(self.date + timedelta(days=1), 0)
        self._regular = window_at(_STOCK, "rth", instant_us(self.date, OPEN_MINUTE))

    def minute(self, at_us: int) -> float:
        """Minutes since midnight, as elapsed (off by an hour after the clocks change, on a Sunday before dawn)."""
        return (at_us - self.starts_us) / US_PER_MINUTE

    def instant_us(self, minute: int) -> int:
        """The instant at which clocks show that minute of this day."""
        return instant_us(self.date, minute)

    @property
    def has_stocks(self) -> bool:
        """Whether the stock exchange opens that day."""
        return self._regular is not None

    @property
    def close_minute(self) -> int:
        """When the regular session ends, in minutes of the day: 13:00 on a half day; 0 when there is none."""
        return 0 if self._regular is None else int(self.minute(self._regular.close_us))


def instant_us(day: date, minute: int) -> int:
    """The instant at which New York clocks show that minute of that day."""
    wall = datetime.combine(day, time(minute // 60, minute % 60), NEW_YORK)
    return int(wall.astimezone(UTC).timestamp()) * US_PER_S


def next_reset_us(after_us: int) -> int:
    """The next instant after `after_us` at which some class of instrument starts its day's values over."""
    day = NewYorkDay(after_us).date
    ahead = (instant_us(day + timedelta(days=days), at) for days in (0, 1) for at in RESETS)
    return next(at_us for at_us in ahead if at_us > after_us)


def flow(kind: InstrumentClass, minute: float, close_minute: int = CLOSE_MINUTE) -> float:
    """Volume per minute, as a multiple of an even regular session: high at the open, low at noon, high at the close.

    `close_minute` is when the stock exchange closes that day, 0 for not open.
    """
    if OPEN_MINUTE <= minute < close_minute:
        since, left = minute - OPEN_MINUTE, close_minute - minute
        return 0.8 + 1.8 * exp(-since / 25) + 1.3 * exp(-left / 30)
    return 0.06 if kind is InstrumentClass.FUTURE else 0.012


def nervousness(minute: float, close_minute: int = CLOSE_MINUTE) -> float:
    """How far prices wander, as a multiple of a regular session's average."""
    if OPEN_MINUTE <= minute < close_minute:
        return 0.85 + 0.9 * exp(-(minute - OPEN_MINUTE) / 25)
    return 0.35


def volume_until(kind: InstrumentClass, daily_volume: int, minute: float) -> int:
    """The total volume a client would see at that minute of a weekday, had the day gone by the book."""
    per_minute = daily_volume / _SESSION_MINUTES
    if kind is InstrumentClass.FUTURE:
        first = GLOBEX_OPEN - 24 * 60 if minute < GLOBEX_OPEN else GLOBEX_OPEN
    else:
        first = VOLUME_RESET if minute >= VOLUME_RESET else VOLUME_RESET - 24 * 60
    shown = (flow(kind, one % (24 * 60)) for one in range(first, int(minute)))
    return round(per_minute * sum(shown))
