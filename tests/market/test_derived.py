"""Derived symbols: formulas are read as arithmetic is written, computed exactly, and ticked when their value moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.market.derived import (
    COMPONENTS_MAX,
    DEPTH_MAX,
    LENGTH_MAX,
    Derived,
    DerivedTicks,
    FormulaError,
    Value,
    read_formula,
    streamed,
)
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.tick import Field, Tick

SYMBOLS = ("$ADVN", "$DECN", "/ES", "SPY", "BRK/B")
PRICES: dict[str, Value] = {symbol: Fraction(number) for symbol, number in zip(SYMBOLS, (7, -3, 2, 5, 11), strict=True)}


def derived(formula: str) -> Derived:
    return read_formula("$X", formula)


@pytest.mark.parametrize(
    ("formula", "value", "components"),
    [
        ("$ADVN - $DECN", 10, "$ADVN $DECN"),
        ("$ADVN-$DECN", 10, "$ADVN $DECN"),
        ("$ADVN - $DECN - 1", 9, "$ADVN $DECN"),
        ("SPY - /ES * 2", 1, "SPY /ES"),
        ("(SPY - /ES) * 2", 6, "SPY /ES"),
        ("SPY / 2 / 5", Fraction(1, 2), "SPY"),
        ("SPY / /ES", Fraction(5, 2), "SPY /ES"),
        ("10*/ES", 20, "/ES"),
        ("$ADVN/$DECN", Fraction(-7, 3), "$ADVN $DECN"),
        ("-SPY + 0.5", Fraction(-9, 2), "SPY"),
        ("-(SPY + 1) * -/ES", 12, "SPY /ES"),
        ("BRK/B / SPY", Fraction(11, 5), "BRK/B SPY"),
        ("SPY * SPY", 25, "SPY"),
        ("  ( ( SPY ) )  ", 5, "SPY"),
        ("SPY / ($DECN + 3)", None, "SPY $DECN"),
        ("0 * SPY / ($DECN + 3)", None, "SPY $DECN"),
    ],
)
def test_what_a_formula_means(formula: str, value: object, components: str) -> None:
    found = derived(formula)
    assert found.value(PRICES) == value
    assert found.components == tuple(components.split())


@pytest.mark.parametrize(
    ("formula", "message", "at"),
    [
        ("", "ends too early (a number, a symbol or ( is due)", 0),
        ("$ADVN -", "ends too early (a number, a symbol or ( is due)", 7),
        ("5 + 3", "no symbol in it (write e.g. $ADVN - $DECN)", 0),
        ("$ADVN $DECN", "an operator is missing here (one of + - * /)", 6),
        ("1,000 * SPY", "an operator is missing here (one of + - * /)", 1),
        ("SPY ^ 2", "an operator is missing here (one of + - * /)", 4),
        ("(SPY + 1", "a parenthesis is not closed (write ) behind what belongs to it)", 0),
        ("SPY + 1)", "a parenthesis is closed that was not opened (remove it)", 7),
        ("SPY / ()", "')' means nothing here (write symbols as Schwab does: /ES, $SPX, SPY)", 7),
        ("spy - 1", "'spy' is not a symbol (write SPY)", 0),
        ("SPX.X - 1", "'SPX.X' is not a symbol (write symbols as Schwab does: /ES, $SPX, SPY)", 0),
        ("2SPY", "'2SPY' is not a symbol (write symbols as Schwab does: /ES, $SPX, SPY)", 0),
        ("SPY/QQQ", "`SPY/QQQ` can be read in two ways (write spaces to divide: SPY / QQQ)", 0),
        ("$UVOL/SPY", "`/SPY` is a future here, and an operator before it is missing (write a space to divide: / SPY)",
         5),
        ("SPY /ES", "`/ES` is a future here, and an operator before it is missing (write a space to divide: / ES)", 4),
        ("SPY + @core", "'@' means nothing here (write symbols as Schwab does: /ES, $SPX, SPY)", 6),
        ("SPY + " + "1 + " * 200, f"longer than {LENGTH_MAX} characters (shorten it)", LENGTH_MAX),
        ("(" * 40 + "SPY" + ")" * 40, f"more than {DEPTH_MAX} levels deep (use fewer parentheses)", DEPTH_MAX),
        (" + ".join(f"S{number}" for number in range(33)), f"more than {COMPONENTS_MAX} symbols (shorten it)", 0),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_character(formula: str, message: str, at: int) -> None:
    with pytest.raises(FormulaError) as refused:
        derived(formula)
    assert (f"{refused.value.message} ({refused.value.hint})", refused.value.at) == (message, at)


def trees(depth: int) -> st.SearchStrategy[str]:
    """Formulas in Python's own words: `p("SPY")` is a price, `n("0.5")` a number."""
    leaf = st.sampled_from([f'p("{symbol}")' for symbol in SYMBOLS]) | st.sampled_from(['n("3")', 'n("0.5")', 'n("0")'])
    return st.recursive(
        leaf,
        lambda inner: (
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda one: f"({one[0]} {one[1]} {one[2]})")
            | inner.map(lambda one: f"(-{one})")
        ),
        max_leaves=depth,
    )


@given(trees(12), st.lists(st.integers(-4, 4), min_size=5, max_size=5))
def test_it_computes_as_python_does(python: str, numbers: list[int]) -> None:
    text = python.replace('p("', "").replace('n("', "").replace('")', "")
    prices: dict[str, Value] = dict(zip(SYMBOLS, map(Fraction, numbers), strict=True))
    try:
        expected: Value = eval(python, {"p": prices.__getitem__, "n": Fraction})
    except ZeroDivisionError:
        expected = None
    if not any(symbol in text for symbol in SYMBOLS):
        return
    assert derived(text).value(prices) == expected


