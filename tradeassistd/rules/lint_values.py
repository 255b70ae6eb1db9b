"""Values that are written in the wrong unit, over the wrong window, or that the symbol never has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from tradeassistd.engine.bars.archive import RECENT_BARS_MAX
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
from tradeassistd.engine.language.walk import parts, substitute, walk
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import ALWAYS, SESSION_WORDS, series_session
from tradeassistd.rules.lint import Note
from tradeassistd.rules.lint_spans import DAY_MINUTES, is_positive, span_of
from tradeassistd.rules.lint_symbols import symbol_notes

PLAIN_RATIO = Fraction(1, 10)
"""A ratio compared with a plain number from here on is taken for percent: 0.5 for half a percent, not for 50 %."""
PLAIN_SPREAD = Fraction(1, 100)
"""The same of `spread_pct`: nobody waits for a spread of 5 %."""
DAY_LIMIT = Fraction(1, 5)
"""How far US stock indices and their futures move in a day at most: then trading halts (NYSE rule 7.12, CME)."""
_SURELY_PERCENT = Fraction(1, 4)
_LIMITED = frozenset({"$SPX", "$NDX", "$RUT", "$DJI", "$OEX", "$COMPX", "$XSP"})
_WITHIN_A_DAY = frozenset({"pct_change", "net_pct"})
_IN_PERCENT = frozenset({"pct_change", "roc", "pct_from", "net_pct", "spread_pct"})
_OF_ITSELF = {"pct_change": "change(price, 5m)", "roc": "close(5m) - close(5m)[10]", "net_pct": "net_change"}
"""Changes relative to an older value, and the same in points."""
_MEANS = frozenset({"avg", "sma", "ema", "wma", "stdev"})
_MOVING = frozenset({
    "price", "mark", "mid", "bid", "ask", "spread", "spread_pct", "net_change", "net_pct", "live",
})  # fmt: skip
"""Names of quotes that move with any row; `live` makes a bar value one."""
_PLAIN = frozenset({"", "k", "M", "B"})
_CHANGES = frozenset({"pct_change", "change", "roc", "net_pct", "net_change", "pct_from", "zscore"})
_FAINT = Fraction(1, 5)
"""Nobody waits for less than a fifth of the usual volume."""
_MOVES = frozenset({"pct_change", "roc"})
_QUIET = Fraction(1, 400)
"""Who asks for a move below it, up or down, or for one of some length (`for`), waits for a quiet market."""
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NOT_OF_BARS = _MOVING | {"age", "halted", "pct_change", "change", "streak", "count", "seq"}
_PRICES = frozenset({"price", "mark", "mid", "bid", "ask", "close", "open"})
_LAST_PRICES = frozenset({"price", "mark", "mid", "bid", "ask"})


def value_notes(node: Compare | Cross | InRange, instrument: Instrument) -> Iterator[Note]:
    """What is wrong with the values of one comparison."""
    yield from _reversed(node, instrument)
    left, rights = _sides(node)
    for right in rights:
        for value, number in ((left, right), (right, left)):
            yield from _units(value, number)
            yield from _through_zero(value, instrument)
            yield from _limits(value, number, instrument)
            yield from _implausible(value, number, instrument)
    if isinstance(node, Compare):
        yield from _own_window(node, instrument)
        yield from _faint_volume(node)
    yield from unknown_values(node, instrument)
    yield from _long_windows(node, instrument)


def unknown_values(tree: Expression, instrument: Instrument) -> Iterator[Note]:
    """Values that the feed never has for the symbol, and other symbols that are probably not the ones meant."""
    if isinstance(tree, Other):
        instrument = instrument.beside(tree.symbol)
        yield from symbol_notes(instrument, 0)
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
    elif low is not None and low == high:
        equal = "==" if node.op == "inside" else "!=" if node.op == "outside" else "crosses"
        message = f"both bounds of `{render(node)}` are {render(node.low)}"
        yield Note("reversed", message, f"write [low, high]; {equal} {render(node.low)} if that is meant")


def _units(value: Expression, number: Expression) -> Iterator[Note]:
    literal = number.operand if isinstance(number, Negative) else number
    if not isinstance(literal, Number) or literal.suffix:
        return
    sign = "-" if isinstance(number, Negative) else ""
    name, digits = _subject(value), literal.digits
    if name in _IN_PERCENT and digits >= (PLAIN_SPREAD if name == "spread_pct" else PLAIN_RATIO):
        percent, plain = digits_text(digits * 100), digits_text(digits)
        message = f"{sign}{plain} is {sign}{percent} % of {name}"
        meant = f", {sign}{percent}% if that is meant" if digits < _SURELY_PERCENT else ""
        yield Note("units", message, f"write {sign}{plain}% for {plain} percent{meant}")
    elif name == "rsi" and 0 < digits < 1:
        message = f"an RSI goes from 0 to 100, not to 1: {digits_text(digits)} is next to nothing"
        yield Note("units", message, f"write {digits_text(digits * 100)}")


def _through_zero(value: Expression, instrument: Instrument) -> Iterator[Note]:
    """`pct_change` of $TICK: from -10 to 20 is -300 %."""
    if isinstance(value, Other):
        instrument, value = instrument.beside(value.symbol), value.inner
    is_breadth = instrument.kind is InstrumentClass.INTERNAL and instrument.plausible and instrument.plausible[0] < 0
    if is_breadth and (name := _subject(value)) in _OF_ITSELF:
        message = f"{name} of {instrument.symbol} means nothing: it goes through zero"
        yield Note("units", message, f"write {_OF_ITSELF[name]}, or compare price with a number")


def _limits(value: Expression, number: Expression, instrument: Instrument) -> Iterator[Note]:
    literal = number.operand if isinstance(number, Negative) else number
    if not isinstance(literal, Number) or literal.suffix != "%" or not DAY_LIMIT <= literal.value < 1:
        return
    if isinstance(value, Other):
        instrument = instrument.beside(value.symbol)
    is_limited = instrument.market is Market.EQUITY_INDEX or instrument.symbol in _LIMITED
    if is_limited and (name := _subject(value)) in _WITHIN_A_DAY:
        message = f"{render(literal)} of {name}: {instrument.symbol} is halted long before, at 20 % in a day"
        yield Note("units", message, f"write e.g. {digits_text(literal.digits / 100)}%")


def _implausible(value: Expression, number: Expression, instrument: Instrument) -> Iterator[Note]:
    """Far above anything seen, or so far below zero. `price > 1` is a way to say always, and nothing is said of it."""
    if isinstance(value, Other):
        instrument = instrument.beside(value.symbol)
        value = value.inner
    literal = number.operand if isinstance(number, Negative) else number
    is_price = isinstance(value, Name) and value.name in _LAST_PRICES
    if is_price and instrument.plausible and isinstance(literal, Number) and literal.suffix in _PLAIN:
        lowest, highest = (Fraction(bound, PRICE_SCALE) for bound in instrument.plausible)
        price = literal.value if literal is number else -literal.value
        if price > highest or (price < lowest and price < 0 and not is_positive(instrument)):
            message = f"{instrument.symbol} at {render(number)} is taken for an error of the feed, not for a price"
            bound = f"up to {digits_text(highest)}" if price > highest else f"from {digits_text(lowest)} on"
            yield Note("implausible", message, f"write a price {bound}")


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


def _own_window(node: Compare, instrument: Instrument) -> Iterator[Note]:
    """`volume(1m) > 3x * avg(volume, 20, 1m)`: the spike lifts the average it is compared with."""
    bar: Expression = node.left
    op, window = node.op, node.right
    if op.startswith("<"):
        bar, op, window = window, op.replace("<", ">"), bar
    if not op.startswith(">"):
        return
    if isinstance(bar, Arithmetic) and bar.op in "/-":
        window, bar = bar.right, bar.left
    if not isinstance(bar, Call) or bar.name != "volume":
        return
    for call in _not_indexed(window):
        if call.name not in _MEANS or call.args[0] != Name("volume"):
            continue
        if _bars_of(call.args[2:], instrument) == _bars_of(bar.args, instrument):
            message = f"{render(call)} holds the very bar that is compared with it, which hides a part of the spikes"
            yield Note("own-window", message, f"write {render(call)}[1]")
            return


def _faint_volume(node: Compare) -> Iterator[Note]:
    """`volume(1m) > 3% * avg(volume, 20, 1m)[1]`: three percent of the usual volume, where 3x is meant."""
    over, under = (node.left, node.right) if node.op.startswith(">") else (node.right, node.left)
    if not node.op.startswith((">", "<")) or _subject(over) not in ("volume", "rvol"):
        return
    sides = (under.left, under.right) if isinstance(under, Arithmetic) and under.op == "*" else (under,)
    for part in sides:
        if isinstance(part, Number) and part.suffix == "%" and 0 < part.value < _FAINT:
            message = f"{render(part)} of the usual volume is traded nearly always"
            yield Note("units", message, f"write {digits_text(part.digits)}x for {digits_text(part.digits)} times")


def _not_indexed(tree: Expression) -> Iterator[Call]:
    """The calls in an expression that are not read some bars back."""
    if isinstance(tree, Index | Other):
        return
    if isinstance(tree, Call):
        yield tree
    for part in parts(tree):
        yield from _not_indexed(part)


def _bars_of(args: tuple[Expression, ...], instrument: Instrument) -> tuple[Expression, ...]:
    """Interval and session of bars; the session word that says what holds without it is left out."""
    return tuple(arg for arg in args if arg != Name(series_session(instrument)))


def _long_windows(node: Expression, instrument: Instrument) -> Iterator[Note]:
    if isinstance(node, Other):
        instrument = instrument.beside(node.symbol)
    back = node.bars_back if isinstance(node, Index) else 0
    call = node.base if isinstance(node, Index) else node
    if isinstance(call, Call) and (minutes := window_of(call, back, instrument)[0]) > RECENT_BARS_MAX:
        message = f"`{render(node)}` needs {minutes:,} minutes of trading, and {RECENT_BARS_MAX:,} are kept at hand"
        hint = _known_where(call, instrument)
        yield Note("long-window", message, hint)
        return
    for part in parts(node):
        yield from _long_windows(part, instrument)


def _known_where(call: Call, instrument: Instrument) -> str:
    """What the user can do for a long window: Schwab's own bars reach further back than minutes."""
    words = [render(arg) for arg in call.args]
    told = next((one for one in words if one in INTERVALS_S), "")
    regular = "rth" in words or (series_session(instrument) == "rth" and not {*words} & {*SESSION_WORDS})
    is_daily = told == "1d" and regular and instrument.kind is not InstrumentClass.FUTURE and "volume" not in words
    coarse = "5m" if told and INTERVALS_S[told] % INTERVALS_S["5m"] == 0 and ALWAYS not in words else "1m"
    command = f"tradeassist backfill {instrument.symbol} --interval {'1d' if is_daily else coarse}"
    return f"unknown where stored bars do not reach back so far, and after a gap until it is filled: `{command}`"


