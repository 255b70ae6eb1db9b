"""Turns a checked condition into something that moves: closures for values, leaves for comparisons.

This is the clear engine: every leg is computed at every judging, with exact numbers and Kleene logic. A faster one is
tested against it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.conditions.counting import Count, Streak
from tradeassistd.engine.conditions.kleene import All, AnyOf, Condition, Negation
from tradeassistd.engine.conditions.leaves import Anchor, Comparison, Crossing, FlagLeaf, Leaf, RangeLeaf, Sided, Step
from tradeassistd.engine.conditions.own_values import own_value
from tradeassistd.engine.conditions.reach import REARM, Reaches, distance_from
from tradeassistd.engine.conditions.sequence import Seq
from tradeassistd.engine.conditions.sources import Sources
from tradeassistd.engine.conditions.values import (
    ValueOf,
    absolute,
    choose,
    constant,
    difference,
    negative,
    product,
    quotient,
    ratio_from,
    total,
    whole,
)
from tradeassistd.engine.language.arguments import duration_s, interval_of, is_by_time
from tradeassistd.engine.language.expression import (
    REACHES,
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
from tradeassistd.engine.language.functions import (
    BAR_FIELDS,
    FLAGS,
    FUNCTIONS,
    LOOK_BACK_QUOTES,
    NUMBER,
    RATIO,
    Arg,
    Unit,
    Value,
)
from tradeassistd.engine.language.kinds import reads_day, unit_of
from tradeassistd.engine.language.own import UserFunction
from tradeassistd.engine.rule import Move
from tradeassistd.engine.symbol.symbols import BARS_MOVED, SECOND_TURNED, SymbolState
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import series_session

_NOWHERE: frozenset[str] = frozenset()


class _Place(NamedTuple):
    """Where a value stands: on which symbol, and in which unit a bare number in it is read."""

    here: Instrument
    unit: Unit
    before: frozenset[str] = _NOWHERE
    """Symbols whose running extremes are read as before the last row: the other side of the comparison is a quote."""


class Compiler:
    """Compiles conditions and values for one symbol, and gathers what they read and everything that looks."""

    def __init__(
        self,
        instrument: Instrument,
        state_of: Callable[[str], SymbolState],
        *,
        rearm: Move | None = None,
        stale_after_s: int = 0,
    ) -> None:
        """`rearm`: how far `reaches` must leave a level; `stale_after_s`: 0 for never."""
        self.leaves: list[Leaf] = []
        """The comparisons and events of the conditions in written order, without those inside seq, count and streak."""
        self.steps: list[Step] = []
        """What looks at every judging, in this order (nested ones first): all leaves but those of a streak."""
        self.sided: list[Sided] = []
        """What a cut concerns; the stored sides are theirs, in this order."""
        self.streaks: list[Streak] = []
        self.reads_day = False
        self._instrument = instrument
        self._rearm = rearm or REARM
        self._sources = Sources(state_of, stale_after_s)
        self._depth = 0

    @property
    def reads(self) -> dict[str, int]:
        """Per symbol the changes after which the condition must be judged; 0 for one that only a bar close reads."""
        return self._sources.reads

    @property
    def tracks(self) -> list[Track]:
        """What is read of bars, so that a reload knows what is still needed."""
        return self._sources.tracks

    @property
    def watched(self) -> list[object]:
        """What a symbol watches only because somebody reads it (SymbolState.retain_watched)."""
        return self._sources.watched

    def condition(self, tree: Expression) -> Condition:
        """The condition of a tree that `kinds.check` accepts for this symbol."""
        self.reads_day = self.reads_day or reads_day(tree)
        return self._condition(tree, self._instrument)

    def value(self, tree: Expression) -> tuple[ValueOf, Unit]:
        """A value that `kinds.unit_of` accepts for this symbol, and its unit; a bare number is a plain number.

        It only reads: a count or streak in it is unknown unless its steps look, too.
        """
        unit = unit_of(tree, self._instrument) or NUMBER
        return self._value(tree, _Place(self._instrument, unit)), unit

    def _condition(self, tree: Expression, here: Instrument) -> Condition:
        match tree:
            case Compare() | Cross() | InRange():
                return self._leaf(self._comparison(tree, here))
            case Not():
                return Negation(self._condition(tree.operand, here))
            case Combine():
                items = tuple(self._condition(item, here) for item in tree.items)
                return All(items) if tree.op == Combine.AND else AnyOf(items)
            case Call(name="seq"):
                return self._leaf(self._sequence(tree, here))
            case Name() | Other():
                return self._leaf(self._flag(tree, here))
        raise TypeError(f"not a condition: {render(tree)}")

    def _leaf(self, leaf: Leaf) -> Leaf:
        self.steps.append(leaf)
        if not self._depth:
            self.leaves.append(leaf)
        return leaf

    def _comparison(self, tree: Compare | Cross | InRange, here: Instrument) -> Leaf:
        match tree:
            case Compare():
                left, (right,), unit, _ = self._sides(tree.left, (tree.right,), here)
                return Comparison(render(tree), unit, tree.op, left, right)
            case Cross(op=op):
                left, rights, unit, anchors = self._sides(tree.left, tree.rights, here)
                if op != REACHES:
                    return self._remember(Crossing(render(tree), unit, op, left, rights, anchors))
                away = distance_from(self._rearm, _measured_on(tree.left, here).tick_size)
                return self._remember(Reaches(render(tree), unit, left, rights, away, anchors))
            case InRange():
                left, (low, high), unit, anchors = self._sides(tree.left, (tree.low, tree.high), here)
                both = [Anchor(anchor.start_us, frozenset({0})) for anchor in anchors]
                return self._remember(RangeLeaf(render(tree), unit, tree.op, left, low, high, both))

    def _remember(self, leaf: Crossing | Reaches | RangeLeaf | Seq) -> Leaf:
        self.sided.append(leaf)
        return leaf

    def _flag(self, tree: Name | Other, here: Instrument) -> Leaf:
        node: Expression = tree
        while isinstance(node, Other):
            here, node = here.beside(node.symbol), node.inner
        if not isinstance(node, Name) or node.name not in FLAGS:
            raise TypeError(f"not a condition: {render(tree)}")
        return FlagLeaf(render(tree), self._sources.flag(node.name, here))

    def _sequence(self, tree: Call, here: Instrument) -> Leaf:
        first = len(self.steps)
        events: list[Condition] = []
        begins = first
        for event in tree.args:
            begins = len(self.steps)
            events.append(self._nested(event, here))
        nested = tuple(self.steps[first:])
        shown = next(step for step in self.steps[begins:] if isinstance(step, Leaf))
        within_us = duration_s(dict(tree.keywords)["within"]) * US_PER_S
        return self._remember(Seq(render(tree), shown, tuple(events), nested, within_us))

    def _nested(self, tree: Expression, here: Instrument) -> Condition:
        """A condition whose leaves are not the rule's own."""
        self._depth += 1
        condition = self._condition(tree, here)
        self._depth -= 1
        return condition

    def _sides(
        self, left: Expression, rights: tuple[Expression, ...], here: Instrument
    ) -> tuple[ValueOf, tuple[ValueOf, ...], Unit, list[Anchor]]:
        """Both sides in one unit - a bare number takes that of what it stands beside - and the anchors they hang on."""
        units = [unit_of(side, here) for side in (left, *rights)]
        unit = next((known for known in units if known is not None), RATIO)
        ours, theirs = _quoted(left, here), frozenset[str]().union(*(_quoted(right, here) for right in rights))
        outer, self._sources.anchors = self._sources.anchors, {}
        positions: dict[tuple[str, str], set[int]] = {}
        left_of = self._value(left, _Place(here, unit, theirs))
        for key in self._sources.anchors:
            positions[key] = set(range(len(rights)))
        found = dict(self._sources.anchors)
        rights_of = []
        for position, right in enumerate(rights):
            self._sources.anchors = {}
            rights_of.append(self._value(right, _Place(here, unit, ours)))
            for key in self._sources.anchors:
                positions.setdefault(key, set()).add(position)
            found |= self._sources.anchors
        self._sources.anchors = outer
        anchors = [Anchor(found[key], frozenset(at)) for key, at in positions.items()]
        return left_of, tuple(rights_of), unit, anchors

    def _value(self, node: Expression, place: _Place) -> ValueOf:
        """A closure for the node's value."""
        here, sources = place.here, self._sources
        match node:
            case Number():
                return constant(_number(node, place))
            case Name():
                return sources.quote(node.name, here)
            case Attribute(base=Name(name=scope), name=part):
                return sources.day_value(scope, part, here, before=here.symbol in place.before)
            case Attribute(base=Call(name="opening_range") as call, name=part):
                return sources.opening_range(call, part, here)
            case Attribute() | Index():
                return self._bars(node, place)
            case Call(name=name) if name in BAR_FIELDS or (FUNCTIONS[name].reads_bars and not is_by_time(node)):
                return self._bars(node, place)
            case Call():
                return self._call(node, place)
            case Other():
                return self._value(node.inner, place._replace(here=here.beside(node.symbol)))
            case Negative(operand=Number() as number):
                return constant(-_number(number, place))
            case Negative():
                return negative(self._value(node.operand, place))
            case Arithmetic():
                return self._arithmetic(node, place)
        raise TypeError(f"not a value: {render(node)}")

    def _bars(self, node: Expression, place: _Place) -> ValueOf:
        """A bar value or a bar function, one line of it, and how many bars ago: `macd(...).line[1]`."""
        bars_back, part = 0, ""
        if isinstance(node, Index):
            bars_back, node = node.bars_back, node.base
        if isinstance(node, Attribute):
            part, node = node.name, node.base
        if not isinstance(node, Call):
            raise TypeError(f"not a bar value: {render(node)}")
        before = place.here.symbol in place.before
        value_of, step = self._sources.bars(node, part, bars_back, place.here, before=before)
        if step is not None:
            self.steps.append(step)
        return value_of

    def _call(self, node: Call, place: _Place) -> ValueOf:
        here, sources = place.here, self._sources
        match node.name:
            case "pct_change" | "change":
                return sources.change(node, here)
            case "highest" | "lowest":
                return sources.extreme(node, here, before=here.symbol in place.before)
            case "vwap":
                return sources.vwap(node, here)
            case "count":
                return self._count(node, here)
            case "streak":
                return self._streak(node, here)
        if (own := FUNCTIONS[node.name].own) is not None:
            return self._own(own, node, place)
        unit = next((known for arg in node.args if (known := unit_of(arg, here)) is not None), place.unit)
        values = tuple(self._value(arg, place._replace(unit=unit)) for arg in node.args)
        match node.name:
            case "pct_from":
                return ratio_from(*values)
            case "abs":
                return absolute(values[0])
            case "min":
                return choose(min, values)
            case "max":
                return choose(max, values)
        raise TypeError(f"{node.name} is in the table but cannot be compiled")

    def _own(self, own: UserFunction, node: Call, place: _Place) -> ValueOf:
        """A user's function of present values; a bare number is the same number in every natural unit."""
        units = [unit_of(arg, place.here) or RATIO for arg in node.args]
        values = [self._value(arg, place._replace(unit=unit)) for arg, unit in zip(node.args, units, strict=True)]
        return own_value(own, tuple(zip(values, units, strict=True)), unit_of(node, place.here) or place.unit)

    def _count(self, node: Call, here: Instrument) -> ValueOf:
        """The event is watched at every judging; what happened leaves the count with the clock."""
        count = Count(self._nested(node.args[0], here), here, duration_s(node.args[1]))
        self.steps.append(count)
        self.sided.append(count)
        self._sources.note(here, SECOND_TURNED)
        return lambda: count.value

    def _streak(self, node: Call, here: Instrument) -> ValueOf:
        """The state is looked at when the bar closes, so what it reads makes nobody judge the rule."""
        interval, session = interval_of(node.args[1]), series_session(here)
        state = self._sources.note(here, BARS_MOVED)
        # The track keeps the series while the rule is there.
        self.tracks.append(state.track(state.bar_series(interval, session), "close", "", (), 0))
        steps = self.steps  # kinds.check lets no count or seq into a streak, nor a streak into them
        self.steps, self._sources.judged = [], False
        condition = self._nested(node.args[0], here)
        streak = Streak(state, interval, session, condition, tuple(self.steps))
        self.steps, self._sources.judged = steps, True
        self.sided.append(streak)
        self.streaks.append(streak)
        return streak.read

    def _arithmetic(self, node: Arithmetic, place: _Place) -> ValueOf:
        left_unit, right_unit = unit_of(node.left, place.here), unit_of(node.right, place.here)
        if node.op in "+-":
            inner = place._replace(unit=left_unit or right_unit or place.unit)
            left, right = self._value(node.left, inner), self._value(node.right, inner)
            return total(left, right) if node.op == "+" else difference(left, right)
        if left_unit is None and right_unit is None:
            # Two bare numbers: the product takes the outer unit once, through the left one.
            left_unit = place.unit
        left = self._value(node.left, place._replace(unit=left_unit or RATIO))
        right = self._value(node.right, place._replace(unit=right_unit or RATIO))
        return product(left, right) if node.op == "*" else quotient(left, right)


