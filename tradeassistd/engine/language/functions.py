"""The one table of the rule language's names and functions: arguments, units, warm-up, documentation.

A new function is one entry here plus the class that computes it; the checker, the compiler and the rule reference are
made from this table. Functions that a user's packages bring (own.py) are entries of it like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tradeassistd.engine.language.own import UserFunction


class Unit(NamedTuple):
    """Dimensions of a value, as exponents: price * volume is Unit(1, 1), a ratio Unit().

    A `points` value is a plain number with a scale of its own (an RSI, a count): it is no percentage.
    """

    price: int = 0
    volume: int = 0
    seconds: int = 0
    points: int = 0

    def __str__(self) -> str:
        if name := _UNIT_NAMES.get(self):
            return name
        names = ("price", "volume", "seconds", "number")
        return " ".join(f"{name}^{exponent}" for name, exponent in zip(names, self, strict=True) if exponent)


RATIO, PRICE, VOLUME, SECONDS, NUMBER = Unit(), Unit(price=1), Unit(volume=1), Unit(seconds=1), Unit(points=1)
_UNIT_NAMES = {RATIO: "ratio", PRICE: "price", VOLUME: "volume", SECONDS: "seconds", NUMBER: "number"}

Value = int | Fraction
"""A number in the engine: exact, prices scaled (market.price); None beside it means unknown."""

COUNT_MAX = 5_000
"""Most bars that a function may be asked for."""
SEQ_MAX = 8
"""How many events one seq may hold."""
RVOL_SESSIONS = (5, 20)
"""How many sessions rvol compares with: at least, at most."""


class Arg(StrEnum):
    """What a function takes at one place."""

    SERIES = "a bar series (open, high, low, close or volume)"
    COUNT = "a whole number of bars"
    NUMBER = "a plain number such as 2 or 2.5"
    INTERVAL = "a bar interval (1m 2m 3m 5m 10m 15m 30m 1h 2h 4h 1d)"
    DURATION = "a duration such as 30s or 5m"
    QUOTE = "a live quote value (price, mark, mid, bid or ask)"
    VALUE = "a value"
    STATE = "a condition that holds or does not (a comparison)"
    EVENT = "a condition that happens (crosses, reaches, enters, exits)"


class Gives(StrEnum):
    """What a function's result is."""

    ARGUMENT = "a value in the unit of its first argument"
    RATIO = "ratio"
    PRICE = "price"
    VOLUME = "volume"
    NUMBER = "number"
    EVENT = "an event"


def _no_bars(counts: tuple[int, ...]) -> int:
    return 0


def _window(counts: tuple[int, ...]) -> int:
    return counts[0]


def _window_and_one(counts: tuple[int, ...]) -> int:
    return counts[0] + 1


def _slow(counts: tuple[int, ...]) -> int:
    return counts[1]


def _slow_and_signal(counts: tuple[int, ...]) -> int:
    return counts[1] + counts[2] - 1


BarsNeeded = Callable[[tuple[int, ...]], int]
"""From a function's whole-number arguments to how many bars it needs before it is known."""


class Part(NamedTuple):
    """One line of a function that has several: `macd(...).signal`."""

    doc: str
    bars: BarsNeeded = _no_bars


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
    bars: BarsNeeded = _no_bars
    """Bars needed until it is known, from its whole-number arguments; 0 for what is not computed from so many bars."""
    parts: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))
    """The lines it has; one of them has to be named. Empty for a function that is a value itself."""
    keywords: Mapping[str, Arg] = field(default_factory=lambda: MappingProxyType({}))
    """Arguments written `name=value`; none may be left out."""
    named: tuple[str, ...] = ()
    """What its arguments are called, where the kind alone does not say."""
    by_session: bool = False
    """It is anchored at a session's open and reads no closed bars: takes a session word, but neither `live` nor [n]."""
    reads_volume: bool = False
    """It means nothing on a symbol whose trades carry no size."""
    number_max: int = 100
    """How large a plain number among its arguments may be."""
    own: UserFunction | None = None
    """What computes it, where that is a user's."""

    @property
    def reads_bars(self) -> bool:
        """Whether it is computed from closed bars: takes a session word and `live`, and [n] may follow."""
        return Arg.INTERVAL in self.args and Arg.STATE not in self.args

    @property
    def takes_session(self) -> bool:
        return self.reads_bars or self.by_session

    @property
    def takes_condition(self) -> bool:
        """Whether it watches a condition over time: count, streak, seq."""
        return Arg.STATE in self.args or Arg.EVENT in self.args

    @property
    def signature(self) -> str:
        """How it is written, e.g. `macd(series, fast, slow, signal, interval).line`."""
        names = [*(self.named or (arg.name.lower() for arg in self.args)), *(["..."] if self.many else [])]
        names += [f"{key}={arg.name.lower()}" for key, arg in self.keywords.items()]
        return f"{self.name}({', '.join(names)})" + (f".{'|'.join(self.parts)}" if self.parts else "")

    def bars_needed(self, counts: tuple[int, ...], part: str = "") -> int:
        """How many closed bars it needs before it is known; `counts` are its whole-number arguments."""
        return self.parts[part].bars(counts) if part else self.bars(counts)


