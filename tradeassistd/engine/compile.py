"""Turns a checked condition into something that moves: closures for values, leaves for comparisons.

This is the clear engine: every leg is computed at every judging, with exact numbers and Kleene logic. A faster one is
tested against it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tradeassistd.engine.expression import (
    Arithmetic,
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Not,
    Number,
    Other,
    render,
)
from tradeassistd.engine.functions import BAR_FIELDS, FUNCTIONS, RATIO, Unit, Value
from tradeassistd.engine.indicators import Track, exact
from tradeassistd.engine.kinds import count_of, duration_s, interval_of, other_instrument, split_session, unit_of
from tradeassistd.engine.leaves import All, AnyOf, Comparison, Condition, Crossing, Leaf, Negation, RangeLeaf
from tradeassistd.engine.symbols import BARS_MOVED, SECOND_TURNED, SymbolState
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.tick import Field

ValueOf = Callable[[], Value | None]

_QUOTE_FIELDS = {"price": Field.LAST, "bid": Field.BID, "ask": Field.ASK}


class Compiler:
    """Compiles one condition for one symbol, and gathers what it reads and its leaves in written order."""

    def __init__(self, instrument: Instrument, state_of: Callable[[str], SymbolState]) -> None:
        self._instrument = instrument
        self._state_of = state_of
        self.reads: dict[str, int] = {}
        """Per symbol the changes after which the condition must be judged: market.tick.Field, BARS_MOVED, …"""
        self.leaves: list[Leaf] = []
        self.tracks: list[Track] = []
        """What the condition reads of bars, so that a reload knows what is still needed."""

    def condition(self, tree: Expression) -> Condition:
        """The condition of a tree that `kinds.check` accepts for this symbol."""
        match tree:
            case Compare():
                left, (right,), unit = self._sides(tree.left, (tree.right,))
                return self._leaf(Comparison(render(tree), unit, tree.op, left, right))
            case Cross():
                left, rights, unit = self._sides(tree.left, tree.rights)
                return self._leaf(Crossing(render(tree), unit, tree.op, left, rights))
            case InRange():
                left, (low, high), unit = self._sides(tree.left, (tree.low, tree.high))
                return self._leaf(RangeLeaf(render(tree), unit, tree.op, left, low, high))
            case Not():
                return Negation(self.condition(tree.operand))
            case Combine():
                items = tuple(self.condition(item) for item in tree.items)
                return All(items) if tree.op == Combine.AND else AnyOf(items)
        raise TypeError(f"not a condition: {render(tree)}")

    def _leaf(self, leaf: Leaf) -> Leaf:
        self.leaves.append(leaf)
        return leaf

    def _sides(self, left: Expression, rights: tuple[Expression, ...]) -> tuple[ValueOf, tuple[ValueOf, ...], Unit]:
        """Both sides in one unit: a bare number takes the unit of what it stands beside."""
        units = [unit_of(side, self._instrument) for side in (left, *rights)]
        unit = next((known for known in units if known is not None), RATIO)
        here = self._instrument
        return self._value(left, here, unit), tuple(self._value(right, here, unit) for right in rights), unit

    def _value(self, node: Expression, here: Instrument, unit: Unit) -> ValueOf:
        """A closure for the node's value on symbol `here`; a bare number in it is read in `unit`."""
        match node:
            case Number():
                return _constant(self._number(node, here, unit))
            case Name():
                return self._quote(node.name, here)
            case Index():
                return self._bars(node.base, here, node.bars_back)
            case Call(name=name) if name in BAR_FIELDS or FUNCTIONS[name].reads_bars:
                return self._bars(node, here, 0)
            case Call():
                return self._call(node, here, unit)
            case Other():
                return self._value(node.inner, other_instrument(node), unit)
            case Negative():
                return _negative(self._value(node.operand, here, unit))
            case Arithmetic():
                return self._arithmetic(node, here, unit)
        raise TypeError(f"not a value: {render(node)}")

    def _number(self, node: Number, here: Instrument, unit: Unit) -> Value:
        if node.suffix == "t":
            return _whole(node.value * here.tick_size)
        scale = PRICE_SCALE**unit.price if unit.price >= 0 else Fraction(1, PRICE_SCALE**-unit.price)
        plain = unit_of(node, here) is None
        return _whole(node.value * scale if plain else node.value)

    def _note(self, here: Instrument, what: int) -> SymbolState:
        self.reads[here.symbol] = self.reads.get(here.symbol, 0) | what
        return self._state_of(here.symbol)

    def _quote(self, name: str, here: Instrument) -> ValueOf:
        state = self._note(here, _QUOTE_FIELDS.get(name, Field.BID | Field.ASK))
        return lambda: state.value(name)

    def _bars(self, node: Expression, here: Instrument, bars_back: int) -> ValueOf:
        """A bar value or a bar function, `bars_back` closed bars ago."""
        assert isinstance(node, Call)  # kinds.check refuses [n] behind anything else
        args, session = split_session(node, here)
        state = self._note(here, BARS_MOVED)
        series = state.bar_series(interval_of(args[-1]), session)
        if node.name in BAR_FIELDS:
            track = state.track(series, node.name, "", 0, bars_back)
        else:
            field = args[0]
            assert isinstance(field, Name)
            track = state.track(series, field.name, node.name, count_of(args[1]), bars_back)
        self.tracks.append(track)
        return lambda: track.value(bars_back)

    def _call(self, node: Call, here: Instrument, unit: Unit) -> ValueOf:
        if node.name in ("pct_change", "change"):
            return self._change(node, here)
        inner = next((known for arg in node.args if (known := unit_of(arg, here)) is not None), unit)
        values = tuple(self._value(arg, here, inner) for arg in node.args)
        match node.name:
            case "pct_from":
                return _ratio_from(*values)
            case "abs":
                return _absolute(values[0])
            case "min":
                return _choose(min, values)
            case "max":
                return _choose(max, values)
        raise TypeError(f"{node.name} is in the table but cannot be compiled")

    def _change(self, node: Call, here: Instrument) -> ValueOf:
        quote, seconds = node.args[0], duration_s(node.args[1])
        assert isinstance(quote, Name)
        state = self._note(here, _QUOTE_FIELDS.get(quote.name, Field.BID | Field.ASK) | SECOND_TURNED)
        look_back = state.look_back(quote.name, seconds)
        relative = node.name == "pct_change"

        def value() -> Value | None:
            now, doubled = state.value(quote.name), look_back.held(state.now_us, seconds)
            if now is None or doubled is None:
                return None
            if relative:
                return Fraction(2 * now - doubled, doubled) if doubled else None
            return now - exact(doubled, 2)

        return value

    def _arithmetic(self, node: Arithmetic, here: Instrument, unit: Unit) -> ValueOf:
        left_unit, right_unit = unit_of(node.left, here), unit_of(node.right, here)
        if node.op in "+-":
            inner = left_unit or right_unit or unit
            left, right = self._value(node.left, here, inner), self._value(node.right, here, inner)
            return _sum(left, right) if node.op == "+" else _difference(left, right)
        if left_unit is None and right_unit is None:
            # Two bare numbers: the product takes the outer unit once, through the left one.
            left, right = self._value(node.left, here, unit), self._value(node.right, here, RATIO)
        else:
            left = self._value(node.left, here, left_unit or RATIO)
            right = self._value(node.right, here, right_unit or RATIO)
        return _product(left, right) if node.op == "*" else _quotient(left, right)


