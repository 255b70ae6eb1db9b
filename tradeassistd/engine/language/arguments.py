"""What the arguments of a function mean: intervals, durations, counts, plain numbers, session words, `live`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.language.expression import DURATION_SUFFIXES, Call, Expression, Name, Number, Other, render
from tradeassistd.engine.language.functions import BAR_FIELDS, BY_TIME, COUNT_MAX, FUNCTIONS, QUOTES, Arg, Function
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.session import ALWAYS, SESSION_WORDS, session_words

BARS_BACK_MAX = 5_000
LOOK_BACK_MAX_S = 4 * 3600
PLAIN_NUMBER_MAX = 100
LIVE = "live"
END_WORDS = frozenset({LIVE, *SESSION_WORDS})
"""Words that may end the arguments of a bar function."""

_INTERVALS = f"one of {' '.join(INTERVALS_S)}"


class ExpressionError(ConfigError):
    """An expression that means nothing; `at` is the offset of the culprit in the expression's text."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.at = at


class BarArguments(NamedTuple):
    """The arguments of a bar value or bar function without the words that end them."""

    args: tuple[Expression, ...]
    session: str
    """A session word, "" for the series' own session."""
    live: bool
    """Whether the forming bar counts."""


def unknown(what: str, name: str, known: Iterable[str], at: int, *, hint: str = "", otherwise: str) -> ExpressionError:
    """The error for a word that is none of `known`, with the nearest of them unless there is a better hint.

    `otherwise`: what to do where none is near.
    """
    if not hint and (near := difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)):
        hint = f"did you mean {near[0]}?"
    return ExpressionError(f"unknown {what} {name!r}", at, hint=hint or otherwise)


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
        raise ExpressionError(f"{text} is not a bar interval", node.at, hint=_minutes_meant(node) or _INTERVALS)
    return text


def duration_s(node: Expression) -> int:
    """The length of a duration literal in seconds. Raises ExpressionError."""
    text = render(node)
    if isinstance(node, Number) and node.suffix == "d":
        raise ExpressionError(f"{text} is not a duration within a session", node.at,
                              hint=f"at most {LOOK_BACK_MAX_S // 3600}h; against yesterday compare with "
                                   "prev_day.close, or go back on daily bars: close(1d)[1]")  # fmt: skip
    if not isinstance(node, Number) or node.suffix not in DURATION_SUFFIXES:
        raise ExpressionError(f"{text} is not a duration", node.at,
                              hint=_minutes_meant(node) or "write 30s, 5m or 1h")  # fmt: skip
    if node.value.denominator != 1 or not 1 <= node.value <= LOOK_BACK_MAX_S:
        raise ExpressionError(f"{text} is no whole number of seconds from 1s to {LOOK_BACK_MAX_S // 3600}h", node.at,
                              hint="write e.g. 15m; further back are bars: close(1h)[6]")  # fmt: skip
    return int(node.value)


def count_of(node: Expression) -> int:
    """A whole number of bars. Raises ExpressionError."""
    if not isinstance(node, Number) or node.suffix or node.digits.denominator != 1:
        raise ExpressionError(f"{render(node)} is not a whole number of bars", node.at, hint="write e.g. 20")
    if not 1 <= node.digits <= COUNT_MAX:
        raise ExpressionError(f"{render(node)} is not between 1 and {COUNT_MAX:,} bars", node.at,
                              hint="write e.g. 20")  # fmt: skip
    return int(node.digits)


def number_of(node: Expression, most: int = PLAIN_NUMBER_MAX) -> Fraction:
    """A plain number such as Bollinger's 2 or 2.5. Raises ExpressionError."""
    if not isinstance(node, Number) or node.suffix:
        raise ExpressionError(f"{render(node)} is not a plain number", node.at, hint="write e.g. 2 or 2.5")
    if not 0 < node.digits <= most:
        raise ExpressionError(
            f"{render(node)} is not above 0 and at most {most:,}", node.at, hint="write e.g. 2 or 2.5"
        )
    return node.digits


def is_by_time(node: Call) -> bool:
    """Whether a call of `highest` or `lowest` looks back on a live value (`highest(price, 5m)`), not on bars."""
    if node.name not in BY_TIME or len(node.args) < 2:
        return False
    what, over = node.args[:2]
    if isinstance(what, Name) and what.name in BAR_FIELDS:
        return False
    return len(node.args) == 2 or (isinstance(over, Number) and over.suffix in DURATION_SUFFIXES)