_SERIES = (Arg.SERIES, Arg.COUNT, Arg.INTERVAL)
_SINCE = (Arg.QUOTE, Arg.DURATION)
_MACD = {
    "line": Part("Fast average minus slow average.", _slow),
    "signal": Part("Exponential average of the line.", _slow_and_signal),
    "hist": Part("Line minus signal.", _slow_and_signal),
}
_BOLLINGER = {
    "upper": Part("Mean plus that many standard deviations.", _window),
    "mid": Part("The mean.", _window),
    "lower": Part("Mean minus that many standard deviations.", _window),
}
_OPENING_RANGE = {"high": Part("Highest trade of the range."), "low": Part("Lowest trade of the range.")}

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function(
            "sma", _SERIES, Gives.ARGUMENT, "Simple moving average of the last n closed bars.", "n bars",
            bars=_window,
        ),
        Function("avg", _SERIES, Gives.ARGUMENT, "The same as sma; reads better on volume.", "n bars", bars=_window),
        Function(
            "ema", _SERIES, Gives.ARGUMENT,
            "Exponential moving average, alpha 2/(n+1), seeded with the mean of the first n bars.", "n bars",
            bars=_window,
        ),
        Function(
            "wma", _SERIES, Gives.ARGUMENT, "Linearly weighted average: the newest bar weighs n.", "n bars",
            bars=_window,
        ),
        Function(
            "highest", _SERIES, Gives.ARGUMENT, "Greatest value of the last n closed bars.", "n bars", bars=_window,
        ),
        Function(
            "lowest", _SERIES, Gives.ARGUMENT, "Least value of the last n closed bars.", "n bars", bars=_window,
        ),
        Function(
            "roc", _SERIES, Gives.RATIO, "Change over n bars relative to the older value.", "n + 1 bars",
            bars=_window_and_one,
        ),
        Function(
            "rsi", _SERIES, Gives.NUMBER, "Wilder's relative strength index, from 0 to 100.", "n + 1 bars",
            bars=_window_and_one,
        ),
        Function(
            "atr", (Arg.COUNT, Arg.INTERVAL), Gives.PRICE,
            "Wilder's average true range: the mean of the first n true ranges, then smoothed.", "n + 1 bars",
            bars=_window_and_one,
        ),
        Function(
            "stdev", _SERIES, Gives.ARGUMENT, "Population standard deviation of the last n closed bars.", "n bars",
            bars=_window,
        ),
        Function(
            "zscore", _SERIES, Gives.NUMBER,
            "How many standard deviations the last closed bar is from the mean of the last n; unknown when all are "
            "equal.",
            "n bars", bars=_window,
        ),
        Function(
            "macd", (Arg.SERIES, Arg.COUNT, Arg.COUNT, Arg.COUNT, Arg.INTERVAL), Gives.ARGUMENT,
            "Difference of a fast and a slow exponential average, and its own exponential average.",
            "slow bars, signal and hist slow + signal - 1 bars", bars=_slow_and_signal, parts=_MACD,
            named=("series", "fast", "slow", "signal", "interval"),
        ),
        Function(
            "bollinger", (Arg.SERIES, Arg.COUNT, Arg.NUMBER, Arg.INTERVAL), Gives.ARGUMENT,
            "Mean of the last n closed bars, and the bands that many population standard deviations from it.",
            "n bars", bars=_window, parts=_BOLLINGER, named=("series", "count", "deviations", "interval"),
        ),
        Function(
            "rvol", (Arg.INTERVAL,), Gives.RATIO,
            f"Volume of the last closed bar relative to the mean of the same time of day in the sessions before, at "
            f"most {RVOL_SESSIONS[1]}.",
            f"{RVOL_SESSIONS[0]} sessions", reads_volume=True,
        ),
        Function(
            "vwap", (), Gives.PRICE, "Volume-weighted average price of the session so far.",
            "the session watched from its open", by_session=True, reads_volume=True,
        ),
        Function(
            "opening_range", (Arg.DURATION,), Gives.PRICE,
            "The range of the first minutes of the regular session, or of the session a word names.",
            "the end of the range, watched from the open", parts=_OPENING_RANGE, by_session=True,
        ),
        Function(
            "pct_change", _SINCE, Gives.RATIO,
            "Change against the value held at the last whole second at or before that long ago.", "the duration",
        ),
        Function(
            "change", _SINCE, Gives.ARGUMENT,
            "Difference to the value held at the last whole second at or before that long ago.", "the duration",
        ),
        Function(
            "pct_from", (Arg.VALUE, Arg.VALUE), Gives.RATIO, "How far the first value is from the second.",
            named=("value", "level"),
        ),
        Function("abs", (Arg.VALUE,), Gives.ARGUMENT, "The value without its sign."),
        Function("min", (Arg.VALUE, Arg.VALUE), Gives.ARGUMENT, "The least of its arguments.", many=True),
        Function("max", (Arg.VALUE, Arg.VALUE), Gives.ARGUMENT, "The greatest of its arguments.", many=True),
        Function(
            "streak", (Arg.STATE, Arg.INTERVAL), Gives.NUMBER,
            "At how many bar closes in a row, newest backwards, the condition was true.",
            "the first close at which the condition is known",
        ),
        Function(
            "count", (Arg.EVENT, Arg.DURATION), Gives.NUMBER, "How often the event happened within that long.",
            "the duration",
        ),
        Function(
            "seq", (Arg.EVENT, Arg.EVENT), Gives.EVENT,
            "The events happened in this order, from the first to the last within that long; then it starts over.",
            many=True, keywords={"within": Arg.DURATION},
        ),
    )
}  # fmt: skip

