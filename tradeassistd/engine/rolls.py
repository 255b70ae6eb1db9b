"""A futures root rolls: which rules were written for prices of the old contract (rules.md 4.10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tradeassistd.engine.language.expression import (
    Arithmetic,
    Attribute,
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
)
from tradeassistd.engine.language.functions import DAY_VALUES

_LEVELS = frozenset(
    {
        "price",
        "mark",
        "mid",
        "bid",
        "ask",
        "settle",
        "open",
        "high",
        "low",
        "close",
        "vwap",
        "bollinger",
        "opening_range",
    }
)
"""Names of quotes, bar values and functions that are prices of the contract itself."""


class Roll(NamedTuple):
    """The contract behind `symbol` changed."""

    event_us: int
    symbol: str
    before: str
    after: str
    rules: tuple[str, ...]
    """Ids of the rules that compare with absolute prices of the symbol, in the order they are judged."""


def has_absolute_price(tree: Expression, symbol: str, root: str) -> bool:
    """Whether a condition of `symbol` compares a price of `root` with a number written out."""
    return any(_is_price_of(left, symbol, root) and any(map(_is_number, rights)) for left, rights in _comparisons(tree))


def _comparisons(tree: Expression) -> Iterator[tuple[Expression, tuple[Expression, ...]]]:
    match tree:
        case Combine():
            for item in tree.items:
                yield from _comparisons(item)
        case Not():
            yield from _comparisons(tree.operand)
        case Compare():
            yield tree.left, (tree.right,)
            yield tree.right, (tree.left,)
        case Cross():
            yield tree.left, tree.rights
            for right in tree.rights:
                yield right, (tree.left,)
        case InRange():
            yield tree.left, (tree.low, tree.high)


def _is_price_of(node: Expression, symbol: str, root: str) -> bool:
    """Whether it is a level of the symbol's price, not a distance such as a spread or a change."""
    match node:
        case Other():
            return _is_price_of(node.inner, node.symbol, root)
        case Index() | Attribute() if not isinstance(node.base, Name):
            return _is_price_of(node.base, symbol, root)
        case Attribute(base=Name(name=name)):
            return symbol == root and name in DAY_VALUES and node.name != "volume"
        case Name():
            return symbol == root and node.name in _LEVELS
        case Call(name="sma" | "avg" | "ema" | "wma" | "highest" | "lowest", args=(Name(name=field), *_)):
            return symbol == root and field != "volume"
        case Call():
            return symbol == root and node.name in _LEVELS
    return False


def _is_number(node: Expression) -> bool:
    """Whether it is a literal price: a plain number, or arithmetic of such."""
    match node:
        case Number():
            return not node.suffix
        case Negative():
            return _is_number(node.operand)
        case Arithmetic():
            return _is_number(node.left) and _is_number(node.right)
    return False
