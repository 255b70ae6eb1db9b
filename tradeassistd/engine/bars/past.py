"""Bars of any interval and session made of stored minutes and of the spans in which they were watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import Hole, put_together
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.events import BarRow, Bars
from tradeassistd.engine.needs import SeriesKey
from tradeassistd.market.bar import INTERVALS_S, Bar, Stretch
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import bar_bounds

_LEAST_MINUTES = {"rth": 270, "overnight": 700, "ext": 780, "globex": 1_110, "always": 1_440}
"""How long a session lasts at least on a plain day, by its word."""
_DAY_US = 86_400 * US_PER_S

Minutes = Callable[[str, int, int], Iterable[Bar]]
"""From a symbol, an instant and a later one to the one-minute bars between them, oldest first."""


def past_of(
    needs: Mapping[SeriesKey, int],
    stretches: Mapping[str, list[Stretch]],
    minutes: Minutes,
    instrument_of: Callable[[str], Instrument],
    before_us: int = NEVER_US,
) -> list[Bars]:
    """The closed bars of each series that there are any of, without an event time; whole days before other bars.

    `stretches` by symbol, oldest first, each with its end. What came from `before_us` on is left out, and the bar of
    each series that was forming at that instant.
    """
    found = []
    for key in sorted(needs, key=lambda one: (one.symbol, one.interval != "1d", one)):
        watched = _of_one_contract(stretches.get(key.symbol, []))
        instrument = instrument_of(key.symbol)
        if watched and watched[-1].to_us > before_us:
            watched = _until(_begun_us(key, instrument, before_us), watched)
        if watched:
            found.append(_past(key, needs[key], watched, minutes, instrument))
    return found


def _begun_us(key: SeriesKey, instrument: Instrument, at_us: int) -> int:
    """When the bar began that was forming at that instant; the instant itself when none was."""
    bounds = bar_bounds(instrument, key.session, key.interval, at_us)
    return bounds[0] if bounds else at_us


def _until(end_us: int, watched: list[Stretch]) -> list[Stretch]:
    return [one._replace(to_us=min(one.to_us, end_us)) for one in watched if one.from_us < end_us]


def _past(key: SeriesKey, count: int, watched: list[Stretch], minutes: Minutes, instrument: Instrument) -> Bars:
    until_us = watched[-1].to_us
    begin_us = max(watched[0].from_us, until_us - _span_us(key, count))
    holes = [
        Hole(before.to_us, after.from_us)
        for before, after in pairwise(watched)
        if after.from_us > max(begin_us, before.to_us)
    ]
    series, closed = put_together(
        instrument, key.interval, key.session, minutes(key.symbol, begin_us, until_us), holes,
        begin_us=begin_us, until_us=until_us + BAR_GRACE_US,
    )  # fmt: skip
    rows = tuple(
        BarRow(bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)
        for bar in closed.bars[-count:]
    )
    return Bars(0, *key, rows, max(begin_us, series.cut_us), until_us, contract=watched[-1].contract)


def _of_one_contract(stretches: list[Stretch]) -> list[Stretch]:
    """The latest stretches that are of the contract of the last one, joined where one begins before another ends."""
    kept: list[Stretch] = []
    for one in stretches:
        if one.to_us <= one.from_us:
            continue
        if kept and kept[-1].contract != one.contract:
            kept = []
        if kept and one.from_us <= kept[-1].to_us:
            kept[-1] = kept[-1]._replace(to_us=max(kept[-1].to_us, one.to_us))
        else:
            kept.append(one)
    return kept


def _span_us(key: SeriesKey, count: int) -> int:
    """How long ago so many bars began at most, with weekends and holidays between."""
    if key.interval == "1d":
        sessions = count
    else:
        sessions = -(-count * INTERVALS_S[key.interval] // (60 * _LEAST_MINUTES[key.session]))
    return (sessions * 3 // 2 + 8) * _DAY_US
