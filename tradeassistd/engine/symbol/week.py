"""Sessions that are over, and weeks made of them."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.symbol.watch import Span
from tradeassistd.market.session import trading_day

_DAY_US = 86_400 * US_PER_S


class Past(NamedTuple):
    """A session, or a week, that is over; None is unknown."""

    open: int | None = None
    high: int | None = None
    low: int | None = None
    close: int | None = None
    volume: int | None = None


NOTHING = Past()


class Weeks:
    """Puts days together; `past` is the week before, known when each of its days was watched whole."""

    def __init__(self, span: Span) -> None:
        self.past = NOTHING
        self.began_us = 0
        """When the first day of the present week opened, as far as we were there; 0 before the first."""
        self._span = span
        self._week = (0, 0)
        self._days: list[Past] = []
        self._whole = True

    def begin(self, open_us: int, previous: Past) -> None:
        """A day opens right after `previous`."""
        if self.began_us:
            self._add(previous)
        week = _week_of(open_us)
        if week != self._week:
            self.past = self._together() if self.began_us else NOTHING
            self._week, self.began_us, self._days, self._whole = week, open_us, [], True

    def forget(self) -> None:
        """Another contract: neither this week nor the one before means anything now."""
        self.past, self._whole = NOTHING, False

    def _add(self, day: Past) -> None:
        if None in day[:4]:
            self._whole = False
        else:
            self._days.append(day)

    def _together(self) -> Past:
        """The week that is over; a week that we joined after its first day is not whole."""
        if not self._whole or not self._days or self._opened_before():
            return NOTHING
        highs, lows = ([one[at] for one in self._days] for at in (1, 2))
        volumes = [day.volume for day in self._days if day.volume is not None]
        return Past(
            self._days[0].open,
            max(high for high in highs if high is not None),
            min(low for low in lows if low is not None),
            self._days[-1].close,
            sum(volumes) if len(volumes) == len(self._days) else None,
        )

    def _opened_before(self) -> bool:
        """Whether the week had a day before the first one we were there for."""
        open_us = self.began_us - 7 * _DAY_US
        while open_us and (open_us := self._span.next_open(open_us)) < self.began_us:
            if _week_of(open_us) == self._week:
                return True
        return False


def _week_of(open_us: int) -> tuple[int, int]:
    """ISO year and week of the trading day that holds the instant."""
    year, week, _ = date.fromisoformat(trading_day(open_us)[0]).isocalendar()
    return year, week
