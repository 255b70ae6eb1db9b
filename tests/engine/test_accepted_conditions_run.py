"""What the checker accepts compiles, is judged and described without a fault, whatever has been seen of the market."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.engine.market import MONDAY_RTH_US, Market
from tests.engine.test_kinds import ACCEPTED
from tests.engine.test_kinds_laws import conditions
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.describing.describe import Leg, describe
from tradeassistd.engine.language.expression import Expression, Other
from tradeassistd.engine.language.kinds import ExpressionError, check
from tradeassistd.engine.language.walk import walk
from tradeassistd.engine.rule import Rule
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

SYMBOLS = st.sampled_from(["SPY", "/ES", "$VIX", "$TICK"])
BEFORE_OPEN_US = MONDAY_RTH_US - 1830 * US_PER_S


PRICES = (
    "price",
    "mark",
    "bid",
    "mid",
    "close(1m)",
    "close(1m, live)",
    "high(1m)[1]",
    "sma(close, 2, 1m)",
    "ema(close, 2, 1m)[1]",
    "highest(price, 5s)",
    "lowest(mid, 30s)",
    "highest(high, 2, 1m)[1]",
    "lowest(low, 2, 1m, live)",
    "day.high",
    "day.open",
    "rth.low",
    "prev_day.close",
    "prev_week.high",
    "year.low",
    "opening_range(1m).high",
    "vwap()",
    "vwap(ext)",
    "atr(2, 1m)",
    "macd(close, 2, 3, 2, 1m).hist",
    "bollinger(close, 2, 1.5, 1m, live).upper[1]",
    "stdev(close, 2, 1m)",
    "net_change",
    "change(mark, 10s)",
    "sym(/ES).price",
    "sym(/ES).overnight.high",
    "sym($VIX).net_change",
)
NUMBERS = (
    "rsi(close, 2, 1m)",
    "zscore(close, 2, 1m)",
    "minutes_to_close",
    "count(price crosses 100, 30s)",
    "count(price reaches day.low or price exits [99, 101], 1m)",
    "streak(price > vwap(), 1m)",
    "streak(not halted, 1m)",
)
RATIOS = (
    "net_pct",
    "spread_pct",
    "pct_change(price, 10s)",
    "pct_from(price, day.open)",
    "rvol(1m)",
    "roc(close, 1, 1m)",
)
OPERATORS = (">", "<=", "crosses", "crosses_above", "crosses_below")


def compared(pool: tuple[str, ...], literal: str, operators: tuple[str, ...]) -> st.SearchStrategy[str]:
    sides = st.one_of(st.sampled_from(pool), st.sampled_from(pool).map(lambda one: f"abs({one}) * 0.5 + {one}"))
    rights = st.one_of(st.just(literal), sides, st.builds("max({}, {})".format, sides, st.just(literal)))
    return st.builds("{} {} {}".format, sides, st.sampled_from(operators), rights)


COMPARED = st.one_of(
    compared(PRICES, "100", (*OPERATORS, "reaches", "==")),
    compared(NUMBERS, "2", OPERATORS),
    compared(RATIOS, "1%", OPERATORS),
    st.builds("{} {} [99, {}]".format, st.sampled_from(PRICES), st.sampled_from(["inside", "exits"]), st.just("101")),
    st.sampled_from(["halted", "age > 30s"]),
)
TEXTS = st.one_of(
    COMPARED,
    COMPARED.map("not ({})".format),
    st.builds("({}) and ({})".format, COMPARED, COMPARED),
    st.builds("({}) or ({})".format, COMPARED, COMPARED),
    st.builds("seq({}, {}, within=1m)".format, COMPARED, COMPARED),
    st.builds("count({}, 30s) >= 1".format, COMPARED),
    st.builds("streak({}, 1m) >= 1".format, COMPARED),
)


def unexplained(leg: Leg) -> list[str]:
    """Leaves that are unknown and do not say why."""
    if leg.items:
        return [text for item in leg.items for text in unexplained(item)]
    return [leg.text] if leg.outcome is None and not leg.why else []


def slips(tree: Expression, symbol: str) -> list[object]:
    """What goes wrong with the condition over a few rows: unknown leaves without a reason, and faults."""
    found_wrong: list[object] = []
    market = Market((Rule("r", (symbol,), tree),), now_us=BEFORE_OPEN_US)
    symbols = {symbol, *(node.symbol for node in walk(tree) if isinstance(node, Other))}
    for wait in (0, 40, 70):
        market.wait(wait)
        for one in sorted(symbols):
            if wait == 0:
                market.image(one, "100")
            size = 1 if instrument_of(one).has_volume else 0
            market.trade(one, str(100 + wait % 3), size)
        market.quote(symbol, bid="99", ask="101")
        (found,) = describe(market.engine, "r")
        found_wrong += unexplained(found.condition)
    return [*found_wrong, *market.engine.take_faults()]


@pytest.mark.parametrize(("symbol", "text"), [(symbol, text) for symbol, text, _ in ACCEPTED])
def test_every_accepted_condition_of_the_table_runs_without_a_fault(symbol: str, text: str) -> None:
    assert slips(parse(text), symbol) == []


@given(TEXTS.map(parse))
@settings(max_examples=300, deadline=None)
def test_law_conditions_made_of_everything_run_without_a_fault(tree: Expression) -> None:
    try:
        check(tree, instrument_of("SPY"))
    except ExpressionError as error:
        event(error.message.split("`")[0])
        return
    event("runs")
    assert slips(tree, "SPY") == []


@given(conditions, SYMBOLS)
@settings(max_examples=600, deadline=None)
def test_law_what_is_accepted_runs_without_a_fault(tree: Expression, symbol: str) -> None:
    try:
        check(tree, instrument_of(symbol))
    except ExpressionError:
        return
    assert slips(tree, symbol) == []
