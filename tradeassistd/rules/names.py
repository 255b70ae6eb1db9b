"""Names that a rule file gives to expressions: `let` in a file or a rule, `values` per symbol.

`let` names are replaced at load, trees in trees. `values` names stay in the trees, because what they stand for differs
by symbol. The offset (`at`) of every node that comes from a `let` or from `values` carries the number of its text, so
that whatever is wrong with it is told at its own line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tradeassistd.base.yaml12 import Place, Scalar
from tradeassistd.engine.language.expression import (
    CROSS_OPS,
    RANGE_OPS,
    REACHES,
    Attribute,
    Call,
    Expression,
    Index,
    Name,
    Negative,
    Number,
    Other,
    render,
)
from tradeassistd.engine.language.functions import BAR_FIELDS, DAY_VALUES, FLAGS, FUNCTIONS, QUOTES
from tradeassistd.engine.language.kinds import ExpressionError
from tradeassistd.engine.language.walk import mapped, shifted, substitute, walk
from tradeassistd.engine.template import WORDS
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.grammar import DEPTH_MAX, LENGTH_MAX, depth, parse

Location = tuple[str | int, ...]

NODES_MAX = 4_096
"""Parts of an expression once its `let` names are replaced; a few names within names can grow without end."""
_STRIDE = 2 * LENGTH_MAX
"""Offsets of the text numbered n lie from n times this on; number 0 is the text that is being read."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TABLES = (QUOTES, FLAGS, DAY_VALUES, BAR_FIELDS, FUNCTIONS)
BUILT_IN = frozenset({*(name for table in _TABLES for name in table), *SESSION_WORDS, "live", "within"})
"""Every word that means something in an expression by itself, beside the user's functions in the table."""
_GRAMMAR = frozenset({"and", "or", "not", "any", "all", "sym", REACHES, *CROSS_OPS, *RANGE_OPS})


class Origins:
    """Which text each offset belongs to."""

    def __init__(self) -> None:
        self._texts: list[tuple[Scalar, Location]] = []

    def parse(self, scalar: Scalar, location: Location) -> Expression:
        """The tree of a text, its offsets numbered. Raises ExpressionError, whose offset is numbered too."""
        self._texts.append((scalar, location))
        begin = len(self._texts) * _STRIDE
        try:
            return shifted(parse(scalar.text), begin)
        except ExpressionError as error:
            raise ExpressionError(error.message, begin + error.at, hint=error.hint) from None

    def find(self, at: int) -> tuple[Place, Location] | None:
        """The place of a numbered offset and the path of its text; None for one of the text that is being read."""
        number, offset = divmod(at, _STRIDE)
        if not number:
            return None
        scalar, location = self._texts[number - 1]
        return scalar.place_at(offset), location


@dataclass(frozen=True, slots=True)
class Let:
    """What a name stands for, all names in it replaced, and of how many nodes it consists."""

    tree: Expression
    nodes: int
    key: Scalar


@dataclass(frozen=True, slots=True)
class Source:
    """A tree and the text it was read from."""

    tree: Expression
    scalar: Scalar
    location: Location

    def place(self, node: Expression, origins: Origins) -> tuple[Place, Location]:
        """Where the first character of a part of the tree stands, which may be in the text of a name it uses."""
        at = min(part.at for part in walk(node))
        return origins.find(at) or (self.scalar.place_at(at), self.location)


