"""A market that plays recorded tick files: each row becomes exactly one content item, in the order of the file.

Rows of one millisecond share a frame. A row with a price sets LAST, LAST_SIZE and the trade time and adds its size to
TOTAL_VOLUME; a row with a bid or an ask sets the quote and its time. The time of what the row is about is always sent,
so that a row that repeats the one before is still one item. An index has no sizes and no quotes: its rows are samples.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_MS
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.price import price_text
from tradeassistd.market.recorded import RecordedTick, first_seen, read_ticks
from tradeassistd.sim.contracts import Contract, contract_from_code
from tradeassistd.sim.listing import Listing, listing_of
from tradeassistd.sim.market import Batch, Change, Fields, LevelOne

_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000

_text = lru_cache(maxsize=65_536)(price_text)


class RecordedMarket:
    """Plays one or more tick files, merged by time.

    Equities keep their names. A futures code such as `ESH4` is served as the contract `/ESH24` and, when it is the
    nearest contract of the files, as the root `/ES` too. `as_symbol` puts every row under one Schwab symbol instead: a
    contract also answers to its root, a root also to the contract in front on that day. Before the first row prices
    and volume are 0, Schwab's "none yet".

    Raises ConfigError when a file cannot be opened, is empty, or holds a symbol Schwab has no way to write;
    PermanentError when a row cannot be used.
    """

    def __init__(self, paths: Path | str | Sequence[Path | str], as_symbol: str | None = None) -> None:
        files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        seen = [(code, ns // _NS_PER_US, path) for path in files for code, ns in first_seen(path).items()]
        if not seen:
            raise ConfigError(
                f"no rows to play in {', '.join(map(str, files)) or 'no file'}", hint="give a tick file that holds rows"
            )
        self._start_us = _whole_ms(min(at_us for _, at_us, _ in seen))
        self._of_code = _records(seen, as_symbol)
        self._of_key = {key: record for record in self._of_code.values() for key in record.listing.keys}
        self._volume = dict.fromkeys(self._of_code.values(), 0)
        self._rows: Iterator[RecordedTick] = heapq.merge(*map(read_ticks, files), key=lambda row: row.ts_ns)
        self._next: RecordedTick | None = next(self._rows, None)
        self.rows_passed = 0
        self._files = files
        self._first: dict[LevelOne, int] | None = None

    @property
    def start_us(self) -> int:
        return self._start_us

    @property
    def seed(self) -> int:
        return 0

    @property
    def symbols(self) -> list[str]:
        return list(self._of_key)

    def first_price(self, key: str) -> int:
        if self._first is None:
            self._first = self._first_prices()
        record = self._of_key.get(key)
        return self._first.get(record, 0) if record is not None else 0

    def find(self, key: str) -> LevelOne | None:
        return self._of_key.get(key)

    def next_us(self) -> int | None:
        return None if self._next is None else self._next.ts_ns // _NS_PER_US

    def step(self, before_us: int) -> Batch:
        row = self._next
        if row is None:
            raise ValueError("the recording is over")
        stamp_ms = row.ts_ns // _NS_PER_MS
        end_ns = min((stamp_ms + 1) * _NS_PER_MS, before_us * _NS_PER_US)
        changes = []
        while row is not None and row.ts_ns < end_ns:
            changes.append(self._apply(row, str(stamp_ms)))
            row = next(self._rows, None)
        self._next = row
        self.rows_passed += len(changes)
        return Batch(stamp_ms * US_PER_MS, changes)

    def _first_prices(self) -> dict[LevelOne, int]:
        """Read once, as far as it takes to find a price of each record."""
        found: dict[LevelOne, int] = {}
        for row in heapq.merge(*map(read_ticks, self._files), key=lambda row: row.ts_ns):
            if row.price:
                found.setdefault(self._of_code[row.symbol], row.price)
                if len(found) == len(self._volume):
                    break
        return found

    def _apply(self, row: RecordedTick, stamp: str) -> Change:
        record = self._of_code[row.symbol]
        layout = record.listing.layout
        if not record.listing.instrument.has_volume:
            sampled: Fields = [] if row.price is None else [(layout.last, _text(row.price))]
            return Change(record, record.put(sampled, [(layout.trade_ms, stamp)]))
        fields: Fields = []
        times: Fields = []
        if row.price is not None:
            volume = self._volume[record] = self._volume[record] + (row.size or 0)
            fields += (
                (layout.last, _text(row.price)),
                (layout.last_size, str(row.size or 0)),
                (layout.volume, str(volume)),
            )
            times.append((layout.trade_ms, stamp))
        if row.bid is not None or row.ask is not None:
            # A side that the source left blank is unknown, which Schwab writes as 0.
            fields += (
                (layout.bid, _text(row.bid or 0)),
                (layout.ask, _text(row.ask or 0)),
                (layout.bid_size, str(row.bid_size or 0)),
                (layout.ask_size, str(row.ask_size or 0)),
            )
            times.append((layout.quote_ms, stamp))
        return Change(record, record.put(fields, times or [(layout.quote_ms, stamp)]))


def _whole_ms(us: int) -> int:
    return us // US_PER_MS * US_PER_MS


def _records(seen: Iterable[tuple[str, int, Path]], as_symbol: str | None) -> dict[str, LevelOne]:
    """The record of each code in the files; codes that mean the same instrument share one."""
    meant = [(code, *_meaning(as_symbol or code, at_us, path), at_us) for code, at_us, path in seen]
    front: dict[str, Contract] = {}
    for _, _, contract, _ in meant:
        if contract is not None:
            nearest = front.setdefault(contract.root, contract)
            front[contract.root] = min(nearest, contract, key=lambda one: one.expiry)
    records: dict[str, LevelOne] = {}
    of_code: dict[str, LevelOne] = {}
    for code, symbol, contract, at_us in meant:
        in_front = contract is None or front[contract.root] == contract
        listing: Listing = listing_of(symbol, at_us, contract, in_front=in_front)
        of_code[code] = records.setdefault(listing.symbol, LevelOne(listing))
    return of_code


def _meaning(code: str, at_us: int, path: Path) -> tuple[str, Contract | None]:
    """Schwab's symbol for a file's, and its contract when the file names one."""
    contract = contract_from_code(code, at_us)
    symbol = contract.symbol if contract else code
    try:
        instrument = instrument_of(symbol)
    except ValueError:
        raise ConfigError(
            f"{path}: Schwab has no symbol {code!r}", hint="say which symbol to serve it as, for example /ES or SPY"
        ) from None
    return symbol, contract if instrument.kind is InstrumentClass.FUTURE else None
