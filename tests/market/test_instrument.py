"""What a symbol is, from how Schwab writes it."""

from __future__ import annotations

import pytest

from tradeassistd.market.instrument import InstrumentClass, instrument_of, is_symbol
from tradeassistd.market.price import price_text

EQUITY, INDEX = InstrumentClass.EQUITY, InstrumentClass.INDEX
INTERNAL, FUTURE = InstrumentClass.INTERNAL, InstrumentClass.FUTURE


@pytest.mark.parametrize(
    ("symbol", "kind", "root", "tick_size"),
    [
        ("SPY", EQUITY, "SPY", "0.01"),
        ("F", EQUITY, "F", "0.01"),
        ("ES", EQUITY, "ES", "0.01"),
        ("BRK/B", EQUITY, "BRK/B", "0.01"),
        ("$SPX", INDEX, "$SPX", "0.01"),
        ("$VIX", INDEX, "$VIX", "0.01"),
        ("$COMPX", INDEX, "$COMPX", "0.01"),
        ("$TICK", INTERNAL, "$TICK", "1"),
        ("$TICKQ", INTERNAL, "$TICKQ", "1"),
        ("$ADD", INTERNAL, "$ADD", "1"),
        ("$TRIN", INTERNAL, "$TRIN", "0.01"),
        ("$VOLSPD", INTERNAL, "$VOLSPD", "1"),
        ("/ES", FUTURE, "/ES", "0.25"),
        ("/ESZ26", FUTURE, "/ES", "0.25"),
        ("/MESH27", FUTURE, "/MES", "0.25"),
        ("/M2KU26", FUTURE, "/M2K", "0.1"),
        ("/NQ", FUTURE, "/NQ", "0.25"),
        ("/YM", FUTURE, "/YM", "1"),
        ("/CLF27", FUTURE, "/CL", "0.01"),
        ("/GCG27", FUTURE, "/GC", "0.1"),
        ("/SI", FUTURE, "/SI", "0.005"),
        ("/HG", FUTURE, "/HG", "0.0005"),
        ("/ZB", FUTURE, "/ZB", "0.03125"),
        ("/ZNZ26", FUTURE, "/ZN", "0.015625"),
        ("/ZT", FUTURE, "/ZT", "0.00390625"),
        ("/XYZ", FUTURE, "/XYZ", "0.01"),  # a root the catalogue does not know
        ("/Z26", FUTURE, "/Z26", "0.01"),
    ],
)
def test_class_root_and_tick_size_of_a_symbol(symbol: str, kind: InstrumentClass, root: str, tick_size: str) -> None:
    found = instrument_of(symbol)
    assert (found.symbol, found.kind, found.root, price_text(found.tick_size)) == (symbol, kind, root, tick_size)


@pytest.mark.parametrize(
    ("symbol", "has_quote", "has_volume", "zero_is_a_price"),
    [
        ("SPY", True, True, False),
        ("/CL", True, True, False),
        ("$SPX", False, False, False),
        ("$TICK", False, False, True),
    ],
)
def test_what_a_class_carries(symbol: str, has_quote: bool, has_volume: bool, zero_is_a_price: bool) -> None:
    found = instrument_of(symbol)
    assert (found.has_quote, found.has_volume, found.zero_is_a_price) == (has_quote, has_volume, zero_is_a_price)


@pytest.mark.parametrize(
    "text",
    ["", "spy", " SPY", "SPY ", "/es", "/", "$", "$vix", "SPY.X", "$SPX.X", "BRK.B", "BRK/", "/ES Z26", "1SPY", "@core",
     "SPY\n", "TOOLONGNAME", "/TOOLONG", "AAPL  251219C00200000"],
)  # fmt: skip
def test_what_is_not_written_as_schwab_writes_it_is_no_symbol(text: str) -> None:
    assert not is_symbol(text)
    with pytest.raises(ValueError, match="is not a symbol"):
        instrument_of(text)
