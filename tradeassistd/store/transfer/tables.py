"""What is exported and imported: of each kind its columns, which are the same in every file format.

A value of a row is what the program works with: prices are scaled integers, instants UTC microseconds, JSON is the
tree itself. The file formats write them as decimals, as ISO 8601 in UTC, and as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

REQUIRED = object()
"""The default of a column that a file must have."""


class Type(Enum):
    """What a column holds; every value may be absent (None) unless the column is required."""

    TEXT = "text"
    WHOLE = "whole number"
    REAL = "number"
    BOOLEAN = "true or false"
    PRICE = "price"
    INSTANT = "instant"
    TREE = "json"


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: Type = Type.TEXT
    default: Any = REQUIRED
    """What a row without it gets; REQUIRED: there is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of thing."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows to export. Times are UTC microseconds; `until_us` is left out."""

    symbols: frozenset[str] = frozenset()
    """None: all."""
    interval: str = ""
    """Of bars; empty: all."""
    from_us: int = 0
    until_us: int = 2**62
    every_version: bool = False
    """Of rules: every accepted version, not only the one in force."""

    def takes(self, symbol: str) -> bool:
        return not self.symbols or symbol in self.symbols


ALERTS = Table("alerts", (
    Column("id"), Column("time", Type.INSTANT), Column("position", Type.WHOLE, 0), Column("rule"), Column("symbol"),
    Column("level", Type.WHOLE, 0), Column("severity"), Column("title"), Column("text", default=""),
    Column("description", default=""), Column("kind"), Column("state"), Column("suppressed", default=""),
    Column("value", Type.REAL, None), Column("unit", default=""), Column("price", Type.PRICE, None),
    Column("since", Type.INSTANT, 0), Column("late", Type.BOOLEAN, False), Column("tell", Type.BOOLEAN, False),
    Column("rule_title", default=""), Column("message", default=""), Column("fingerprint"),
    Column("rules_hash", default=""), Column("operands", Type.TREE, []), Column("setup", Type.TREE, []),
    Column("deliveries", Type.TREE, []),
))  # fmt: skip
BARS = Table("bars", (
    Column("symbol"), Column("interval"), Column("session", default="always"), Column("start", Type.INSTANT),
    Column("end", Type.INSTANT, None), Column("open", Type.PRICE), Column("high", Type.PRICE),
    Column("low", Type.PRICE), Column("close", Type.PRICE), Column("volume", Type.WHOLE, 0),
    Column("trades", Type.WHOLE, 0), Column("source", default="rest"),
))  # fmt: skip
TICKS = Table("ticks", (
    Column("time", Type.INSTANT), Column("symbol"), Column("last", Type.PRICE, None), Column("bid", Type.PRICE, None),
    Column("ask", Type.PRICE, None), Column("bid_size", Type.WHOLE, None), Column("ask_size", Type.WHOLE, None),
    Column("volume", Type.WHOLE, None), Column("trade_time", Type.INSTANT, None),
    Column("quote_time", Type.INSTANT, None), Column("size", Type.WHOLE, None), Column("changed", Type.WHOLE, 0),
))  # fmt: skip
RULES = Table("rules", (
    Column("file"), Column("text"), Column("rules_hash", default=""), Column("git_commit", default=""),
    Column("accepted", Type.INSTANT, None),
))  # fmt: skip
SETTINGS = Table("settings", (Column("key"), Column("value", Type.TREE)))

TABLES = {table.name: table for table in (ALERTS, BARS, TICKS, RULES, SETTINGS)}
