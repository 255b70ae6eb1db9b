"""The one table of the rule language's names and functions: arity, units, warm-up, documentation.

A new function is one entry here plus the class that computes it (engine/indicators.py); the checker, the compiler and
the rule reference are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """Dimensions of a value, as exponents: price * volume is Unit(1, 1, 0), a ratio Unit(0, 0, 0)."""

    price: int = 0
    volume: int = 0
    seconds: int = 0

    def __str__(self) -> str:
        names = {RATIO: "ratio", PRICE: "price", VOLUME: "volume", SECONDS: "seconds"}
        return names.get(self, "price^{} volume^{} seconds^{}".format(*self))


RATIO, PRICE, VOLUME, SECONDS = Unit(), Unit(price=1), Unit(volume=1), Unit(seconds=1)

Value = int | Fraction
"""A number in the engine: exact, prices scaled (market.price); None beside it means unknown."""


class Arg(StrEnum):
    """What a function takes at one place."""

    SERIES = "a bar series (open, high, low, close or volume)"
    COUNT = "a whole number of bars"
    INTERVAL = "a bar interval (1m 2m 3m 5m 10m 15m 30m 1h 2h 4h 1d)"
    DURATION = "a duration such as 30s or 5m"
    QUOTE = "a live quote value (price, bid, ask or mid)"
    VALUE = "a value"


class Gives(StrEnum):
    """The unit of a function's result."""

    ARGUMENT = "that of its first argument"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Function:
    """One function: what it takes, what it gives, and how long until it is known."""

    name: str
    args: tuple[Arg, ...]
    gives: Gives
    doc: str
    warm_up: str = "none"
    many: bool = False
    """The last argument may be repeated."""

    @property
    def reads_bars(self) -> bool:
        return Arg.INTERVAL in self.args

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(arg.name.lower() for arg in self.args)}{', ...' if self.many else ''})"


_WINDOW = (Arg.SERIES, Arg.COUNT, Arg.INTERVAL)

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("sma", _WINDOW, Gives.ARGUMENT, "Simple moving average of the last n closed bars.", "n bars"),
        Function("avg", _WINDOW, Gives.ARGUMENT, "The same as sma; reads better on volume.", "n bars"),
        Function(
            "ema", _WINDOW, Gives.ARGUMENT,
            "Exponential moving average, alpha 2/(n+1), seeded with the mean of the first n bars.", "n bars",
        ),
        Function("wma", _WINDOW, Gives.ARGUMENT, "Linearly weighted average: the newest bar weighs n.", "n bars"),
        Function("highest", _WINDOW, Gives.ARGUMENT, "Greatest value of the last n closed bars.", "n bars"),
        Function("lowest", _WINDOW, Gives.ARGUMENT, "Least value of the last n closed bars.", "n bars"),
        Function("roc", _WINDOW, Gives.RATIO, "Change over n bars relative to the older value.", "n + 1 bars"),
        Function(
            "pct_change", (Arg.QUOTE, Arg.DURATION), Gives.RATIO,
            "Change against the value held at the last whole second at or before that long ago.", "the duration",
        ),
        Function(
            "change", (Arg.QUOTE, Arg.DURATION), Gives.ARGUMENT,
            "Difference to the value held at the last whole second at or before that long ago.", "the duration",
        ),
        Function("pct_from", (Arg.VALUE, Arg.VALUE), Gives.RATIO, "How far the first value is from the second."),
        Function("abs", (Arg.VALUE,), Gives.ARGUMENT, "The value without its sign."),
        Function("min", (Arg.VALUE, Arg.VALUE), Gives.ARGUMENT, "The least of its arguments.", many=True),
        Function("max", (Arg.VALUE, Arg.VALUE), Gives.ARGUMENT, "The greatest of its arguments.", many=True),
    )
}  # fmt: skip

QUOTES: dict[str, tuple[Unit, str]] = {
    "price": (PRICE, "Last trade."),
    "bid": (PRICE, "Best bid."),
    "ask": (PRICE, "Best ask."),
    "mid": (PRICE, "Half way between bid and ask."),
    "spread": (PRICE, "Ask minus bid."),
    "spread_pct": (RATIO, "Spread relative to mid."),
}
"""Live values of a symbol by name, with unit and documentation."""

LOOK_BACK_QUOTES = ("price", "bid", "ask", "mid")
"""The quotes that pct_change and change may look back on."""

BAR_FIELDS: dict[str, tuple[Unit, str]] = {
    "open": (PRICE, "First trade of the last closed bar."),
    "high": (PRICE, "Highest trade of the last closed bar."),
    "low": (PRICE, "Lowest trade of the last closed bar."),
    "close": (PRICE, "Last trade of the last closed bar."),
    "volume": (VOLUME, "Traded volume of the last closed bar."),
}
"""Parts of a bar: `close(5m)` is a value, bare `close` the first argument of a bar function."""
