"""Values that are written in the wrong unit, over the wrong window, or that the symbol never has."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.engine.language.expression import (
    Arithmetic,
    Attribute,
    Call,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Number,
    Other,
    digits_text,
    render,
)
from tradeassistd.engine.language.functions import FUNCTIONS, Arg
from tradeassistd.engine.language.walk import parts, walk
from tradeassistd.engine.symbol.symbols import RECENT_BARS_MAX
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_of
from tradeassistd.market.session import SESSION_WORDS, series_session
from tradeassistd.rules.lint_spans import span_of

PLAIN_RATIO = Fraction(1, 4)
"""A ratio compared with a plain number from here on is taken for percent: 0.5 for half a percent, not for 50 %."""
_IN_PERCENT = frozenset({"pct_change", "roc", "pct_from", "net_pct", "spread_pct"})
_MEANS = frozenset({"avg", "sma", "ema", "wma"})
_DAY_MINUTES = {"rth": 390, "ext": 960, "globex": 1380, "overnight": 930, "always": 1440}
"""Length of a session, which is that of its bar of a day."""


class Note(NamedTuple):
    """What is wrong and what to write."""

    code: str
    message: str
    hint: str = ""


def value_notes(node: Compare | Cross | InRange, instrument: Instrument) -> Iterator[Note]:
    """What is wrong with the values of one comparison."""
    yield from _reversed(node, instrument)
    left, rights = _sides(node)
    for right in rights:
        yield from _units(left, right)
        yield from _units(right, left)
    if isinstance(node, Compare):
        yield from _own_window(node)
    yield from unknown_values(node, instrument)
    yield from _long_windows(node, instrument)


def unknown_values(tree: Expression, instrument: Instrument) -> Iterator[Note]:
    """Values that the feed never has for the symbol."""
    if isinstance(tree, Other):
        instrument = instrument_of(tree.symbol)
    if isinstance(tree, Attribute) and tree.base == Name("year") and instrument.kind is InstrumentClass.FUTURE:
        message = f"{render(tree)} is never known: Schwab sends no 52-week values of futures"
        yield Note("unknown-value", message, "write the number")
    for part in parts(tree):
        yield from unknown_values(part, instrument)


def _sides(node: Compare | Cross | InRange) -> tuple[Expression, tuple[Expression, ...]]:
    match node:
        case Compare():
            return node.left, (node.right,)
        case Cross():
            return node.left, node.rights
    return node.left, (node.low, node.high)


def _reversed(node: Expression, instrument: Instrument) -> Iterator[Note]:
    if not isinstance(node, InRange):
        return
    low, high = (span_of(bound, instrument).only for bound in (node.low, node.high))
    if low is not None and high is not None and low > high:
        never = node.op in ("inside", "enters", "exits")
        message = f"`{render(node)}` is {'never' if never else 'always'} true: its lower bound is above its upper one"
        yield Note("reversed", message, f"write [{render(node.high)}, {render(node.low)}]")


def _units(value: Expression, number: Expression) -> Iterator[Note]:
    literal = number.operand if isinstance(number, Negative) else number
    if not isinstance(literal, Number) or literal.suffix:
        return
    sign = "-" if isinstance(number, Negative) else ""
    name, digits = _subject(value), literal.digits
    if name in _IN_PERCENT and digits >= PLAIN_RATIO:
        percent, plain = digits_text(digits * 100), digits_text(digits)
        message = f"{sign}{plain} is {sign}{percent} % of {name}"
        yield Note("units", message, f"write {sign}{plain}% for {plain} percent")
    elif name == "rsi" and 0 < digits < 1:
        message = f"an RSI goes from 0 to 100, not to 1: {digits_text(digits)} is next to nothing"
        yield Note("units", message, f"write {digits_text(digits * 100)}")


def _subject(value: Expression) -> str:
    """The name of the function or quote a value is, whatever its sign or symbol."""
    match value:
        case Name():
            return value.name
        case Call(name="abs" | "min" | "max"):
            return _subject(value.args[0])
        case Call():
            return value.name
        case Negative():
            return _subject(value.operand)
        case Other():
            return _subject(value.inner)
        case Index():
            return _subject(value.base)
        case _:
            return ""


def _own_window(node: Compare) -> Iterator[Note]:
    """`volume(1m) > 3x * avg(volume, 20, 1m)`: the spike lifts the average it is compared with."""
    bar: Expression = node.left
    op, window = node.op, node.right
    if op.startswith("<"):
        bar, op, window = window, op.replace("<", ">"), bar
    if not op.startswith(">"):
        return
    if isinstance(bar, Arithmetic) and bar.op == "/":
        window, bar = bar.right, bar.left
    elif isinstance(window, Arithmetic) and window.op == "*":
        window = window.right if isinstance(window.left, Number) else window.left
    if not isinstance(bar, Call) or bar.name != "volume" or not isinstance(window, Call) or window.name not in _MEANS:
        return
    if window.args[0] == Name("volume") and window.args[2:] == bar.args:
        message = f"{render(window)} holds the very bar that is compared with it, which hides a part of the spikes"
        yield Note("own-window", message, f"write {render(window)}[1]")


def _long_windows(node: Expression, instrument: Instrument) -> Iterator[Note]:
    if isinstance(node, Other):
        instrument = instrument_of(node.symbol)
    back = node.bars_back if isinstance(node, Index) else 0
    call = node.base if isinstance(node, Index) else node
    if isinstance(call, Call) and (minutes := _minutes(call, back, instrument)) > RECENT_BARS_MAX:
        message = f"`{render(node)}` needs {minutes:,} minutes of bars, and {RECENT_BARS_MAX:,} are kept to fill it"
        yield Note("long-window", message, "unknown for as long after a start: take a shorter window")
        return
    for part in parts(node):
        yield from _long_windows(part, instrument)


def _minutes(call: Call, bars_back: int, instrument: Instrument) -> int:
    """How many minutes of trading a bar value or function reads."""
    function = FUNCTIONS.get(call.name)
    words = [arg.name for arg in call.args if isinstance(arg, Name) and arg.name in SESSION_WORDS]
    spans = [arg for arg in call.args if isinstance(arg, Number) and render(arg) in INTERVALS_S]
    if not spans or (function is not None and not function.reads_bars):
        return 0
    count = 1
    if function is not None:
        count = max([int(arg.digits) for arg, kind in zip(call.args, function.args, strict=False)
                     if kind is Arg.COUNT and isinstance(arg, Number)], default=1)  # fmt: skip
    interval = render(spans[-1])
    session = words[0] if words else series_session(instrument)
    minutes = _DAY_MINUTES[session] if interval == "1d" else INTERVALS_S[interval] // 60
    return (count + bars_back) * minutes


def holds_live_price(tree: Expression) -> bool:
    """Whether it reads a quote that moves with every row."""
    return any(isinstance(node, Name) and node.name in ("price", "mark", "mid", "bid", "ask") for node in walk(tree))
