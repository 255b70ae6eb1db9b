"""Finds what is missing: the trading minutes of a symbol that nobody watched and Schwab has not told since.

Pure: the calendar says when a symbol trades, the store says which spans are known, and what is left is missing. A
minute is missing when any instant of it is, for half a minute makes no bar. Outside trading hours nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.calendar import Window
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import next_trading_open, trading_day, trading_window_at
from tradeassistd.store.official import Span

MINUTE_US = 60 * US_PER_S
DAY_US = INTERVALS_S["1d"] * US_PER_S
ASKED_SPAN_US = 7 * DAY_US
"""What is asked of Schwab at once spans no more than that: some 7,000 candles of a future."""


def trading_windows(instrument: Instrument, from_us: int, to_us: int) -> Iterator[Window]:
    """When the instrument trades between two instants, held within them, oldest first.

    Ends where the calendar knows of no further opening.
    """
    at_us = from_us
    while at_us < to_us:
        window = trading_window_at(instrument, at_us)
        if window is None:
            try:
                at_us = next_trading_open(instrument, at_us)
            except LookupError:
                return
            continue
        yield Window(max(window.open_us, from_us), min(window.close_us, to_us))
        at_us = window.close_us


def missing(instrument: Instrument, known: Iterable[tuple[int, int]], from_us: int, to_us: int) -> list[Span]:
    """The whole minutes between two instants in which the instrument trades and that no `known` span holds wholly.

    `known` are (from, to) in any order, and may overlap; the two instants are taken to the whole minutes within them.
    Spans come oldest first, none touching another and none reaching over a break in trading.
    """
    from_us, to_us = -(-from_us // MINUTE_US) * MINUTE_US, to_us // MINUTE_US * MINUTE_US
    spans = joined(known)
    found: list[Span] = []
    for window in trading_windows(instrument, from_us, to_us):
        before = len(found)
        for hole_us, end_us in _uncovered(spans, window):
            first_us = max(hole_us // MINUTE_US * MINUTE_US, window.open_us)
            last_us = min(-(-end_us // MINUTE_US) * MINUTE_US, window.close_us)
            if len(found) > before and first_us <= found[-1].to_us:
                found[-1] = found[-1]._replace(to_us=last_us)
            else:
                found.append(Span(instrument.symbol, first_us, last_us))
    return found


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same instants in as few spans as can be, oldest first."""
    made: list[tuple[int, int]] = []
    for from_us, to_us in sorted(span for span in spans if span[1] > span[0]):
        if made and from_us <= made[-1][1]:
            made[-1] = made[-1][0], max(made[-1][1], to_us)
        else:
            made.append((from_us, to_us))
    return made


def asked_together(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans of one symbol, oldest first, in groups that are each asked for at once: Schwab gives whole days anyway."""
    groups: list[list[Span]] = []
    for span in spans:
        for part in _parts(span):
            if groups and part.to_us - groups[-1][0].from_us <= ASKED_SPAN_US:
                groups[-1].append(part)
            else:
                groups.append([part])
    return groups


def trading_days_back(now_us: int, days: int) -> int:
    """When the trading day began that lies so many trading days back; 1 is the one that `now_us` belongs to.

    Weekends are left out, holidays count: they only make it reach less far.
    """
    at_us = now_us
    for _ in range(days):
        _, began_us = trading_day(at_us)
        at_us = began_us - 1
    return at_us + 1


def _parts(span: Span) -> Iterator[Span]:
    """A span in parts that can be asked for at once."""
    from_us = span.from_us
    while span.to_us - from_us > ASKED_SPAN_US:
        yield Span(span.symbol, from_us, from_us + ASKED_SPAN_US)
        from_us += ASKED_SPAN_US
    yield Span(span.symbol, from_us, span.to_us)


def _uncovered(spans: Sequence[tuple[int, int]], window: Window) -> Iterator[tuple[int, int]]:
    """What of the window lies in none of the spans, which are joined."""
    at_us = window.open_us
    for from_us, to_us in spans:
        if to_us <= at_us:
            continue
        if from_us >= window.close_us:
            break
        if from_us > at_us:
            yield at_us, from_us
        at_us = to_us
    if at_us < window.close_us:
        yield at_us, window.close_us
