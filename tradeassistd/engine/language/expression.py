"""The expression tree of the rule language, and its canonical text.

The tree is syntax: `rules/` builds it from text and checks it, `engine/conditions/` turns it into something that moves.
`at` is the offset of a node's first character in its source text and takes no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

# What a literal's suffix multiplies by. Durations are in seconds; `d` is trading days; `t` is tick sizes of the symbol.
SUFFIX_FACTORS: dict[str, Fraction] = {
    "": Fraction(1), "%": Fraction(1, 100), "k": Fraction(1_000), "M": Fraction(1_000_000), "B": Fraction(10**9),
    "x": Fraction(1), "t": Fraction(1), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(1),
}  # fmt: skip
DURATION_SUFFIXES = frozenset("smh")
STATE_OPS = ("<", "<=", ">", ">=", "==", "!=")
CROSS_OPS = ("crosses", "crosses_above", "crosses_below")
REACHES = "reaches"
RANGE_OPS = ("inside", "outside", "enters", "exits")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: digits and a suffix, `5180.25`, `1%`, `4x`, `50k`, `5m`."""

    digits: Fraction
    suffix: str = ""
    at: int = field(default=0, compare=False)

    @property
    def value(self) -> Fraction:
        return self.digits * SUFFIX_FACTORS[self.suffix]


@dataclass(frozen=True, slots=True)
class Name:
    """A bare word: `price`, `close` (as the first argument of a bar function), `rth` (a session word)."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`name(args, key=value)`: a function of the table, or a bar value such as `close(5m)`."""

    name: str
    args: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...] = ()
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`base.name`: one line of an indicator, `macd(...).signal`, or a day value, `day.open`."""

    base: Expression
    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`base[n]`: the value n closed bars earlier."""

    base: Expression
    bars_back: int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Other:
    """`sym($VIX).inner`: `inner` evaluated on another symbol."""

    symbol: str
    inner: Expression
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """Unary minus."""

    operand: Expression
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right` with op one of + - * /; `at` is the operator's."""

    op: str
    left: Expression
    right: Expression
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """A state: `left op right` with op one of STATE_OPS; `at` is the operator's."""

    op: str
    left: Expression
    right: Expression
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Cross:
    """An event: `left op right`, or `left op any [right, ...]`, with op one of CROSS_OPS or REACHES."""

    op: str
    left: Expression
    rights: tuple[Expression, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class InRange:
    """`left op [low, high]`: inside and outside are states, enters and exits events; bounds are inside."""

    op: str
    left: Expression
    low: Expression
    high: Expression
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Combine:
    """`a and b`, `a or b`; a rule file's `all:` is "and", its `any:` is "or". At least two items."""

    op: str
    items: tuple[Expression, ...]
    at: int = field(default=0, compare=False)
    AND: ClassVar[str] = "and"
    OR: ClassVar[str] = "or"


@dataclass(frozen=True, slots=True)
class Not:
    """Negation of a state."""

    operand: Expression
    at: int = field(default=0, compare=False)


Expression = (
    Number | Name | Call | Attribute | Index | Other | Negative | Arithmetic | Compare | Cross | InRange | Combine | Not
)


_LOOSENESS = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "negative": 7, "primary": 8}


def render(node: Expression) -> str:
    """The canonical text of a tree: parsing it gives the tree back, and equal trees have equal texts."""
    return _render(node)[0]


def _render(node: Expression) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    match node:
        case Number():
            return digits_text(node.digits) + node.suffix, _LOOSENESS["primary"]
        case Name():
            return node.name, _LOOSENESS["primary"]
        case Call():
            keywords = [f"{key}={render(value)}" for key, value in node.keywords]
            return f"{node.name}({', '.join([*map(render, node.args), *keywords])})", _LOOSENESS["primary"]
        case Attribute():
            return f"{_tight(node.base, 'primary')}.{node.name}", _LOOSENESS["primary"]
        case Index():
            return f"{_tight(node.base, 'primary')}[{node.bars_back}]", _LOOSENESS["primary"]
        case Other():
            return f"sym({node.symbol}).{_tight(node.inner, 'primary')}", _LOOSENESS["primary"]
        case Negative():
            return f"-{_tight(node.operand, 'negative')}", _LOOSENESS["negative"]
        case Arithmetic():
            left, right = _tight(node.left, node.op), _tighter(node.right, node.op)
            return f"{left} {node.op} {right}", _LOOSENESS[node.op]
        case Not():
            return f"not {_tight(node.operand, 'not')}", _LOOSENESS["not"]
        case Combine():
            return _render_combine(node)
        case _:
            return _render_comparison(node), _LOOSENESS["compare"]


def _render_combine(node: Combine) -> tuple[str, int]:
    # `and` beside `or` needs parentheses, and so does a nested list of the same kind.
    parts = [f"({render(item)})" if isinstance(item, Combine) else _tight(item, node.op) for item in node.items]
    return f" {node.op} ".join(parts), _LOOSENESS[node.op]


def _render_comparison(node: Compare | Cross | InRange) -> str:
    left = _tighter(node.left, "compare")
    match node:
        case Compare():
            return f"{left} {node.op} {_tighter(node.right, 'compare')}"
        case Cross(rights=(only,)):
            return f"{left} {node.op} {_tighter(only, 'compare')}"
        case Cross():
            return f"{left} {node.op} any [{', '.join(map(render, node.rights))}]"
        case InRange():
            return f"{left} {node.op} [{render(node.low)}, {render(node.high)}]"


def _tight(node: Expression, at_least: str) -> str:
    text, looseness = _render(node)
    return text if looseness >= _LOOSENESS[at_least] else f"({text})"


def _tighter(node: Expression, than: str) -> str:
    text, looseness = _render(node)
    return text if looseness > _LOOSENESS[than] else f"({text})"


def digits_text(value: Fraction) -> str:
    """A literal's digits, exactly. `value` is a decimal, as every literal is; else this would not end."""
    places = 0
    while value.denominator != 1 and (value * 10**places).denominator != 1:
        places += 1
    text = f"{int(value * 10**places):0{places + 1}d}"
    return f"{text[:-places]}.{text[-places:]}" if places else text
