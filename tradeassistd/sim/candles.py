"""One-minute candles of what the simulated market really traded, kept as it is streamed.

A trade is what it is to a client (design: *A trade*): a rise of the total volume, or for a symbol without volume a new
sample. A minute without a trade has no candle.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zlib import crc32

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.price import price_from_text
from tradeassistd.sim.market import Batch, LevelOne, Market

MINUTE_US = 60 * US_PER_S
MINUTES_KEPT_MAX = 300_000
"""So many minutes are kept of a key, at 48 bytes: ten months of a future. A tenth, the oldest, goes when it is full."""
LATE_S = (5, 30)
"""A candle can be had so long after its minute is over, at the soonest and at the latest (protocol notes, 4)."""

_price = lru_cache(maxsize=65_536)(price_from_text)


class Candle(NamedTuple):
    """Prices are scaled integers; `start_us` is when the interval began."""

    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def published_us(key: str, start_us: int, length_us: int = MINUTE_US) -> int:
    """When the candle of that interval can be had: some seconds after its end, the same on the stream and by REST."""
    soonest, latest = LATE_S
    spread_ms = (latest - soonest) * 1_000 + 1
    late_ms = soonest * 1_000 + crc32(f"{key}:{start_us + length_us}".encode()) % spread_ms
    return start_us + length_us + late_ms * US_PER_MS


def merged(candles: Iterable[Candle], length_us: int) -> Iterator[Candle]:
    """Candles of a longer interval, which begins at its whole multiples (UTC)."""
    for begin_us, group in groupby(candles, lambda candle: candle.start_us // length_us * length_us):
        yield whole(begin_us, list(group))


def whole(start_us: int, parts: list[Candle]) -> Candle:
    """The one candle of consecutive ones, of which there must be one at least."""
    return Candle(
        start_us, parts[0].open, max(part.high for part in parts), min(part.low for part in parts), parts[-1].close,
        sum(part.volume for part in parts),
    )  # fmt: skip


class _Series:
    """The minutes of one key, in order. Another thread may read while this one adds: a minute counts with its start."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = (array("q"), array("q"))
        """Starts, and five numbers for each."""

    def add(self, minute_us: int, price: int, size: int) -> bool:
        """Take a trade; whether a minute has begun with it."""
        starts, rows = self.kept
        if starts and minute_us <= starts[-1]:
            rows[-4] = max(rows[-4], price)
            rows[-3] = min(rows[-3], price)
            rows[-2] = price
            rows[-1] += size
            return False
        if len(starts) >= MINUTES_KEPT_MAX:
            gone = MINUTES_KEPT_MAX // 10
            self.kept = starts, rows = starts[gone:], rows[gone * 5 :]
        rows.extend((price, price, price, price, size))
        starts.append(minute_us)
        return True

    def candles(self, from_us: int, to_us: int) -> list[Candle]:
        starts, rows = self.kept
        first, after = bisect_left(starts, from_us), bisect_left(starts, to_us)
        return [Candle(starts[at], *rows[at * 5 : at * 5 + 5]) for at in range(first, after)]


class _Trader:
    """What is remembered of a record: its last price as text, and the volume so far."""

    __slots__ = ("last", "volume")

    def __init__(self, last: str, volume: int) -> None:
        self.last = last
        self.volume = volume


class Minutes:
    """Takes every batch of a market from its start on. A futures root has the minutes of what it stood for."""

    def __init__(self, market: Market) -> None:
        self._series: dict[str, _Series] = {}
        self._traders: dict[LevelOne, _Trader] = {}
        for key in market.symbols:
            if (record := market.find(key)) is not None:
                layout = record.listing.layout
                self._traders[record] = _Trader(record.values[layout.last], int(record.values[layout.volume]))

    def take(self, batch: Batch) -> list[tuple[str, int]]:
        """Take what changed; gives the minutes that began with it, as key and start (UTC microseconds)."""
        minute_us = batch.at_us // MINUTE_US * MINUTE_US
        begun = []
        for level_one, fields in batch.changes:
            listing = level_one.listing
            size = self._size(level_one, fields)
            if size is None:
                continue
            price = _price(self._traders[level_one].last)
            if price or listing.instrument.zero_is_a_price:
                for key in listing.keys:
                    series = self._series.get(key)
                    if series is None:
                        series = self._series[key] = _Series()
                    if series.add(minute_us, price, size):
                        begun.append((key, minute_us))
        return begun

    def _size(self, level_one: LevelOne, fields: list[tuple[int, str]]) -> int | None:
        """The size of the trade the change is, 0 for a sample; None when it is none."""
        layout = level_one.listing.layout
        last = volume = None
        sampled = False
        for number, value in fields:
            if number == layout.last:
                last, sampled = value, True
            elif number == layout.volume:
                volume = int(value)
            elif number == layout.trade_ms:
                sampled = True
        trader = self._traders.get(level_one)
        if trader is None:  # a contract that has come in front: its first word sets the base
            self._traders[level_one] = _Trader(level_one.values[layout.last], int(level_one.values[layout.volume]))
            return None
        if last is not None:
            trader.last = last
        if not level_one.listing.instrument.has_volume:
            return 0 if sampled else None
        if volume is None:
            return None
        size, trader.volume = volume - trader.volume, volume
        return size if size > 0 else None

    def candles(self, key: str, from_us: int, to_us: int) -> list[Candle]:
        """The minutes that begin within the bounds, the later one not included; the last may not be over yet."""
        series = self._series.get(key)
        return series.candles(from_us, to_us) if series is not None else []
