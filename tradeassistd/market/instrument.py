"""What a symbol is: its class, tick size, trading hours and bounds, from how Schwab writes it and the catalogue.

`_instruments.yaml` of a rules directory may say otherwise (rules/instruments.py). What it says is a mapping of symbols
to instruments, *overrides* below; one of a futures root holds for its contracts too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from tradeassistd.market.catalogue import Entry, entry_of
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
    """A future whose own days the calendar does not have: it keeps those of the equity index futures."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Facts of one symbol. `tick_size` is a scaled price; `root` of `/ESZ26` is `/ES`, else the symbol itself."""

    symbol: str
    kind: InstrumentClass
    root: str
    tick_size: int
    name: str = ""
    """What people call it; empty when the catalogue does not know it."""
    multiplier: Fraction | int = 0
    """What one point of one contract is worth, in the currency of the contract; 0: unknown, or no contract."""
    plausible: tuple[int, int] | None = None
    """Scaled prices, bounds included: a value outside is taken for unknown. None: every value is plausible."""
    listed: Market = Market.NYSE
    """Where it trades."""
    session: str = ""
    """The session of its bars, vwap and day values, where that is not the usual one of its class."""
    overrides: Mapping[str, Instrument] = field(default_factory=dict, compare=False, repr=False)
    """What holds beside it in place of the catalogue."""

    @property
    def market(self) -> Market:
        """Where it trades: of a future by its root."""
        return self.listed

    @property
    def hours(self) -> tuple[InstrumentClass, Market, str]:
        """What its sessions, and so its bars and day values, depend on."""
        return (self.kind, self.listed, self.session)

    def beside(self, symbol: str) -> Instrument:
        """What another symbol is, for `sym(...)` in a condition of this one. Raises ValueError as `instrument_of`."""
        return instrument_in(self.overrides, symbol)

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


_USUAL_TICK = price_from_text("0.01")
"""That of stocks and indices, and of what the catalogue does not know."""
INSTRUMENTS_KEPT = 4_096
_CONTRACT = re.compile(r"(/[A-Z0-9]+?)([FGHJKMNQUVXZ]\d{2})?$")
_SYMBOL = re.compile(r"/[A-Z0-9]{1,6}|\$[A-Z0-9]{1,12}|[A-Z][A-Z0-9]{0,7}(/[A-Z]{1,3})?")


def is_symbol(text: str) -> bool:
    """Whether `text` is written as Schwab writes symbols: `/ES`, `/ESZ26`, `$SPX`, `SPY`, `BRK/B`."""
    return _SYMBOL.fullmatch(text) is not None


@lru_cache(maxsize=INSTRUMENTS_KEPT)
def instrument_of(symbol: str) -> Instrument:
    """The built-in facts for `symbol`. Raises ValueError when it is not written as Schwab writes symbols."""
    if not is_symbol(symbol):
        raise ValueError(f"{symbol!r} is not a symbol")
    root = _root(symbol) if symbol.startswith("/") else symbol
    entry = entry_of(root)
    if entry is not None:
        return _listed(symbol, entry)
    if symbol.startswith("/"):
        return Instrument(symbol, InstrumentClass.FUTURE, root, _USUAL_TICK, listed=Market.OTHER)
    return Instrument(symbol, InstrumentClass.INDEX if symbol[0] == "$" else InstrumentClass.EQUITY, root, _USUAL_TICK)


def instrument_in(overrides: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The facts for `symbol`, those of `overrides` first. Raises ValueError as `instrument_of`."""
    if not overrides:
        return instrument_of(symbol)
    found = overrides.get(symbol)
    if found is None:
        found = instrument_of(symbol)
        if found.root in overrides:
            found = replace(overrides[found.root], symbol=symbol)
    return replace(found, overrides=overrides)


def _root(symbol: str) -> str:
    match = _CONTRACT.fullmatch(symbol)
    return match.group(1) if match and match.group(1) != "/" else symbol


def _listed(symbol: str, entry: Entry) -> Instrument:
    tick_size = _USUAL_TICK if entry.tick_size is None else entry.tick_size
    return Instrument(
        symbol, InstrumentClass(entry.kind), entry.symbol, tick_size, entry.name, entry.multiplier, entry.plausible,
        Market(entry.market),
    )  # fmt: skip
