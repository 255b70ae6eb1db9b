"""The input of a test as steps in market time: rows, slow values, and what is no row, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from typing import Any

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.rules.testing.history import history_rows
from tradeassistd.rules.testing.model import FACTS, BarsItem, EventItem, FactsItem, SetItem, ValuesItem
from tradeassistd.rules.testing.test_file import Item

DEFAULT_SIZE = 1
"""Size of a trade for which none is written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One change of a quote; `size` makes it a trade. Prices and sizes by their name in a test."""

    symbol: str
    values: Mapping[str, Decimal]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Slow values, by their name in market.quote.Change; `volume` is Schwab's total so far."""

    symbol: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that is no row: gap, resume (the end of a gap), restart, started (its end), roll, ack, silence."""

    event: str
    symbol: str = ""
    rule: str = ""
    contract: str = ""
    tag: str = ""
    until_us: int = 0
    """When it is over."""


Action = Row | Told | Happening


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One action at its time (UTC microseconds); of one instant, in written order."""

    at_us: int
    order: tuple[int, int]
    action: Action = field(compare=False)


def steps(items: Iterable[Item], start_us: int, facts_of: Callable[[str], Instrument] = instrument_of) -> list[Step]:
    """All items side by side, by time. Slow values without a time come before everything else."""
    return sorted(
        Step(at_us, (0 if isinstance(action, Told) else 1, number), action)
        for number, item in enumerate(items)
        for at_us, action in _of(item, start_us, facts_of)
    )


def end_s(items: Iterable[Item]) -> int:
    """How long the input lasts, in whole seconds from the start: the last value of a series holds one interval."""
    ends = [0]
    for item in items:
        match item:
            case ValuesItem():
                ends.append(item.at + item.every * len(item.values))
            case EventItem():
                ends.append(item.at + item.for_)
            case SetItem() | FactsItem():
                ends.append(item.at)
    return max(ends)


def _of(item: Item, start_us: int, facts_of: Callable[[str], Instrument]) -> Iterator[tuple[int, Action]]:
    match item:
        case ValuesItem():
            yield from _series(item, start_us)
        case SetItem():
            yield from _one_row(item, start_us + item.at * US_PER_S)
        case BarsItem():
            for at_us, price, size in history_rows(item, facts_of(item.symbol), start_us):
                yield at_us, Row(item.symbol, {"price": price}, size)
        case FactsItem():
            told = {
                "volume" if name == "day.volume" else FACTS.get(name, name): one for name, one in item.facts.items()
            }
            yield start_us + item.at * US_PER_S, Told(item.symbol, told)
        case EventItem():
            yield from _event(item, start_us + item.at * US_PER_S)


def _series(item: ValuesItem, start_us: int) -> Iterator[tuple[int, Action]]:
    sizes = cycle(item.size or (Decimal(DEFAULT_SIZE),))
    for number, value in enumerate(item.values):
        if value is None:
            continue
        size = int(next(sizes) or 0) if item.field == "price" else None
        yield start_us + (item.at + number * item.every) * US_PER_S, Row(item.symbol, {item.field: value}, size)


def _one_row(item: SetItem, at_us: int) -> Iterator[tuple[int, Action]]:
    values = {name: Decimal(one) for name, one in item.set.items() if name not in ("size", "halted")}
    if "halted" in item.set:
        yield at_us, Told(item.symbol, {"status": "Halted" if item.set["halted"] else "Normal"})
    if values or "size" in item.set:
        trades = "price" in item.set or "size" in item.set
        yield at_us, Row(item.symbol, values, item.set.get("size", DEFAULT_SIZE) if trades else None)


def _event(item: EventItem, at_us: int) -> Iterator[tuple[int, Action]]:
    end_us = at_us + item.for_ * US_PER_S
    yield at_us, Happening(item.event, item.symbol, item.rule, item.contract, item.tag, end_us)
    if item.event == "gap":
        yield end_us, Happening("resume", item.symbol)
    elif item.event == "restart":
        yield end_us, Happening("started")
