"""Rows to and from files: CSV and JSON, gzipped by their name, or Parquet; a written file is whole or not there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import IO, Any, NamedTuple

from tradeassistd.base.errors import PermanentError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.market.price import price_from_float, price_from_text, price_text
from tradeassistd.store.directory import FILE_MODE
from tradeassistd.store.transfer.tables import REQUIRED, Column, Table, Type

FORMATS = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")
JSON_BYTES_MAX = 256 << 20
"""A JSON array is read as a whole; a longer one has to come as lines."""
LINE_CHARACTERS_MAX = 16 << 20
STDOUT = Path("-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[Any, ...]


class Numbered(NamedTuple):
    """One row of a file, and where it stands there."""

    place: str
    row: Row


def format_of(path: Path, given: str = "") -> tuple[str, bool]:
    """(ending, gzipped) by the name of the file, or as given. Raises PermanentError when it is none of FORMATS."""
    name = path.name.lower()
    packed = name.endswith(".gz")
    ending = f".{given.lower().lstrip('.')}" if given else Path(name.removesuffix(".gz")).suffix
    if ending not in FORMATS or (ending == ".parquet" and (packed or path == STDOUT)):
        raise PermanentError(f"{path.name} has no ending that says what it is",
                             hint="Name it .csv, .json, .jsonl (these also with .gz) or .parquet")  # fmt: skip
    return ending, packed


def write_rows(path: Path, table: Table, rows: Iterable[Row], given: str = "") -> int:
    """Write all rows, gives how many. Raises PermanentError when the file cannot be written."""
    ending, packed = format_of(path, given)
    counted = _Counted(rows)
    with _target(path) as file:
        if ending == ".parquet":
            from tradeassistd.store.transfer.parquet import write_parquet

            write_parquet(file, table, counted)
        elif packed:
            with gzip.GzipFile(path.name.removesuffix(".gz"), "wb", 6, file, 0) as packer:
                _WRITERS[ending](packer, table, counted)
        else:
            _WRITERS[ending](file, table, counted)
    return counted.count


def read_rows(path: Path, table: Table, given: str = "") -> Iterator[Numbered]:
    """The rows of a file. Raises PermanentError naming file and row when one cannot be used."""
    ending, packed = format_of(path, given)
    try:
        if ending == ".parquet":
            from tradeassistd.store.transfer.parquet import read_parquet

            yield from read_parquet(path, table)
            return
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            yield from _READERS[ending](file, table, path.name)  # type: ignore[arg-type]
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise PermanentError(f"{path} is damaged: {error}", hint="Export it again") from error
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be read: {error.strerror or error}", hint="Name a readable file"
        ) from error


def text_of(value: Any, kind: Type) -> str:
    """A value as CSV writes it; empty when it is absent."""
    if value is None:
        return ""
    match kind:
        case Type.PRICE:
            return _price(value)
        case Type.INSTANT:
            return _iso(value) if value else ""
        case Type.TREE:
            return json.dumps(value, ensure_ascii=False)
        case Type.BOOLEAN:
            return "true" if value else "false"
        case Type.REAL:
            return repr(float(value))
        case _:
            return str(value)


# Prices and seconds repeat all day long; remembering them halves the time of an export.
_price = lru_cache(maxsize=65_536)(price_text)


def _iso(us: int) -> str:
    seconds, micros = divmod(us, US_PER_S)
    return f"{_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return iso(seconds * US_PER_S).partition(".")[0]


def value_of(given: Any, column: Column) -> Any:
    """What a cell of a CSV or JSON file says. Raises ValueError in words."""
    if isinstance(given, float) and isnan(given):
        given = None  # what many programs write for nothing
    if given is None or (given == "" and column.type is not Type.TEXT):
        if column.default is REQUIRED:
            raise ValueError(f"{column.name} is missing")
        return column.default
    try:
        return _VALUES[column.type](given)
    except (ValueError, TypeError, ArithmeticError):
        raise ValueError(f"{column.name}: {str(given)[:60]!r} is no {column.type.value}") from None


def _instant(given: Any) -> int:
    at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    if at.tzinfo is None:
        raise ValueError("an instant needs its zone")
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * US_PER_S + since.microseconds


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    return {"true": True, "false": False, "1": True, "0": False}[str(given).lower()] if str(given) else False


def _whole(given: Any) -> int:
    if isinstance(given, bool):
        raise ValueError("no number")
    number = Decimal(str(given))
    if number != number.to_integral_value():
        raise ValueError("not whole")
    return int(number)


def _real(given: Any) -> float:
    if isinstance(given, bool):
        raise ValueError("no number")
    return float(given)


def _known(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def checked(given: Any) -> Any:
        try:
            return read(given)
        except KeyError:
            raise ValueError("not known") from None

    return checked


_VALUES: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: str,
    Type.WHOLE: _whole,
    Type.REAL: _real,
    Type.BOOLEAN: _known(_boolean),
    Type.PRICE: lambda given: price_from_float(given) if isinstance(given, float) else price_from_text(str(given)),
    Type.INSTANT: _instant,
    Type.TREE: lambda given: json.loads(given) if isinstance(given, str) else given,
}


def row_of(cells: dict[str, Any], table: Table, place: str) -> Numbered:
    """The row that named cells make. Raises PermanentError with the place."""
    try:
        return Numbered(place, tuple(value_of(cells.get(column.name), column) for column in table.columns))
    except ValueError as error:
        raise PermanentError(
            f"{place}: {error}", hint="Repair or leave out that row; nothing of it was stored"
        ) from None


def check_columns(names: Iterable[str], table: Table, place: str) -> None:
    """Raises PermanentError when a file lacks a column that the table needs."""
    present = set(names)
    missing = [column.name for column in table.columns if column.default is REQUIRED and column.name not in present]
    if missing:
        raise PermanentError(f"{place}: {table.name} need a column {', '.join(missing)}",
                             hint=f"The columns are {', '.join(table.names)}")  # fmt: skip


def _write_csv(file: IO[bytes], table: Table, rows: Iterable[Row]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
    # A carriage return in a cell ends a line, too, and the writer quotes only for the line ends that it writes itself.
    plain, quoted = (csv.writer(text, lineterminator="\n", quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    plain.writerow(table.names)
    kinds = [column.type for column in table.columns]
    for row in rows:
        cells = [*map(text_of, row, kinds)]
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)
    text.flush()
    text.detach()


def _read_csv(file: IO[bytes], table: Table, name: str) -> Iterator[Numbered]:
    csv.field_size_limit(LINE_CHARACTERS_MAX)
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        try:
            check_columns(reader.fieldnames or (), table, f"{name}:1")
            for cells in reader:
                if None in cells or None in cells.values():
                    raise PermanentError(f"{name}:{reader.line_num}: not as many cells as there are columns",
                                         hint="Quote a cell that holds a comma")  # fmt: skip
                yield row_of(cells, table, f"{name}:{reader.line_num}")
        except csv.Error as error:
            hint = "Write it as CSV with a header line"
            raise PermanentError(f"{name}:{reader.line_num}: {error}", hint=hint) from None


def _json_cells(row: Row, table: Table) -> str:
    cells = []
    for column, value in zip(table.columns, row, strict=True):
        if column.type is Type.PRICE and value is not None:
            written = _price(value)  # a number with all its decimals: no float comes near it
        elif column.type is Type.INSTANT:
            written = f'"{_iso(value)}"' if value else "null"
        else:
            written = json.dumps(value, ensure_ascii=False)
        cells.append(f"{json.dumps(column.name)}:{written}")
    return f"{{{','.join(cells)}}}"


def _write_lines(file: IO[bytes], table: Table, rows: Iterable[Row]) -> None:
    for row in rows:
        file.write(f"{_json_cells(row, table)}\n".encode())


def _write_array(file: IO[bytes], table: Table, rows: Iterable[Row]) -> None:
    before = "[\n"
    for row in rows:
        file.write(f"{before}{_json_cells(row, table)}".encode())
        before = ",\n"
    file.write(b"[]\n" if before == "[\n" else b"\n]\n")


def _read_lines(file: IO[bytes], table: Table, name: str) -> Iterator[Numbered]:
    with io.TextIOWrapper(file, "utf-8-sig") as text:
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield _json_row(_decoded(line, f"{name}:{number}"), table, f"{name}:{number}")


def _read_array(file: IO[bytes], table: Table, name: str) -> Iterator[Numbered]:
    content = file.read(JSON_BYTES_MAX + 1)
    if len(content) > JSON_BYTES_MAX:
        raise PermanentError(f"{name} is larger than {JSON_BYTES_MAX >> 20} MiB", hint="Write it as .jsonl, row by row")
    rows = _decoded(content.decode("utf-8-sig"), name)
    if not isinstance(rows, list):
        raise PermanentError(
            f"{name} is no JSON array of rows", hint="Write [{...}, {...}], or one row a line as .jsonl"
        )
    for number, cells in enumerate(rows, start=1):
        yield _json_row(cells, table, f"{name}: row {number}")


def _decoded(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PermanentError(f"{place}: {error}", hint="Write it as JSON") from None


def _json_row(cells: Any, table: Table, place: str) -> Numbered:
    if not isinstance(cells, dict):
        raise PermanentError(f"{place} is no JSON object", hint='Write a row as {"column": value, ...}')
    check_columns(cells, table, place)
    trees = {column.name for column in table.columns if column.type is Type.TREE}
    plain = {
        name: json.dumps(_without_decimals(value)) if name in trees and value is not None else value
        for name, value in cells.items()
    }
    return row_of(plain, table, place)


def _without_decimals(value: Any) -> Any:
    """Numbers inside a tree are numbers, not prices."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_without_decimals(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_decimals(one) for key, one in value.items()}
    return value


class _Counted:
    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _target(path: Path) -> Iterator[IO[bytes]]:
    """The file to write to, which takes its name once it is whole; standard output for `-`."""
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            yield file
        scratch.replace(path)
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror or error}",
                             hint="Name a place with room that this user may write to") from error  # fmt: skip
    finally:
        scratch.unlink(missing_ok=True)


_WRITERS: dict[str, Callable[[Any, Table, Iterable[Row]], None]] = {
    ".csv": _write_csv, ".jsonl": _write_lines, ".ndjson": _write_lines, ".json": _write_array,
}  # fmt: skip
_READERS: dict[str, Callable[[IO[bytes], Table, str], Iterator[Numbered]]] = {
    ".csv": _read_csv, ".jsonl": _read_lines, ".ndjson": _read_lines, ".json": _read_array,
}  # fmt: skip
