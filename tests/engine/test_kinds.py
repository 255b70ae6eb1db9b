"""What an expression is, or why it cannot be: kinds, units, arguments, with the exact message at the exact place."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tradeassistd.engine.expression import Compare, Name, Number, Other
from tradeassistd.engine.functions import PRICE, RATIO, SECONDS, VOLUME, Unit
from tradeassistd.engine.kinds import ExpressionError, check, unit_of
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

NO_QUOTE = "an index has no bid, ask, size or volume; use price"
PERCENT = "write pct_change(...) or pct_from(...) for a percentage"
INTERVALS = "one of 1m 2m 3m 5m 10m 15m 30m 1h 2h 4h 1d"
QUOTES = "one of price bid ask mid"
SMA = "write sma(series, count, interval)"
INDEX = "write [n] behind a bar value such as close(5m) or sma(close, 20, 5m)"
WITH_A_VALUE = "compare with a value"
RANGE = "write >= and <=, or inside [low, high]"
VALUE_DUE = "a value is due here"
ONE_EVENT = "keep one crossing and make the other a comparison"
COMPARE = "compare it with something"


@pytest.mark.parametrize(
    ("symbol", "text", "kind"),
    [
        ("SPY", "price > 5200", "state"),
        ("SPY", "price >= bid * 1.01", "state"),
        ("SPY", "price == 100", "state"),
        ("SPY", "price crosses 100", "event"),
        ("SPY", "price crosses any [100, 101, sma(close, 20, 1m)]", "event"),
        ("SPY", "price inside [99, 101]", "state"),
        ("SPY", "price outside [bid, ask]", "state"),
        ("SPY", "price enters [99, 101]", "event"),
        ("SPY", "price exits [99, 101]", "event"),
        ("SPY", "not price > 5", "state"),
        ("SPY", "price > 5 and price crosses 6", "event"),
        ("SPY", "price crosses 5 or price crosses 6", "event"),
        ("SPY", "price > 5 or price < 6", "state"),
        ("SPY", "volume(1m) > 4x * avg(volume, 20, 1m)[1]", "state"),
        ("SPY", "volume(1m) > 50k", "state"),
        ("SPY", "pct_change(price, 5m) <= -1%", "state"),
        ("SPY", "change(mid, 30s) < -2", "state"),
        ("SPY", "pct_from(price, 5200) > 1%", "state"),
        ("SPY", "spread_pct > 0.1%", "state"),
        ("SPY", "spread > 4t", "state"),
        ("SPY", "sym($VIX).price > 20", "state"),
        ("SPY", "abs(price - bid) > 0.5", "state"),
        ("SPY", "price > max(100, bid, sma(close, 5, 1m, ext))", "state"),
        ("SPY", "close(5m)[3] > close(1d)", "state"),
        ("SPY", "price * volume(1m) > 1M", "state"),
        ("SPY", "price / bid > 1.01", "state"),
        ("SPY", "100 < price", "state"),
        ("SPY", "1 / price > 0.01", "state"),
        ("SPY", "price + 1 > bid - 2", "state"),
        ("SPY", "roc(close, 10, 5m) > 1%", "state"),
        ("SPY", "-pct_change(price, 5m) > 1%", "state"),
        ("SPY", "close(5m, rth) > 5", "state"),
        ("$VIX", "price > 20", "state"),
        ("$VIX", "sym(SPY).bid > 5", "state"),
        ("/ES", "sma(close, 20, 1m, overnight) > 5", "state"),
    ],
)
def test_a_condition_that_means_something_is_a_state_or_an_event(symbol: str, text: str, kind: str) -> None:
    assert check(parse(text), instrument_of(symbol)) == kind


@pytest.mark.parametrize(
    ("symbol", "text", "at", "message", "hint"),
    [
        ("SPY", "price", 0, "price is a value, not a condition", COMPARE),
        ("SPY", "5", 0, "5 is a value, not a condition", COMPARE),
        ("SPY", "5 > 4", 2, "nothing in `5 > 4` can change", WITH_A_VALUE),
        ("SPY", "1% > 2%", 3, "nothing in `1% > 2%` can change", WITH_A_VALUE),
        ("SPY", "pct_from(100, 200) > 0", 19, "nothing in `pct_from(100, 200) > 0` can change", WITH_A_VALUE),
        ("SPY", "-4t > 2t * 3", 4, "nothing in `-4t > 2t * 3` can change", WITH_A_VALUE),
        ("SPY", "price > 1%", 6, "compares a price with a ratio", PERCENT),
        ("SPY", "pct_change(price, 5m) > 5t", 22, "compares a ratio with a price", PERCENT),
        ("SPY", "price > volume(1m)", 6, "compares a price with a volume", ""),
        ("SPY", "price crosses 5%", 6, "compares a price with a ratio", PERCENT),
        ("SPY", "price inside [99, 1%]", 6, "compares a price with a ratio", PERCENT),
        ("SPY", "volume(1m) == 5", 11, "`==` is for prices", RANGE),
        ("SPY", "spread_pct == 1%", 11, "`==` is for prices", RANGE),
        ("SPY", "prise > 5", 0, "unknown name 'prise'", "did you mean price?"),
        ("SPY", "smaa(close, 20, 1m) > 5", 0, "unknown function 'smaa'", "did you mean sma?"),
        ("SPY", "close > 5", 0, "`close` alone is not a value", "write close(5m) for the last closed bar, or price"),
        ("SPY", "zzz > 5", 0, "unknown name 'zzz'", ""),
        ("SPY", "price() > 5", 0, "`price` takes no arguments", "write price"),
        ("SPY", "sma(close, 20) > 5", 0, "sma takes 3 arguments, not 2", SMA),
        ("SPY", "sma(close, 20, 1m, 2m) > 5", 0, "sma takes 3 arguments, not 4", SMA),
        ("SPY", "sma(price, 20, 1m) > 5", 4, "unknown bar series 'price'", ""),
        ("SPY", "sma(clos, 20, 1m) > 5", 4, "unknown bar series 'clos'", "did you mean close?"),
        ("SPY", "sma(5, 20, 1m) > 5", 4, "5 is not a bar series", "one of open high low close volume"),
        ("SPY", "sma(close, 2.5, 1m) > 5", 11, "2.5 is not a whole number of bars", ""),
        ("SPY", "sma(close, 20m, 1m) > 5", 11, "20m is not a whole number of bars", ""),
        ("SPY", "sma(close, 0, 1m) > 5", 11, "0 is not between 1 and 5,000 bars", ""),
        ("SPY", "sma(close, 5001, 1m) > 5", 11, "5001 is not between 1 and 5,000 bars", ""),
        ("SPY", "sma(close, 20, 7m) > 5", 15, "7m is not a bar interval", INTERVALS),
        ("SPY", "sma(close, 20, bid) > 5", 15, "bid is not a bar interval", INTERVALS),
        ("SPY", "sma(close, 20, 1m, globex) > 5", 19, "SPY has no session 'globex'", "it has rth, ext, always"),
        ("SPY", "sma(close, 20, 1m, rht) > 5", 19, "unknown session word 'rht'", "did you mean rth?"),
        ("SPY", "sma(close, 20, 1m, live) > 5", 19, "`live` is not supported by this version", ""),
        ("SPY", "sma(close, 20, 1m, session=rth) > 5", 27, "sma takes no argument 'session'", ""),
        ("SPY", "close(5m, live=true) > 5", 15, "close takes no argument 'live'", ""),
        ("SPY", "close(5m, 1m) > 5", 0, "close takes one bar interval", "write close(5m)"),
        ("SPY", "close(7m) > 5", 6, "7m is not a bar interval", INTERVALS),
        ("SPY", "close(5m)[5001] > 5", 0, "[5001] is not between 0 and 5,000 bars", ""),
        ("SPY", "price[1] > 5", 0, "price has no bars to go back on", INDEX),
        ("SPY", "pct_change(price, 5m)[1] > 5%", 0, "pct_change(price, 5m) has no bars to go back on", INDEX),
        ("SPY", "close(5m)[1][2] > 5", 0, "close(5m)[1] has no bars to go back on", INDEX),
        ("SPY", "pct_change(price, 5) > 5%", 18, "5 is not a duration", "write 30s, 5m or 1h"),
        ("SPY", "pct_change(price, 5h) > 5%", 18, "5h is no whole number of seconds from 1s to 4h", ""),
        ("SPY", "pct_change(price, 0s) > 5%", 18, "0s is no whole number of seconds from 1s to 4h", ""),
        ("SPY", "pct_change(close, 5m) > 5%", 11, "pct_change looks back on a live value, not on close", QUOTES),
        (
            "SPY",
            "pct_change(price + 1, 5m) > 5%",
            17,
            "pct_change looks back on a live value, not on price + 1",
            QUOTES,
        ),
        ("SPY", "pct_change(spread, 5m) > 5%", 11, "pct_change looks back on a live value, not on spread", QUOTES),
        ("SPY", "pct_change(price, window=5m) > 5%", 25, "pct_change takes no argument 'window'", ""),
        ("SPY", "abs(price, bid) > 5", 0, "abs takes 1 arguments, not 2", "write abs(value)"),
        ("SPY", "max(price) > 5", 0, "max takes 2 arguments, not 1", "write max(value, value, ...)"),
        ("SPY", "max(price, 1%) > 5", 11, "a price and a ratio do not go together", ""),
        ("SPY", "pct_from(price, 1%) > 5%", 16, "a price and a ratio do not go together", ""),
        ("SPY", "price + 1% > 5", 6, "a price and a percentage cannot be added", "write price * 1.01"),
        ("SPY", "volume(1m) + price > 5", 11, "a volume and a price do not go together", ""),
        ("SPY", "price > 5m", 6, "compares a value with a duration", "`5m` is five minutes; five million is `5M`"),
        ("SPY", "price > 5d", 8, "5d is a number of trading days, not a value", ""),
        ("SPY", "(price > 5) > 6", 7, "price > 5 is a condition, not a value", VALUE_DUE),
        ("SPY", "abs(price > 5) > 6", 10, "price > 5 is a condition, not a value", VALUE_DUE),
        ("SPY", "not price crosses 5", 0, "`not` of an event", "an event is over at once; negate a state"),
        ("SPY", "price crosses 5 and price crosses 6", 26, "two events cannot happen at the same instant", ONE_EVENT),
        (
            "SPY",
            "price crosses 5 or price > 6",
            6,
            "`any` mixes events and states",
            "write two rules, or make them all crossings or all comparisons",
        ),
        (
            "SPY",
            "price > 4 and price crosses 5 and bid crosses 6",
            38,
            "two events cannot happen at the same instant",
            ONE_EVENT,
        ),
        ("SPY", "sma(close, 20, 5m).upper > 5", 19, "sma(close, 20, 5m) has no part 'upper'", ""),
        ("SPY", "price + prise > 5", 8, "unknown name 'prise'", "did you mean price?"),
        ("$VIX", "bid > 5", 0, "$VIX has no bid", NO_QUOTE),
        ("$VIX", "mid > 5", 0, "$VIX has no mid", NO_QUOTE),
        ("$VIX", "spread_pct > 5%", 0, "$VIX has no spread_pct", NO_QUOTE),
        ("$VIX", "volume(1m) > 5", 0, "$VIX has no volume", NO_QUOTE),
        ("$VIX", "avg(volume, 20, 1m) > 5", 4, "$VIX has no volume", NO_QUOTE),
        ("$VIX", "sma(close, 20, 1m, ext) > 5", 19, "$VIX has no session 'ext'", "it has rth, always"),
        ("$VIX", "change(mid, 5m) > 5", 7, "$VIX has no mid", NO_QUOTE),
        ("SPY", "sym($VIX).bid > 5", 10, "$VIX has no bid", NO_QUOTE),
        (
            "/ES",
            "sym(SPY).sma(close, 20, 1m, globex) > 5",
            28,
            "SPY has no session 'globex'",
            "it has rth, ext, always",
        ),
        ("SPY", "price inside [volume(1m), 6]", 6, "compares a price with a volume", ""),
    ],
)
def test_a_condition_that_means_nothing_says_why_and_where(
    symbol: str, text: str, at: int, message: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as refused:
        check(parse(text), instrument_of(symbol))
    assert (refused.value.message, refused.value.hint) == (message, hint)
    assert refused.value.at == at, f"points at {text[refused.value.at :]!r}"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("price", PRICE),
        ("5200", None),
        ("50k", None),
        ("1%", RATIO),
        ("4x", RATIO),
        ("4t", PRICE),
        ("30s", SECONDS),
        ("volume(1m)", VOLUME),
        ("price - 5", PRICE),
        ("5 - price", PRICE),
        ("2 * 3", None),
        ("2 * price", PRICE),
        ("price * 1%", PRICE),
        ("price / bid", RATIO),
        ("price * volume(1m)", Unit(1, 1)),
        ("1 / price", Unit(-1)),
        ("-spread", PRICE),
        ("abs(-3)", None),
        ("min(3, price)", PRICE),
        ("pct_from(price, 3)", RATIO),
        ("change(bid, 5m)", PRICE),
        ("roc(volume, 5, 1m)", RATIO),
        ("ema(volume, 5, 1m)[2]", VOLUME),
        ("sym(SPY).spread_pct", RATIO),
    ],
)
def test_the_unit_of_a_value_follows_from_its_parts(text: str, unit: Unit | None) -> None:
    left = parse(f"{text} > 0").left  # type: ignore[union-attr]
    assert unit_of(left, instrument_of("/ES")) == unit


def test_units_are_named_as_a_trader_would() -> None:
    assert [str(unit) for unit in (PRICE, RATIO, VOLUME, SECONDS)] == ["price", "ratio", "volume", "seconds"]
    assert str(Unit(1, 1)) == "price^1 volume^1 seconds^0"


def test_a_tree_the_grammar_cannot_make_is_refused_as_well() -> None:
    tree = Compare(">", Other("es", Name("price")), Number(Fraction(5)))
    with pytest.raises(ExpressionError, match="'es' is not a symbol"):
        check(tree, instrument_of("SPY"))
