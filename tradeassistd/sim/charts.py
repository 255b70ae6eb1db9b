"""CHART_EQUITY and CHART_FUTURES: which one-minute candle is due when, and the row it travels in.

A candle is sent once, some seconds after its minute (candles.published_us), whole and for good. `seq` counts the rows
of a key under a subscription from 0, so that a gap in it is a candle that was lost on the way.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.market.price import price_text
from tradeassistd.sim.candles import MINUTE_US, Candle, published_us
from tradeassistd.sim.daytime import NewYorkDay
from tradeassistd.sim.fields import CHART_EQUITY, CHART_FUTURES, Chart
from tradeassistd.sim.listing import Listing
from tradeassistd.sim.pricehistory import History
from tradeassistd.sim.wire import json_text

NEVER = 2**63
_PRE_MARKET = 7 * 60
"""From there field 1 counts minutes: a recorded row of 14:05 New York has 425."""
_US_PER_DAY = 86_400 * US_PER_S


class Charts:
    """The minutes that have begun and are not told yet."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._due: list[tuple[int, str, int]] = []

    def begin(self, begun: Iterable[tuple[str, int]]) -> None:
        """Minutes that have begun, as key and start (UTC microseconds)."""
        for key, start_us in begun:
            heapq.heappush(self._due, (published_us(key, start_us), key, start_us))

    def next_us(self) -> int:
        """When the next candle is due, market time; NEVER without one."""
        return self._due[0][0] if self._due else NEVER

    def take(self, now_us: int) -> list[tuple[str, Candle]]:
        """The candles that are due by then, in order."""
        candles = []
        while self._due and self._due[0][0] <= now_us:
            _, key, start_us = heapq.heappop(self._due)
            candles += [(key, candle) for candle in self._history.streamed(key, start_us, start_us + MINUTE_US)]
        return candles

    def pass_over(self, now_us: int) -> None:
        """Forget what is due by then: nobody wants it."""
        while self._due and self._due[0][0] <= now_us:
            heapq.heappop(self._due)


def chart_of(listing: Listing) -> Chart:
    """The service that has the candles of an instrument."""
    return CHART_FUTURES if listing.instrument.kind is InstrumentClass.FUTURE else CHART_EQUITY


def candle_item(chart: Chart, key: str, candle: Candle, number: int, wanted: frozenset[int]) -> str:
    """The content item of a candle with the fields that are wanted, in the order of recorded rows."""
    values = {
        chart.start_ms: str(candle.start_us // US_PER_MS),
        chart.open: price_text(candle.open),
        chart.high: price_text(candle.high),
        chart.low: price_text(candle.low),
        chart.close: price_text(candle.close),
        chart.volume: str(candle.volume),
    }
    if chart.minute:
        values[chart.minute] = str(max(0, int(NewYorkDay(candle.start_us).minute(candle.start_us)) - _PRE_MARKET))
        values[chart.day] = str(candle.start_us // _US_PER_DAY)
    fields = "".join(f'"{field}":{value},' for field, value in sorted(values.items()) if field in wanted)
    return f'{{{fields}"seq":{number},"key":{json_text(key)}}}'
