"""What an expression is - a value with a unit, a state, or an event - and why it cannot be.

A number without a suffix takes the unit of what it stands beside (`price > 5200`), so its unit is None here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.expression import (
    DURATION_SUFFIXES,
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
from tradeassistd.engine.functions import (
    BAR_FIELDS,
    FUNCTIONS,
    LOOK_BACK_QUOTES,
    PRICE,
    QUOTES,
    RATIO,
    SECONDS,
    Arg,
    Function,
    Gives,
    Unit,
)
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.session import SESSION_WORDS, session_words

COUNT_MAX = 5_000
BARS_BACK_MAX = 5_000
LOOK_BACK_MAX_S = 4 * 3600

STATE, EVENT = "state", "event"


class ExpressionError(ConfigError):
    """An expression that means nothing; `at` is the offset of the culprit in the expression's text."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.at = at


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
        case _:
            unit_of(tree, instrument)  # a mistake inside the value is the better message
            raise ExpressionError(
                f"{render(tree)} is a value, not a condition", tree.at, hint="compare it with something"
            )


def unit_of(node: Expression, instrument: Instrument) -> Unit | None:
    """The unit of a value, None for a number that adapts. Raises ExpressionError."""
    match node:
        case Number():
            return _number_unit(node)
        case Name():
            return _name_unit(node, instrument)
        case Call(name=name) if name in BAR_FIELDS:
            return _bar_value_unit(node, instrument)
        case Call():
            return _call_unit(node, instrument)
        case Index():
            return _index_unit(node, instrument)
        case Other():
            return unit_of(node.inner, other_instrument(node))
        case Negative():
            return unit_of(node.operand, instrument)
        case Arithmetic():
            return _arithmetic_unit(node, instrument)
        case Attribute():
            raise ExpressionError(f"{render(node.base)} has no part {node.name!r}", node.at)
        case _:
            raise ExpressionError(f"{render(node)} is a condition, not a value", node.at, hint="a value is due here")


def other_instrument(node: Other) -> Instrument:
    """The instrument that `sym(...)` names. Raises ExpressionError when it is not a symbol."""
    try:
        return instrument_of(node.symbol)
    except ValueError as error:
        raise ExpressionError(str(error), node.at, hint="write it as Schwab does: /ES, $SPX, SPY") from None


def interval_of(node: Expression) -> str:
    """The interval a literal names, e.g. "5m". Raises ExpressionError."""
    text = render(node)
    if not isinstance(node, Number) or text not in INTERVALS_S:
        raise ExpressionError(f"{text} is not a bar interval", node.at, hint=f"one of {' '.join(INTERVALS_S)}")
    return text


def duration_s(node: Expression) -> int:
    """The length of a duration literal in seconds. Raises ExpressionError."""
    if not isinstance(node, Number) or node.suffix not in DURATION_SUFFIXES:
        raise ExpressionError(f"{render(node)} is not a duration", node.at, hint="write 30s, 5m or 1h")
    if node.value.denominator != 1 or not 1 <= node.value <= LOOK_BACK_MAX_S:
        raise ExpressionError(
            f"{render(node)} is no whole number of seconds from 1s to {LOOK_BACK_MAX_S // 3600}h", node.at
        )
    return int(node.value)


def count_of(node: Expression) -> int:
    """A whole number of bars. Raises ExpressionError."""
    if not isinstance(node, Number) or node.suffix or node.digits.denominator != 1:
        raise ExpressionError(f"{render(node)} is not a whole number of bars", node.at)
    if not 1 <= node.digits <= COUNT_MAX:
        raise ExpressionError(f"{render(node)} is not between 1 and {COUNT_MAX:,} bars", node.at)
    return int(node.digits)


def split_session(node: Call, instrument: Instrument) -> tuple[tuple[Expression, ...], str]:
    """The arguments of a bar function without its trailing session word, and that word ("" for the default)."""
    if node.keywords:
        key, value = node.keywords[0]
        raise ExpressionError(f"{node.name} takes no argument {key!r}", value.at)
    last = node.args[-1] if node.args else None
    if not isinstance(last, Name) or last.name in BAR_FIELDS or last.name in QUOTES:
        return node.args, ""
    if last.name == "live":
        raise ExpressionError("`live` is not supported by this version", last.at)
    if last.name not in SESSION_WORDS:
        raise _unknown("session word", last.name, SESSION_WORDS, last.at)
    if last.name not in session_words(instrument):
        raise ExpressionError(f"{instrument.symbol} has no session {last.name!r}", last.at,
                              hint=f"it has {', '.join(session_words(instrument))}")  # fmt: skip
    return node.args[:-1], last.name


