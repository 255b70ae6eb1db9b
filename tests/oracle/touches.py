"""What an event sets, and what a condition depends on: together, when a value may have moved."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle.events import Event, Facts, Row
from tests.oracle.expression import Day, Flag, Look, Node, OfBars, Quote, Vwap, read_by
from tests.oracle.world import is_running_extreme

_QUOTE_FIELDS = {
    "price": ("price",),
    "bid": ("bid",),
    "ask": ("ask",),
    "mark": ("price", "bid", "ask"),
    "age": ("row",),
    "minutes_to_close": (),
    "settle": ("facts",),
    "net_change": ("price", "facts"),
    "net_pct": ("price", "facts"),
}


def touched(event: Event) -> Iterator[tuple[str, str]]:
    """(symbol, what) that an event sets; the symbol "" stands for every one."""
    match event:
        case Row(symbol=symbol, fields=fields):
            yield symbol, "row"
            yield from ((symbol, name) for name in fields)
            if event.image:
                yield symbol, "cut"
        case Facts(symbol=symbol):
            yield symbol, "facts"


def read(node: Node, symbol: str) -> Iterator[tuple[str, str]]:
    """(symbol, what) that a condition depends on."""
    for of, one in read_by(node, symbol):
        yield of, "cut"
        if is_running_extreme(one):
            yield of, "row"  # beside a live quote it changes with each
        match one:
            case Quote(name):
                yield from ((of, what) for what in _QUOTE_FIELDS.get(name, ("bid", "ask")))
            case Look(_, name, _):
                yield from ((of, what) for what in _QUOTE_FIELDS.get(name, ("bid", "ask")))
            case Day("day", "volume"):
                yield from ((of, "volume"), (of, "facts"))
            case Day():
                yield from ((of, "price"), (of, "facts"))
            case Flag():
                yield of, "facts"
            case Vwap():
                yield from ((of, "price"), (of, "facts"))
            case OfBars(live=True):
                yield of, "price"
