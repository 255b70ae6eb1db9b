"""Conditions that cannot mean what they say: never true, always true, at odds with themselves, in the wrong unit.

A comparison with a number says which numbers a value may be; a comparison of two values says it of their difference.
What no number can be is never true, what every number is is always true, and items of one `all` that leave no number
between them contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from tradeassistd.engine.language.expression import (
    REACHES,
    Attribute,
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Not,
    render,
)
from tradeassistd.engine.language.functions import FLAGS
from tradeassistd.engine.language.walk import mapped, substitute, walk
from tradeassistd.market.instrument import Instrument
from tradeassistd.rules.lint import Note
from tradeassistd.rules.lint_orders import ordered
from tradeassistd.rules.lint_spans import (
    Span,
    Spans,
    above,
    below,
    common,
    exactly,
    minus,
    others,
    plus,
    span_of,
)
from tradeassistd.rules.lint_values import value_notes
from tradeassistd.rules.names import Source
from tradeassistd.rules.never import never_true

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONDITIONS = (Compare, Cross, InRange, Combine, Not)
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a condition says of one value: which numbers it may be, of those it can be."""

    spans: Spans
    possible: Spans
    said: Expression
    exact: bool = True
    """Not only needed for the condition but enough for it."""


Bounds = dict[str, Bound]
"""By the value's text."""
Finding = tuple[Source, Expression, Note]