BY_TIME: dict[str, Function] = {
    function.name: function
    for function in (
        Function("highest", _SINCE, Gives.ARGUMENT, "Greatest value held within that long.", "the duration"),
        Function("lowest", _SINCE, Gives.ARGUMENT, "Least value held within that long.", "the duration"),
    )
}
"""The other way to write a function of FUNCTIONS: over time on a live value, `highest(price, 5m)`."""

QUOTES: dict[str, tuple[Unit, str]] = {
    "price": (PRICE, "Last trade."),
    "mark": (PRICE, "Last trade, held within bid and ask."),
    "mid": (PRICE, "Half way between bid and ask."),
    "bid": (PRICE, "Best bid."),
    "ask": (PRICE, "Best ask."),
    "spread": (PRICE, "Ask minus bid."),
    "spread_pct": (RATIO, "Spread relative to mid."),
    "age": (SECONDS, "Time since the symbol's last row."),
    "minutes_to_close": (NUMBER, "Minutes until the symbol's session closes; unknown outside it."),
    "net_change": (PRICE, "Last trade minus the previous day's close."),
    "net_pct": (RATIO, "Last trade relative to the previous day's close."),
    "settle": (PRICE, "The previous day's settlement; futures only."),
}
"""Live values of a symbol by name, with unit and documentation."""

LOOK_BACK_QUOTES = ("price", "mark", "mid", "bid", "ask")
"""The quotes that pct_change, change, highest and lowest may look back on."""

FLAGS: dict[str, str] = {"halted": "Trading in the symbol is halted; unknown until Schwab has said."}
"""Conditions of a symbol by name: true, false or unknown."""

_PREVIOUS: dict[str, str] = {"open": "First trade", "high": "Highest trade", "low": "Lowest trade", "close": "Close"}


def _previous(span: str) -> dict[str, tuple[Unit, str]]:
    return {part: (PRICE, f"{what} of {span}.") for part, what in _PREVIOUS.items()}


DAY_VALUES: dict[str, dict[str, tuple[Unit, str]]] = {
    "day": {
        "open": (PRICE, "First trade of the day: futures 18:00 to 17:00 New York, all else the regular session."),
        "high": (PRICE, "Highest trade of the day."),
        "low": (PRICE, "Lowest trade of the day."),
        "volume": (VOLUME, "Traded volume of the day."),
    },
    "prev_day": {
        **_previous("the day before"),
        "close": (PRICE, "Close of the day before; of futures the settlement."),
    },
    "rth": {
        "open": (PRICE, "First trade of the regular session, 09:30 to 16:00 New York."),
        "high": (PRICE, "Highest trade of the regular session."),
        "low": (PRICE, "Lowest trade of the regular session."),
    },
    "prev_rth": _previous("the regular session before"),
    "overnight": {
        "high": (PRICE, "Highest trade from 18:00 to 09:30 New York; futures only."),
        "low": (PRICE, "Lowest trade from 18:00 to 09:30 New York; futures only."),
    },
    "prev_week": _previous("the week before"),
    "year": {"high": (PRICE, "Highest trade of 52 weeks."), "low": (PRICE, "Lowest trade of 52 weeks.")},
}
"""Values of a day, a session, a week, a year by name and part, with unit and documentation."""

BAR_FIELDS: dict[str, tuple[Unit, str]] = {
    "open": (PRICE, "First trade of the last closed bar."),
    "high": (PRICE, "Highest trade of the last closed bar."),
    "low": (PRICE, "Lowest trade of the last closed bar."),
    "close": (PRICE, "Last trade of the last closed bar."),
    "volume": (VOLUME, "Traded volume of the last closed bar."),
}
"""Parts of a bar: `close(5m)` is a value, bare `close` the first argument of a bar function."""