def window_of(call: Call, bars_back: int, instrument: Instrument) -> tuple[int, int]:
    """How many minutes of trading a bar value or function reads, and how many a day of their session has."""
    function = FUNCTIONS.get(call.name)
    words = [arg.name for arg in call.args if isinstance(arg, Name) and arg.name in SESSION_WORDS]
    spans = [arg for arg in call.args if isinstance(arg, Number) and render(arg) in INTERVALS_S]
    if not spans or (function is not None and not function.reads_bars):
        return 0, 1
    count = 1
    if function is not None:
        counts = [int(arg.digits) for arg, kind in zip(call.args, function.args, strict=False)
                  if kind is Arg.COUNT and isinstance(arg, Number)]  # fmt: skip
        count = function.bars_needed(tuple(counts)) if function.own else max(counts, default=1)
    interval = render(spans[-1])
    session = words[0] if words else series_session(instrument)
    minutes = DAY_MINUTES[session] if interval == "1d" else INTERVALS_S[interval] // 60
    return (count + bars_back) * minutes, DAY_MINUTES[session]


def holds_live_price(tree: Expression) -> bool:
    """Whether it reads a value that moves to and fro with the rows."""
    return any(
        (isinstance(node, Name) and node.name in _MOVING) or (isinstance(node, Call) and node.name == "vwap")
        for node in walk(tree)
    )