@dataclass(slots=True)
class Scope:
    """The names that a text may use beside the built-in ones."""

    origins: Origins
    lets: dict[str, Let] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Names with a mistake of their own, already told: what uses them is not looked at."""
    used: set[str] = field(default_factory=set)
    """Names of `lets` that something uses."""
    values: dict[str, dict[str, Expression]] = field(default_factory=dict)
    """Per symbol."""
    value_names: set[str] = field(default_factory=set)
    """All names of `values`, of whatever symbol."""
    used_values: set[str] = field(default_factory=set)
    """Names of `values` that something uses."""
    sources: dict[int, Source] = field(default_factory=dict)
    """By the id of a tree the text it was read from: offsets alone do not say which item of an `all` is meant."""
    lacking: dict[tuple[str, str], None] = field(default_factory=dict)
    """(symbol, name) of values that were used and are not there, in the order of use."""

    def replaced(self, tree: Expression) -> Expression | None:
        """The tree with every `let` name replaced; None when one of them is broken. Raises ExpressionError."""
        names = {node.name for node in walk(tree) if isinstance(node, Name)}
        if names & self.broken:
            return None
        used = {name: self.lets[name] for name in names if name in self.lets}
        self.used |= used.keys()
        if not used:
            return tree
        size = sum(used[node.name].nodes if isinstance(node, Name) and node.name in used else 1 for node in walk(tree))
        if size > NODES_MAX:
            raise ExpressionError(f"stands for more than {NODES_MAX:,} parts", _first_use(tree, used),
                                  hint="use fewer names within names")  # fmt: skip
        whole = mapped(substitute(tree, {name: let.tree for name, let in used.items()}), _lifted)
        if depth(whole) > DEPTH_MAX:
            raise ExpressionError(f"more than {DEPTH_MAX} levels deep", _first_use(tree, used),
                                  hint="use fewer names within names")  # fmt: skip
        return whole

    def for_symbol(self, tree: Expression, symbol: str) -> Expression | None:
        """The tree with the symbol's values; None when it lacks one, which is noted."""
        own = self.values.get(symbol, {})
        names = {node.name: None for node in walk(tree) if isinstance(node, Name)}
        self.used_values |= names.keys() & self.value_names
        missing = [name for name in names if name not in own and name in self.value_names]
        self.lacking.update(dict.fromkeys((symbol, name) for name in missing))
        return None if missing else mapped(substitute(tree, own), _lifted) if own else tree

    def unknown(self, tree: Expression) -> ExpressionError | None:
        """The first bare word that is nothing, if it is nearly a name of this scope: the checker cannot know those."""
        own = [*self.lets, *self.broken, *self.value_names]
        for node in walk(tree) if own else ():
            if isinstance(node, Name) and node.name not in BUILT_IN and node.name not in (*FUNCTIONS, *own):
                near = difflib.get_close_matches(node.name, own, n=1, cutoff=0.6)
                if near:
                    return ExpressionError(f"unknown name {node.name!r}", node.at, hint=f"did you mean {near[0]}?")
        return None


def name_problem(name: str) -> tuple[str, str] | None:
    """Why a word cannot be a name of one's own and what to do, or None."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is not a name", "letters, digits and _, at most 64, not a digit first"
    if name in _GRAMMAR or name in BUILT_IN or name in FUNCTIONS or name in WORDS:
        return f"{name!r} means something already", f"choose another name, e.g. my_{name}"
    return None


def is_number(tree: Expression) -> bool:
    """A literal, with or without a minus."""
    return isinstance(tree.operand if isinstance(tree, Negative) else tree, Number)


def undefined_uses(tree: Expression, later: Iterable[str]) -> Iterator[Name]:
    """Uses of names that are not defined yet where the tree stands."""
    names = set(later)
    yield from (node for node in walk(tree) if isinstance(node, Name) and node.name in names)


def _first_use(tree: Expression, used: Mapping[str, Let]) -> int:
    return next(node.at for node in walk(tree) if isinstance(node, Name) and node.name in used)


def _lifted(node: Expression) -> Expression:
    """`sym(S).x` where x became something larger, in the one shape the grammar has for it. Raises ExpressionError."""
    if isinstance(node, Other) and not _is_chain(node.inner):
        raise ExpressionError(f"sym({node.symbol}) cannot read {render(node.inner)!r}", node.at,
                              hint="write sym(...) before each value of the expression")  # fmt: skip
    if isinstance(node, Attribute | Index) and isinstance(node.base, Number):
        raise ExpressionError(
            f"{render(node.base)} has no parts and no bars", node.base.at, hint="remove what stands behind it"
        )
    if isinstance(node, Attribute | Index) and isinstance(node.base, Other):
        return replace(node.base, inner=replace(node, base=node.base.inner))
    return node


def _is_chain(node: Expression) -> bool:
    """A name or call with `.name` and `[n]` behind it."""
    while isinstance(node, Attribute | Index):
        node = node.base
    return isinstance(node, Name | Call)
