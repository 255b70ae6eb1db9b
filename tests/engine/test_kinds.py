"""What an expression is, or why it cannot be: kinds, units, arguments, with the exact message at the exact place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tradeassistd.engine.language.expression import Attribute, Call, Compare, Expression, Index, Name, Number, Other
from tradeassistd.engine.language.functions import NUMBER, PRICE, RATIO, SECONDS, VOLUME, Unit
from tradeassistd.engine.language.kinds import (
    ExpressionError,
    bar_arguments,
    check,
    count_of,
    duration_s,
    interval_of,
    is_by_time,
    number_of,
    reads_day,
    unit_of,
)
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

ACCEPTED = [
    ("SPY", "price > 5200", "state"),
    ("SPY", "price >= bid * 1.01", "state"),
    ("SPY", "price == 100", "state"),
    ("SPY", "price == day.open", "state"),
    ("SPY", "price crosses 100", "event"),
    ("SPY", "price crosses any [100, 101, sma(close, 20, 1m)]", "event"),
    ("SPY", "price reaches 100", "event"),
    ("SPY", "price reaches any [100, prev_day.high, vwap()]", "event"),
    ("SPY", "sym(/ES).price reaches 5200", "event"),
    ("SPY", "spread reaches 4t", "event"),
    ("SPY", "price inside [99, 101]", "state"),
    ("SPY", "price outside [bid, ask]", "state"),
    ("SPY", "price enters [99, 101]", "event"),
    ("SPY", "price exits [day.low, day.high]", "event"),
    ("SPY", "not price > 5", "state"),
    ("SPY", "price > 5 and price crosses 6", "event"),
    ("SPY", "not halted and price reaches 6", "event"),
    ("SPY", "price crosses 5 or price crosses 6", "event"),
    ("SPY", "price reaches 5 or price exits [4, 6]", "event"),
    ("SPY", "price > 5 or price < 6", "state"),
    ("SPY", "halted", "state"),
    ("SPY", "not halted", "state"),
    ("SPY", "halted or age > 30s", "state"),
    ("SPY", "sym(QQQ).halted and not sym($VIX).halted", "state"),
    ("SPY", "volume(1m) > 4x * avg(volume, 20, 1m)[1]", "state"),
    ("SPY", "volume(1m) > 50k", "state"),
    ("SPY", "pct_change(price, 5m) <= -1%", "state"),
    ("SPY", "pct_change(mark, 4h) <= -1%", "state"),
    ("SPY", "change(mid, 30s) < -2", "state"),
    ("SPY", "pct_from(price, 5200) > 1%", "state"),
    ("SPY", "pct_from(price, prev_day.close) <= -2%", "state"),
    ("SPY", "spread_pct > 0.1%", "state"),
    ("SPY", "spread > 4t", "state"),
    ("SPY", "age > 30", "state"),
    ("SPY", "age > 2 * 30s", "state"),
    ("SPY", "age / 60s > 2", "state"),
    ("SPY", "minutes_to_close < 30", "state"),
    ("SPY", "minutes_to_close crosses_below 10", "event"),
    ("SPY", "net_change < -5", "state"),
    ("SPY", "net_pct < -1%", "state"),
    ("SPY", "mark > mid", "state"),
    ("SPY", "sym($VIX).price > 20", "state"),
    ("SPY", "sym(/ES).settle < sym(/ES).price", "state"),
    ("SPY", "abs(price - bid) > 0.5", "state"),
    ("SPY", "price > max(100, bid, sma(close, 5, 1m, ext))", "state"),
    ("SPY", "close(5m)[3] > close(1d)", "state"),
    ("SPY", "close(5m, live) > close(5m)", "state"),
    ("SPY", "close(5m, live, rth)[1] > close(5m, rth, live)", "state"),
    ("SPY", "high(1d)[5] < price", "state"),
    ("SPY", "price * volume(1m) > 1M", "state"),
    ("SPY", "price / bid > 1.01", "state"),
    ("SPY", "100 < price", "state"),
    ("SPY", "1 / price > 0.01", "state"),
    ("SPY", "price + 1 > bid - 2", "state"),
    ("SPY", "roc(close, 10, 5m) > 1%", "state"),
    ("SPY", "-pct_change(price, 5m) > 1%", "state"),
    ("SPY", "rsi(close, 14, 5m) > 70", "state"),
    ("SPY", "rsi(close, 14, 5m, live) crosses_above rsi(close, 14, 5m)[1]", "event"),
    ("SPY", "rsi(close, 14, 5m) inside [30, 70]", "state"),
    ("SPY", "price < close(5m) - 2 * atr(14, 5m)", "state"),
    ("SPY", "stdev(close, 20, 5m) > 0.5", "state"),
    ("SPY", "stdev(volume, 20, 5m) > 10k", "state"),
    ("SPY", "zscore(close, 20, 5m) < -2.5", "state"),
    ("SPY", "price < close(5m) + zscore(close, 20, 5m) * stdev(close, 20, 5m)", "state"),
    ("SPY", "macd(close, 12, 26, 9, 5m).line crosses_above macd(close, 12, 26, 9, 5m).signal", "event"),
    ("SPY", "macd(close, 12, 26, 9, 5m, rth, live).hist[1] > 0", "state"),
    ("SPY", "bollinger(close, 20, 2.5, 5m).upper < price", "state"),
    ("SPY", "sym($SPX).bollinger(close, 20, 2, 5m).lower[3] > 5", "state"),
    ("SPY", "rvol(5m) > 2x", "state"),
    ("SPY", "rvol(5m)[1] > 200%", "state"),
    ("SPY", "vwap() > 5", "state"),
    ("SPY", "price crosses_below vwap(ext)", "event"),
    ("/ES", "price < vwap(rth) - 2 * atr(14, 5m, rth)", "state"),
    ("SPY", "price crosses_above opening_range(15m).high", "event"),
    ("/ES", "price < opening_range(30m, overnight).low", "state"),
    ("SPY", "price crosses_above day.high", "event"),
    ("SPY", "day.volume > 50M", "state"),
    ("SPY", "day.open > prev_day.high", "state"),
    ("SPY", "prev_day.open < prev_day.low", "state"),
    ("SPY", "rth.open < prev_rth.close", "state"),
    ("SPY", "price > year.high", "state"),
    ("SPY", "prev_week.close > prev_week.open", "state"),
    ("SPY", "sym(/ES).overnight.high < sym(/ES).price", "state"),
    ("/ES", "price > overnight.high", "state"),
    ("/ES", "price > settle", "state"),
    ("SPY", "highest(high, 20, 5m)[1] < close(5m)", "state"),
    ("SPY", "price crosses_above highest(price, 5m)", "event"),
    ("SPY", "lowest(mark, 30s) > 5", "state"),
    ("SPY", "streak(close(5m) > open(5m), 5m) >= 3", "state"),
    ("SPY", "streak(halted, 1m) > 5", "state"),
    ("SPY", "streak(price > 5 and not halted, 1d) > 5", "state"),
    ("SPY", "count(price crosses 100, 30m) >= 3", "state"),
    ("SPY", "count(price > 90 and price reaches 100, 30m) crosses_above 3", "event"),
    ("SPY", "max(count(price crosses 5, 5m), count(price crosses 6, 5m)) > 2", "state"),
    ("SPY", "seq(price crosses_above day.high, price crosses_below vwap(), within=15m)", "event"),
    (
        "SPY",
        "seq(price reaches 1, price > 2 and bid crosses 3, price exits [4, 5], within=4h) and bid > 2",
        "event",
    ),
    ("SPY", "seq(price crosses 5, price crosses 6, within=1m) or price crosses 7", "event"),
    ("SPY", "seq(sym($VIX).price crosses 5, price crosses 6, within=90s)", "event"),
    ("SPY", "count(sym($VIX).price crosses 20, 30m) > 1", "state"),
    ("SPY", "close(5m, rth) > 5", "state"),
    ("$VIX", "price > 20", "state"),
    ("$VIX", "mark > 20", "state"),
    ("$VIX", "highest(mark, 5m) > 20", "state"),
    ("$VIX", "halted", "state"),
    ("$VIX", "price > opening_range(5m).high", "state"),
    ("$VIX", "net_pct > 10%", "state"),
    ("$VIX", "day.open > year.low", "state"),
    ("$VIX", "atr(14, 5m) > 1", "state"),
    ("$VIX", "sym(SPY).bid > 5", "state"),
    ("/ES", "sma(close, 20, 1m, overnight) > 5", "state"),
]
REFUSED = Path(__file__).parent / "data" / "refused.txt"


@pytest.mark.parametrize(("symbol", "text", "kind"), ACCEPTED)
def test_a_condition_that_means_something_is_a_state_or_an_event(symbol: str, text: str, kind: str) -> None:
    assert check(parse(text), instrument_of(symbol)) == kind


def refused() -> list[tuple[str, str, int, str]]:
    """Symbol, text, offset of the caret and what is said, from pairs of lines."""
    lines = REFUSED.read_text("utf-8").splitlines()
    cases = []
    for expression, said in zip(lines[::2], lines[1::2], strict=True):
        symbol, text = expression.split(": ", 1)
        cases.append((symbol, text, said.index("^ ") - len(symbol) - 2, said.strip().removeprefix("^ ")))
    return cases


@pytest.mark.parametrize(("symbol", "text", "at", "says"), refused())
def test_a_condition_that_means_nothing_says_why_and_where(symbol: str, text: str, at: int, says: str) -> None:
    with pytest.raises(ExpressionError) as error:
        check(parse(text), instrument_of(symbol))
    assert str(error.value) == says
    assert error.value.hint, "it says what to do"
    assert error.value.at == at, f"points at {text[error.value.at :]!r}"


def value(text: str) -> Expression:
    tree = parse(f"{text} > 0")
    assert isinstance(tree, Compare)
    return tree.left


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
        ("age", SECONDS),
        ("minutes_to_close", NUMBER),
        ("net_change", PRICE),
        ("net_pct", RATIO),
        ("settle", PRICE),
        ("day.high", PRICE),
        ("day.volume", VOLUME),
        ("overnight.low", PRICE),
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
        ("rsi(volume, 5, 1m)", NUMBER),
        ("zscore(close, 5, 1m)[1]", NUMBER),
        ("stdev(close, 5, 1m)", PRICE),
        ("stdev(volume, 5, 1m)", VOLUME),
        ("atr(14, 1m)", PRICE),
        ("macd(volume, 1, 2, 3, 1m).signal", VOLUME),
        ("bollinger(close, 20, 2, 1m).upper[1]", PRICE),
        ("rvol(5m)", RATIO),
        ("vwap()", PRICE),
        ("opening_range(5m).high", PRICE),
        ("highest(bid, 5m)", PRICE),
        ("lowest(volume, 5, 5m)", VOLUME),
        ("count(price crosses 5, 5m)", NUMBER),
        ("streak(price > 5, 5m)", NUMBER),
        ("2 * rsi(close, 5, 1m)", NUMBER),
        ("rsi(close, 5, 1m) * rsi(close, 5, 1m)", NUMBER),
        ("rsi(close, 5, 1m) / rsi(close, 9, 1m)", RATIO),
        ("zscore(close, 5, 1m) * stdev(close, 5, 1m)", PRICE),
        ("volume(1m) / minutes_to_close", VOLUME),
        ("100 / rsi(close, 5, 1m)", RATIO),
        ("sym(SPY).spread_pct", RATIO),
        ("sym(SPY).day.volume", VOLUME),
    ],
)
def test_the_unit_of_a_value_follows_from_its_parts(text: str, unit: Unit | None) -> None:
    assert unit_of(value(text), instrument_of("/ES")) == unit


def test_units_are_named_as_a_trader_would() -> None:
    units = (PRICE, RATIO, VOLUME, SECONDS, NUMBER)
    assert [str(unit) for unit in units] == ["price", "ratio", "volume", "seconds", "number"]
    assert (str(Unit(1, 1)), str(Unit(-1, 0, 2))) == ("price^1 volume^1", "price^-1 seconds^2")


@pytest.mark.parametrize(
    "tree",
    [
        Compare(">", Other("es", Name("price")), Number(Fraction(5))),
        Compare(">", Attribute(Number(Fraction(5)), "high"), Number(Fraction(5))),
        Compare(">", Attribute(Other("SPY", Name("day")), "high"), Number(Fraction(5))),
        Compare(">", Index(Name("price"), -1), Number(Fraction(5))),
        Compare(">", Index(Call("close", (Number(Fraction(5), "m"),)), -1), Number(Fraction(5))),
        Other("es", Name("halted")),
    ],
)
def test_a_tree_the_grammar_cannot_make_is_refused_as_well(tree: Expression) -> None:
    with pytest.raises(ExpressionError):
        check(tree, instrument_of("SPY"))


# --- what the compiler asks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "session", "live"),
    [
        ("close(5m)", 1, "", False),
        ("close(5m, live)", 1, "", True),
        ("sma(close, 20, 5m, rth)", 3, "rth", False),
        ("sma(close, 20, 5m, rth, live)", 3, "rth", True),
        ("sma(close, 20, 5m, live, overnight)", 3, "overnight", True),
        ("macd(close, 12, 26, 9, 5m, live)", 5, "", True),
        ("vwap()", 0, "", False),
        ("vwap(rth)", 0, "rth", False),
        ("opening_range(15m, globex)", 1, "globex", False),
        ("rvol(5m, always)", 1, "always", False),
    ],
)
def test_session_words_and_live_are_told_apart_from_the_arguments(
    text: str, arguments: int, session: str, live: bool
) -> None:
    call = value(text)
    assert isinstance(call, Call)
    read = bar_arguments(call, instrument_of("/ES"))
    assert read == (call.args[:arguments], session, live)


def test_literals_are_read_exactly() -> None:
    assert interval_of(value("15m")) == "15m"
    assert interval_of(value("1d")) == "1d"
    assert duration_s(value("90s")) == 90
    assert duration_s(value("4h")) == 14_400
    assert count_of(value("5000")) == 5_000
    assert number_of(value("2.5")) == Fraction(5, 2)


@pytest.mark.parametrize(
    ("text", "by_time"),
    [
        ("highest(price, 5m)", True),
        ("lowest(mark, 30s)", True),
        ("highest(high, 20, 5m)", False),
        ("lowest(low, 20, 5m, live)", False),
        ("highest(high, 5m)", False),
        ("sma(close, 20, 5m)", False),
        ("change(price, 5m)", False),
    ],
)
def test_highest_and_lowest_are_by_bars_or_by_time(text: str, by_time: bool) -> None:
    call = value(text)
    assert isinstance(call, Call)
    assert is_by_time(call) is by_time


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("price > 5", False),
        ("close(1d) > 5", False),
        ("minutes_to_close < 5", False),
        ("highest(price, 5m) > 5", False),
        ("price > day.high", True),
        ("price > 5 and (bid > 3 or not price < year.low)", True),
        ("price > max(1, vwap(rth))", True),
        ("price > opening_range(15m).high", True),
        ("net_pct > 5%", True),
        ("net_change > 5", True),
        ("price > settle", True),
        ("price > sym(SPY).prev_day.close", True),
        ("count(price crosses overnight.high, 5m) > 2", True),
        ("seq(price crosses 5, price crosses vwap(), within=5m)", True),
    ],
)
def test_whether_a_condition_reads_a_value_of_the_day(text: str, reads: bool) -> None:
    assert reads_day(parse(text)) is reads
