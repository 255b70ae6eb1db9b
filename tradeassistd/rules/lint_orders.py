"""Values that have an order whatever the market does: a bar's low and high, a day's, a price and its own average band.

A comparison is read as a sum, `close(5m) > highest(high, 20, 5m) + 1` as close - highest > 1, and when the two values
of that sum have an order the sum is bounded, too.
"""

from __future__ import annotations

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
    render,
)
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.rules.lint_spans import (
    NOT_NEGATIVE,
    POSITIVE,
    Span,
    Spans,
    above,
    below,
    exactly,
    minus,
    plus,
    span_of,
    times,
)

_DAYS = frozenset({"day", "prev_day", "rth", "prev_rth", "overnight", "prev_week", "year"})
_BARS = frozenset({"open", "high", "low", "close"})
_RANKS = {
    ("low", "open"), ("low", "close"), ("low", "high"), ("open", "high"), ("close", "high"),
    ("lower", "mid"), ("lower", "upper"), ("mid", "upper"),
}  # fmt: skip
"""Parts of one thing, the lesser first."""
_QUOTES = {("bid", "ask"), ("bid", "mid"), ("mid", "ask")}
"""The same of quotes, as long as they are not crossed."""


class Term(NamedTuple):
    """A value of a sum, how often it is taken, and on which side of the comparison it stands."""

    value: Expression
    times: Fraction
    side: int


Sum = tuple[dict[str, Term], Fraction]
"""Terms by their text, and the number beside them."""


def ordered(
    left: Expression, right: Expression, instrument: Instrument, session: str, *, moving: bool, usual: bool
) -> Spans | None:
    """What `left - right` can be, by the order of its two values; None when they have none.

    `moving`: a crossing, for which values count as they were before. `usual`: while bid and ask are not crossed. Where
    one side was `pct_from(a, b)` or `a / b` against a number, it is that difference times b, which has the same sign.
    """
    total = _comparison(left, right, instrument)
    if total is None:
        return None
    terms, number = total
    if not terms:
        return exactly(number)
    if len(terms) != 2 or moving:
        return None
    (one, other) = sorted(terms.values(), key=lambda term: term.times)
    if not one.times < 0 < other.times:
        return None
    order = _order(other, one, instrument, session, usual=usual)
    return _bounded(order, other, one, number, instrument)


def _bounded(order: int, plus: Term, minus: Term, number: Fraction, instrument: Instrument) -> Spans | None:
    """What `plus.times * plus - |minus.times| * minus + number` can be. `order`: -1 when plus is never above minus."""
    many, few = plus.times, -minus.times
    if not order:
        return None
    if many == few:
        return below(number, included=True) if order < 0 else above(number, included=True)
    if (many > few) is (order < 0):  # the greater share of the lesser value: anything
        return None
    least = span_of(minus.value if order < 0 else plus.value, instrument)
    if least.low < NOT_NEGATIVE.low:
        return None
    is_zero_possible = least.low < POSITIVE.low
    return below(number, included=is_zero_possible) if order < 0 else above(number, included=is_zero_possible)


def side_of(one: Expression, other: Expression, instrument: Instrument) -> int:
    """1 when a value is above another one, -1 when it is below it, 0 when nobody knows. A part of which only the sign
    is known (two `atr`) counts as if it were not zero."""
    total = _comparison(one, other, instrument)
    if total is None:
        return 0
    terms, number = total
    span = Span((number, 0), (number, 1))
    for term in terms.values():
        span = plus(span, times(span_of(term.value, instrument), term.times))
    if span.low >= NOT_NEGATIVE.low and span.only != 0:
        return 1
    return -1 if minus(span).low >= NOT_NEGATIVE.low and span.only != 0 else 0


def is_at_most(one: Expression, other: Expression, instrument: Instrument, *, usual: bool) -> bool:
    """Whether a value is never above another one, read at the same instant."""
    match one, other:
        case Other(inner=inner), Other(inner=others) if one.symbol == other.symbol:
            return is_at_most(inner, others, instrument, usual=usual)
        case Index(base=base), Index(base=others) if one.bars_back == other.bars_back:
            return is_at_most(base, others, instrument, usual=usual)
        case Attribute(base=Name(scope), name=lesser), Attribute(base=Name(others), name=greater) if scope == others:
            settled = scope in ("prev_day", "prev_week") and "close" in (lesser, greater)  # lies where it may
            return scope in _DAYS and (lesser, greater) in _RANKS and not settled
        case Attribute(base=Call(), name=lesser), Attribute(base=Call(), name=greater) if one.base == other.base:
            return (lesser, greater) in _RANKS
        case Name(lesser), Name(greater):
            return usual and (lesser, greater) in _QUOTES
        case Call(), Call():
            return _is_call_at_most(one, other)
    return False


