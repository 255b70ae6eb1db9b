"""A symbol's minutes as the store has them: those made of trades, and Schwab's own where nobody watched.

A minute that was watched is the one made of trades, or none when there were none: rules saw it so. Schwab's bars stand
only where no span of watching holds the whole minute.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import NamedTuple

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import Hole, put_together
from tradeassistd.history.gaps import joined, missing
from tradeassistd.market.bar import ARCHIVE_INTERVAL, INTERVALS_S, Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import bar_bounds, series_session
from tradeassistd.store.bars import select_minutes, select_stretches
from tradeassistd.store.official import Span, select_official, select_spans

_DAY_US = INTERVALS_S["1d"] * US_PER_S
_EVENING_US, _NIGHT_US = _DAY_US // 4, _DAY_US // 6
"""A trading day begins at 18:00 of the evening before at the earliest, and ends at 20:00 at the latest."""


class Drawn(NamedTuple):
    """Bars of one series between two instants, as far as the store has them."""

    bars: list[Bar]
    """Oldest first. `trades` counts those we saw; it is 0 in a bar that is wholly Schwab's."""
    holes: list[Span]
    """Trading minutes of which nothing is known: a bar that touches one is not made."""


def known_spans(raw: sqlite3.Connection, symbol: str) -> list[tuple[int, int]]:
    """The spans of a symbol whose minutes are known, watched or told by Schwab, oldest first, none touching another."""
    watched = [(one.from_us, one.to_us) for one in select_stretches(raw, symbol)]
    return joined([*watched, *((one.from_us, one.to_us) for one in select_spans(raw, symbol))])


def select_known_minutes(raw: sqlite3.Connection, symbol: str, from_us: int, to_us: int) -> Iterator[Bar]:
    """One-minute bars over all trades that lie between two instants, oldest first: ours, and Schwab's between them."""
    watched = joined((one.from_us, one.to_us) for one in select_stretches(raw, symbol))
    official = (
        bar
        for bar in select_official(raw, symbol, ARCHIVE_INTERVAL, from_us, to_us)
        if bar.end_us <= to_us and not _within(watched, bar)
    )
    last_us = -1
    # Of two of one minute (a stretch that ended within it was cut short later) ours comes first and counts.
    for bar in merge(select_minutes(raw, symbol, from_us, to_us), official, key=attrgetter("start_us")):
        if bar.start_us != last_us:
            yield bar
            last_us = bar.start_us


def read_bars(
    raw: sqlite3.Connection, instrument: Instrument, interval: str, session: str, from_us: int, to_us: int
) -> Drawn:
    """The closed bars of any interval and session that lie between two instants, put together as the engine does it.

    Where the minutes are not known, Schwab's own bars of that interval stand, as far as it was asked for them.
    Raises ValueError for a session that the instrument lacks.
    """
    symbol = instrument.symbol
    first, last = bar_bounds(instrument, session, interval, from_us), bar_bounds(instrument, session, interval, to_us)
    begin_us = first[0] if first else from_us
    until_us = to_us if last is None or last[0] == to_us else last[0]
    known = known_spans(raw, symbol)
    holes = missing(instrument, known, begin_us, until_us)
    minutes = list(select_known_minutes(raw, symbol, begin_us, until_us))
    _, closed = put_together(
        instrument, interval, session, minutes, [Hole(one.from_us, one.to_us) for one in holes], begin_us=begin_us,
        until_us=until_us + INTERVALS_S[interval] * US_PER_S,
    )  # fmt: skip
    starts_us, seen = [one.start_us for one in minutes], [0, *accumulate(one.trades for one in minutes)]

    def trades(bar: Bar) -> int:
        return seen[bisect_left(starts_us, bar.end_us)] - seen[bisect_left(starts_us, bar.start_us)]

    told = [
        (span, bar)
        for span, bar in _told(raw, instrument, interval, session, from_us, to_us)
        if not _within(known, bar)
    ]
    bars = {bar.start_us: bar for _, bar in told}
    for bar in closed.bars:
        if bar.end_us <= to_us and bar.start_us >= from_us:
            bars[bar.start_us] = replace(bar, trades=trades(bar))
    if told:
        holes = missing(instrument, joined([*known, *(span for span, _ in told)]), begin_us, until_us)
    return Drawn([bars[start_us] for start_us in sorted(bars)], holes)


def _told(
    raw: sqlite3.Connection, instrument: Instrument, interval: str, session: str, from_us: int, to_us: int
) -> Iterator[tuple[tuple[int, int], Bar]]:
    """Schwab's own bars of an interval longer than a minute, each with the span of which it tells.

    A day's is from midnight to midnight in New York, and is of the symbol's own session.
    """
    if interval == ARCHIVE_INTERVAL:
        return
    is_day = interval == "1d"
    if is_day and session != series_session(instrument):
        return
    for bar in select_official(raw, instrument.symbol, interval, from_us - _DAY_US, to_us):
        span = (bar.start_us, bar.end_us)
        bounds = bar_bounds(instrument, session, interval, bar.start_us + _DAY_US // 2 if is_day else bar.start_us)
        if is_day:
            span = (bar.start_us - _EVENING_US, bar.end_us - _NIGHT_US)
        elif bounds != span:
            continue
        if bounds is not None and from_us <= bounds[0] and bounds[1] <= to_us:
            yield span, replace(bar, session=session, start_us=bounds[0], end_us=bounds[1])


def _within(spans: Sequence[tuple[int, int]], bar: Bar) -> bool:
    """Whether one of the spans, which are joined, holds the whole bar."""
    at = bisect_right(spans, bar.start_us, key=itemgetter(0)) - 1
    return at >= 0 and bar.end_us <= spans[at][1]
