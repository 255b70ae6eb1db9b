"""What faults make of price history: candles that come late, are missing or are not the true ones. No I/O, no clock.

Which minutes are concerned follows from symbol and time alone, so that asking again gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.candles import Candle
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.distort import concerns
from tradeassistd.sim.listing import Listing


class CandleLens:
    """Between a market's candles and one answer; made when the question comes."""

    def __init__(self, faults: Faults, listing: Listing) -> None:
        at_work = [one for one in faults.running.values() if concerns(one, listing)]
        self._late = [one for one in at_work if one.fault.name == "history_late"]
        self._holes = [one for one in at_work if one.fault.name == "history_holes"]
        self._others = [one for one in at_work if one.fault.name == "history_differs"]
        self._tick = listing.instrument.tick_size
        for one in (*self._late, *self._holes, *self._others):
            one.hits += 1

    @property
    def late_us(self) -> int:
        """So much later than usual can a candle be had."""
        seconds: list[int] = [one.fault["by"] for one in self._late]
        return sum(seconds) * US_PER_S

    def see(self, symbol: str, candles: Sequence[Candle]) -> list[Candle]:
        """The candles as they are told."""
        told = [candle for candle in candles if not any(_struck(one, symbol, candle) for one in self._holes)]
        for one in self._others:
            told = [self._other(one, candle) if _struck(one, symbol, candle) else candle for candle in told]
        return told

    def _other(self, one: Running, candle: Candle) -> Candle:
        away, least = one.fault["away"], -1 if one.fault["away"] < 0 else 1  # or it would not differ
        if one.fault["what"] == "volume":
            return candle._replace(volume=max(0, candle.volume + (round(candle.volume * away) or least)))
        close = candle.close + (round(candle.close * away / self._tick) or least) * self._tick
        return candle._replace(close=close, high=max(candle.high, close), low=min(candle.low, close))


def _struck(one: Running, symbol: str, candle: Candle) -> bool:
    every: int = one.fault["every"]
    return crc32(f"{one.fault.name}:{symbol}:{candle.start_us}".encode()) % every == 0
