"""What an expression is - a value with a unit, a state, or an event - and why it cannot be."""

from __future__ import annotations

from tradeassistd.engine.language.arguments import (
    BARS_BACK_MAX,
    BarArguments,
    ExpressionError,
    bar_arguments,
    count_of,
    duration_s,
    function_of,
    interval_of,
    is_by_time,
    number_of,
    other_instrument,
    refuse_end_words,
)
from tradeassistd.engine.language.calls import (
    check_keywords,
    check_own,
    has_parts,
    parts_text,
    unknown_function,
    wrong_number,
)
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
    DAY_VALUES,
    FLAGS,
    FUNCTIONS,
    LOOK_BACK_QUOTES,
    NUMBER,
    PRICE,
    QUOTES,
    RATIO,
    SECONDS,
    SEQ_MAX,
    VOLUME,
    Arg,
    Function,
    Gives,
    Unit,
)
from tradeassistd.engine.language.units import (
    DURATION_HINT,
    alike_hint,
    day_value_unit,
    is_duration_literal,
    mismatch_hint,
    name_unit,
    no_value,
    noun,
    number_unit,
    product_unit,
    refuse_without_volume,
    same_unit,
    series_unit,
)
from tradeassistd.engine.language.walk import walk
from tradeassistd.market.instrument import Instrument

__all__ = [
    "EVENT", "STATE", "BarArguments", "ExpressionError", "bar_arguments", "check", "count_of", "duration_s",
    "interval_of", "is_by_time", "number_of", "other_instrument", "reads_day", "unit_of",
]  # fmt: skip

STATE, EVENT = "state", "event"
_DAY_QUOTES = ("net_change", "net_pct", "settle")


def check(tree: Expression, instrument: Instrument) -> str:
    """Whether the condition is a "state" or an "event" for this instrument. Raises ExpressionError."""
    match tree:
        case Compare():
            _check_comparison(tree, (tree.left, tree.right), instrument)
            return STATE
        case Cross():
            for right in tree.rights:
                _check_comparison(tree, (tree.left, right), instrument)
            return EVENT
        case InRange():
            for bound in (tree.low, tree.high):
                _check_comparison(tree, (tree.left, bound), instrument)
            return STATE if tree.op in ("inside", "outside") else EVENT
        case Not():
            if check(tree.operand, instrument) == EVENT:
                raise ExpressionError("`not` of an event", tree.at, hint="an event is over at once; negate a state")
            return STATE
        case Combine():
            return _check_combine(tree, instrument)
        case Name(name=name) if name in FLAGS:
            return STATE
        case Other(inner=Name(name=name)) if name in FLAGS:
            other_instrument(tree)
            return STATE
        case Call(name="seq"):
            _check_arguments(FUNCTIONS["seq"], tree, instrument)
            return EVENT
        case _:
            unit_of(tree, instrument)  # a mistake inside the value is the better message
            raise ExpressionError(
                f"{render(tree)} is a value, not a condition", tree.at, hint="compare it with something"
            )


def unit_of(node: Expression, instrument: Instrument) -> Unit | None:
    """The unit of a value, None for a number that adapts. Raises ExpressionError."""
    match node:
        case Number():
            return number_unit(node)
        case Name():
            return name_unit(node, instrument)
        case Call(name=name) if name in BAR_FIELDS:
            return _bar_value_unit(node, instrument)
        case Call():
            return _call_unit(node, instrument)
        case Attribute():
            return _part_unit(node, instrument)
        case Index():
            return _index_unit(node, instrument)
        case Other():
            return _other_unit(node)
        case Negative():
            return unit_of(node.operand, instrument)
        case Arithmetic():
            return _arithmetic_unit(node, instrument)
        case _:
            raise ExpressionError(f"{render(node)} is a condition, not a value", node.at, hint="a value is due here")


def reads_day(tree: Expression) -> bool:
    """Whether anything in the tree belongs to a day or session: a day value, vwap, opening_range, net_change, …"""
    return any(
        (isinstance(node, Attribute) and isinstance(node.base, Name) and node.base.name in DAY_VALUES)
        or (isinstance(node, Call) and node.name in FUNCTIONS and FUNCTIONS[node.name].by_session)
        or (isinstance(node, Name) and node.name in _DAY_QUOTES)
        for node in walk(tree)
    )


def _check_combine(tree: Combine, instrument: Instrument) -> str:
    kinds = [check(item, instrument) for item in tree.items]
    events = kinds.count(EVENT)
    if tree.op == Combine.AND and events > 1:
        second = [item for item, kind in zip(tree.items, kinds, strict=True) if kind == EVENT][1]
        raise ExpressionError("two events cannot happen at the same instant", second.at,
                              hint="write seq(first, second, within=15m), or make one a comparison")  # fmt: skip
    if tree.op == Combine.OR and 0 < events < len(kinds):
        raise ExpressionError("`any` mixes events and states", tree.items[kinds.index(EVENT)].at,
                              hint="write two rules, or make them all crossings or all comparisons")  # fmt: skip
    return EVENT if events else STATE


