"""Bars of any interval and session made of stored minutes and of the spans in which they were watched.

Beneath them lie longer bars that Schwab made itself, where minutes do not know the time of a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import Closed, Hole, put_together
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.layers import Layer, between, lay
from tradeassistd.engine.bars.series import BAR_GRACE_US, BarSeries
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
Told = Callable[[SeriesKey, int, int], Sequence[Layer]]
"""From a series, how many microseconds back from its newest bar, and an end (NEVER_US: none) to what Schwab's own
longer bars say of the series before that end; what counts more comes first."""


def _nothing(key: SeriesKey, span_us: int, end_us: int) -> Sequence[Layer]:
    return ()


def past_of(
    needs: Mapping[SeriesKey, int],
    stretches: Mapping[str, list[Stretch]],
    minutes: Minutes,
    instrument_of: Callable[[str], Instrument],
    before_us: int = NEVER_US,
    told: Told = _nothing,
) -> list[Bars]:
    """The closed bars of each series that there are any of, without an event time; whole days before other bars.

    `stretches` by symbol, oldest first, each with its end. What came from `before_us` on is left out, and the bar of
    each series that was forming at that instant. Where minutes do not know a bar, it is of `told`.
    """
    found = []
    for key in sorted(needs, key=lambda one: (one.symbol, one.interval != "1d", one)):
        watched = _of_one_contract(stretches.get(key.symbol, []))
        instrument = instrument_of(key.symbol)
        end_us = _begun_us(key, instrument, before_us) if before_us < NEVER_US else NEVER_US
        if watched and watched[-1].to_us > before_us:
            watched = _until(end_us, watched)
        layers = [layer for layer in told(key, _span_us(key, needs[key]), end_us) if layer.spans]
        if layers:
            found.append(_laid(key, needs[key], watched, minutes, instrument, layers))
        elif watched:
            found.append(_past(key, needs[key], watched, minutes, instrument))
    return found


def _begun_us(key: SeriesKey, instrument: Instrument, at_us: int) -> int:
    """When the bar began that was forming at that instant; the instant itself when none was."""
    bounds = bar_bounds(instrument, key.session, key.interval, at_us)
    return bounds[0] if bounds else at_us


def _until(end_us: int, watched: list[Stretch]) -> list[Stretch]:
    return [one._replace(to_us=min(one.to_us, end_us)) for one in watched if one.from_us < end_us]


def _past(key: SeriesKey, count: int, watched: list[Stretch], minutes: Minutes, instrument: Instrument) -> Bars:
    spans = _spans(key, count, watched)
    series, closed = _of_minutes(key, spans, minutes, instrument)
    whole_from_us = max(spans[0][0], series.cut_us)
    return Bars(0, *key, _rows(closed.bars[-count:]), whole_from_us, spans[-1][1], contract=watched[-1].contract)


def _laid(
    key: SeriesKey, count: int, watched: list[Stretch], minutes: Minutes, instrument: Instrument,
    layers: Sequence[Layer],
) -> Bars:  # fmt: skip
    """As `_past`, with Schwab's own bars beneath."""
    ours = []
    if watched:
        spans = _spans(key, count, watched)
        ours = [Layer(spans, _of_minutes(key, spans, minutes, instrument)[1].bars)]
    laid = lay([*ours, *layers], instrument, key.interval, key.session)
    contract = watched[-1].contract if watched else ""
    return Bars(0, *key, _rows(laid.bars[-count:]), laid.whole_from_us, laid.until_us, contract=contract)


def _spans(key: SeriesKey, count: int, watched: list[Stretch]) -> list[tuple[int, int]]:
    """What is watched of the time in which so many bars lie."""
    until_us = watched[-1].to_us
    begin_us = max(watched[0].from_us, until_us - _span_us(key, count))
    return [(max(one.from_us, begin_us), one.to_us) for one in watched if one.to_us > begin_us]


def _of_minutes(
    key: SeriesKey, spans: Sequence[tuple[int, int]], minutes: Minutes, instrument: Instrument
) -> tuple[BarSeries, Closed]:
    begin_us, until_us = spans[0][0], spans[-1][1]
    return put_together(
        instrument, key.interval, key.session, minutes(key.symbol, begin_us, until_us),
        [Hole(*one) for one in between(spans)], begin_us=begin_us, until_us=until_us + BAR_GRACE_US,
    )  # fmt: skip


def _rows(bars: Sequence[Bar]) -> tuple[BarRow, ...]:
    return tuple(
        BarRow(bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades) for bar in bars
    )


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