@pytest.mark.parametrize("missing", ["$ADVN", "$DECN"])
def test_a_component_that_is_unknown_makes_the_value_unknown(missing: str) -> None:
    assert derived("0 * $ADVN + $DECN").value(PRICES | {missing: None}) is None


def test_the_components_are_streamed_in_the_place_of_the_symbol() -> None:
    add, ratio = read_formula("$ADDX", "$ADVN - $DECN"), read_formula("$R", "SPY / $ADVN")
    assert streamed(("$ADDX", "/ES"), (add, ratio)) == ("$ADVN", "$DECN", "/ES")
    assert streamed(("$ADDX", "$R", "SPY"), (add, ratio)) == ("$ADVN", "$DECN", "SPY")
    assert streamed(("SPY",), (add, ratio)) == ("SPY",)


class Feed:
    """Ticks of components in, ticks of derived symbols out."""

    def __init__(self, *formulas: str, facts: Instrument | None = None) -> None:
        names = [f"$X{number or ''}" for number in range(len(formulas))]
        made = [read_formula(name, formula) for name, formula in zip(names, formulas, strict=True)]
        self.ticks = DerivedTicks(made, lambda symbol: facts or instrument_of(symbol))
        self._times = count(1000)

    def take(self, symbol: str, price: str | None, *, trade_ms: int | None = None, changed: int = 1) -> list[Tick]:
        last = None if price is None else int(Fraction(price) * PRICE_SCALE)
        tick = Tick(1, symbol, last, None, None, None, None, None, trade_ms, None, None, changed)
        return list(self.ticks.follow(tick, lambda: next(self._times)))


def values(ticks: Iterable[Tick]) -> list[tuple[str, Fraction | None, int | None]]:
    return [(tick.symbol, None if tick.last is None else Fraction(tick.last, PRICE_SCALE), tick.size) for tick in ticks]


def test_it_ticks_when_its_value_is_known_and_another_one() -> None:
    feed = Feed("$ADVN - $DECN")
    assert feed.take("$ADVN", "1500") == []
    (image,) = feed.take("$DECN", "1200", trade_ms=77)
    assert image == Tick(1000, "$X", 300 * PRICE_SCALE, None, None, None, None, None, 77, None, None,
                         int(Field.LAST | Field.IMAGE))  # fmt: skip
    assert feed.take("$DECN", "1200", trade_ms=78) == []
    (sample,) = feed.take("$ADVN", "1499.5", trade_ms=70)
    assert values([sample]) == [("$X", Fraction("299.5"), 0)]
    assert (sample.event_us, sample.trade_ms, sample.is_trade, sample.is_image) == (1001, 78, True, False)
    assert feed.take("SPY", "1") == []


def test_it_is_unknown_while_a_component_is_and_goes_on_when_that_is_known_again() -> None:
    feed = Feed("SPY / $DECN")
    feed.take("SPY", "10")
    assert values(feed.take("$DECN", "4")) == [("$X", Fraction("2.5"), None)]
    assert values(feed.take("$DECN", "0")) == [("$X", None, None)], "a division by zero"
    assert feed.take("$DECN", None) == []
    assert values(feed.take("$DECN", "5")) == [("$X", Fraction(2), 0)]
    assert values(feed.take("SPY", None)) == [("$X", None, None)]


def test_what_is_not_plausible_or_too_large_to_store_is_unknown() -> None:
    facts = replace(instrument_of("$X"), plausible=(0, 100 * PRICE_SCALE))
    feed = Feed("SPY * 2", facts=facts)
    assert values(feed.take("SPY", "50")) == [("$X", Fraction(100), None)]
    assert values(feed.take("SPY", "50.01")) == [("$X", None, None)]
    feed = Feed("SPY * 100000000 * 1000000000")
    assert feed.take("SPY", "500") == []
    assert len(feed.take("SPY", "0.00000001")) == 1


def test_the_value_is_rounded_once_to_the_scale_of_prices() -> None:
    feed = Feed("SPY / 3 * 3", "SPY / 3")
    first, second = feed.take("SPY", "1")
    assert (first.last, second.last) == (PRICE_SCALE, 33_333_333)
    assert (first.event_us, second.event_us) == (1000, 1001)


def test_delayed_components_make_it_delayed() -> None:
    feed = Feed("$ADVN - $DECN")
    feed.take("$ADVN", "5", changed=int(Field.LAST | Field.DELAYED))
    assert feed.take("$DECN", "1")[0].changed & Field.DELAYED
    assert feed.take("$DECN", "2")[0].changed & Field.DELAYED
    assert not feed.take("$ADVN", "9")[0].changed & Field.DELAYED


def test_after_a_cut_it_begins_with_an_image() -> None:
    feed = Feed("$ADVN - $DECN", "$ADVN * 2")
    feed.take("$ADVN", "5")
    feed.take("$DECN", "1")
    assert feed.ticks.made_of("$ADVN") == ("$X", "$X1") and feed.ticks.made_of("SPY") == ()
    feed.ticks.forget("$DECN")
    assert values(feed.take("$ADVN", "6")) == [("$X1", Fraction(12), 0)], "of the other nothing is known"
    (again,) = feed.take("$DECN", "1")
    assert again.is_image and again.last == 5 * PRICE_SCALE
    feed.ticks.forget()
    assert feed.take("$DECN", "1") == []
    assert [tick.is_image for tick in feed.take("$ADVN", "6")] == [True, True]