def function_of(node: Call) -> Function | None:
    """The entry of the table that a call means; None for what is no function."""
    return BY_TIME[node.name] if is_by_time(node) else FUNCTIONS.get(node.name)


def bar_arguments(node: Call, instrument: Instrument) -> BarArguments:
    """The arguments of a bar value, a bar function, vwap or opening_range, and the words behind them.

    Raises ExpressionError for a word the instrument lacks, one that is unknown or written twice, and for key=value.
    """
    if node.keywords:
        key, value = node.keywords[0]
        written = key if key == LIVE else render(value)
        hint = "remove it, or write the value alone, in its place"
        if key in (LIVE, "session"):
            hint = f"write the word alone, last: {node.name}(..., {written})"
        raise ExpressionError(f"{node.name} takes no argument {key!r}", value.at, hint=hint)
    function = FUNCTIONS.get(node.name)
    arity = len(function.args) if function else 1
    args, session, live = list(node.args), "", False
    while args and isinstance(word := args[-1], Name) and _is_end_word(word.name, len(args) > arity):
        args.pop()
        if word.name == LIVE and not live and not (function and function.by_session):
            live = True
        elif word.name != LIVE and not session:
            session = _session(word, function, instrument)
        else:
            raise _refused_word(node, word)
    return BarArguments(tuple(args), session, live)


def refuse_end_words(node: Call) -> None:
    """Raise ExpressionError for `live` or a session word behind the arguments of a function that takes neither."""
    last = node.args[-1] if node.args else None
    if isinstance(last, Name) and last.name in END_WORDS:
        raise ExpressionError(f"{node.name} takes no {_what(last)}", last.at,
                              hint="it stands in bar values and bar functions: close(5m, live)"
                                   if last.name == LIVE else "remove it")  # fmt: skip


def _is_end_word(name: str, is_more: bool) -> bool:
    """A word that ends the arguments, or one beyond them that must be meant as such."""
    return name in END_WORDS or (is_more and name not in BAR_FIELDS and name not in QUOTES)


def _session(word: Name, function: Function | None, instrument: Instrument) -> str:
    if word.name not in SESSION_WORDS:
        raise unknown("session word", word.name, END_WORDS, word.at, otherwise=f"one of {' '.join(SESSION_WORDS)}")
    if word.name not in session_words(instrument):
        raise ExpressionError(f"{instrument.symbol} has no session {word.name!r}", word.at,
                              hint=f"it has {', '.join(session_words(instrument))}")  # fmt: skip
    if function and function.by_session and word.name == ALWAYS:
        raise ExpressionError(f"{function.name} begins at a session's open, and `always` has none", word.at,
                              hint=f"one of {' '.join(session_words(instrument)[:-1])}")  # fmt: skip
    return word.name


def _refused_word(node: Call, word: Name) -> ExpressionError:
    if word.name == LIVE and any(isinstance(arg, Name) and arg.name == LIVE and arg is not word for arg in node.args):
        return ExpressionError("`live` is written twice", word.at, hint="remove one")
    if word.name == LIVE:
        return ExpressionError(f"{node.name} takes no `live`", word.at, hint="it is live already: remove it")
    if word.name in END_WORDS:
        return ExpressionError("only one session word can stand here", word.at, hint="remove one")
    return unknown("session word", word.name, END_WORDS, word.at, otherwise=f"one of {' '.join(SESSION_WORDS)}")


def _what(word: Name) -> str:
    return "`live`" if word.name == LIVE else f"session word, as {word.name} is"


def _minutes_meant(node: Expression) -> str:
    """The hint for five million where five minutes are due."""
    if isinstance(node, Number) and node.suffix == "M":
        text = render(node)
        return f"`{text}` is millions; minutes are `{text[:-1]}m`"
    return ""


def track_key(node: Call) -> tuple[str, str, tuple[int | Fraction, ...]]:
    """Bar field, function and its numbers of a checked bar value or bar function: what names its track of a series."""
    if node.name in BAR_FIELDS:
        return node.name, "", ()
    field, numbers, function = "", list[int | Fraction](), FUNCTIONS[node.name]
    for kind, arg in zip(function.args, node.args, strict=False):
        if kind is Arg.SERIES and isinstance(arg, Name):
            field = arg.name
        elif kind is Arg.COUNT:
            numbers.append(count_of(arg))
        elif kind is Arg.NUMBER:
            numbers.append(number_of(arg, function.number_max))
    return field, node.name, tuple(numbers)
