"""Values made by hypothesis: few symbols, few levels, every kind of value."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from hypothesis import strategies as st

from tests.oracle.expression import Apply, Arithmetic, Day, Look, OfBars, OpeningRange, Quote, Sym, Value, Vwap, number

SYMBOLS = ("SPY", "/ES", "$VIX")


levels = st.sampled_from(["99.5", "100", "100.25", "100.5", "101"]).map(number)
small = st.integers(1, 3)
intervals = st.sampled_from(["1m", "1m", "2m"])
backs = st.sampled_from([0, 0, 0, 1, 2])
lives = st.sampled_from([False, False, True])
spans = st.sampled_from([5, 30, 60])


def has_book(symbol: str) -> bool:
    """Whether a symbol has a bid, an ask and sizes."""
    return not symbol.startswith("$")


@cache
def quotes(symbol: str) -> st.SearchStrategy[Quote]:
    """Live prices."""
    names = ["price", "price", "price"] + (["bid", "ask", "mid", "mark"] if has_book(symbol) else [])
    return st.sampled_from(names).map(Quote)


@cache
def sessions(symbol: str) -> st.SearchStrategy[str | None]:
    """Session words of bar values; mostly none."""
    words = {"SPY": "ext", "/ES": "rth"}
    return st.sampled_from([None, None, None, words.get(symbol)])


@st.composite
def bar_prices(draw: st.DrawFn, symbol: str) -> OfBars:
    """A bar value or an indicator in prices."""
    function = draw(
        st.sampled_from(["", "", "sma", "avg", "ema", "wma", "highest", "lowest", "stdev", "atr", "macd", "bollinger"])
    )
    field = draw(st.sampled_from(["close", "close", "high", "low", "open"]))
    n = 1 if not function else draw(small if function not in ("stdev", "bollinger") else st.integers(2, 3))
    more: tuple[Fraction, ...] = ()
    line = ""
    if function == "macd":
        n, more, line = 1, (Fraction(2), Fraction(2)), draw(st.sampled_from(["line", "signal", "hist"]))
    elif function == "bollinger":
        more, line = (Fraction(2),), draw(st.sampled_from(["upper", "mid", "lower"]))
    elif function == "atr":
        field = ""
    return OfBars(function, field, n, draw(intervals), draw(sessions(symbol)), draw(backs), draw(lives), more, line)


@cache
def days(symbol: str) -> st.SearchStrategy[Value]:
    """Day values in prices."""
    names = ["day.open", "day.high", "day.low", "prev_day.close", "prev_day.high", "rth.high", "rth.open"]
    names += ["prev_rth.low", "year.high", "year.low", "prev_week.high"]
    names += ["overnight.high", "overnight.low", "overnight.low"] if symbol.startswith("/") else []
    made: list[st.SearchStrategy[Value]] = [st.sampled_from([Day(*name.split(".")) for name in names])]
    made.append(st.builds(OpeningRange, st.sampled_from([60, 300]), st.sampled_from(["high", "low"])))
    if has_book(symbol):
        made.append(st.builds(Vwap, sessions(symbol)))
    return st.one_of(made)


@cache
def looks(symbol: str) -> st.SearchStrategy[Look]:
    """`highest(price, 30s)`."""
    names = ["price", "price"] + (["bid", "mid"] if has_book(symbol) else [])
    return st.builds(Look, st.sampled_from(["highest", "lowest"]), st.sampled_from(names), spans)


@cache
def prices(symbol: str, *, depth: int = 1) -> st.SearchStrategy[Value]:
    """Any value that is a price."""
    plain: list[st.SearchStrategy[Value]] = [
        quotes(symbol),
        quotes(symbol),
        bar_prices(symbol),
        days(symbol),
        looks(symbol),
    ]
    if depth:
        inner = prices(symbol, depth=0)
        plain.append(st.builds(Apply, st.sampled_from(["min", "max"]), st.tuples(inner, inner)))
        plain.append(st.builds(Arithmetic, st.just("*"), inner, st.sampled_from(["1.01", "0.99"]).map(number)))
        others = [one for one in SYMBOLS if one != symbol]
        plain.append(st.sampled_from(others).flatmap(lambda one: sym(one, prices(one, depth=0))))
    return st.one_of(plain)


def sym(symbol: str, inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """A value of another symbol."""
    return st.builds(Sym, st.just(symbol), inner)


@cache
def ratios(symbol: str) -> st.SearchStrategy[Value]:
    """Any value that is a percentage."""
    made: list[st.SearchStrategy[Value]] = [
        st.builds(Look, st.just("pct_change"), st.just("price"), spans),
        st.builds(OfBars, st.just("roc"), st.just("close"), small, intervals, st.none(), backs, lives),
        st.just(Quote("net_pct")),
        st.builds(lambda level: Apply("pct_from", (Quote("price"), level)), days(symbol)),
    ]
    if has_book(symbol):
        made.append(st.just(Quote("spread_pct")))
    return st.one_of(made)


percents = st.sampled_from(["0%", "0.5%", "-0.5%", "1%", "-1%"]).map(number)
