"""Measures and rewrites expression trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from tradeassistd.engine.language.walk import parts


def depth(tree: Expression) -> int:
    """How many levels a tree has, without recursion."""
    deepest, stack = 0, [(tree, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((child, level + 1) for child in parts(node))
    return deepest


def mapped(tree: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The tree with `change` applied to every node, parts first. Recurses: for trees of a limited depth."""

    def each(trees: tuple[Expression, ...]) -> tuple[Expression, ...]:
        return tuple(mapped(one, change) for one in trees)

    match tree:
        case Number() | Name():
            return change(tree)
        case Call():
            keywords = tuple((key, mapped(value, change)) for key, value in tree.keywords)
            return change(replace(tree, args=each(tree.args), keywords=keywords))
        case Attribute() | Index():
            return change(replace(tree, base=mapped(tree.base, change)))
        case Other():
            return change(replace(tree, inner=mapped(tree.inner, change)))
        case Negative() | Not():
            return change(replace(tree, operand=mapped(tree.operand, change)))
        case Arithmetic() | Compare():
            return change(replace(tree, left=mapped(tree.left, change), right=mapped(tree.right, change)))
        case Cross():
            return change(replace(tree, left=mapped(tree.left, change), rights=each(tree.rights)))
        case InRange():
            low, high = mapped(tree.low, change), mapped(tree.high, change)
            return change(replace(tree, left=mapped(tree.left, change), low=low, high=high))
        case Combine():
            return change(replace(tree, items=each(tree.items)))


def shifted(tree: Expression, by: int) -> Expression:
    """The tree with every offset `by` further on: its text is part of another one, or is numbered."""
    return mapped(tree, lambda node: replace(node, at=node.at + by))