def _is_call_at_most(one: Call, other: Call) -> bool:
    if one.args == other.args:
        return (one.name, other.name) in _RANKS or (one.name, other.name) == ("lowest", "highest")
    # No part of a bar is past its own high or low: a window that ends with that bar holds them.
    if other.name == "highest" and other.args[2:] == one.args and len(other.args) > 2:
        return one.name in (_named(other), *(_BARS if _named(other) == "high" else ()))
    if one.name == "lowest" and one.args[2:] == other.args and len(one.args) > 2:
        return other.name in (_named(one), *(_BARS if _named(one) == "low" else ()))
    return False


def _named(window: Call) -> str:
    series = window.args[0]
    return series.name if isinstance(series, Name) and series.name in (*_BARS, "volume") else ""


def _order(one: Term, other: Term, instrument: Instrument, session: str, *, usual: bool) -> int:
    """-1 when the first is never above the second, 1 when it is never below, 0 when either may be greater."""
    for lesser, greater, order in ((one, other, -1), (other, one, 1)):
        if is_at_most(lesser.value, greater.value, instrument, usual=usual):
            return order
        # A quote on the other side has the running extreme from before its row (rules.md 4.3), which it may pass.
        if lesser.side == greater.side and _is_within(lesser.value, greater.value, instrument, session):
            return order
    return 0


def _is_within(lesser: Expression, greater: Expression, instrument: Instrument, session: str) -> bool:
    """A price and its running extremes, both with the present row in them."""
    match lesser, greater:
        case Name(), Call(name="highest", args=(series, _)):
            return lesser == series
        case Call(name="lowest", args=(series, _)), Name():
            return greater == series
        case Name("price"), Attribute(Name("day"), "high"):
            return _is_inside_the_day(instrument, session)
        case Attribute(Name("day"), "low"), Name("price"):
            return _is_inside_the_day(instrument, session)
    return False


def _is_inside_the_day(instrument: Instrument, session: str) -> bool:
    """Whether every trade that the rule sees belongs to the day whose high and low it reads."""
    return session == "rth" or instrument.kind is InstrumentClass.FUTURE


def _comparison(left: Expression, right: Expression, instrument: Instrument) -> Sum | None:
    """`left - right` as a sum; None when it is none."""
    match left:
        case Call(name="pct_from", args=(value, base)) if (number := _only(right, instrument)) is not None:
            return _relative(value, base, 1 + number, instrument)
        case Arithmetic(op="/", left=value, right=base) if (number := _only(right, instrument)) is not None:
            return _relative(value, base, number, instrument)
    one, other = _sum(left, 0, instrument), _sum(right, 1, instrument)
    return None if one is None or other is None else _added(one, other, Fraction(-1))


def _relative(value: Expression, base: Expression, times: Fraction, instrument: Instrument) -> Sum | None:
    """`value / base` against a number, as value - number * base: both on one side."""
    one, other = _sum(value, 0, instrument), _sum(base, 0, instrument)
    if one is None or other is None or span_of(base, instrument).low < POSITIVE.low:
        return None
    return _added(one, other, -times)


def _sum(tree: Expression, side: int, instrument: Instrument) -> Sum | None:
    number = _only(tree, instrument)
    if number is not None:
        return {}, number
    match tree:
        case Negative():
            inner = _sum(tree.operand, side, instrument)
            return None if inner is None else _added(({}, Fraction(0)), inner, Fraction(-1))
        case Arithmetic(op="+" | "-"):
            left, right = _sum(tree.left, side, instrument), _sum(tree.right, side, instrument)
            if left is None or right is None:
                return None
            return _added(left, right, Fraction(1 if tree.op == "+" else -1))
        case Arithmetic(op="*"):
            for value, factor in ((tree.left, tree.right), (tree.right, tree.left)):
                if (times := _only(factor, instrument)) is not None:
                    inner = _sum(value, side, instrument)
                    return None if inner is None else _added(({}, Fraction(0)), inner, times)
        case Arithmetic(op="/") if by := _only(tree.right, instrument):
            inner = _sum(tree.left, side, instrument)
            return None if inner is None else _added(({}, Fraction(0)), inner, 1 / by)
    return {render(tree): Term(tree, Fraction(1), side)}, Fraction(0)


def _added(one: Sum, other: Sum, times: Fraction) -> Sum | None:
    """one + times * other; None when a value stands on both sides, where it may be two values."""
    terms = dict(one[0])
    for text, term in other[0].items():
        earlier = terms.get(text)
        if earlier is not None and earlier.side != term.side and _runs(term.value):
            return None
        terms[text] = Term(term.value, (earlier.times if earlier else 0) + times * term.times, term.side)
    return {text: term for text, term in terms.items() if term.times}, one[1] + times * other[1]


def _runs(value: Expression) -> bool:
    """Whether it is a running extreme."""
    return isinstance(value, Attribute | Other) or (isinstance(value, Call) and value.name in ("highest", "lowest"))


def _only(tree: Expression, instrument: Instrument) -> Fraction | None:
    """The number an expression is; so many tick sizes of the symbol, too."""
    if isinstance(tree, Number) and tree.suffix == "t":
        return tree.digits * Fraction(instrument.tick_size, PRICE_SCALE)
    return span_of(tree, instrument).only
