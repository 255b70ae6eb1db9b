"""Derived symbols: `$ADDX` made of `$ADVN - $DECN`, its formula read and its ticks made from those of its components.

A formula holds numbers, `+ - * /`, parentheses and symbols, each of which stands for its last price. It is computed
exactly and rounded to the scale of prices once, at the end. `/` before a letter or digit begins a futures root, so a
division by a stock has a space behind its sign: `SPY / QQQ`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.market.instrument import Instrument, is_symbol
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.tick import Field, Tick

LENGTH_MAX = 500
"""Characters of a formula."""
COMPONENTS_MAX = 32
DEPTH_MAX = 32
"""How deep parentheses and signs may lie within each other."""
PRICE_MAX = 2**63 - 1
"""Greatest scaled price that the store holds; what lies beyond is unknown."""
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?(?![\w.])")
_SYMBOL = re.compile(r"[/$][A-Za-z0-9.]+|[A-Za-z0-9.]+(/[A-Za-z]+)?")
_LAST, _TRADE, _IMAGE, _DELAYED = int(Field.LAST), int(Field.TRADE), int(Field.IMAGE), int(Field.DELAYED)

Value = Fraction | None
Prices = Mapping[str, Value]


class FormulaError(ValueError):
    """What is wrong with a formula, at which of its characters (from 0), and what to write."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


class Operation(NamedTuple):
    """Two values and what is done with them."""

    op: str
    left: Term
    right: Term


Term = Fraction | str | Operation
"""A number, a symbol, or an operation on two terms."""


@dataclass(frozen=True, slots=True)
class Derived:
    """One derived symbol; `components` are the symbols of its formula, in order of their first use."""

    symbol: str
    components: tuple[str, ...]
    formula: str
    """As it is written."""
    term: Term = field(compare=False, repr=False)

    def value(self, prices: Prices) -> Value:
        """The value in points; None while a component is unknown or a division is by zero."""
        return _value(self.term, prices)


def read_formula(symbol: str, text: str) -> Derived:
    """The derived symbol `symbol` from its formula. Raises FormulaError."""
    if len(text) > LENGTH_MAX:
        raise FormulaError(f"longer than {LENGTH_MAX} characters", LENGTH_MAX, hint="shorten it")
    reader = _Reader(text)
    term = reader.whole()
    if not reader.symbols:
        raise FormulaError("no symbol in it", 0, hint="write e.g. $ADVN - $DECN")
    if len(reader.symbols) > COMPONENTS_MAX:
        raise FormulaError(f"more than {COMPONENTS_MAX} symbols", 0, hint="shorten it")
    return Derived(symbol, tuple(reader.symbols), text, term)


def streamed(wanted: Iterable[str], derived: Iterable[Derived]) -> tuple[str, ...]:
    """What to subscribe to for `wanted`: the components of a derived symbol in its place; sorted."""
    made = {one.symbol: one.components for one in derived}
    return tuple(sorted({name for symbol in wanted for name in made.get(symbol, (symbol,))}))


class DerivedTicks:
    """Makes the ticks of derived symbols from those of their components, of one connection."""

    def __init__(self, derived: Iterable[Derived], instrument_of: Callable[[str], Instrument]) -> None:
        self.of: dict[str, list[_Standing]] = {}
        """By component, in the order the symbols are written."""
        for one in derived:
            standing = _Standing(one, instrument_of(one.symbol).plausible)
            for component in one.components:
                self.of.setdefault(component, []).append(standing)

    def follow(self, tick: Tick, next_us: Callable[[], int]) -> Iterator[Tick]:
        """The ticks that a tick of a component causes: of each derived symbol whose value is another one now.

        The first known value is an image. One that is not known any more is told too, as a tick without a price.
        `next_us` gives the event time of the next event.
        """
        for standing in self.of.get(tick.symbol, ()):
            if standing.take(tick):
                yield standing.tick(next_us())

    def made_of(self, component: str) -> tuple[str, ...]:
        """The derived symbols that are made of it."""
        return tuple(standing.symbol for standing in self.of.get(component, ()))

    def forget(self, component: str = "") -> None:
        """The connection is gone, or only `component` is cut: what is made of it begins anew with an image."""
        for name in (component,) if component else tuple(self.of):
            for standing in self.of.get(name, ()):
                standing.forget(name)


