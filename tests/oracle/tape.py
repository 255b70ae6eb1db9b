"""The ordered events a recorded tick file becomes: images, clock seconds, rows, cuts, each with its event time."""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.oracle import events as plain
from tests.oracle.events import US_PER_S

COLUMNS = ["ts_ns", "symbol", "price", "size", "bid", "ask", "bid_size", "ask_size"]
Cut = tuple[int, float]  # (at_us, for_s)


class Row(NamedTuple):
    """One row of a tick file; a trade has price and size, a blank side of the quote is None."""

    at_ns: int
    price: Fraction | None
    size: int
    bid: Fraction | None
    ask: Fraction | None

    @property
    def at_ms(self) -> int:
        return self.at_ns // 1_000_000


class Held(NamedTuple):
    """What is known of the symbol at an instant; None is unknown."""

    price: Fraction | None = None
    bid: Fraction | None = None
    ask: Fraction | None = None


UNKNOWN = Held()


class Kind(Enum):
    """What an event is."""

    IMAGE = "image"  # the connection's first full quote: state, no trade
    CLOCK = "clock"  # a whole second
    ROW = "row"
    CUT = "cut"  # the feed is lost: no event of the market, it takes no event time


class Event(NamedTuple):
    """One event. `held` is what is known after it; `cuts` counts the cuts so far.

    `exchange_us` is the exchange time of a row, `size` of its trade (0 is none); `whole_from_us` is the instant since
    which the feed holds no gap.
    """

    kind: Kind
    event_us: int
    held: Held
    cuts: int = 0
    exchange_us: int = 0
    size: int = 0
    whole_from_us: int = 0


def read_rows(path: Path) -> list[Row]:
    """The rows of a tick file in the format of data/README.md.

    Raises ValueError where the file breaks that format: other columns, several symbols, time running backwards, a price
    without a size.
    """
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if header != COLUMNS:
        raise ValueError(f"{path.name}: not a tick file: {header}")
    rows, symbols = [], set()
    for at_ns, symbol, price, size, bid, ask, _, _ in reader:
        symbols.add(symbol)
        rows.append(Row(int(at_ns), _price(price), int(size or 0), _price(bid), _price(ask)))
    if len(symbols) > 1:
        raise ValueError(f"{path.name}: several symbols: {sorted(symbols)}")
    for before, row in pairwise(rows):
        if row.at_ns < before.at_ns:
            raise ValueError(f"{path.name}: time runs backwards at {row.at_ns}")
    for row in rows:
        if (row.price is None) != (row.size == 0):
            raise ValueError(f"{path.name}: a price without a size, or a size without a price, at {row.at_ns}")
    return rows


def after(held: Held, row: Row) -> Held:
    """The state after a row: a trade sets the price; a blank side keeps what it was; a side of 0 is none."""
    price, bid, ask = held
    if row.price is not None:
        price = row.price
    if row.bid is not None:
        bid = row.bid or None
    if row.ask is not None:
        ask = row.ask or None
    return Held(price, bid, ask)


def events(rows: Sequence[Row], cuts: Iterable[Cut] = ()) -> list[Event]:
    """Every event in order. Raises ValueError for cuts that overlap or start before the first row."""
    return list(_number(_arrivals(rows, _gaps(rows, cuts)))) if rows else []


def recorded_events(rows: Sequence[Row], symbol: str, cuts: Iterable[Cut] = ()) -> list[plain.Event]:
    """The same as plain events of that symbol."""
    found: list[plain.Event] = []
    before = UNKNOWN
    for event in events(rows, cuts):
        held = event.held._asdict()
        if event.kind is Kind.CUT:
            found.append(plain.Gap(event.event_us, event.whole_from_us, (symbol,), timeless=True))
        elif event.kind is Kind.CLOCK:
            found.append(plain.Clock(event.event_us))
        elif event.kind is Kind.IMAGE:
            found.append(plain.Row(event.event_us, symbol, held, None, event.exchange_us, image=True))
        else:
            changed = {name: value for name, value in held.items() if value != getattr(before, name)}
            if event.size:
                changed["price"] = event.held.price
            found.append(plain.Row(event.event_us, symbol, changed, event.size or None, event.exchange_us))
        before = event.held
    return found


class _Arrival(NamedTuple):
    """Something that comes in: a row, an image, or the loss of the feed; sorts by time, `rank` among equals."""

    at_ns: int
    rank: int
    kind: Kind
    held: Held
    size: int = 0
    whole_from_us: int = 0


def _gaps(rows: Sequence[Row], cuts: Iterable[Cut]) -> list[tuple[int, int]]:
    """The cuts as [from, until) in nanoseconds."""
    gaps = [(at_us * 1000, (at_us + round(for_s * US_PER_S)) * 1000) for at_us, for_s in cuts]
    previous_ns = rows[0].at_ns + 1
    for at_ns, until_ns in gaps:
        if at_ns < previous_ns or until_ns <= at_ns:
            raise ValueError("cuts must follow the first row and one another, and last longer than nothing")
        previous_ns = until_ns
    return gaps


def _arrivals(rows: Sequence[Row], gaps: Sequence[tuple[int, int]]) -> list[_Arrival]:
    """The rows that arrive, the first image, and each cut with the image that ends it, in order of arrival."""
    arrivals = [_Arrival(rows[0].at_ns, 0, Kind.IMAGE, UNKNOWN)]
    shown = [UNKNOWN]  # what the exchange shows after the first n rows, seen or not
    for row in rows:
        shown.append(after(shown[-1], row))
        if not any(at_ns <= row.at_ns < until_ns for at_ns, until_ns in gaps):
            arrivals.append(_Arrival(row.at_ns, 2, Kind.ROW, shown[-1], row.size))
    for at_ns, until_ns in gaps:
        rows_before = bisect_left(rows, until_ns, key=lambda row: row.at_ns)
        arrivals.append(_Arrival(at_ns, 1, Kind.CUT, UNKNOWN, 0, until_ns // 1000))
        arrivals.append(_Arrival(until_ns, 0, Kind.IMAGE, shown[rows_before]))
    return sorted(arrivals, key=lambda arrival: arrival[:2])  # stable: rows of one instant stay in file order


def _number(arrivals: Iterable[_Arrival]) -> Iterator[Event]:
    """Gives event times, and puts the whole seconds of the clock between the arrivals.

    A second that an image or a row falls on comes before it; one that a cut falls on lies in the gap.
    """
    held, cuts, whole_from_us = UNKNOWN, 0, 0
    previous_us: int | None = None
    for arrival in arrivals:
        at_us = arrival.at_ns // 1_000_000 * 1000
        lost = arrival.kind is Kind.CUT
        if previous_us is None:
            previous_us = at_us - 1
        else:
            until_us = -(-arrival.at_ns // 1000) if lost else at_us + 1
            for second_us in range((previous_us // US_PER_S + 1) * US_PER_S, until_us, US_PER_S):
                yield Event(Kind.CLOCK, second_us, held, cuts, 0, 0, whole_from_us)
                previous_us = second_us
        held = arrival.held
        if lost:
            cuts, whole_from_us = cuts + 1, arrival.whole_from_us
            yield Event(Kind.CUT, arrival.at_ns // 1000, held, cuts, 0, 0, whole_from_us)
            continue
        previous_us = max(at_us, previous_us + 1)
        yield Event(arrival.kind, previous_us, held, cuts, at_us, arrival.size, whole_from_us)


@lru_cache(maxsize=4096)
def _price(text: str) -> Fraction | None:
    return Fraction(text) if text else None