def _whole(value: Value) -> Value:
    return int(value) if value.denominator == 1 else value


def _constant(value: Value) -> ValueOf:
    return lambda: value


def _negative(operand: ValueOf) -> ValueOf:
    return lambda: None if (value := operand()) is None else -value


def _absolute(operand: ValueOf) -> ValueOf:
    return lambda: None if (value := operand()) is None else max(value, -value)


def _sum(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a + b


def _difference(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a - b


def _product(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or (b := right()) is None else a * b


def _quotient(left: ValueOf, right: ValueOf) -> ValueOf:
    """Division by zero is unknown, not an error (rules.md 4.1)."""
    return lambda: None if (a := left()) is None or not (b := right()) else Fraction(a) / b


def _ratio_from(left: ValueOf, right: ValueOf) -> ValueOf:
    return lambda: None if (a := left()) is None or not (b := right()) else Fraction(a) / b - 1


def _choose(pick: Callable[[list[Value]], Value], values: tuple[ValueOf, ...]) -> ValueOf:
    def value() -> Value | None:
        known = [one for get in values if (one := get()) is not None]
        return pick(known) if len(known) == len(values) else None

    return value


def natural(value: Value | None, unit: Unit) -> float | None:
    """A value in its natural unit as the nearest float: points, shares, a fraction for percent."""
    if value is None:
        return None
    return float(Fraction(value) / Fraction(PRICE_SCALE) ** unit.price)
