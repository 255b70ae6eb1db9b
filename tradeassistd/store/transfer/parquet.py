"""Rows to and from Parquet, with pyarrow where it is installed (`tradeassistd[parquet]`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any

from tradeassistd.base.errors import PermanentError
from tradeassistd.market.price import PRICE_DECIMALS
from tradeassistd.store.transfer.files import Numbered, Row, check_columns, row_of, text_of
from tradeassistd.store.transfer.tables import Column, Table, Type

try:
    import pyarrow
    import pyarrow.parquet
except ImportError:
    pyarrow = None

ROWS_AT_ONCE = 50_000
PRICE_DIGITS = 26
"""More than 64 bits need; every price is exact in it."""


def write_parquet(file: IO[bytes], table: Table, rows: Iterable[Row]) -> None:
    """Prices as decimals, instants as timestamps in UTC, trees as JSON text."""
    _require()
    schema = pyarrow.schema([(column.name, _type(column)) for column in table.columns])
    remaining = iter(rows)
    try:
        with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            while some := [*islice(remaining, ROWS_AT_ONCE)]:
                columns = zip(table.columns, zip(*some, strict=True), strict=True)
                arrays = [pyarrow.array([*map(_to_arrow(column), values)], _type(column)) for column, values in columns]
                writer.write_table(pyarrow.table(arrays, schema=schema))
    except (pyarrow.ArrowInvalid, OverflowError) as error:
        raise PermanentError(f"a number is too large for Parquet: {error}", hint="Export it as CSV") from error


def read_parquet(path: Path, table: Table) -> Iterator[Numbered]:
    """The rows; a column may have any type whose values say the same. Raises PermanentError."""
    _require()
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            check_columns(names, table, path.name)
            number = 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[name for name in table.names if name in names]):
                for cells in batch.to_pylist():
                    number += 1
                    yield row_of(cells, table, f"{path.name}: row {number}")
    except pyarrow.ArrowException as error:
        raise PermanentError(f"{path} is no Parquet file that can be read: {error}", hint="Write it again") from error


def _require() -> None:
    if pyarrow is None:
        raise PermanentError("Parquet needs pyarrow, which is not installed",
                             hint="pip install 'tradeassistd[parquet]', or name a .csv or .jsonl file")  # fmt: skip


def _type(column: Column) -> Any:
    match column.type:
        case Type.PRICE:
            return pyarrow.decimal128(PRICE_DIGITS, PRICE_DECIMALS)
        case Type.INSTANT:
            return pyarrow.timestamp("us", "UTC")
        case Type.WHOLE:
            return pyarrow.int64()
        case Type.REAL:
            return pyarrow.float64()
        case Type.BOOLEAN:
            return pyarrow.bool_()
        case _:
            return pyarrow.string()


def _to_arrow(column: Column) -> Any:
    match column.type:
        case Type.PRICE:
            return lambda value: None if value is None else Decimal(value).scaleb(-PRICE_DECIMALS)
        case Type.INSTANT:
            return lambda value: value or None
        case Type.TREE:
            return lambda value: text_of(value, Type.TREE)
        case _:
            return lambda value: value
