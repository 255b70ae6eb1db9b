"""Official minutes from the stream: the rows of CHART_EQUITY and CHART_FUTURES as bars.

The numbers are those that recorded frames and schwab-py agree on (schwab_protocol 4.3; the Streamer Guide has others
for CHART_EQUITY). A row is a minute that is over, told once, some 5 to 30 seconds after its end; the first one after a
subscription is the last that was told before it, however old. The time is the minute's start.
"""

from __future__ import annotations

from math import isfinite

import msgspec

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.instrument import instrument_of, is_symbol
from tradeassistd.market.price import price_from_float
from tradeassistd.market.session import ALWAYS

CHART_EQUITY, CHART_FUTURES = "CHART_EQUITY", "CHART_FUTURES"
CHART_FIELDS: dict[str, dict[str, str]] = {
    CHART_EQUITY: {"open": "2", "high": "3", "low": "4", "close": "5", "volume": "6", "start_ms": "7"},
    CHART_FUTURES: {"start_ms": "1", "open": "2", "high": "3", "low": "4", "close": "5", "volume": "6"},
}
"""Per service: what we read, and Schwab's number for it."""
_MINUTE_US = 60 * US_PER_S
_YEAR_2200_MS = 7_258_118_400_000
_NUMBER_MAX = 1e10
"""No price or volume of a minute is greater; more than ninety billion would not fit a scaled integer of 64 bits."""


class ChartRow(msgspec.Struct, gc=False):
    """A minute as it came: prices as JSON numbers, `start_ms` UTC milliseconds."""

    symbol: str
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    start_ms: float | None = None
    seq: int | None = None
    """Counts the messages of the subscription."""


def bar_of(row: ChartRow) -> Bar | None:
    """The bar of a row, session `always`; None for one that cannot be: no symbol, no whole minute, a low above a high.

    `trades` is 0: nobody counted.
    """
    prices = (row.open, row.high, row.low, row.close)
    numbers = (*prices, row.volume, row.start_ms)
    if not is_symbol(row.symbol) or any(one is None or not isfinite(one) for one in numbers):
        return None
    open_, high, low, close, volume, start_ms = (one for one in numbers if one is not None)
    start_us = int(start_ms) * US_PER_MS
    if not 0 < start_ms < _YEAR_2200_MS or start_us % _MINUTE_US or volume < 0:
        return None
    if max(abs(high), abs(low), volume) > _NUMBER_MAX or not low <= min(open_, close) <= max(open_, close) <= high:
        return None
    if 0 in prices and not instrument_of(row.symbol).zero_is_a_price:
        return None
    return Bar(
        row.symbol, ARCHIVE_INTERVAL, ALWAYS, start_us, start_us + _MINUTE_US, price_from_float(open_),
        price_from_float(high), price_from_float(low), price_from_float(close), round(volume), trades=0,
    )  # fmt: skip


class ChartLine:
    """Which minutes have come on one connection, in order: what came twice, what was lost on the way."""

    def __init__(self) -> None:
        self.rows = self.odd = self.repeated = self.lost = 0
        """Since the start: minutes taken, rows that make no bar, minutes told again, messages that `seq` says are
        missing."""
        self._newest_us: dict[str, int] = {}
        self._seqs: dict[str, int] = {}

    def begin(self) -> None:
        """Another connection: its messages are counted anew."""
        self._seqs.clear()

    def take(self, rows: list[ChartRow]) -> list[Bar]:
        """The bars of the rows of one frame that are new."""
        made = []
        for row in rows:
            bar = bar_of(row)
            if bar is None:
                self.odd += 1
                continue
            self._count(row)
            if bar.start_us <= self._newest_us.get(bar.symbol, -1):
                self.repeated += 1
                continue
            self._newest_us[bar.symbol] = bar.start_us
            self.rows += 1
            made.append(bar)
        return made

    def _count(self, row: ChartRow) -> None:
        """`seq` is one more with each message of a symbol; a greater step is a lost one."""
        if row.seq is None:
            return
        before = self._seqs.get(row.symbol)
        if before is not None and row.seq > before + 1:
            self.lost += row.seq - before - 1
        self._seqs[row.symbol] = row.seq
