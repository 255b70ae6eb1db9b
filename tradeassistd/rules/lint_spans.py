"""Sets of numbers, and which numbers an expression can be at all: an RSI from 0 to 100, a stock above 0.

A span is everything between two cuts. A cut lies just before a number, `(5, 0)`, or just behind it, `(5, 1)`, so that
bounds which belong to a span and bounds which do not are the same kind of thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.engine.language.expression import (
    Arithmetic,
    Attribute,
    Call,
    Expression,
    Index,
    Name,
    Negative,
    Number,
    Other,
)
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market
from tradeassistd.market.session import series_session

Cut = tuple[Fraction | float, int]
BOTTOM: Cut = (-math.inf, 0)
TOP: Cut = (math.inf, 0)


class Span(NamedTuple):
    """The numbers between two cuts."""

    low: Cut
    high: Cut

    @property
    def only(self) -> Fraction | None:
        """The number of a span that holds one, else None."""
        number = self.low[0]
        return number if isinstance(number, Fraction) and (number, 1) == self.high and not self.low[1] else None


Spans = tuple[Span, ...]

ANY = Span(BOTTOM, TOP)
POSITIVE = Span((Fraction(0), 1), TOP)
NOT_NEGATIVE = Span((Fraction(0), 0), TOP)
_PERCENT_OF_A_PRICE = Span((Fraction(-1), 1), TOP)
_TO_HUNDRED = Span((Fraction(0), 0), (Fraction(100), 1))

_PRICES = frozenset({"price", "mark", "mid", "bid", "ask", "settle"})
_SERIES = frozenset({"sma", "avg", "ema", "wma", "highest", "lowest"})
_LOWER_BANDS = frozenset({"lower"})  # a band far below the mean may be below zero
_SPREADS = frozenset({"spread", "spread_pct"})
_MAY_BE_NEGATIVE = frozenset({Market.ENERGY, Market.OTHER})  # oil traded below zero on 2020-04-20
DAY_MINUTES = {"rth": 390, "ext": 960, "globex": 1380, "overnight": 930, "always": 1440}
"""Length of a session, which is that of its bar of a day."""
_RATIOS = frozenset({"pct_change", "roc", "pct_from"})


def above(number: Fraction, *, included: bool = False) -> Spans:
    return (Span((number, 0 if included else 1), TOP),)


def below(number: Fraction, *, included: bool = False) -> Spans:
    return (Span(BOTTOM, (number, 1 if included else 0)),)


def exactly(number: Fraction) -> Spans:
    return (Span((number, 0), (number, 1)),)


def common(one: Iterable[Span], other: Spans) -> Spans:
    """What is in both."""
    pairs = (Span(max(a.low, b.low), min(a.high, b.high)) for a in one for b in other)
    return tuple(span for span in pairs if span.low < span.high)


def others(spans: Iterable[Span]) -> Spans:
    """Every number that is in none of them."""
    left: Spans = (ANY,)
    for span in spans:
        left = common(left, (Span(BOTTOM, span.low), Span(span.high, TOP)))
    return left


def is_positive(instrument: Instrument) -> bool:
    """Whether its price is above zero for certain: breadth figures go below, and energy futures have been."""
    if instrument.kind is InstrumentClass.FUTURE:
        return instrument.market not in _MAY_BE_NEGATIVE
    return instrument.kind is not InstrumentClass.INTERNAL


def span_of(tree: Expression, instrument: Instrument, *, usual: bool = False) -> Span:
    """The numbers a value can be; ANY where nothing is known. `usual`: while bid and ask are not crossed."""
    match tree:
        case Number():
            return Span((tree.value, 0), (tree.value, 1)) if tree.suffix != "t" else _ticks(tree)
        case Name():
            return _quote(tree.name, instrument, usual=usual)
        case Negative():
            return minus(span_of(tree.operand, instrument, usual=usual))
        case Other():
            return span_of(tree.inner, instrument.beside(tree.symbol), usual=usual)
        case Index():
            return span_of(tree.base, instrument, usual=usual)
        case Attribute():
            price = is_positive(instrument) and tree.name not in _LOWER_BANDS
            return POSITIVE if price and not _is_call(tree.base, "macd") and not _is_volume(tree) else _volume(tree)
        case Arithmetic():
            left = span_of(tree.left, instrument, usual=usual)
            return _arithmetic(tree.op, left, span_of(tree.right, instrument, usual=usual))
        case Call():
            return _call(tree, instrument, usual=usual)
        case _:
            return ANY


def minus(span: Span) -> Span:
    """The span of what has the other sign."""
    return Span(_cut(-span.high[0], 1 - span.high[1]), _cut(-span.low[0], 1 - span.low[1]))


def plus(one: Span, other: Span) -> Span:
    """The span of the sum."""
    low = _cut(one.low[0] + other.low[0], max(one.low[1], other.low[1]))
    return Span(low, _cut(one.high[0] + other.high[0], min(one.high[1], other.high[1])))


def _cut(number: Fraction | float, behind: int) -> Cut:
    return (number, 0) if isinstance(number, float) else (number, behind)  # only the infinities are floats here


def _ticks(tree: Number) -> Span:
    """So many tick sizes: above zero, and how much depends on the symbol."""
    return POSITIVE if tree.digits > 0 else Span((Fraction(0), 0), (Fraction(0), 1))


def _quote(name: str, instrument: Instrument, *, usual: bool) -> Span:
    if name in _PRICES:
        return POSITIVE if is_positive(instrument) else ANY
    if name in _SPREADS:
        return NOT_NEGATIVE if usual else ANY  # crossed markets are rare, and worth an alert
    if name == "minutes_to_close":
        return _minutes_of_a_day(instrument)
    if name == "age":
        return NOT_NEGATIVE
    return _PERCENT_OF_A_PRICE if name == "net_pct" and is_positive(instrument) else ANY


def _minutes_of_a_day(instrument: Instrument) -> Span:
    """From 0 to the session's length; about holidays that of a future may be longer than usual."""
    if instrument.kind is InstrumentClass.FUTURE:
        return NOT_NEGATIVE
    return Span(NOT_NEGATIVE.low, (Fraction(DAY_MINUTES[series_session(instrument)]), 1))


