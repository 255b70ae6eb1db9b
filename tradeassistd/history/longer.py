"""Schwab's own daily and five-minute bars for windows of rules, as far as they mean what the rules' series mean.

A daily bar of a stock or an index is of regular hours (schwab_protocol 4.1: their open, high and low are), so it stands
for `1d` of `rth` and for nothing else. Of a future nobody says what hours Schwab's day has, and its close may be the
settlement: it is not used. Five-minute bars stand for every interval they fill exactly, in every session.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import Hole, put_together
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.layers import Layer, between
from tradeassistd.engine.bars.past import Told
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.needs import SeriesKey
from tradeassistd.history.gaps import DAY_US, joined, trading_windows
from tradeassistd.market.bar import INTERVALS_S, Bar, Stretch
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.market.session import ALWAYS, NEW_YORK, bar_bounds
from tradeassistd.store.official import newest_official_us, select_days, select_official

DAILY, FIVE = "1d", "5m"
_FIVE_S = INTERVALS_S[FIVE]


def told_by(
    raw: sqlite3.Connection, instrument_of: Callable[[str], Instrument], stretches: dict[str, list[Stretch]]
) -> Told:
    """What Schwab's longer bars in this store say of a series; `stretches` by symbol, those watched, oldest first."""

    def told(key: SeriesKey, span_us: int, end_us: int) -> Sequence[Layer]:
        instrument = instrument_of(key.symbol)
        return [
            _layer(raw, key, interval, instrument, span_us, end_us, _first_us(instrument, stretches.get(key.symbol)))
            for interval in sources(key, instrument)
        ]

    return told


def sources(key: SeriesKey, instrument: Instrument) -> tuple[str, ...]:
    """The intervals of Schwab's bars that can stand for bars of that series, besides minutes; the finest first."""
    if key.session == ALWAYS or INTERVALS_S[key.interval] % _FIVE_S:
        return ()
    is_regular = key.session == "rth" and instrument.kind is not InstrumentClass.FUTURE
    return (FIVE, DAILY) if key.interval == DAILY and is_regular else (FIVE,)


def _first_us(instrument: Instrument, watched: Sequence[Stretch] | None) -> int:
    """From when on bars are of the present contract: those of a root are of whatever contract it stood for then."""
    if instrument.kind is not InstrumentClass.FUTURE or instrument.symbol != instrument.root:
        return 0
    first_us = NEVER_US
    for one in reversed(watched or ()):
        if not one.contract or one.contract != (watched or ())[-1].contract:
            break
        first_us = one.from_us
    return first_us


def _layer(
    raw: sqlite3.Connection, key: SeriesKey, interval: str, instrument: Instrument, span_us: int, end_us: int,
    first_us: int,
) -> Layer:  # fmt: skip
    newest_us = newest_official_us(raw, key.symbol, interval, end_us)
    from_us = max(newest_us - span_us, first_us)
    if not newest_us or from_us >= newest_us:
        return Layer([], [])
    to_us = min(newest_us + DAY_US, end_us)
    official = select_official(raw, key.symbol, interval, from_us, newest_us + 1)
    if interval == DAILY:
        return _of_days(key, instrument, [*official], to_us)
    spans = [
        (max(span[0], from_us), min(span[1], to_us))
        for span in _answered(raw, instrument, from_us, to_us)
        if span[1] > from_us and span[0] < to_us
    ]
    return _of_fives(key, instrument, [*official], spans)


def _of_days(key: SeriesKey, instrument: Instrument, days: Sequence[Bar], to_us: int) -> Layer:
    """Of a day Schwab says from midnight to midnight in New York; a day on which nothing opens is none."""
    bars = []
    for bar in days:
        bounds = bar_bounds(instrument, key.session, DAILY, (bar.start_us + bar.end_us) // 2)
        if bounds is not None and bounds[1] <= to_us:
            bars.append(replace(bar, session=key.session, start_us=bounds[0], end_us=bounds[1]))
    return Layer([(bar.start_us, bar.end_us) for bar in bars], bars)


def _of_fives(key: SeriesKey, instrument: Instrument, fives: Sequence[Bar], spans: Sequence[tuple[int, int]]) -> Layer:
    """Longer bars are put together of them as of minutes; what lies in no span that Schwab has told whole is left."""
    starts_us = [bar.start_us for bar in fives]
    known = joined(span for span in spans if bisect_left(starts_us, span[0]) < bisect_left(starts_us, span[1]))
    if not known:
        return Layer([], [])
    inside = Layer(known, [])
    _, closed = put_together(
        instrument, key.interval, key.session, (bar for bar in fives if inside.holds(bar.start_us, bar.end_us)),
        [Hole(*one) for one in between(known)], begin_us=known[0][0], until_us=known[-1][1] + BAR_GRACE_US,
    )  # fmt: skip
    return Layer(known, [bar for bar in closed.bars if inside.holds(bar.start_us, bar.end_us)])


def _answered(raw: sqlite3.Connection, instrument: Instrument, from_us: int, to_us: int) -> list[tuple[int, int]]:
    """The trading days of which Schwab has told every five minutes, from opening to close."""
    whole = {day for day, answer in select_days(raw, instrument.symbol, FIVE).items() if answer.whole and answer.bars}
    if not whole:
        return []
    windows = trading_windows(instrument, from_us - 2 * DAY_US, to_us + 2 * DAY_US)
    return [(one.open_us, one.close_us) for one in windows if _day_of(one.close_us - 1) in whole]


def _day_of(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date().isoformat()
