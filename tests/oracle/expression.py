"""The oracle's own conditions: a small tree, written in Python beside the YAML text it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

QUOTE = ("price", "bid", "ask", "mid", "spread")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; 1 % is 0.01."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Quote:
    """One of QUOTE."""

    name: str


@dataclass(frozen=True, slots=True)
class OfBars:
    """`function(field, n, interval, session)[back]`, or `field(interval)[back]` where function is empty."""

    function: str
    field: str
    n: int
    interval: str
    session: str | None = None
    back: int = 0


@dataclass(frozen=True, slots=True)
class PctChange:
    """`pct_change(price, duration)`."""

    duration_s: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left + right` and so on; `operator` is one of + - * /."""

    operator: str
    left: Value
    right: Value


Value = Number | Quote | OfBars | PctChange | Arithmetic


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
class Cross:
    """`left crosses any levels` (`kind` crosses, crosses_above or crosses_below): an event."""

    left: Value
    kind: str
    levels: tuple[Value, ...]


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


Leaf = Compare | Within | Cross
Condition = Leaf | Every | Either | Not


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The comparisons and crossings in written order."""
    match condition:
        case Every(conditions) | Either(conditions):
            for part in conditions:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield condition


def values(condition: Condition) -> Iterator[Value]:
    """Every value a condition reads, the parts of arithmetic too."""
    for leaf in leaves(condition):
        match leaf:
            case Compare(left, _, right):
                operands: tuple[Value, ...] = (left, right)
            case Within(left, low, high):
                operands = (left, low, high)
            case Cross(left, _, levels):
                operands = (left, *levels)
        for operand in operands:
            yield from _parts(operand)


def _parts(value: Value) -> Iterator[Value]:
    yield value
    if isinstance(value, Arithmetic):
        yield from _parts(value.left)
        yield from _parts(value.right)


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
            return isinstance(condition, Cross)


def number(text: str) -> Number:
    """A literal as a rule file writes it: `5`, `0.5%`, `50k`, `4x`."""
    scale = {"%": Fraction(1, 100), "k": Fraction(1000), "x": Fraction(1)}.get(text[-1:])
    return Number(Fraction(text) if scale is None else Fraction(text[:-1]) * scale)


def of_bars(function: str, field: str, n: int, interval: str, session: str | None = None) -> OfBars:
    """`sma(close, 20, 1m)`."""
    return OfBars(function, field, n, interval, session)


def bar(field: str, interval: str, session: str | None = None) -> OfBars:
    """`close(5m)`."""
    return OfBars("", field, 1, interval, session)


def earlier(value: OfBars, back: int) -> OfBars:
    """`value[back]`."""
    return OfBars(value.function, value.field, value.n, value.interval, value.session, back)