def _is_beyond(value: Expression, op: str, extreme: Expression) -> bool:
    """`close(5m) < highest(high, 20, 5m)[1]`: below the highest there was, or above the lowest."""
    if not isinstance(value, Name | Call) or value.name not in _PRICES:
        return False
    node = extreme.base if isinstance(extreme, Index) else extreme
    if isinstance(node, Attribute) and isinstance(node.base, Name) and node.base.name in ("day", "year"):
        return (op, node.name) in (("<", "high"), (">", "low"))
    return isinstance(node, Call) and node.name == ("highest" if op.startswith("<") else "lowest")


def true_at_rest(when: Expression, values: Mapping[str, Expression], *, for_s: int = 0) -> Iterator[Note]:
    """`pct_change(price, 5m) <= 0.3%`, the whole condition: it holds as long as nothing moves, for want of a minus.

    `for_s`: how long it has to hold.
    """
    node = substitute(when, values) if values else when
    if not isinstance(node, Compare) or node.op not in _FLIPPED:
        return
    for value, op, number in ((node.left, node.op, node.right), (node.right, _FLIPPED[node.op], node.left)):
        if _is_beyond(value, op, number):
            message = f"`{render(node)}` holds nearly always: an extreme is seldom passed"
            yield Note("true-at-rest", message, "turn the comparison round")
        if is_absolute := isinstance(value, Call) and value.name == "abs":
            value = value.args[0]
        literal = number.operand if isinstance(number, Negative) else number
        moved = value.inner if isinstance(value, Other) else value
        is_change = isinstance(moved, Name | Call) and moved.name in (_MOVES if is_absolute else _CHANGES)
        # Enough at a change of 0: a bound above it for `<`, below it for `>`.
        at_rest = isinstance(number, Negative) is op.startswith(">") and not (is_absolute and op.startswith(">"))
        is_quiet = is_absolute and isinstance(literal, Number) and (for_s > 0 or literal.value < _QUIET)
        if is_change and at_rest and isinstance(literal, Number) and literal.digits and not is_quiet:
            message = f"`{render(node)}` holds as long as nothing moves"
            yield Note("true-at-rest", message, "turn the comparison round, or change the sign of the number")


def skipped_bars(when: Expression, evaluate: str) -> Iterator[Note]:
    """`evaluate: close(5m)` of a condition on bars of one minute, of which it sees every fifth."""
    read = {render(part) for part in walk(when) if isinstance(part, Number)} & INTERVALS_S.keys()
    live = any(isinstance(part, Name | Call) and part.name in _NOT_OF_BARS for part in walk(when))
    if evaluate and read and not live and all(INTERVALS_S[one] < INTERVALS_S[evaluate] for one in read):
        longest = max(read, key=INTERVALS_S.__getitem__)
        message = f"at each close of {evaluate} only the last of the {longest} bars is looked at"
        yield Note("skipped-bars", message, f"write close({longest}), or read bars of {evaluate}")