def _check_comparison(
    node: Compare | Cross | InRange, sides: tuple[Expression, Expression], instrument: Instrument
) -> None:
    left, right = units = (unit_of(sides[0], instrument), unit_of(sides[1], instrument))
    if not any(map(_can_change, sides)):
        raise ExpressionError(f"nothing in `{render(node)}` can change", node.at, hint="compare with a value")
    if left is not None and right is not None and left != right:
        hint = mismatch_hint(*sides, units)
        if not hint and SECONDS in units and any(map(is_duration_literal, sides)):
            raise ExpressionError("compares a value with a duration", node.at, hint=DURATION_HINT)
        raise ExpressionError(
            f"compares {noun(left)} with {noun(right)}", node.at, hint=hint or alike_hint(*sides, units)
        )
    if node.op in ("==", "!=") and PRICE not in units:
        raise ExpressionError(f"`{node.op}` is for prices", node.at, hint="write >= and <=, or inside [low, high]")
    if node.op == REACHES and PRICE not in units:
        raise ExpressionError("`reaches` is for prices", node.at, hint="write crosses")


def _can_change(node: Expression) -> bool:
    """Whether a value reads anything live; literals and what is computed from them alone do not."""
    match node:
        case Number():
            return False
        case Call(name=name, args=args) if name in FUNCTIONS and Arg.VALUE in FUNCTIONS[name].args:
            return any(map(_can_change, args))
        case Negative(operand=inner) | Other(inner=inner):
            return _can_change(inner)
        case Arithmetic(left=left, right=right):
            return _can_change(left) or _can_change(right)
        case _:
            return True


def _bar_value_unit(node: Call, instrument: Instrument) -> Unit:
    args = bar_arguments(node, instrument).args
    if len(args) != 1:
        raise ExpressionError(f"{node.name} takes one bar interval", node.at, hint=f"write {node.name}(5m)")
    interval_of(args[0])
    return series_unit(Name(node.name, node.at), instrument)


def _call_unit(node: Call, instrument: Instrument) -> Unit | None:
    function = function_of(node)
    if function is None:
        raise unknown_function(node)
    if function.parts:
        _line_unit(function, node, instrument)  # a mistake inside is the better message
        raise ExpressionError(f"{render(node)} has several lines", node.at, hint=f"write {parts_text(function)}")
    return _line_unit(function, node, instrument)


def _line_unit(function: Function, node: Call, instrument: Instrument) -> Unit | None:
    """The unit of a call, or of each of its lines."""
    units = _check_arguments(function, node, instrument)
    match function.gives:
        case Gives.RATIO:
            return RATIO
        case Gives.PRICE:
            return PRICE
        case Gives.VOLUME:
            return VOLUME
        case Gives.NUMBER:
            return NUMBER
        case Gives.EVENT:
            raise ExpressionError(f"{render(node)} is a condition, not a value", node.at, hint="a value is due here")
    return next((unit for unit in units if unit is not None), None)


def _check_arguments(function: Function, node: Call, instrument: Instrument) -> list[Unit | None]:
    """The units of a call's arguments. Raises ExpressionError for any that is missing, too many or wrong."""
    if function.takes_session:
        args = bar_arguments(node, instrument).args
    else:
        args = node.args
        check_keywords(function, node)
    kinds = function.args + (function.args[-1:]) * (len(args) - len(function.args)) * function.many
    if len(args) > len(kinds):
        refuse_end_words(node)
    if len(args) != len(kinds):
        raise wrong_number(function, node, len(args))
    units = [_argument_unit(function, kind, arg, instrument) for kind, arg in zip(kinds, args, strict=True)]
    if function.own is not None:
        check_own(function, function.own, node, units)
    elif Arg.VALUE in function.args:
        unit = units[0]
        for arg, other in zip(args[1:], units[1:], strict=True):
            unit = same_unit(unit, other, arg.at)
    if function.reads_volume:
        refuse_without_volume("volume", node.at, instrument)
    if function.name == "macd" and count_of(args[1]) >= count_of(args[2]):
        raise ExpressionError(f"the fast average ({render(args[1])}) is not shorter than the slow ({render(args[2])})",
                              args[1].at, hint="write e.g. macd(close, 12, 26, 9, 5m).line")  # fmt: skip
    if function.name == "seq" and len(args) > SEQ_MAX:
        raise ExpressionError(f"seq takes at most {SEQ_MAX} events", args[SEQ_MAX].at, hint="split it into two rules")
    return units


