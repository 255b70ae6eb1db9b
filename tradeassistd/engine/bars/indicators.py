"""Indicators: the table of what computes each bar function, and the track that holds one function's values.

Prices come in as scaled integers, so sums are exact and an average is an exact rational: a price equal to an average is
equal (rules.md 5). A recursive indicator runs in float64 and is rounded to a decimal grid (engine.rounding).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar

from tradeassistd.engine.bars.averages import Extreme, Mean, RateOfChange, WeightedMean
from tradeassistd.engine.bars.own_windows import OwnWindow, Pending
from tradeassistd.engine.bars.recursive import AverageTrueRange, ExponentialMean, Macd, MacdLines, RelativeStrength
from tradeassistd.engine.bars.relative_volume import RelativeVolume
from tradeassistd.engine.bars.rounding import exact, on_grid
from tradeassistd.engine.bars.spread import Bands, Bollinger, Deviation, StandardScore
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.language.own import in_table
from tradeassistd.market.bar import Bar

__all__ = ["INDICATORS", "Indicator", "Output", "Track", "exact", "on_grid"]

Output = Value | MacdLines | Bands | Pending | None
"""What an indicator gives at one bar: a value, several named parts, one not computed yet, or None while unknown."""
Taken = TypeVar("Taken", contravariant=True)


class Indicator(Protocol[Taken]):
    """Takes what it reads of the bars of a series one by one: a field, the whole bar, or a slot's volume."""

    def step(self, value: Taken, /) -> Output:
        """The indicator after one more closed bar."""
        ...

    def peek(self, value: Taken, /) -> Output:
        """What `step` would give, at the same cost; changes nothing."""
        ...


INDICATORS: dict[str, Callable[..., Indicator[Any]]] = {
    "sma": Mean,
    "avg": Mean,
    "ema": ExponentialMean,
    "wma": WeightedMean,
    "highest": lambda count: Extreme(count, sign=1),
    "lowest": lambda count: Extreme(count, sign=-1),
    "roc": RateOfChange,
    "rsi": RelativeStrength,
    "atr": AverageTrueRange,
    "stdev": Deviation,
    "zscore": StandardScore,
    "macd": Macd,
    "bollinger": Bollinger,
    "rvol": RelativeVolume,
}
"""What computes each bar function of the table, made from the function's numbers in their order."""


def maker(function: str, field: str, counts: tuple[Value, ...]) -> Callable[[], Indicator[Any]]:
    """What makes the indicator of a function with its numbers, on that field of bars ("" for whole ones).

    Raises KeyError for a function that there is not.
    """
    if function in INDICATORS:
        return partial(INDICATORS[function], *counts)
    return partial(OwnWindow, in_table()[function], field, counts)


OUTLIVES_CUTS = frozenset({"rvol"})
"""Functions that compare sessions: a gap takes nothing from the sessions before it."""


def _no_bar() -> Bar | None:
    return None


class Track:
    """The values of one indicator on one bar series: the present one and as many earlier ones as a rule reads."""

    def __init__(
        self,
        read: Callable[[Bar], Any],
        make: Callable[[], Indicator[Any]] | None = None,
        *,
        forming: Callable[[], Bar | None] = _no_bar,
        outlives_cuts: bool = False,
        reads_volume: bool = False,
    ) -> None:
        """`read` takes from a bar what the indicator wants (without one: the value); `forming` gives the open bar.

        `reads_volume`: not of Schwab's own days, which nobody has counted the trades of: theirs may be of other hours.
        """
        self._read = read
        self._make = make
        self._forming = forming
        self.outlives_cuts = outlives_cuts
        self._reads_volume = reads_volume
        self.needed = 0
        """Bars it must have taken until all that is read of it is known; 0 where that cannot be said in bars."""
        self._indicator = make() if make else None
        self._outputs: deque[Output] = deque(maxlen=1)
        self.seen = 0
        """Bars taken since the last reset."""

    def reach_back(self, bars: int) -> bool:
        """Keep at least `bars` earlier values; whether that is more than before."""
        if bars < (self._outputs.maxlen or 0):
            return False
        self._outputs = deque(self._outputs, maxlen=bars + 1)
        return True

    def step(self, bar: Bar) -> None:
        """Take one more closed bar."""
        self.seen += 1
        value = self._read(bar)
        self._outputs.append(self._indicator.step(value) if self._indicator else value)

    def warm(self, bars: Iterable[Bar]) -> None:
        """Fill in from bars that closed already, oldest first, up to the last that the series closed.

        A track that has taken bars goes on as it is, and only learns older values: what others read does not jump.
        """
        past = Track(self._read, self._make)
        past._outputs = deque(maxlen=self._outputs.maxlen)
        for bar in bars:
            if self._reads_volume and not bar.trades:
                past.reset()
            else:
                past.step(bar)
        if not past.seen:
            return
        if self.seen:
            older = list(past._outputs)[: max(0, len(past._outputs) - len(self._outputs))]
            self._outputs = deque([*older, *self._outputs], maxlen=self._outputs.maxlen)
        else:
            self._indicator, self._outputs, self.seen = past._indicator, past._outputs, past.seen

    def refill(self, bars: Iterable[Bar]) -> None:
        """As `warm`, after a hole was filled: what has no value yet begins anew from them, for nobody has read it."""
        newest = self._outputs[-1] if self._outputs else None
        if self._make is not None and newest is None and not self.outlives_cuts:
            self.reset()
        self.warm(bars)

    def reset(self) -> None:
        """Forget everything: a window that holds an unfilled gap is unknown (rules.md 4.3)."""
        if not self.outlives_cuts:
            self._indicator = self._make() if self._make else None
        self._outputs.clear()
        self.seen = 0

    def value(self, bars_back: int = 0, part: str = "", live: bool = False) -> Value | None:
        """The value `bars_back` closed bars ago, 0 the last closed one; None when unknown.

        With `live` the forming bar is the newest: 0 is the value if that bar closed now (None when none is forming),
        1 the last closed one. `part` picks a line of macd (line, signal, hist) or bollinger (upper, mid, lower).
        Raises AttributeError for a part that the function lacks, or when it has parts and none is named.
        """
        if live:
            if bars_back == 0:
                return _part(self._peek(), part)
            bars_back -= 1
        return _part(self._outputs[-1 - bars_back], part) if bars_back < len(self._outputs) else None

    def _peek(self) -> Output:
        """The output if the forming bar closed now."""
        bar = self._forming()
        if bar is None:
            return None
        value: Output = self._read(bar)
        return self._indicator.peek(value) if self._indicator else value


def _part(output: Output, part: str) -> Value | None:
    if output is None:
        return None
    if isinstance(output, Pending):
        return output.value(part)
    if part or isinstance(output, tuple):
        picked: Value | None = getattr(output, part)
        return picked
    return output
