"""Bars of one series from several sources, one beneath the other: what nobody watched, Schwab's own longer bars say.

A bar is of the first source that knows its whole time, never of two: where one knows its begin and another its end,
it is a hole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from tradeassistd.engine.bars.holes import touches
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import bar_bounds


class Layer(NamedTuple):
    """What one source knows of a series."""

    spans: Sequence[tuple[int, int]]
    """The times that it knows all of, UTC microseconds, oldest first, none touching another."""
    bars: Sequence[Bar]
    """Every closed bar that lies wholly within one of them."""

    def holds(self, from_us: int, to_us: int) -> bool:
        """Whether it knows all of that time."""
        at = bisect_right(self.spans, from_us, key=itemgetter(0)) - 1
        return at >= 0 and to_us <= self.spans[at][1]


class Laid(NamedTuple):
    """The layers together."""

    bars: list[Bar]
    """Oldest first."""
    whole_from_us: int
    """Nothing of the session is missing from then on."""
    until_us: int
    """So far something is known."""


def lay(layers: Sequence[Layer], instrument: Instrument, interval: str, session: str) -> Laid:
    """Put them together, the first on top; one span at least is known."""
    bars: dict[int, Bar] = {}
    for depth, layer in enumerate(layers):
        for bar in layer.bars:
            if not any(above.holds(bar.start_us, bar.end_us) for above in layers[:depth]):
                bars[bar.start_us] = bar
    ends = sorted(span for layer in layers for span in layer.spans)
    begin_us, until_us = ends[0][0], max(to_us for _, to_us in ends)
    whole_from_us = known_us = begin_us
    for from_us, to_us in ends:
        if from_us > known_us and touches(instrument, session, known_us, from_us):
            whole_from_us = max(whole_from_us, from_us)
        known_us = max(known_us, to_us)
    for edge_us in {edge_us for span in ends for edge_us in span if begin_us < edge_us < until_us}:
        bounds = bar_bounds(instrument, session, interval, edge_us)
        if bounds and bounds[0] < edge_us and not any(layer.holds(*bounds) for layer in layers):
            whole_from_us = max(whole_from_us, edge_us)
    return Laid([bars[start_us] for start_us in sorted(bars)], whole_from_us, until_us)


def between(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The times between spans that are in order and do not touch."""
    return [(before[1], after[0]) for before, after in pairwise(spans)]