def _check_combine(tree: Combine, instrument: Instrument) -> str:
    kinds = [check(item, instrument) for item in tree.items]
    events = kinds.count(EVENT)
    if tree.op == Combine.AND and events > 1:
        second = [item for item, kind in zip(tree.items, kinds, strict=True) if kind == EVENT][1]
        raise ExpressionError("two events cannot happen at the same instant", second.at,
                              hint="keep one crossing and make the other a comparison")  # fmt: skip
    if tree.op == Combine.OR and 0 < events < len(kinds):
        raise ExpressionError("`any` mixes events and states", tree.items[kinds.index(EVENT)].at,
                              hint="write two rules, or make them all crossings or all comparisons")  # fmt: skip
    return EVENT if events else STATE


def _check_comparison(
    node: Compare | Cross | InRange, sides: tuple[Expression, Expression], instrument: Instrument
) -> None:
    left, right = (unit_of(side, instrument) for side in sides)
    if not any(map(_can_change, sides)):
        raise ExpressionError(f"nothing in `{render(node)}` can change", node.at, hint="compare with a value")
    if SECONDS in (left, right) and left != right:
        raise ExpressionError("compares a value with a duration", node.at,
                              hint="`5m` is five minutes; five million is `5M`")  # fmt: skip
    if left is not None and right is not None and left != right:
        hint = "write pct_change(...) or pct_from(...) for a percentage" if {left, right} == {PRICE, RATIO} else ""
        raise ExpressionError(f"compares a {left} with a {right}", node.at, hint=hint)
    if node.op in ("==", "!=") and PRICE not in (left, right):
        raise ExpressionError(f"`{node.op}` is for prices", node.at, hint="write >= and <=, or inside [low, high]")


def _can_change(node: Expression) -> bool:
    """Whether a value reads anything live; literals and what is computed from them alone do not."""
    match node:
        case Number():
            return False
        case Call(name=name, args=args):
            return name in BAR_FIELDS or any(map(_can_change, args))
        case Negative(operand=inner) | Index(base=inner) | Other(inner=inner):
            return _can_change(inner)
        case Arithmetic(left=left, right=right):
            return _can_change(left) or _can_change(right)
        case _:
            return True


def _number_unit(node: Number) -> Unit | None:
    match node.suffix:
        case "" | "k" | "M" | "B":
            return None
        case "%" | "x":
            return RATIO
        case "t":
            return PRICE
        case "d":
            raise ExpressionError(f"{render(node)} is a number of trading days, not a value", node.at)
        case _:
            return SECONDS


def _name_unit(node: Name, instrument: Instrument) -> Unit:
    if node.name in QUOTES:
        if node.name != "price" and not instrument.has_quote:
            raise ExpressionError(f"{instrument.symbol} has no {node.name}", node.at,
                                  hint="an index has no bid, ask, size or volume; use price")  # fmt: skip
        return QUOTES[node.name][0]
    if node.name in BAR_FIELDS:
        raise ExpressionError(f"`{node.name}` alone is not a value", node.at,
                              hint=f"write {node.name}(5m) for the last closed bar, or price")  # fmt: skip
    raise _unknown("name", node.name, [*QUOTES, *BAR_FIELDS, *FUNCTIONS], node.at)


def _bar_value_unit(node: Call, instrument: Instrument) -> Unit:
    args, _ = split_session(node, instrument)
    if len(args) != 1:
        raise ExpressionError(f"{node.name} takes one bar interval", node.at, hint=f"write {node.name}(5m)")
    interval_of(args[0])
    return _field_unit(Name(node.name, node.at), instrument)


def _field_unit(node: Expression, instrument: Instrument) -> Unit:
    if not isinstance(node, Name) or node.name not in BAR_FIELDS:
        if isinstance(node, Name):
            raise _unknown("bar series", node.name, BAR_FIELDS, node.at)
        raise ExpressionError(f"{render(node)} is not a bar series", node.at, hint=f"one of {' '.join(BAR_FIELDS)}")
    if node.name == "volume" and not instrument.has_volume:
        raise ExpressionError(f"{instrument.symbol} has no volume", node.at,
                              hint="an index has no bid, ask, size or volume; use price")  # fmt: skip
    return BAR_FIELDS[node.name][0]