class _Standing:
    """One derived symbol as it stands."""

    def __init__(self, derived: Derived, plausible: tuple[int, int] | None) -> None:
        self.symbol = derived.symbol
        self._derived = derived
        self._low, self._high = plausible or (-PRICE_MAX, PRICE_MAX)
        self._prices: dict[str, Value] = dict.fromkeys(derived.components)
        self._delayed: set[str] = set()
        self._trade_ms: int | None = None
        self._last: int | None = None
        self._fresh = True
        self._image = False

    def forget(self, component: str) -> None:
        """Nothing is known of a component any more, and so nothing of the value."""
        self._prices[component] = self._last = None
        self._delayed.discard(component)
        self._fresh = True

    def take(self, tick: Tick) -> bool:
        """A tick of a component; whether the value is another one by it."""
        self._prices[tick.symbol] = None if tick.last is None else Fraction(tick.last, PRICE_SCALE)
        if tick.changed & _DELAYED:
            self._delayed.add(tick.symbol)
        else:
            self._delayed.discard(tick.symbol)
        if tick.trade_ms is not None:
            self._trade_ms = max(tick.trade_ms, self._trade_ms or 0)
        before, self._last = self._last, self._now()
        if self._last == before:
            return False
        self._image, self._fresh = self._fresh, False
        return True

    def tick(self, event_us: int) -> Tick:
        """The value as a tick, right after `take` said that it moved."""
        known = self._last is not None
        size = 0 if known and not self._image else None
        changed = _LAST | _IMAGE * self._image | _TRADE * (size is not None) | _DELAYED * bool(self._delayed)
        return Tick(event_us, self.symbol, self._last, None, None, None, None, None, self._trade_ms, None,
                    size, changed)  # fmt: skip

    def _now(self) -> int | None:
        value = self._derived.value(self._prices)
        if value is None:
            return None
        price = round(value * PRICE_SCALE)
        return price if self._low <= price <= self._high else None


def _value(term: Term, prices: Prices) -> Value:
    match term:
        case Fraction():
            return term
        case str():
            return prices[term]
    left, right = _value(term.left, prices), _value(term.right, prices)
    if left is None or right is None:
        return None
    match term.op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / right if right else None


class _Reader:
    """Reads a formula from left to right: sums of products of numbers, symbols and parentheses."""

    def __init__(self, text: str) -> None:
        self.symbols: dict[str, None] = {}
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Term:
        term = self._sum()
        if self._rest():
            closing = self._text[self._at] == ")"
            message = "a parenthesis is closed that was not opened" if closing else "an operator is missing here"
            raise FormulaError(message, self._at, hint="remove it" if closing else "one of + - * /")
        return term

    def _sum(self) -> Term:
        term = self._product()
        while op := self._operator("+-"):
            term = Operation(op, term, self._product())
        return term

    def _product(self) -> Term:
        term = self._operand()
        while op := self._operator("*/"):
            term = Operation(op, term, self._operand())
        return term

    def _operator(self, operators: str) -> str:
        rest = self._rest()
        if not rest or rest[0] not in operators:
            return ""
        if rest[0] == "/" and rest[1:2].isalpha():
            name = re.match(r"/\w+", rest)
            symbol = name[0] if name else "/"
            raise FormulaError(f"`{symbol}` is a future here, and an operator before it is missing", self._at,
                               hint=f"write a space to divide: / {symbol[1:]}")  # fmt: skip
        self._at += 1
        return rest[0]

    def _operand(self) -> Term:
        rest = self._rest()
        if not rest:
            raise FormulaError("ends too early", self._at, hint="a number, a symbol or ( is due")
        if rest[0] in "(-":
            return self._nested(rest[0])
        if number := _NUMBER.match(rest):
            self._at += number.end()
            return Fraction(number[0])
        return self._symbol(rest)

    def _nested(self, first: str) -> Term:
        """A parenthesis, or what a minus stands before."""
        opened = self._at
        self._at += 1
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FormulaError(f"more than {DEPTH_MAX} levels deep", opened, hint="use fewer parentheses")
        if first == "-":
            term: Term = Operation("-", Fraction(0), self._operand())
        else:
            term = self._sum()
            if not self._rest().startswith(")"):
                raise FormulaError("a parenthesis is not closed", opened, hint="write ) behind what belongs to it")
            self._at += 1
        self._depth -= 1
        return term

    def _symbol(self, rest: str) -> str:
        match = _SYMBOL.match(rest)
        symbol = match[0] if match else ""
        if not is_symbol(symbol):
            what = f"{symbol!r} is not a symbol" if symbol else f"{rest[0]!r} means nothing here"
            better = symbol.upper() if is_symbol(symbol.upper()) else ""
            hint = f"write {better}" if better else "write symbols as Schwab does: /ES, $SPX, SPY"
            raise FormulaError(what, self._at, hint=hint)
        stock, slash, suffix = symbol[1:].partition("/")
        if slash and len(suffix) > 1:
            raise FormulaError(f"`{symbol}` can be read in two ways", self._at,
                               hint=f"write spaces to divide: {symbol[0]}{stock} / {suffix}")  # fmt: skip
        self._at += len(symbol)
        self.symbols[symbol] = None
        return symbol

    def _rest(self) -> str:
        self._at += len(self._text[self._at :]) - len(self._text[self._at :].lstrip())
        return self._text[self._at :]