def _call(call: Call, instrument: Instrument, *, usual: bool) -> Span:
    spans = [span_of(arg, instrument, usual=usual) for arg in call.args]
    match call.name:
        case "open" | "high" | "low" | "close" | "vwap" | "opening_range":
            return POSITIVE if is_positive(instrument) else ANY
        case "volume" | "atr" | "stdev" | "rvol" | "streak" | "count":
            return NOT_NEGATIVE
        case "rsi":
            return _TO_HUNDRED
        case "zscore":
            return _zscore(call)
        case "abs":
            return _abs(spans[0])
        case "min":
            return Span(min(span.low for span in spans), min(span.high for span in spans))
        case "max":
            return Span(max(span.low for span in spans), max(span.high for span in spans))
        case name if name in _RATIOS:
            of_prices = name == "roc" or all(span.low >= POSITIVE.low for span in spans)
            return _PERCENT_OF_A_PRICE if of_prices and is_positive(instrument) else ANY
        case name if name in _SERIES:
            return _series(call.args[0], instrument)
        case _:
            return ANY


def _series(series: Expression, instrument: Instrument) -> Span:
    if isinstance(series, Name) and series.name == "volume":
        return NOT_NEGATIVE
    return POSITIVE if is_positive(instrument) else ANY


def _zscore(call: Call) -> Span:
    """One of n values is at most sqrt(n - 1) population standard deviations from their mean (Samuelson 1968)."""
    count = call.args[1]
    if not isinstance(count, Number):
        return ANY
    most = Fraction(math.isqrt(max(0, int(count.digits) - 1) * 10**12) + 1, 10**6)
    return Span((-most, 0), (most, 1))


def _abs(span: Span) -> Span:
    if span.low >= NOT_NEGATIVE.low:
        return span
    return Span(NOT_NEGATIVE.low, max(span.high, minus(span).high))


def _arithmetic(op: str, left: Span, right: Span) -> Span:
    match op:
        case "+":
            return plus(left, right)
        case "-":
            return plus(left, minus(right))
        case "*" if right.only is not None:
            return times(left, right.only)
        case "*" if left.only is not None:
            return times(right, left.only)
        case "/" if right.only:
            return times(left, 1 / right.only)
    if min(left.low, right.low) >= NOT_NEGATIVE.low:  # nothing is known but the sign
        return POSITIVE if min(left.low, right.low) >= POSITIVE.low else NOT_NEGATIVE
    return ANY


def times(span: Span, factor: Fraction) -> Span:
    """The span of so many times the value."""
    if not factor:
        return Span((factor, 0), (factor, 1))
    if factor < 0:
        return times(minus(span), -factor)
    low, high = ((cut[0] * factor if isinstance(cut[0], Fraction) else cut[0], cut[1]) for cut in span)
    return Span(low, high)


def _is_call(tree: Expression, name: str) -> bool:
    return isinstance(tree, Call) and tree.name == name


def _is_volume(tree: Attribute) -> bool:
    series = tree.base.args[0] if isinstance(tree.base, Call) and tree.base.args else None
    return tree.name == "volume" or (isinstance(series, Name) and series.name == "volume")


def _volume(tree: Attribute) -> Span:
    return NOT_NEGATIVE if tree.name == "volume" else ANY