def _call_unit(node: Call, instrument: Instrument) -> Unit | None:
    function = FUNCTIONS.get(node.name)
    if function is None:
        if node.name in QUOTES:
            raise ExpressionError(f"`{node.name}` takes no arguments", node.at, hint=f"write {node.name}")
        raise _unknown("function", node.name, [*FUNCTIONS, *BAR_FIELDS, *QUOTES], node.at)
    args = node.args
    if function.reads_bars:
        args, _ = split_session(node, instrument)
    elif node.keywords:
        key, value = node.keywords[0]
        raise ExpressionError(f"{node.name} takes no argument {key!r}", value.at)
    kinds = function.args + (function.args[-1],) * (len(args) - len(function.args)) * function.many
    if len(args) != len(kinds):
        raise ExpressionError(f"{node.name} takes {len(function.args)} arguments, not {len(args)}", node.at,
                              hint=f"write {function.signature}")  # fmt: skip
    units = [_argument_unit(function, kind, arg, instrument) for kind, arg in zip(kinds, args, strict=True)]
    if kinds[0] is Arg.VALUE:
        first = units[0]
        for arg, unit in zip(args[1:], units[1:], strict=True):
            first = _same_unit(first, unit, arg.at)
        return RATIO if function.gives is Gives.RATIO else first
    return RATIO if function.gives is Gives.RATIO else units[0]


def _argument_unit(function: Function, kind: Arg, node: Expression, instrument: Instrument) -> Unit | None:
    match kind:
        case Arg.SERIES:
            return _field_unit(node, instrument)
        case Arg.COUNT:
            count_of(node)
        case Arg.INTERVAL:
            interval_of(node)
        case Arg.DURATION:
            duration_s(node)
        case Arg.QUOTE:
            if not isinstance(node, Name) or node.name not in LOOK_BACK_QUOTES:
                raise ExpressionError(f"{function.name} looks back on a live value, not on {render(node)}", node.at,
                                      hint=f"one of {' '.join(LOOK_BACK_QUOTES)}")  # fmt: skip
            return _name_unit(node, instrument)
        case Arg.VALUE:
            return unit_of(node, instrument)
    return None


def _index_unit(node: Index, instrument: Instrument) -> Unit | None:
    base = node.base
    reads_bars = isinstance(base, Call) and (
        base.name in BAR_FIELDS or (base.name in FUNCTIONS and FUNCTIONS[base.name].reads_bars)
    )
    unit = unit_of(base, instrument)
    if not reads_bars:
        raise ExpressionError(f"{render(base)} has no bars to go back on", node.at,
                              hint="write [n] behind a bar value such as close(5m) or sma(close, 20, 5m)")  # fmt: skip
    if not 0 <= node.bars_back <= BARS_BACK_MAX:
        raise ExpressionError(f"[{node.bars_back}] is not between 0 and {BARS_BACK_MAX:,} bars", node.at)
    return unit


def _arithmetic_unit(node: Arithmetic, instrument: Instrument) -> Unit | None:
    left, right = unit_of(node.left, instrument), unit_of(node.right, instrument)
    if node.op in "+-":
        if {left, right} == {PRICE, RATIO}:
            sign = "1.01" if node.op == "+" else "0.99"
            raise ExpressionError("a price and a percentage cannot be added", node.at,
                                  hint=f"write price * {sign}")  # fmt: skip
        return _same_unit(left, right, node.at)
    if left is None and right is None:
        return None
    left, right = left or RATIO, right or RATIO
    sign_of = 1 if node.op == "*" else -1
    return Unit(*(a + sign_of * b for a, b in zip(left, right, strict=True)))


def _same_unit(left: Unit | None, right: Unit | None, at: int) -> Unit | None:
    if left is not None and right is not None and left != right:
        raise ExpressionError(f"a {left} and a {right} do not go together", at)
    return right if left is None else left


def _unknown(what: str, name: str, known: Iterable[str], at: int) -> ExpressionError:
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return ExpressionError(f"unknown {what} {name!r}", at, hint=f"did you mean {close[0]}?" if close else "")