class ConditionReading:
    """Reads one condition for one symbol; `findings` holds what there is to say, each with the text it stands in."""

    def __init__(
        self, instrument: Instrument, session: str, values: Mapping[str, Expression], sources: Mapping[int, Source]
    ) -> None:
        self._instrument = instrument
        self._session = session
        self._values = values
        self._sources = sources
        self.findings: list[Finding] = []

    def read(self, node: Expression, source: Source | None) -> Bounds:
        """What the condition needs of values, once what is wrong with its parts was said."""
        source = self._sources.get(id(node), source)
        match node:
            case Combine():
                return self._combined(node, source)
            case Not():
                inside = self.read(node.operand, source)
                return {key: _turned(bound) for key, bound in inside.items() if _is_alone(node.operand) and bound.exact}
            case Name():
                return _flag(node)
            case Call():
                self._arguments(node, source)
                return {}
            case Compare() | Cross() | InRange():
                return self._alone(node, source)
            case _:
                return {}

    def note(self, source: Source | None, node: Expression, *notes: Note) -> None:
        """Told at the first text below an `all` or `any` of the file, which has none itself."""
        if source is None:
            source = next(found for part in walk(node) if (found := self._sources.get(id(part))) is not None)
            node = source.tree
        self.findings += [(source, node, note) for note in notes]

    def _combined(self, node: Combine, source: Source | None) -> Bounds:
        before = len(self.findings)
        each = [(item, self._sources.get(id(item), source), self.read(item, source)) for item in node.items]
        is_sound = len(self.findings) == before  # one mistake is told once
        if node.op == Combine.AND:
            return self._joined(each, is_sound=is_sound)
        if is_sound:
            self._look_for_gapless(node, each)
        keys = set.intersection(*({*bounds} for _, _, bounds in each))
        return {
            key: Bound(tuple(span for _, _, bounds in each for span in bounds[key].spans),
                       each[0][2][key].possible, node, exact=False)
            for key in keys
        }  # fmt: skip

    def _joined(self, each: list[tuple[Expression, Source | None, Bounds]], *, is_sound: bool) -> Bounds:
        joined: Bounds = {}
        for item, source, bounds in each:
            for key, bound in bounds.items():
                earlier = joined.get(key)
                if earlier is None:
                    joined[key] = Bound(bound.spans, bound.possible, bound.said, exact=False)
                    continue
                spans = common(earlier.spans, bound.spans)
                if is_sound and not common(spans, bound.possible):
                    message = f"`{self._text(item)}` cannot hold together with `{self._text(earlier.said)}`"
                    self.note(source, item, Note("contradiction", message, "write any, or change one of them"))
                    is_sound = False
                joined[key] = Bound(spans, bound.possible, bound.said, exact=False)
        return joined

    def _look_for_gapless(self, node: Combine, each: list[tuple[Expression, Source | None, Bounds]]) -> None:
        found: dict[str, Spans] = {}
        for item, source, bounds in each:
            for key, bound in bounds.items():
                if not bound.exact or isinstance(item, Cross):
                    continue
                found[key] = found.get(key, ()) + bound.spans
                if not common(others(found[key]), bound.possible):
                    message = f"`{self._text(node)}` is always true: one of them holds whatever the value is"
                    self.note(source, item, Note("always-true", message, "write all, or change one of them"))
                    return

    def _alone(self, node: Compare | Cross | InRange, source: Source | None) -> Bounds:
        for part in walk(node):
            if isinstance(part, Call):
                self._arguments(part, source)
        whole = self._resolved(node)
        assert isinstance(whole, Compare | Cross | InRange)  # values stand in the place of bare names only
        notes = [Note("never-true", *found) for found in never_true(whole)]
        notes = notes or [*value_notes(whole, self._instrument)]
        bounds: Bounds = {}
        for bound_key, bound in self._bounds(whole):
            bounds[bound_key] = bound
            notes = notes or self._judged(whole, bound)
        self.note(source, node, *notes)
        # A range that is empty, a level that cannot be: said once, and not again as part of a whole.
        return bounds if not notes and not (isinstance(whole, Cross) and len(whole.rights) > 1) else {}

    def _arguments(self, call: Call, source: Source | None) -> None:
        """Conditions inside of streak, count and seq."""
        for argument in call.args:
            if isinstance(argument, _CONDITIONS) or (call.name == "streak" and argument is call.args[0]):
                self.read(argument, source)

    def _judged(self, node: Compare | Cross | InRange, bound: Bound) -> list[Note]:
        text = render(bound.said)
        if isinstance(node, Cross | InRange) and _is_event(node):
            sides = [bound.spans, others(bound.spans)] if node.op != REACHES else [bound.spans]
            if all(common(side, bound.possible) for side in sides):
                return []
            return [Note("never-true", f"`{text}` can never happen: the value is always on one side", _see(node))]
        if not common(bound.spans, bound.possible):
            return [Note("never-true", f"`{text}` can never be true", _see(node))]
        usual = dict(self._bounds(node, usual=True)) if isinstance(node, Compare | InRange) else {}
        if any(not common(others(one.spans), one.possible) for one in usual.values()):
            return [Note("always-true", f"`{text}` is always true", "compare with a value that it can pass")]
        return []

    def _bounds(self, node: Compare | Cross | InRange, *, usual: bool = False) -> Iterator[tuple[str, Bound]]:
        match node:
            case Compare():
                found = self._compared(node.op, node.left, node.right, usual=usual)
                yield found[0], Bound(found[1], found[2], node)
            case Cross():
                for right in node.rights:
                    alone = replace(node, rights=(right,))
                    op = {"crosses_above": ">", "crosses_below": "<", REACHES: "=="}.get(node.op, ">")
                    found = self._compared(op, node.left, right, moving=True, usual=usual)
                    if node.op == "crosses":  # on either side afterwards
                        yield f"{found[0]} crosses", Bound(found[1], found[2], alone, exact=False)
                    elif node.op != REACHES:
                        yield (
                            f"{found[0]} before" if _runs(alone) else found[0],
                            Bound(found[1], found[2], alone, exact=False),
                        )
                    elif not common(found[1], found[2]):  # where it trades through a level is not where it is
                        yield f"{found[0]} reaches", Bound(found[1], found[2], alone, exact=False)
            case InRange():
                low, high = (span_of(bound, self._instrument).only for bound in (node.low, node.high))
                if low is not None and high is not None:
                    inside: Spans = (Span((low, 0), (high, 1)),)
                    spans = inside if node.op in ("inside", "enters") else others(inside)
                    possible = (span_of(node.left, self._instrument, usual=usual),)
                    yield render(node.left), Bound(spans, possible, node, exact=not _is_event(node))

    def _compared(
        self, op: str, left: Expression, right: Expression, *, moving: bool = False, usual: bool = False
    ) -> tuple[str, Spans, Spans]:
        """The value's text, what it may be, what it can be. `moving`: extremes count as they were before."""
        order = ordered(left, right, self._instrument, self._session, moving=moving, usual=usual)
        if order is not None and _is_decided(spans := _numbers(op, Fraction(0)), order):
            return f"{render(left)} - ({render(right)})", spans, order
        left_span, right_span = (span_of(side, self._instrument, usual=usual) for side in (left, right))
        if right_span.only is not None and op in _FLIPPED:
            return render(left), _numbers(op, right_span.only), (left_span,)
        if left_span.only is not None:
            return render(right), _numbers(_FLIPPED[op], left_span.only), (right_span,)
        texts = render(left), render(right)
        if texts[1] < texts[0]:  # `a > b` and `b > a` speak of the same difference
            left_span, right_span, op = right_span, left_span, _FLIPPED[op]
            order = tuple(map(minus, order)) if order is not None else None
        possible: Spans = (plus(left_span, minus(right_span)),) if order is None else order
        return f"{min(texts)} - ({max(texts)})", _numbers(op, Fraction(0)), possible

    def _resolved(self, node: Expression) -> Expression:
        whole = substitute(node, self._values) if self._values else node
        if not any(isinstance(part, Index) and not part.bars_back for part in walk(whole)):
            return whole
        return mapped(whole, lambda part: part.base if isinstance(part, Index) and not part.bars_back else part)

    def _text(self, node: Expression) -> str:
        return render(self._resolved(node))


