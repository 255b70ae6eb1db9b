"""Arithmetic on values that may be unknown: closures made of closures, exact throughout."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tradeassistd.engine.language.functions import Unit, Value
from tradeassistd.market.price import PRICE_SCALE

ValueOf = Callable[[], Value | None]


def whole(value: Value) -> Value:
    """The same number, as an int when it is whole (an int compares many times faster than a Fraction)."""
    return int(value) if value.denominator == 1 else value


def constant(value: Value) -> ValueOf:
    return lambda: value


def negative(operand: ValueOf) -> ValueOf:
    return lambda: None if (value := operand()) is None else -value


def absolute(operand: ValueOf) -> ValueOf:
    return lambda: None if (value := operand()) is None else max(value, -value)


def total(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a + b


def difference(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a - b


def product(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a * b


def quotient(left: ValueOf, right: ValueOf) -> ValueOf:
    """Division by zero is unknown, not an error (rules.md 4.1)."""
    return lambda: None if (a := left()) is None or not (b := right()) else Fraction(a) / b


def ratio_from(left: ValueOf, right: ValueOf) -> ValueOf:
    """How far left is from right, relative to right; unknown when right is zero."""
    return lambda: None if (a := left()) is None or not (b := right()) else Fraction(a) / b - 1


def choose(pick: Callable[[list[Value]], Value], values: tuple[ValueOf, ...]) -> ValueOf:
    """`min` or `max` of values; unknown while one of them is."""

    def value() -> Value | None:
        known = [one for get in values if (one := get()) is not None]
        return pick(known) if len(known) == len(values) else None

    return value


def apart(one: Value, other: Value) -> Value:
    """How far two values are from each other."""
    return one - other if one > other else other - one


def natural(value: Value | None, unit: Unit) -> float | None:
    """A value in its natural unit as the nearest float: points, shares, seconds, a fraction for percent."""
    if value is None:
        return None
    return float(Fraction(value) / Fraction(PRICE_SCALE) ** unit.price)
