"""What the market really made, kept on disk: a soak measures the daemon's memory in the same process."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from tests.soak.rules import SYMBOLS
from tradeassistd.market.price import price_from_text
from tradeassistd.sim.market import Batch, Market

_ROW = struct.Struct("<qqHH")


class Row(NamedTuple):
    """A trade, or a new value of an index. `contract` numbers the contracts of a root."""

    at_us: int
    price: int
    contract: int


class Truth:
    """Use as a context; hand `see` to the simulator."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._contracts: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def see(self, batch: Batch) -> None:
        """Keep what concerns the soak's rules."""
        for change in batch.changes:
            listing, fields = change.level_one.listing, dict(change.fields)
            symbol = next((key for key in SYMBOLS if key in listing.keys), None)
            if symbol is None or listing.layout.trade_ms not in fields:
                continue
            price = fields.get(listing.layout.last) or change.level_one.values[listing.layout.last]
            self._put(batch.at_us, symbol, listing.symbol, price)

    def begin(self, market: Market) -> None:
        """Keep where each symbol stands before the first change."""
        for symbol in SYMBOLS:
            level_one = market.find(symbol)
            assert level_one is not None
            listing = level_one.listing
            self._put(market.start_us, symbol, listing.symbol, level_one.values[listing.layout.last])

    def _put(self, at_us: int, symbol: str, contract: str, price: str) -> None:
        if contract not in self._contracts:
            self._contracts.append(contract)
        place = self._contracts.index(contract)
        self._file.write(_ROW.pack(at_us, price_from_text(price), SYMBOLS.index(symbol), place))

    def of(self, symbol: str) -> Iterator[Row]:
        """The symbol's rows in order."""
        self._file.flush()
        wanted = SYMBOLS.index(symbol)
        with self._path.open("rb") as file:
            while chunk := file.read(_ROW.size * 4096):
                for at_us, price, place, contract in _ROW.iter_unpack(chunk):
                    if place == wanted:
                        yield Row(at_us, price, contract)
