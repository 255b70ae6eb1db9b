"""What a symbol is: its class, tick size and trading hours, from how Schwab writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from tradeassistd.market.price import price_from_text


class InstrumentClass(StrEnum):
    """Classes that differ in hours, volume or what a zero means."""

    EQUITY = "equity"
    INDEX = "index"
    INTERNAL = "internal"
    """A market breadth figure such as $TICK: zero and negative values are real."""
    FUTURE = "future"


class Market(StrEnum):
    """Where an instrument trades, as far as hours and holidays differ: the columns of calendar.csv, and `other`."""

    NYSE = "nyse"
    """US stocks, and the indices and breadth figures made from them."""
    VIX = "vix"
    """$VIX, which follows Cboe's options and their overnight session."""
    EQUITY_INDEX = "equity_index"
    ENERGY = "energy"
    METALS = "metals"
    RATES = "rates"
    FX = "fx"
    GRAINS = "grains"
    OTHER = "other"
    """A future of a root that the catalogue does not know: it keeps the days of the equity index futures."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Facts of one symbol. `tick_size` is a scaled price; `root` of `/ESZ26` is `/ES`, else the symbol itself."""

    symbol: str
    kind: InstrumentClass
    root: str
    tick_size: int

    @property
    def market(self) -> Market:
        """Where it trades: of a future by its root."""
        if self.kind is InstrumentClass.FUTURE:
            return _FUTURE_MARKETS.get(self.root, Market.OTHER)
        return Market.VIX if self.symbol == "$VIX" else Market.NYSE

    @property
    def has_volume(self) -> bool:
        """Whether trades carry size; an index or internal is only sampled."""
        return self.kind in (InstrumentClass.EQUITY, InstrumentClass.FUTURE)

    @property
    def has_quote(self) -> bool:
        """Whether there are a bid and an ask; an index has none."""
        return self.has_volume

    @property
    def zero_is_a_price(self) -> bool:
        """Whether 0 is a value of its own rather than Schwab's "none yet"."""
        return self.kind is InstrumentClass.INTERNAL


# Breadth figures that Schwab serves; a trailing Q is the NASDAQ variant (schwab_protocol.md 5.3).
_INTERNALS = {"$TICK", "$ADD", "$ADVN", "$DECN", "$TRIN", "$VOLD", "$UVOL", "$DVOL", "$VOLSPD"}

# Smallest price move by futures root, from the exchanges' contract specifications.
_FUTURE_TICKS = {
    "/ES": "0.25", "/NQ": "0.25", "/RTY": "0.1", "/YM": "1", "/MES": "0.25", "/MNQ": "0.25", "/M2K": "0.1", "/MYM": "1",
    "/CL": "0.01", "/MCL": "0.01", "/GC": "0.1", "/MGC": "0.1", "/SI": "0.005", "/HG": "0.0005", "/NG": "0.001",
    "/ZB": "0.03125", "/ZN": "0.015625", "/ZF": "0.0078125", "/ZT": "0.00390625", "/HO": "0.0001", "/BZ": "0.01",
}  # fmt: skip
_FUTURE_MARKETS = {
    root: market
    for market, roots in {
        Market.EQUITY_INDEX: "/ES /NQ /RTY /YM /MES /MNQ /M2K /MYM /EMD /NKD",
        Market.ENERGY: "/CL /MCL /QM /NG /QG /MNG /HO /RB /BZ",
        Market.METALS: "/GC /MGC /QO /SI /SIL /QI /HG /MHG /QC /PL /PA",
        Market.RATES: "/ZB /UB /ZN /TN /ZF /ZT /Z3N /ZQ /SR1 /SR3 /GE",
        Market.FX: "/6A /6B /6C /6E /6J /6M /6N /6S /E7 /J7 /M6A /M6B /M6E /MCD /MJY /MSF",
        Market.GRAINS: "/ZC /ZS /ZW /KE /ZL /ZM /ZO /ZR /XC /XK /XW",
    }.items()
    for root in roots.split()
}
_CONTRACT = re.compile(r"(/[A-Z0-9]+?)([FGHJKMNQUVXZ]\d{2})?$")
_SYMBOL = re.compile(r"/[A-Z0-9]{1,6}|\$[A-Z0-9]{1,12}|[A-Z][A-Z0-9]{0,7}(/[A-Z]{1,3})?")


def is_symbol(text: str) -> bool:
    """Whether `text` is written as Schwab writes symbols: `/ES`, `/ESZ26`, `$SPX`, `SPY`, `BRK/B`."""
    return _SYMBOL.fullmatch(text) is not None


def instrument_of(symbol: str) -> Instrument:
    """The built-in facts for `symbol`. Raises ValueError when it is not written as Schwab writes symbols."""
    if not is_symbol(symbol):
        raise ValueError(f"{symbol!r} is not a symbol")
    if symbol.startswith("/"):
        match = _CONTRACT.fullmatch(symbol)
        root = match.group(1) if match and match.group(1) != "/" else symbol
        return Instrument(symbol, InstrumentClass.FUTURE, root, price_from_text(_FUTURE_TICKS.get(root, "0.01")))
    if symbol.startswith("$"):
        internal = symbol in _INTERNALS or symbol.removesuffix("Q") in _INTERNALS
        kind = InstrumentClass.INTERNAL if internal else InstrumentClass.INDEX
        return Instrument(symbol, kind, symbol, price_from_text("1" if internal and symbol != "$TRIN" else "0.01"))
    return Instrument(symbol, InstrumentClass.EQUITY, symbol, price_from_text("0.01"))
