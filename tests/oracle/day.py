"""Day values: the extremes of sessions, from the symbol's own trades and from what Schwab says of its day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction

from tests.oracle.events import GRACE_US, US_PER_S
from tests.oracle.hours import Window, own_word, series_session, words
from tests.oracle.seen import Seen, Symbol, Trade


class DayValues:
    """The day values of one symbol. Every question names what is `held`, the last event that counts, and the time."""

    def __init__(self, seen: Symbol) -> None:
        self._seen = seen
        self._own = own_word(seen.symbol)
        self._of_window: dict[Window, list[Trade]] = {}

    def value(self, group: str, line: str, held: Seen, last: int, at_us: int) -> Fraction | None:
        """`day.high` and so on; None is unknown."""
        if group == "year":
            return self._year(line, held, last)
        if group == "prev_week":
            return self._week(line, held, last, at_us)
        word = {"day": self._own, "prev_day": self._own}.get(group, group.removeprefix("prev_"))
        session = series_session(self._seen.symbol, word)
        window = session.latest(at_us)
        is_day = word == self._own
        if group.startswith("prev_"):
            if is_day and line == "close" and held.facts and held.facts.prev_close is not None:
                return held.facts.prev_close
            return self._whole(line, session.before(window), held, last)
        if line == "volume":
            if not self._of_this_life(window, held, last):
                return None
            closing = bisect_left(self._seen.times, window[1]) - 1  # what comes after the close is not the day's
            return self._seen.after[min(last, closing)].volume
        return self._running(line, window, held, last, at_us, with_facts=is_day)

    def trades(self, window: Window, held: Seen, last: int, until_us: int | None = None) -> Sequence[Trade]:
        """The trades of a session up to the last event that counts: of this life, and of one that saw all of it (or all
        of it up to an instant)."""
        if window not in self._of_window:
            inside = (one for one in self._seen.trades if window[0] <= one.exchange_us < window[1])
            self._of_window[window] = list(inside)
        found = self._of_window[window]
        found = found[: bisect_right(found, last, key=lambda one: one.at)]
        kept = self._seen.stored(window[0], window[1] if until_us is None else until_us, held)
        return [one for one in found if one.lives == held.lives or (kept and one.rolls == held.rolls)]

    def _of_this_life(self, window: Window, held: Seen, last: int) -> Sequence[Trade]:
        """What is made of every trade, or told by Schwab, does not outlive the daemon."""
        return [one for one in self.trades(window, held, last) if one.lives == held.lives]

    def _watched(self, window: Window, held: Seen, at_us: int) -> bool:
        """Whether it was watched from its opening to its end, or to now."""
        return self._seen.watched(window[0], min(window[1], at_us), held.lives) or self._seen.stored(*window, held)

    def _running(
        self, line: str, window: Window, held: Seen, last: int, at_us: int, *, with_facts: bool
    ) -> Fraction | None:
        """Open, high or low of the present session: what Schwab said since it opened, and what was seen."""
        trades = self.trades(window, held, last)
        said = None
        if with_facts and held.facts and held.facts_us >= window[0]:
            said = {"open": held.facts.open, "high": held.facts.high, "low": held.facts.low}[line]
        if line == "open":
            first = trades[0] if trades else None
            watched = first is not None and (
                self._seen.watched(window[0], first.exchange_us, held.lives) or self._seen.stored(*window, held)
            )
            return said if said is not None else first.price if first and watched else None
        if said is None and not self._watched(window, held, at_us):
            return None
        return _extreme(line, ([] if said is None else [said]) + [one.price for one in trades])

    def _whole(self, line: str, window: Window, held: Seen, last: int) -> Fraction | None:
        """A value of a session that is over; all but the close need it watched from its opening to its end."""
        trades = self.trades(window, held, last)
        if not trades:
            return None
        if line == "close" and not self._seen.stored(*window, held):
            newest = trades[-1]
            return newest.price if self._seen.watched(min(newest.at_us, window[1]), window[1], held.lives) else None
        if not self._watched(window, held, window[1]):
            return None
        if line in ("open", "close"):
            return trades[0 if line == "open" else -1].price
        return _extreme(line, [one.price for one in trades])

    def _week(self, line: str, held: Seen, last: int, at_us: int) -> Fraction | None:
        windows = series_session(self._seen.symbol, self._own).week_before(at_us)
        if not all(self._watched(window, held, window[1]) for window in windows):
            return None
        trades = [one for window in windows for one in self.trades(window, held, last)]
        if not trades:
            return None
        if line in ("open", "close"):
            return trades[0 if line == "open" else -1].price
        return _extreme(line, [one.price for one in trades])

    def _year(self, line: str, held: Seen, last: int) -> Fraction | None:
        if held.facts is None:
            return None
        said = held.facts.year_high if line == "high" else held.facts.year_low
        if said is None:
            return None
        seen = (one.price for one in self._seen.trades if one.at <= last and one.lives == held.lives)
        return _extreme(line, [said, *seen])

    def opening_range(
        self, duration_s: int, line: str, word: str, held: Seen, index: int, at_us: int
    ) -> Fraction | None:
        """The range of a session's first while, once its bars are closed; later ticks of it change nothing."""
        window = series_session(self._seen.symbol, word).latest(at_us)
        end_us = min(window[0] + duration_s * US_PER_S, window[1])
        closed = self.closed(end_us)
        kept = self._seen.stored(window[0], end_us, held)
        if closed > index or not (kept or self._seen.watched(window[0], end_us, held.lives)):
            return None
        trades = self.trades(window, held, closed - 1, end_us)
        return _extreme(line, [one.price for one in trades if one.exchange_us < end_us])

    def closed(self, end_us: int) -> int:
        """The event at which a bar with that end closes: a trade past it, or two seconds past it."""
        by_clock = bisect_left(self._seen.times, end_us + GRACE_US)
        by_trade = (one.at for one in self._seen.trades if one.exchange_us >= end_us)
        return min(by_clock, next(by_trade, by_clock))

    def vwap(self, word: str | None, held: Seen, last: int, at_us: int) -> Fraction | None:
        """The mean price of a session by size."""
        window = series_session(self._seen.symbol, word).latest(at_us)
        trades = self._of_this_life(window, held, last)
        size = sum(one.size for one in trades)
        if not size or not self._seen.watched(window[0], min(window[1], at_us), held.lives):
            return None
        return sum((one.price * one.size for one in trades), Fraction(0)) / size


def has_day(symbol: str, group: str) -> bool:
    """Whether a symbol has the session a day value belongs to."""
    word = group.removeprefix("prev_")
    return word in ("day", "week", "year") or word in words(symbol)


def _extreme(line: str, prices: Sequence[Fraction]) -> Fraction | None:
    if not prices:
        return None
    return max(prices) if line == "high" else min(prices)
