"""Units of values that are named or written: literals, quotes, bar fields, day values; and how units combine.

A number without a suffix takes the unit of what it stands beside (`price > 5200`), so its unit is None here.
"""

from __future__ import annotations

from tradeassistd.engine.language.arguments import END_WORDS, LIVE, ExpressionError, unknown
from tradeassistd.engine.language.expression import (
    DURATION_SUFFIXES,
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
from tradeassistd.engine.language.functions import (
    BAR_FIELDS,
    BY_TIME,
    DAY_VALUES,
    FLAGS,
    FUNCTIONS,
    NUMBER,
    PRICE,
    QUOTES,
    RATIO,
    SECONDS,
    VOLUME,
    Unit,
)
from tradeassistd.market.instrument import Instrument, InstrumentClass

_NEEDS_QUOTE = ("mid", "bid", "ask", "spread", "spread_pct")
DURATION_HINT = "`5m` is five minutes; five million is `5M`"
_NO_VOLUME_HINT = "an index has no bid, ask, size or volume; use price"
_LIKE = {
    PRICE: "a price: prev_day.close, 5200, 8t", RATIO: "a ratio: 0.5%, 3x", SECONDS: "a duration: 30s",
    VOLUME: "a volume: 50k, 3x * avg(volume, 20, 5m)[1]", NUMBER: "a number: 70",
}  # fmt: skip
_MEANT = {
    "last": "price", "trade": "price", "prev_close": "prev_day.close", "previous_close": "prev_day.close",
    "yesterday": "prev_day", "today": "day", "week": "prev_week", "vol": "volume(5m)", "net_percent": "net_pct",
    "settlement": "settle", "true": "halted, or not halted", "false": "halted, or not halted",
}  # fmt: skip


def names() -> tuple[str, ...]:
    """Every name an expression may begin with."""
    return (*QUOTES, *FLAGS, *DAY_VALUES, *BAR_FIELDS, *FUNCTIONS)


def number_unit(node: Number) -> Unit | None:
    """The unit of a literal, None for one that adapts. Raises ExpressionError for trading days."""
    match node.suffix:
        case "" | "k" | "M" | "B":
            return None
        case "%" | "x":
            return RATIO
        case "t":
            return PRICE
        case "d":
            raise ExpressionError(f"{render(node)} is a number of trading days, not a value", node.at,
                                  hint="days are bars: close(1d)[5] is five days back")  # fmt: skip
        case _:
            return SECONDS


def name_unit(node: Name, instrument: Instrument) -> Unit:
    """The unit of a quote. Raises ExpressionError for any other name, and where the symbol has no such quote."""
    name = node.name
    if name in QUOTES:
        if name in _NEEDS_QUOTE and not instrument.has_quote:
            raise ExpressionError(f"{instrument.symbol} has no {name}", node.at, hint=_NO_VOLUME_HINT)
        if name == "settle" and instrument.kind is not InstrumentClass.FUTURE:
            raise ExpressionError(f"{instrument.symbol} has no settlement", node.at,
                                  hint="only futures settle; write prev_day.close")  # fmt: skip
        return QUOTES[name][0]
    raise no_value(node)


def no_value(node: Name) -> ExpressionError:
    """Why a bare word that is no quote is not a value."""
    name, message = node.name, f"`{node.name}` alone is not a value"
    if name in FLAGS:
        return ExpressionError(f"{name} is a condition, not a value", node.at, hint=f"write {name}, or not {name}")
    if name in BAR_FIELDS:
        hint = f"write {name}(5m) for the last closed bar" + (", or price" if BAR_FIELDS[name][0] == PRICE else "")
        return ExpressionError(message, node.at, hint=hint)
    if name in DAY_VALUES:
        return ExpressionError(message, node.at, hint=f"write {name}.{' or .'.join(DAY_VALUES[name])}")
    if name in FUNCTIONS:
        return ExpressionError(message, node.at, hint=f"write {signature(name)}")
    if name in END_WORDS:
        example = "close(5m, live)" if name == LIVE else f"close(5m, {name})"
        return ExpressionError(message, node.at, hint=f"it ends the arguments of a bar value: {example}")
    meant = _MEANT.get(name.lower(), "")
    own = f"a name of your own needs let: {{{name}: …}}"
    return unknown("name", name, names(), node.at, hint=meant and f"write {meant}", otherwise=own)


def signature(name: str) -> str:
    """How a function is written, each way."""
    ways = [table[name].signature for table in (FUNCTIONS, BY_TIME) if name in table]
    return " or ".join(ways)


def series_unit(node: Expression, instrument: Instrument) -> Unit:
    """The unit of a bar series, the first argument of a bar function. Raises ExpressionError."""
    if not isinstance(node, Name) or node.name not in BAR_FIELDS:
        if isinstance(node, Name) and node.name not in QUOTES:
            raise unknown("bar series", node.name, BAR_FIELDS, node.at, otherwise=f"one of {' '.join(BAR_FIELDS)}")
        raise ExpressionError(f"{render(node)} is not a bar series", node.at, hint=f"one of {' '.join(BAR_FIELDS)}")
    if node.name == "volume":
        refuse_without_volume("volume", node.at, instrument)
    return BAR_FIELDS[node.name][0]


def refuse_without_volume(what: str, at: int, instrument: Instrument) -> None:
    """Raise ExpressionError when the symbol's trades carry no size."""
    if not instrument.has_volume:
        raise ExpressionError(f"{instrument.symbol} has no {what}", at, hint=_NO_VOLUME_HINT)


def day_value_unit(scope: Name, node: Attribute, instrument: Instrument) -> Unit:
    """The unit of `day.high` and the like. Raises ExpressionError."""
    parts = DAY_VALUES[scope.name]
    if node.name not in parts:
        hint = f"one of {' '.join(parts)}"
        if node.name in ("close", "last"):
            hint = "write price" + (f", or prev_{scope.name}.close" if f"prev_{scope.name}" in DAY_VALUES else "")
        raise ExpressionError(f"{scope.name} has no part {node.name!r}", node.at, hint=hint)
    unit = parts[node.name][0]
    if unit == VOLUME:
        refuse_without_volume("volume", node.at, instrument)
    if scope.name == "overnight" and instrument.kind is not InstrumentClass.FUTURE:
        raise ExpressionError(f"{instrument.symbol} has no overnight session", scope.at,
                              hint="only futures trade overnight; write day or prev_day")  # fmt: skip
    return unit


def same_unit(left: Unit | None, right: Unit | None, at: int) -> Unit | None:
    """The unit of both; a bare number takes the other's. Raises ExpressionError."""
    if left is not None and right is not None and left != right:
        raise ExpressionError(f"{noun(left)} and {noun(right)} do not go together", at, hint="both need the same unit")
    return right if left is None else left


def product_unit(op: str, left: Unit | None, right: Unit | None) -> Unit | None:
    """The unit of `left * right` or `left / right`. A plain number beside another unit leaves that as it is."""
    if left is None and right is None:
        return None
    sign = 1 if op == "*" else -1
    whole = Unit(*(a + sign * b for a, b in zip(left or RATIO, right or RATIO, strict=True)))
    scaled = any((whole.price, whole.volume, whole.seconds))
    return whole._replace(points=0 if scaled else min(max(whole.points, 0), 1))


def noun(unit: Unit) -> str:
    """A unit with its article, for a message."""
    return "a duration" if unit == SECONDS else f"a {unit}"


def mismatch_hint(left: Expression, right: Expression, units: tuple[Unit | None, Unit | None]) -> str:
    """What is meant when two units are compared that do not fit; "" when that is anybody's guess."""
    if set(units) == {PRICE, RATIO}:
        return "write pct_change(...) or pct_from(...) for a percentage"
    if NUMBER not in units:
        return ""
    value, other = (left, right) if units[0] == NUMBER else (right, left)
    literal = _literal(other)
    if literal is None:
        return ""
    number = -literal[1].digits if literal[0] else literal[1].digits
    if literal[1].suffix in DURATION_SUFFIXES and _called(value) == "minutes_to_close":
        return f"minutes_to_close counts minutes: write {float(literal[1].value / 60):g}"
    if literal[1].suffix in ("%", "x"):
        scale = "rsi runs from 0 to 100: " if _called(value) == "rsi" else ""
        return f"{scale}write {float(number):g}"
    return ""


def alike_hint(left: Expression, right: Expression, units: tuple[Unit | None, Unit | None]) -> str:
    """What the value of a comparison can be compared with, whatever it was compared with."""
    value, unit = (left, units[0]) if _literal(left) is None else (right, units[1])
    like = _LIKE.get(unit) if unit else None
    return f"compare {render(value)} with {like or 'a value of its unit'}"


def is_duration_literal(node: Expression) -> bool:
    literal = _literal(node)
    return literal is not None and literal[1].suffix in DURATION_SUFFIXES


def _literal(node: Expression) -> tuple[bool, Number] | None:
    """A literal and whether it has a minus."""
    inner = node.operand if isinstance(node, Negative) else node
    return (inner is not node, inner) if isinstance(inner, Number) else None


def _called(node: Expression) -> str:
    """The function or quote that a value is, behind [n] and `sym(...)`."""
    while isinstance(node, Index | Other):
        node = node.base if isinstance(node, Index) else node.inner
    return node.name if isinstance(node, Call | Name) else ""
