"""Walks and rewrites expression trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


def parts(node: Expression) -> Iterator[Expression]:
    """The expressions a node is made from, left to right."""
    match node:
        case Number() | Name():
            return
        case Call():
            yield from node.args
            yield from (value for _, value in node.keywords)
        case Attribute() | Index():
            yield node.base
        case Other():
            yield node.inner
        case Negative() | Not():
            yield node.operand
        case Arithmetic() | Compare():
            yield from (node.left, node.right)
        case Cross():
            yield from (node.left, *node.rights)
        case InRange():
            yield from (node.left, node.low, node.high)
        case Combine():
            yield from node.items


def walk(tree: Expression) -> Iterator[Expression]:
    """Every node of a tree, without recursion; a parent before its parts, left to right."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(tuple(parts(node))))


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


def substitute(tree: Expression, names: Mapping[str, Expression]) -> Expression:
    """The tree with other trees in place of bare names."""
    return mapped(tree, lambda node: names.get(node.name, node) if isinstance(node, Name) else node)
