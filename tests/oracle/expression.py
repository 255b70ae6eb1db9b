"""The oracle's own conditions: a small tree, written in Python beside the YAML text it stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction

QUOTE = (
    "price", "bid", "ask", "mid", "mark", "spread", "spread_pct", "age", "minutes_to_close", "net_change", "net_pct",
    "settle",
)  # fmt: skip
LIVE_QUOTES = ("price", "mark", "mid", "bid", "ask")
"""Beside these a running extreme has its value from before the row."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; 1 % is 0.01. `text` is how a rule file writes it."""

    value: Fraction
    text: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ticks:
    """`4t`: so many tick sizes of the rule's symbol."""

    count: Fraction


@dataclass(frozen=True, slots=True)
class Named:
    """A name of the rule's `values`."""

    name: str


@dataclass(frozen=True, slots=True)
class Quote:
    """One of QUOTE."""

    name: str


@dataclass(frozen=True, slots=True)
class Day:
    """`day.high`, `prev_day.close`, `rth.low`, `prev_rth.open`, `overnight.high`, `prev_week.low`, `year.high`."""

    group: str
    line: str


@dataclass(frozen=True, slots=True)
class OpeningRange:
    """`opening_range(15m).high`; of `rth` unless a session word is given."""

    duration_s: int
    line: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Vwap:
    """`vwap()`, `vwap(rth)`."""

    session: str | None = None


@dataclass(frozen=True, slots=True)
class OfBars:
    """`function(field, n, more.., interval, session, live).line[back]`; `field(interval)` where function is empty.

    `more` holds further arguments: slow and signal lengths of macd, the width of bollinger. atr and rvol have no field.
    """

    function: str
    field: str
    n: int
    interval: str
    session: str | None = None
    back: int = 0
    live: bool = False
    more: tuple[Fraction, ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """`pct_change(price, D)`, `change`, `highest`, `lowest` of a quote over the last D."""

    function: str
    quote: str
    duration_s: int


@dataclass(frozen=True, slots=True)
class Count:
    """`count(EVENT, D)`."""

    event: Condition
    duration_s: int


@dataclass(frozen=True, slots=True)
class Streak:
    """`streak(STATE, interval)`."""

    state: Condition
    interval: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left + right` and so on; `operator` is one of + - * /."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Apply:
    """`abs`, `min`, `max`, `pct_from` of values; `-` is the unary minus."""

    function: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Sym:
    """`sym($VIX).inner`."""

    symbol: str
    inner: Value


Value = (
    Number
    | Ticks
    | Named
    | Quote
    | Day
    | OpeningRange
    | Vwap
    | OfBars
    | Look
    | Count
    | Streak
    | Arithmetic
    | Apply
    | Sym
)


@dataclass(frozen=True, slots=True)
class Compare:
    """`left < right` and so on: a state."""

    left: Value
    operator: str
    right: Value


@dataclass(frozen=True, slots=True)
class Within:
    """`left inside [low, high]`, bounds included; `outside` where `inside` is false: a state."""

    left: Value
    low: Value
    high: Value
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Flag:
    """`halted`, of the rule's symbol or of another: a state."""

    name: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Cross:
    """`left crosses any levels` (`kind` crosses, crosses_above, crosses_below or reaches): an event."""

    left: Value
    kind: str
    levels: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """`left enters [low, high]`, `exits`: an event."""

    left: Value
    kind: str
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class Seq:
    """`seq(EVENT, EVENT, .., within=D)`: an event."""

    events: tuple[Condition, ...]
    within_s: int


@dataclass(frozen=True, slots=True)
class Every:
    """`all`, `and`."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`any`, `or`."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    condition: Condition


Leaf = Compare | Within | Flag | Cross | Move | Seq
Condition = Leaf | Every | Either | Not
Node = Value | Condition


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The comparisons and events in written order; not those within a seq, a count or a streak."""
    match condition:
        case Every(conditions) | Either(conditions):
            for part in conditions:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield condition


def read_by(node: Node, symbol: str) -> Iterator[tuple[str, Node]]:
    """(symbol, node) of the node and everything in it: which symbol each part reads."""
    inner = (isinstance(node, Sym | Flag) and node.symbol) or symbol
    yield inner, node
    for one in fields(node):
        held = getattr(node, one.name)
        for part in held if isinstance(held, tuple) else (held,):
            if isinstance(part, Node):
                yield from read_by(part, inner)


def is_event(condition: Condition) -> bool:
    """Whether a condition is an event; raises ValueError for what rules.md 4.4 calls an error."""
    match condition:
        case Every(conditions):
            events = sum(map(is_event, conditions))
            if events > 1:
                raise ValueError("all with two events")
            return events == 1
        case Either(conditions):
            kinds = set(map(is_event, conditions))
            if len(kinds) > 1:
                raise ValueError("any that mixes states and events")
            return kinds == {True}
        case Not(part):
            if is_event(part):
                raise ValueError("not of an event")
            return False
        case _:
            return isinstance(condition, Cross | Move | Seq)


def number(text: str) -> Number:
    """A literal as a rule file writes it: `5`, `0.5%`, `50k`, `4x`."""
    scale = {"%": Fraction(1, 100), "k": Fraction(1000), "x": Fraction(1)}.get(text[-1:])
    return Number(Fraction(text) if scale is None else Fraction(text[:-1]) * scale, text)


def of_bars(function: str, field: str, n: int, interval: str, session: str | None = None) -> OfBars:
    """`sma(close, 20, 1m)`."""
    return OfBars(function, field, n, interval, session)


def bar(field: str, interval: str, session: str | None = None) -> OfBars:
    """`close(5m)`."""
    return OfBars("", field, 1, interval, session)


def earlier(value: OfBars, back: int) -> OfBars:
    """`value[back]`."""
    return OfBars(
        value.function, value.field, value.n, value.interval, value.session, back, value.live, value.more, value.line
    )


def pct_change(duration_s: int) -> Look:
    """`pct_change(price, duration)`."""
    return Look("pct_change", "price", duration_s)
