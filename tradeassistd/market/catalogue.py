"""What is known of instruments without asking Schwab: the table in catalogue.csv, one line for each symbol or root.

Tick sizes and point values are those of the exchanges' contract specifications; a cell is empty where nothing is known
for certain. `low` and `high` bound what a value can plausibly be, bounds included, over decades: an order of magnitude
around all that was ever seen. Crude oil has room below zero, where it was on 20 April 2020. Funds that are leveraged,
inverse or of volatility have no bounds, for their splits multiply what their history shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tradeassistd.market.price import price_from_text


class Entry(NamedTuple):
    """One line of the catalogue. `symbol` is a root for futures; prices are scaled; None and 0 are unknown."""

    symbol: str
    name: str
    kind: str
    """A word of instrument.InstrumentClass."""
    market: str
    """A word of instrument.Market."""
    tick_size: int | None
    multiplier: Fraction
    """What one point of one contract is worth, in the currency of the contract."""
    plausible: tuple[int, int] | None


def entry_of(symbol: str) -> Entry | None:
    """The entry of a symbol, or of a root for futures; None when the catalogue does not know it."""
    return _entries().get(symbol)


def entries() -> Iterator[Entry]:
    """All entries, in the order of the table: futures by market, indices, internals, funds, stocks."""
    yield from _entries().values()


@cache
def _entries() -> dict[str, Entry]:
    text = files(__package__).joinpath("catalogue.csv").read_text("utf-8")
    lines = (line.split(",") for line in text.splitlines()[1:])
    return {line[0]: _entry(*line) for line in lines}


def _entry(symbol: str, name: str, kind: str, market: str, tick: str, multiplier: str, low: str, high: str) -> Entry:
    tick_size = price_from_text(tick) if tick else None
    plausible = (price_from_text(low), price_from_text(high)) if low else None
    return Entry(symbol, name, kind, market, tick_size, Fraction(multiplier or 0), plausible)