def _number(node: Number, place: _Place) -> Value:
    if node.suffix == "t":
        return whole(node.value * place.here.tick_size)
    scale = Fraction(PRICE_SCALE) ** place.unit.price
    plain = unit_of(node, place.here) is None
    return whole(node.value * scale if plain else node.value)


def _measured_on(node: Expression, here: Instrument) -> Instrument:
    """The instrument in whose ticks a left side is measured: that of `sym(...)` when it is all of another symbol."""
    while isinstance(node, Other):
        here, node = here.beside(node.symbol), node.inner
    return here


def _quoted(node: Expression, here: Instrument) -> frozenset[str]:
    """The symbols of which a side reads price, mark, mid, bid or ask itself; looking back on one is not reading it."""
    match node:
        case Name(name=name):
            return frozenset({here.symbol}) if name in LOOK_BACK_QUOTES else _NOWHERE
        case Other(inner=inner):
            return _quoted(inner, here.beside(node.symbol))
        case Negative(operand=operand):
            return _quoted(operand, here)
        case Arithmetic(left=left, right=right):
            return _quoted(left, here) | _quoted(right, here)
        case Call(name=name, args=args) if name in FUNCTIONS and Arg.VALUE in FUNCTIONS[name].args:
            return _NOWHERE.union(*(_quoted(arg, here) for arg in args))
    return _NOWHERE
