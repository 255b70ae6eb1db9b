"""Bars made from the trades of a symbol, each with the event that closed it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.events import GRACE_US, US_PER_S, Event, Gap, Restart, Row
from tests.oracle.hours import Session
from tests.oracle.seen import Seen, Symbol

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class OracleBar:
    """One bar. Times in UTC microseconds; `closed_us` is the event time of its closing, None while it is forming."""

    open_us: int
    end_us: int
    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction
    volume: int
    closed_us: int | None

    def field(self, name: str) -> Fraction:
        """The value of one of open, high, low, close, volume."""
        return Fraction(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Closing:
    """A bar closed at the event with this index, after so many holes in its session (or rolls)."""

    index: int
    holes: int
    bar: OracleBar


def seconds(text: str) -> int:
    """`30s`, `5m`, `2h`, `1d` in seconds; raises ValueError for anything else."""
    if not text[:-1].isdigit() or text[-1:] not in _UNITS_S:
        raise ValueError(f"not a duration: {text!r}")
    return int(text[:-1]) * _UNITS_S[text[-1]]


def slot(session: Session, interval_us: int, at_us: int) -> tuple[int, int] | None:
    """(start, end) of the interval that holds an instant: anchored at the session's open, cut off at its close."""
    window = session.window(at_us)
    if window is None:
        return None
    start_us = at_us - (at_us - window[0]) % interval_us
    return start_us, min(start_us + interval_us, window[1])


class Series:
    """The bars of one symbol, interval and session.

    `closings` in order; `closed_at` are their event indices.
    """

    def __init__(self, events: Sequence[Event], seen: Symbol, interval: str, session: Session) -> None:
        self._interval_us = seconds(interval) * US_PER_S
        self._session = session
        self._slot = (0, 0)
        self._trades: list[tuple[Fraction, int]] = []  # of the bar that is forming
        self._closed_until_us = 0
        self._cuts = self._rolls = self._holes = 0
        self._lost_us: int | None = None  # since when nobody watches
        self._told_us = self._before_us = 0  # until when, as the last gap said; time of the event before
        self._live = False
        self._holed: list[int] = []  # events at which a hole in the session ended, or the contract rolled
        self.closings: list[Closing] = []
        self._grown: list[int] = []  # events at which the forming bar changed
        self._forms: list[tuple[tuple[int, int], list[tuple[Fraction, int]], int]] = []  # its trades: how many of which
        for index, event in enumerate(events):
            self._take(index, event, seen.after[index], seen.symbol)
        self.closed_at = [closing.index for closing in self.closings]
        self.closed_set = frozenset(self.closed_at)

    @property
    def forming(self) -> OracleBar | None:
        """The bar that forms when the events end."""
        return _bar(self._slot, self._trades, None) if self._trades else None

    def forming_at(self, index: int) -> OracleBar | None:
        """The bar that forms once the event is applied."""
        found = bisect_right(self._grown, index)
        if not found:
            return None
        bounds, trades, count = self._forms[found - 1]
        return _bar(bounds, trades[:count], None) if count else None

    def _take(self, index: int, event: Event, held: Seen, symbol: str) -> None:
        if self._trades and event.at_us >= self._slot[1] + GRACE_US and not getattr(event, "timeless", False):
            self._close(index, event.at_us)
        if held.cuts != self._cuts:
            self._cut(index, event, held)
        if held.live and not self._live and self._lost_us is not None:
            if self._session.touches(self._lost_us, self._told_us or event.at_us):
                self._hole(index)
            self._lost_us, self._told_us = None, 0
        self._live, self._before_us = held.live, event.at_us
        if isinstance(event, Row) and event.symbol == symbol and event.size is not None:
            if self._trades and event.exchange_us >= self._slot[1]:
                self._close(index, event.at_us)
            self._trade(index, event, held)

    def holes_at(self, index: int) -> int:
        """How many holes in the session, and rolls, there were once the event was applied."""
        return bisect_right(self._holed, index)

    def _cut(self, index: int, event: Event, held: Seen) -> None:
        """Nobody watches: a trade of the last two seconds may have been on its way."""
        self._cuts, self._trades = held.cuts, []
        self._grow(index)
        from_us = (self._before_us if isinstance(event, Restart) else event.at_us) - GRACE_US
        self._lost_us = from_us if self._lost_us is None else min(self._lost_us, from_us)
        if isinstance(event, Gap):
            self._told_us = max(self._told_us, event.to_us)
        if held.rolls != self._rolls:
            self._rolls = held.rolls
            self._hole(index)

    def _hole(self, index: int) -> None:
        self._holes += 1
        self._holed.append(index)

    def _close(self, index: int, at_us: int) -> None:
        self.closings.append(Closing(index, self._holes, _bar(self._slot, self._trades, at_us)))
        self._trades, self._closed_until_us = [], self._slot[1]
        self._grow(index)

    def _trade(self, index: int, event: Row, held: Seen) -> None:
        found = slot(self._session, self._interval_us, event.exchange_us)
        if found is None or found[0] < held.whole_from_us or held.price is None:
            return  # outside the session, or in a bar that a gap has cut
        if event.exchange_us < self._closed_until_us or (self._trades and found[0] < self._slot[0]):
            return  # late: its bar is closed
        self._slot = found
        self._trades.append((held.price, event.size or 0))
        self._grow(index)

    def _grow(self, index: int) -> None:
        self._grown.append(index)
        self._forms.append((self._slot, self._trades, len(self._trades)))


def _bar(bounds: tuple[int, int], trades: Sequence[tuple[Fraction, int]], closed_us: int | None) -> OracleBar:
    prices = [price for price, _ in trades]
    volume = sum(size for _, size in trades)
    return OracleBar(*bounds, prices[0], max(prices), min(prices), prices[-1], volume, closed_us)
