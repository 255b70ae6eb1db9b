"""Compiled values: units, exact numbers, unknowns, other symbols, and what makes a rule be judged."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import Market
from tradeassistd.engine.conditions.compile import Compiler
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.conditions.values import natural
from tradeassistd.engine.language.expression import Attribute, Compare, Expression, Name, Number
from tradeassistd.engine.language.functions import PRICE, RATIO, VOLUME, Unit
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbol.symbols import BARS_MOVED, SECOND_TURNED, SymbolState
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.tick import Field
from tradeassistd.rules.grammar import parse


def market_of(text: str, symbol: str = "/ES") -> Market:
    """A market with one rule: /ES at 5200 (bid 5199.75, ask 5200.25), SPY at 520, and $VIX without a value."""
    market = Market((Rule("r", (symbol,), parse(text)),))
    market.image("/ES", "5200", bid="5199.75", ask="5200.25")
    market.image("SPY", "520", bid="520", ask="520")
    return market


def leaf_of(market: Market) -> Leaf:
    (leaf,) = market.engine.machines[0]._leaves
    leaf.look(market.now_us)
    return leaf


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("price > 5180.25", "5200", "5180.25"),
        ("bid > ask", "5199.75", "5200.25"),
        ("mid > 5.2k", "5200", "5200"),
        ("spread > 2t", "0.5", "0.5"),
        ("spread_pct > 0.01%", "1/10400", "0.0001"),
        ("price > 5200 + 4t", "5200", "5201"),
        ("price > 4t + 4t", "5200", "2"),
        ("price > 2 * 2600", "5200", "5200"),
        ("price > 10401 / 2", "5200", "5200.5"),
        ("price > 5 / 2 / 2", "5200", "1.25"),
        ("price > 2 * 3 + 4", "5200", "10"),
        ("price > (2 + 3) * bid", "5200", "25998.75"),
        ("price > bid * 1.01", "5200", "5251.7475"),
        ("price > bid * 1%", "5200", "51.9975"),
        ("price > bid / 3", "5200", "1733.25"),
        ("price > -5", "5200", "-5"),
        ("-price > -5200", "-5200", "-5200"),
        ("abs(bid - ask) > 0.5", "0.5", "0.5"),
        ("price > abs(-5)", "5200", "5"),
        ("price > max(5100, bid, 5150)", "5200", "5199.75"),
        ("price > min(6000, ask)", "5200", "5200.25"),
        ("max(1, 2) < price", "2", "5200"),
        ("price / bid > 1", "5200/5199.75", "1"),
        ("pct_from(price, 5000) >= 4%", "0.04", "0.04"),
        ("pct_from(5000, ask) < -1", "5000/5200.25", "-1"),
        ("price * price > 1M", "27040000", "1000000"),
        ("1 / price > 0.01", "1/5200", "0.01"),
        ("sym(SPY).price > 520", "520", "520"),
        ("sym(SPY).price * 10 <= price", "5200", "5200"),
        ("price > sym(SPY).price * 10 + 4t", "5200", "5201"),
        ("sym(SPY).spread == 0", "0", "0"),
        ("5200 < price", "5200", "5200"),
    ],
)
def test_values_come_out_exactly_in_the_unit_of_what_they_stand_beside(text: str, left: str, right: str) -> None:
    def value(written: str) -> Fraction:
        numerator, *denominator = written.split("/")
        return Fraction(numerator) / (Fraction(denominator[0]) if denominator else 1)

    leaf = leaf_of(market_of(text))
    scale = Fraction(10**8) ** leaf.unit.price
    # pct_from is a change: its left value is the ratio less one.
    expected = value(left) - (1 if "pct_from(5000" in text else 0)
    assert leaf.left is not None and leaf.right is not None
    assert Fraction(leaf.left) / scale == expected
    assert Fraction(leaf.right) / scale == value(right)


@pytest.mark.parametrize(
    "text",
    [
        "price / spread > 1",
        "1 / spread > 1",
        "pct_from(price, spread) > 1%",
        "pct_from(price, bid - bid) > 1%",
        "sym($VIX).price > 1",
        "price + sym($VIX).price > 1",
        "price - sym($VIX).price > 1",
        "sym($VIX).price * price > 1",
        "price / sym($VIX).price > 1",
        "-sym($VIX).price > 1",
        "abs(sym($VIX).price) > 1",
        "max(price, sym($VIX).price) > 1",
        "min(price, sym($VIX).price) > 1",
        "pct_from(sym($VIX).price, price) > 1%",
        "pct_change(price, 5s) > 1%",
        "change(price, 5s) > 1",
        "close(1m) > 1",
        "sma(close, 3, 1m) > 1",
        "close(1m)[2] > 1",
    ],
)
def test_unknown_goes_through_everything_and_division_by_zero_is_unknown(text: str) -> None:
    leaf = leaf_of(market_of(text, "SPY"))
    assert leaf.left is None
    assert leaf.outcome() == (None, None)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("price > 1", {"/ES": Field.LAST}),
        ("bid > 1", {"/ES": Field.BID}),
        ("ask > 1", {"/ES": Field.ASK}),
        ("mid > 1", {"/ES": Field.BID | Field.ASK}),
        ("spread_pct > 1%", {"/ES": Field.BID | Field.ASK}),
        ("price > bid + 1", {"/ES": Field.LAST | Field.BID}),
        ("close(1m) > 1", {"/ES": BARS_MOVED | Field.IMAGE}),
        ("price > ema(close, 9, 5m)[1]", {"/ES": Field.LAST | BARS_MOVED | Field.IMAGE}),
        ("pct_change(bid, 5m) > 1%", {"/ES": Field.BID | SECOND_TURNED}),
        ("change(mid, 5m) > 1", {"/ES": Field.BID | Field.ASK | SECOND_TURNED}),
        ("price > 1 and sym($VIX).price > 20", {"/ES": Field.LAST, "$VIX": Field.LAST}),
        ("not sym(SPY).close(1m) inside [1, 2]", {"SPY": BARS_MOVED | Field.IMAGE}),
        ("price crosses any [bid, sym(SPY).price]", {"/ES": Field.LAST | Field.BID, "SPY": Field.LAST}),
    ],
)
def test_a_condition_knows_what_it_reads(text: str, reads: dict[str, int]) -> None:
    assert Market((Rule("r", ("/ES",), parse(text)),)).engine.machines[0].reads == reads


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("volume(1m) > 50k", 700.0, 50_000.0),
        ("volume(1m) > 4x * avg(volume, 2, 1m)[1]", 700.0, 1000.0),
        ("close(1m) > close(1m)[2]", 104.0, 100.0),
        ("close(1m)[0] > open(1m)", 104.0, 104.0),
        ("high(1m) - low(1m) > 2t", 0.0, 0.02),
        ("sma(close, 2, 1m) > 101.5", 103.0, 101.5),
        ("roc(close, 2, 1m) >= 4%", 0.04, 0.04),
        ("highest(high, 3, 1m) > lowest(low, 3, 1m)", 104.0, 100.0),
        ("volume(1m) * close(1m) > 1M", 72_800.0, 1_000_000.0),
        ("close(1m, always) > 1", 104.0, 1.0),
        ("close(1m, ext) > 1", 104.0, 1.0),
    ],
)
def test_bar_values_are_those_of_closed_bars(text: str, left: float, right: float) -> None:
    market = Market((Rule("r", ("SPY",), parse(text)),))
    market.image("SPY")
    for price, size in (("100", 200), ("102", 300), ("104", 700), ("999", 999)):
        market.trade("SPY", price, size, after_s=60)
    leaf = leaf_of(market)
    assert natural(leaf.left, leaf.unit) == left
    assert natural(leaf.right, leaf.unit) == right


def test_series_are_shared_by_all_who_ask_for_the_same() -> None:
    rules = [Rule(name, ("SPY",), parse(f"sma(close, {count}, 5m) > 1")) for name, count in (("a", 5), ("b", 9))]
    rules.append(Rule("c", ("SPY",), parse("sym(SPY).close(5m, rth) > 1")))
    state = Market(tuple(rules)).engine.symbols["SPY"]
    assert set(state.series) == {("1m", "always"), ("5m", "rth")}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 4))
def test_change_is_the_difference_to_what_was_held_then(mids: list[int], seconds: int) -> None:
    # Bid and ask an odd number of hundredths apart: mid lies on half a hundredth.
    market = Market((Rule("r", ("SPY",), parse(f"change(mid, {seconds}s) > 0 and pct_change(mid, {seconds}s) > 0%")),))
    market.image("SPY")
    held: list[Fraction] = []
    for value in mids:
        market.wait(1)
        market.quote("SPY", bid=f"1.0{value - 1}", ask=f"1.0{value}")
        change, relative = market.engine.machines[0]._leaves
        mid = Fraction(100 + value) / 100 - Fraction(1, 200)
        held.append(mid)
        # A quote right behind the whole second holds from the next one on.
        before = held[-2 - seconds] if len(held) > seconds + 1 else None
        assert change.left == (None if before is None else (mid - before) * 10**8)
        assert relative.left == (None if before is None else mid / before - 1)


def test_looking_back_on_a_price_of_zero_is_unknown_as_a_ratio_and_known_as_a_difference() -> None:
    market = Market((Rule("r", ("$TICK",), parse("pct_change(price, 1s) > 1% and change(price, 1s) > 1")),))
    market.image("$TICK", "0")
    market.wait(2)
    market.trade("$TICK", "7", 0)
    relative, change = market.engine.machines[0]._leaves
    assert relative.left is None
    assert change.left == 7 * 10**8


def test_another_symbol_s_look_back_is_as_old_as_the_event_that_asks() -> None:
    market = Market((Rule("r", ("SPY",), parse("price > 0 and sym($VIX).pct_change(price, 2s) > 0%")),))
    market.image("$VIX", "20")
    market.wait(1)
    market.trade("$VIX", "22", 0)
    market.wait(3)
    market.image("SPY", "100")
    _, vix = market.engine.machines[0]._leaves
    assert vix.left == 0
    assert market.engine.wanted == ("$VIX", "SPY")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (Name("price"), "not a condition: price"),
        (Compare(">", Attribute(Name("price"), "line"), Number(Fraction(1))), "has no part 'line'"),
    ],
)
def test_what_the_checker_refuses_the_compiler_does_not_take_either(tree: Expression, message: str) -> None:
    states: dict[str, SymbolState] = {}
    instrument = instrument_of("SPY")
    compiler = Compiler(instrument, lambda symbol: states.setdefault(symbol, SymbolState(instrument_of(symbol))))
    with pytest.raises(Exception, match=message):
        compiler.condition(tree)


def test_natural_units_are_points_shares_and_fractions() -> None:
    assert natural(None, PRICE) is None
    assert natural(5_200 * 10**8, PRICE) == 5200.0
    assert natural(700, VOLUME) == 700.0
    assert natural(Fraction(-1, 100), RATIO) == -0.01
    assert natural(10**16, Unit(2)) == 1.0


def test_an_engine_without_rules_wants_nothing_and_takes_everything() -> None:
    market = Market(())
    assert market.engine.wanted == ()
    assert market.trade("SPY", "100") == []
