"""Reads recorded market data: tick files and bar files, plain CSV or gzipped, one row at a time.

Tick files have the columns `ts_ns,symbol,price,size,bid,ask,bid_size,ask_size` (UTC nanoseconds, never falling; a blank
price is a row with only a quote, a blank bid or ask says that the source had none). Bar files have
`ts,symbol,open,high,low,close,volume`, `ts` being the UTC millisecond in which the bar opened. Prices are plain
decimals and come out as scaled integers (market.price).
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TextIO

from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.market.price import price_from_text

TICK_COLUMNS = ("ts_ns", "symbol", "price", "size", "bid", "ask", "bid_size", "ask_size")
BAR_COLUMNS = ("ts", "symbol", "open", "high", "low", "close", "volume")

_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class RecordedTick(NamedTuple):
    """One row of a tick file. Prices are scaled integers; None stands for a blank."""

    ts_ns: int
    symbol: str
    price: int | None
    size: int | None
    bid: int | None
    ask: int | None
    bid_size: int | None
    ask_size: int | None


class RecordedBar(NamedTuple):
    """One row of a bar file. `ts_ms` is when the bar opened; prices are scaled integers."""

    ts_ms: int
    symbol: str
    open: int
    high: int
    low: int
    close: int
    volume: int


def read_ticks(path: Path | str) -> Iterator[RecordedTick]:
    """The rows of a tick file, in order.

    Raises ConfigError when the file cannot be opened or has other columns, PermanentError naming file and line when a
    row cannot be used or its time lies before the row above.
    """
    previous_ns = 0
    for line, row in _rows(Path(path), TICK_COLUMNS):
        try:
            ts, symbol, price, size, bid, ask, bid_size, ask_size = row
            tick = RecordedTick(
                _whole(ts), _symbol(symbol), _price_or_none(price), _whole_or_none(size),
                _price_or_none(bid), _price_or_none(ask), _whole_or_none(bid_size), _whole_or_none(ask_size),
            )  # fmt: skip
        except ValueError as error:
            raise _unusable(path, line, str(error)) from None
        if tick.ts_ns < previous_ns:
            raise _unusable(path, line, f"time {tick.ts_ns} lies before the row above ({previous_ns})")
        previous_ns = tick.ts_ns
        yield tick


def read_bars(path: Path | str) -> Iterator[RecordedBar]:
    """The rows of a bar file, in order; several symbols may stand side by side. Raises as `read_ticks` does."""
    for line, row in _rows(Path(path), BAR_COLUMNS):
        try:
            ts, symbol, opened, high, low, close, volume = row
            yield RecordedBar(
                _whole(ts), _symbol(symbol), _price(opened), _price(high), _price(low), _price(close), _whole(volume)
            )
        except ValueError as error:
            raise _unusable(path, line, str(error)) from None


def first_seen(path: Path | str) -> dict[str, int]:
    """The symbols of a tick file and the nanosecond of each one's first row, in order of appearance.

    Reads the file once without looking at prices. Raises as `read_ticks` does.
    """
    seen: dict[str, int] = {}
    for line, row in _rows(Path(path), TICK_COLUMNS):
        if row[1] not in seen:
            try:
                seen[_symbol(row[1])] = _whole(row[0])
            except ValueError as error:
                raise _unusable(path, line, str(error)) from None
    return seen


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each data row; every row has as many cells as there are columns."""
    with _open(path) as file:
        reader = csv.reader(file)
        try:
            header = next(reader, [])
            if tuple(header) != columns:
                raise ConfigError(
                    f"{path}:1: the columns are {','.join(header)!r}",
                    hint=f"the first line must be {','.join(columns)}",
                )
            for row in reader:
                if len(row) == len(columns):
                    yield reader.line_num, row
                elif row:
                    raise _unusable(path, reader.line_num, f"{len(row)} cells where {len(columns)} are due")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise _unusable(path, reader.line_num + 1, f"cannot be read on: {error}") from error


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="ascii", newline="")
        return path.open(encoding="ascii", newline="")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}", hint="give the path of a recorded .csv or .csv.gz file"
        ) from error


def _unusable(path: Path | str, line: int, what: str) -> PermanentError:
    return PermanentError(f"{path}:{line}: {what}", hint="repair or leave out that line, or record the file again")


def _symbol(text: str) -> str:
    if not text:
        raise ValueError("the symbol is blank")
    return text


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


# Prices and sizes repeat all day long; remembering them saves most of the reading time.
@lru_cache(maxsize=65_536)
def _price(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a plain decimal")
    return price_from_text(text)


@lru_cache(maxsize=65_536)
def _price_or_none(text: str) -> int | None:
    return _price(text) if text else None


@lru_cache(maxsize=65_536)
def _whole_or_none(text: str) -> int | None:
    return _whole(text) if text else None
