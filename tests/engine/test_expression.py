"""The canonical text of a tree: distinct trees have distinct texts, and brackets stand only where they must."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

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
    render,
)
from tradeassistd.engine.language.walk import parts
from tradeassistd.rules.grammar import parse

PRICE, ONE = Name("price"), Number(Fraction(1))


def values(depth: int) -> list[Expression]:
    """Every value of at most that depth over a small alphabet."""
    if depth == 0:
        return [PRICE, ONE, Number(Fraction(1), "k"), Call("close", (Number(Fraction(5), "m"),))]
    inner = values(depth - 1)
    few = inner if depth == 1 else inner[:14]
    made: list[Expression] = [*inner, *(Negative(one) for one in few)]
    made += [Arithmetic(op, left, right) for op, left, right in product("+-*/", few, few)]
    made += [Call("max", (left, right)) for left, right in product(few, few)]
    made += [Call("seq", (one,), (("within", other),)) for one, other in product(few[:3], few[:3])]
    made += [node for one in few for node in (Index(one, 1), Attribute(one, "line"), Other("$VIX", one))]
    return made


def conditions(depth: int) -> list[Expression]:
    if depth == 0:
        sides: list[Expression] = [PRICE, Negative(ONE), Arithmetic("+", PRICE, ONE)]
        made: list[Expression] = [Compare(op, a, b) for op, a, b in product(("<", "<="), sides, sides)]
        bounds: list[tuple[Expression, ...]] = [(PRICE,), (PRICE, ONE), (ONE, PRICE)]
        made += [Cross("crosses", a, b) for a, b in product(sides, bounds)]
        made += [InRange(op, PRICE, a, b) for op, a, b in product(("inside", "exits"), sides, sides)]
        return made
    inner = conditions(depth - 1)
    few = inner[::5][:12]
    made = [*inner, *(Not(one) for one in few)]
    made += [Combine(op, pair) for op, pair in product(("and", "or"), product(few, few))]
    made += [Combine("and", (few[0], few[1], few[2]))]
    return made


def test_distinct_trees_have_distinct_texts() -> None:
    # sym(S).x[1] is one thing however it is bracketed, and the grammar makes only one tree of it.
    trees = [tree for tree in (*values(2), *conditions(2)) if not _other_below_a_suffix(tree)]
    assert len(trees) > 1_000
    assert len({render(tree) for tree in trees}) == len(set(trees))


def test_the_text_gives_the_tree_back() -> None:
    for tree in conditions(2):
        if not _has_lone_item(tree):  # a rule file's `all:` of one item, which an expression cannot write
            assert parse(render(tree)) == tree, render(tree)


def test_where_a_tree_stood_takes_no_part_in_what_it_is() -> None:
    assert Name("price", 3) == Name("price", 9)
    assert render(Compare(">", Name("price", 3), ONE, 7)) == "price > 1"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("price>(5200)", "price > 5200"),
        ("(price - (bid - ask)) > 0.50", "price - (bid - ask) > 0.5"),
        ("(price - bid) - ask > 0", "price - bid - ask > 0"),
        ("price + (bid * 2) > 0", "price + bid * 2 > 0"),
        ("(price + bid) * 2 > 0", "(price + bid) * 2 > 0"),
        ("price / (bid / ask) > 0", "price / (bid / ask) > 0"),
        ("-(price) > 0", "-price > 0"),
        ("-(price + 1) > 0", "-(price + 1) > 0"),
        ("(-price) * 2 > 0", "-price * 2 > 0"),
        ("-(price * 2) > 0", "-(price * 2) > 0"),
        ("not (price > 1)", "not price > 1"),
        ("not (price > 1 and price < 2)", "not (price > 1 and price < 2)"),
        ("(not price > 1) and (price < 2)", "not price > 1 and price < 2"),
        ("(price > 1 or price < 2) and bid > 3", "(price > 1 or price < 2) and bid > 3"),
        ("price crosses any [1, bid+2]", "price crosses any [1, bid + 2]"),
        ("price inside [1,2]", "price inside [1, 2]"),
        ("sma( close ,20, 5m )[1]>0", "sma(close, 20, 5m)[1] > 0"),
        ("sym( $VIX ).price > 0.0050", "sym($VIX).price > 0.005"),
        ("price > 5200.250 ", "price > 5200.25"),
        ("volume(1m) > 50k", "volume(1m) > 50k"),
    ],
)
def test_brackets_stand_only_where_they_must(text: str, canonical: str) -> None:
    assert render(parse(text)) == canonical


def _other_below_a_suffix(tree: Expression) -> bool:
    return any(isinstance(node, Index | Attribute) and isinstance(node.base, Other) for node in _nodes(tree))


def _has_lone_item(tree: Expression) -> bool:
    return any(isinstance(node, Combine) and len(node.items) == 1 for node in _nodes(tree))


def _nodes(tree: Expression) -> list[Expression]:
    return [tree, *(below for child in parts(tree) for below in _nodes(child))]
