"""Bars made from the trades of a tick file, each with the event that closed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.hours import Session
from tests.oracle.tape import US_PER_S, Event, Kind

GRACE_US = 2 * US_PER_S
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
    """A bar closed at the event with this index, after this many cuts."""

    index: int
    cuts: int
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
    """The bars of one symbol, interval and session: `closings` in order, and the bar still forming at the end."""

    def __init__(self, events: Sequence[Event], interval: str, session: Session) -> None:
        self._interval_us = seconds(interval) * US_PER_S
        self._session = session
        self._slot = (0, 0)
        self._trades: list[tuple[Fraction, int]] = []  # of the bar that is forming
        self.closings: list[Closing] = []
        for index, event in enumerate(events):
            self._take(index, event)
        self.forming = self._bar(None) if self._trades else None

    def _take(self, index: int, event: Event) -> None:
        if event.kind is Kind.CUT:
            self._trades = []
        elif event.kind is Kind.CLOCK and event.event_us >= self._slot[1] + GRACE_US:
            self._close(index, event)
        elif event.size:
            if event.exchange_us >= self._slot[1]:
                self._close(index, event)
            self._trade(event)

    def _close(self, index: int, event: Event) -> None:
        if self._trades:
            self.closings.append(Closing(index, event.cuts, self._bar(event.event_us)))
        self._trades = []

    def _trade(self, event: Event) -> None:
        found = slot(self._session, self._interval_us, event.exchange_us)
        if found is None or found[0] < event.whole_from_us or event.held.price is None:
            return  # outside the session, or in a bar that a gap has cut
        if self._trades and found != self._slot:
            raise AssertionError("a trade of an earlier bar in a file whose times never run backwards")
        self._slot = found
        self._trades.append((event.held.price, event.size))

    def _bar(self, closed_us: int | None) -> OracleBar:
        prices = [price for price, _ in self._trades]
        volume = sum(size for _, size in self._trades)
        start_us, end_us = self._slot
        return OracleBar(start_us, end_us, prices[0], max(prices), min(prices), prices[-1], volume, closed_us)