def _argument_unit(function: Function, kind: Arg, node: Expression, instrument: Instrument) -> Unit | None:
    match kind:
        case Arg.SERIES:
            return series_unit(node, instrument)
        case Arg.COUNT:
            count_of(node)
        case Arg.NUMBER:
            number_of(node, function.number_max)
        case Arg.INTERVAL:
            interval_of(node)
        case Arg.DURATION:
            duration_s(node)
        case Arg.QUOTE:
            if not isinstance(node, Name) or node.name not in LOOK_BACK_QUOTES:
                raise ExpressionError(f"{function.name} looks back on a live value, not on {render(node)}", node.at,
                                      hint=f"one of {' '.join(LOOK_BACK_QUOTES)}")  # fmt: skip
            return name_unit(node, instrument)
        case Arg.VALUE:
            return unit_of(node, instrument)
        case Arg.STATE | Arg.EVENT:
            _check_nested(function, kind, node, instrument)
    return None


def _check_nested(function: Function, kind: Arg, node: Expression, instrument: Instrument) -> None:
    """The condition that count, streak or seq watches."""
    for inner in walk(node):
        if isinstance(inner, Call) and inner.name in FUNCTIONS and FUNCTIONS[inner.name].takes_condition:
            raise ExpressionError(f"{inner.name} cannot stand inside {function.name}", inner.at,
                                  hint="write it beside the other, with and")  # fmt: skip
    found = check(node, instrument)
    if kind is Arg.EVENT and found == STATE:
        hint = "write crosses, reaches, enters or exits" + ("; streak counts bar closes" if function.name == "count"
                                                            else "")  # fmt: skip
        raise ExpressionError(f"{function.name} takes an event, and `{render(node)}` is a state", node.at, hint=hint)
    if kind is Arg.STATE and found == EVENT:
        raise ExpressionError(f"{function.name} takes a state, and `{render(node)}` is an event", node.at,
                              hint="write a comparison; count(...) counts events")  # fmt: skip


def _part_unit(node: Attribute, instrument: Instrument) -> Unit | None:
    """The unit of `day.high`, `macd(...).line`, `opening_range(15m).low`."""
    base = node.base
    if isinstance(base, Name) and base.name in DAY_VALUES:
        return day_value_unit(base, node, instrument)
    if isinstance(base, Call) and (function := function_of(base)) is not None and function.parts:
        unit = _line_unit(function, base, instrument)
        if node.name not in function.parts:
            raise ExpressionError(
                f"{base.name} has no part {node.name!r}", node.at, hint=f"write {parts_text(function)}"
            )
        return unit
    if isinstance(base, Index) and has_parts(base.base):
        raise ExpressionError(f"[{base.bars_back}] stands behind the part", node.at,
                              hint=f"write .{node.name}[{base.bars_back}]")  # fmt: skip
    if isinstance(base, Name) and base.name not in QUOTES:
        raise no_value(base)
    unit_of(base, instrument)
    raise ExpressionError(f"{render(base)} has no part {node.name!r}", node.at, hint=f"remove .{node.name}")


def _index_unit(node: Index, instrument: Instrument) -> Unit | None:
    base = node.base
    call = base.base if isinstance(base, Attribute) else base
    unit = unit_of(base, instrument)
    function = function_of(call) if isinstance(call, Call) else None
    if not (isinstance(call, Call) and call.name in BAR_FIELDS) and not (function and function.reads_bars):
        raise ExpressionError(f"{render(base)} has no bars to go back on", node.at,
                              hint="write [n] behind a bar value such as close(5m) or sma(close, 20, 5m)")  # fmt: skip
    if not 0 <= node.bars_back <= BARS_BACK_MAX:
        raise ExpressionError(
            f"[{node.bars_back}] is not between 0 and {BARS_BACK_MAX:,} bars", node.at, hint="write e.g. [1]"
        )
    return unit


def _other_unit(node: Other) -> Unit | None:
    """A value of another symbol; a condition is always watched for the rule's own."""
    instrument = other_instrument(node)
    for inner in walk(node.inner):
        if isinstance(inner, Other):
            raise ExpressionError("sym(...) inside sym(...)", inner.at, hint="write each one by itself")
        if isinstance(inner, Call) and inner.name in FUNCTIONS and FUNCTIONS[inner.name].takes_condition:
            raise ExpressionError(f"{inner.name} watches a condition of the rule's own symbol", inner.at,
                                  hint=f"write sym({node.symbol}) inside: {inner.name}(sym({node.symbol}).price ...)"
                                  )  # fmt: skip
    return unit_of(node.inner, instrument)


def _arithmetic_unit(node: Arithmetic, instrument: Instrument) -> Unit | None:
    left, right = unit_of(node.left, instrument), unit_of(node.right, instrument)
    for literal, beside in ((node.left, right), (node.right, left)):
        if is_duration_literal(literal) and beside not in (None, RATIO, SECONDS):
            raise ExpressionError(f"{noun(beside)} and a duration do not go together", node.at, hint=DURATION_HINT)
    if node.op in ("*", "/"):
        return product_unit(node.op, left, right)
    if {left, right} == {PRICE, RATIO}:
        raise ExpressionError("a price and a percentage cannot be added", node.at,
                              hint=f"write price * {'1.01' if node.op == '+' else '0.99'}")  # fmt: skip
    return same_unit(left, right, node.at)