def _numbers(op: str, number: Fraction) -> Spans:
    match op:
        case "<" | "<=":
            return below(number, included=op == "<=")
        case ">" | ">=":
            return above(number, included=op == ">=")
        case "!=":
            return others(exactly(number))
        case _:
            return exactly(number)


def implies(one: Bounds, other: Bounds) -> bool:
    """Whether a condition cannot hold without the other one, as far as each speaks of one value."""
    if len(other) != 1:
        return False
    ((key, bound),) = other.items()
    return bound.exact and key in one and not common(common(one[key].spans, bound.possible), others(bound.spans))


def _is_decided(spans: Spans, possible: Spans) -> bool:
    """Whether a value that can be only so is always, or never, in the spans."""
    return not common(spans, possible) or not common(others(spans), possible)


def _flag(node: Name) -> Bounds:
    return {node.name: Bound(above(_HALF), others(()), node)} if node.name in FLAGS else {}


def _turned(bound: Bound) -> Bound:
    return Bound(others(bound.spans), bound.possible, Not(bound.said))


def _is_alone(node: Expression) -> bool:
    return not isinstance(node, Combine)


def _is_event(node: Cross | InRange) -> bool:
    return isinstance(node, Cross) or node.op in ("enters", "exits")


def _runs(node: Cross) -> bool:
    """Whether it reads a running extreme, of which a crossing takes the value from before the row (rules.md 4.3)."""
    return any(isinstance(part, Attribute) or (isinstance(part, Call) and part.name in ("highest", "lowest"))
               for part in walk(node))  # fmt: skip


def _see(node: Expression) -> str:
    """A hint for the mistake that is most likely behind it."""
    windows = [part for part in walk(node) if isinstance(part, Index)]
    has_price = any(part == Name("price") for part in walk(node))
    for part in (*windows, *walk(node)):
        match part:
            case Index(base=Call(name="highest" | "lowest") as window):
                return f"write {render(window)}[{part.bars_back + 1}], which leaves that very bar out"
            case Attribute(Name("day")) if not has_price:
                continue
            case Attribute(Name("day"), "high"):
                return "write price crosses_above day.high, which happens at each new high"
            case Attribute(Name("day"), "low"):
                return "write price crosses_below day.low, which happens at each new low"
            case Call(name="highest", args=(series, length)):
                return f"write {render(series)} crosses_above highest({render(series)}, {render(length)})"
            case Call(name="lowest", args=(series, length)):
                return f"write {render(series)} crosses_below lowest({render(series)}, {render(length)})"
            case Call(name="highest" | "lowest"):
                return f"write {render(part)}[1], which leaves that very bar out"
            case Call(name="rsi"):
                return "an RSI goes from 0 to 100"
            case Call(name="zscore", args=args):
                return f"one of {render(args[1])} values is at most the root of {render(args[1])} - 1 deviations away"
    return "compare with a value that it can pass"
