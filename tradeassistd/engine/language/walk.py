"""Walks an expression tree: a node's parts, and every node below it."""

from __future__ import annotations

from collections.abc import Iterator

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
