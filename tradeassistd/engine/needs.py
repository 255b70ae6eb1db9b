"""What closed bars rules ask for: from which series, and how many, so that they are known from the first judging on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tradeassistd.engine.language.arguments import bar_arguments, duration_s, interval_of, track_key
from tradeassistd.engine.language.expression import Attribute, Call, Expression, Index, Name, Other
from tradeassistd.engine.language.functions import BAR_FIELDS, DAY_VALUES, FUNCTIONS, RVOL_SESSIONS
from tradeassistd.engine.language.walk import parts
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.template import Slot
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import series_session, session_words

NEEDED_BARS_MAX = 30_000
"""Of one series: what goes beyond is not loaded, and warms up by itself."""
DAYS_NEEDED = 10
"""Sessions that the values of past days and weeks are made of: this week's days, and those of the one before."""
FADED_EMA, FADED_WILDER = 20, 40
"""After so many times n further bars nothing is left of where an average began: (1 - 2/(n+1))^20(n+1) and
(1 - 1/n)^40n are below 1e-17, less than a float of its value can hold. So it does not matter where it was begun."""
_WILDER = ("rsi", "atr")
_DAY_NAMES = ("settle", "net_change", "net_pct")
_DAY_S = INTERVALS_S["1d"]
LONG_S = 3_600
"""Shorter bars that are forming began, and shorter windows reach back to, a moment ago."""


class SeriesKey(NamedTuple):
    """A bar series."""

    symbol: str
    interval: str
    session: str


class BarsRead(NamedTuple):
    """A bar value or bar function of an expression: the series it reads, and after how many bars it is known."""

    series: SeriesKey
    needed: int


def needs_of(rules: Iterable[Rule], instrument_of: Callable[[str], Instrument]) -> dict[SeriesKey, int]:
    """By series how many closed bars these rules want, most of them; rules that are off want none."""
    needs: dict[SeriesKey, int] = {}
    for rule in rules:
        trees = [*_trees(rule)] if rule.mode != "off" else []
        for symbol in rule.symbols if trees else ():
            here = instrument_of(symbol)
            for tree in trees:
                for key, count in _wanted(tree, here):
                    needs[key] = min(max(count, needs.get(key, 0)), NEEDED_BARS_MAX)
    return needs


def needs_whole_session(rules: Iterable[Rule], instrument_of: Callable[[str], Instrument]) -> bool:
    """Whether a rule that is not off reads what a session has made since it began, or what lies an hour back."""
    return any(
        _whole_session(tree, instrument_of(symbol))
        for rule in rules if rule.mode != "off"
        for symbol in rule.symbols[:1]  # the others differ in nothing that counts here
        for tree in _trees(rule)
    )  # fmt: skip


def bars_needed(call: Call, part: str, bars_back: int, *, live: bool) -> int:
    """After how many closed bars a bar value or function is known, `bars_back` bars ago; 0 where bars do not say it."""
    if call.name == "rvol":
        return 0
    counts = tuple(number for number in track_key(call)[2] if isinstance(number, int))
    needed = 1 if call.name in BAR_FIELDS else FUNCTIONS[call.name].bars_needed(counts, part)
    return max(needed + bars_back - live, 0)  # the forming bar is one of them


def _trees(rule: Rule) -> Iterator[Expression]:
    for level in rule.levels:
        yield level.when
        if level.clear_when is not None:
            yield level.clear_when
    for template in (rule.title, rule.message):
        for piece in template.parts if template is not None else ():
            if isinstance(piece, Slot) and piece.expression is not None:
                yield piece.expression
    if rule.setup is not None:
        yield from (tree for _, tree in rule.setup.parts)


def _wanted(node: Expression, here: Instrument, bars_back: int = 0) -> Iterator[tuple[SeriesKey, int]]:
    match node:
        case Other():
            yield from _wanted(node.inner, here.beside(node.symbol))
            return
        case Index():
            yield from _wanted(node.base, here, node.bars_back)
            return
        case Attribute(base=Name(name=scope)) if scope in DAY_VALUES:
            yield from _days(scope, here)
            return
        case Attribute(base=Call(name="opening_range") as call):
            yield _opening_range(call, here)
            return
        case Attribute(base=Call() as call):
            yield from _wanted(call, here, bars_back)
            return
        case Name(name=name) if name in _DAY_NAMES:
            yield from _days("prev_day", here)
            return
        case Call() if _reads_bars(node):
            args, session, _ = bar_arguments(node, here)
            interval = interval_of(args[-1])
            session = session or series_session(here)
            yield SeriesKey(here.symbol, interval, session), _count(node, interval) + bars_back
            return
    for child in parts(node):
        yield from _wanted(child, here)


def _whole_session(node: Expression, here: Instrument) -> bool:
    match node:
        case Other():
            return _whole_session(node.inner, here.beside(node.symbol))
        case Attribute(base=Name(name=scope)) if scope in DAY_VALUES:
            return not scope.startswith("prev_")
        case Call(name="vwap" | "opening_range" | "rvol"):
            return True
        case Call() if _reads_bars(node):
            return INTERVALS_S[interval_of(bar_arguments(node, here).args[-1])] >= LONG_S
        case Call(name="change" | "pct_change" | "highest" | "lowest", args=(_, seconds)):
            return duration_s(seconds) >= LONG_S
    return any(_whole_session(child, here) for child in parts(node))


def _reads_bars(call: Call) -> bool:
    if call.name in BAR_FIELDS:
        return True
    function = FUNCTIONS.get(call.name)
    return function is not None and function.reads_bars and not _by_time(call)


def _by_time(call: Call) -> bool:
    """`highest(price, 5m)` looks back on a live value."""
    return bool(call.args) and isinstance(call.args[0], Name) and call.name in ("highest", "lowest") and (
        call.args[0].name not in BAR_FIELDS
    )  # fmt: skip


def _count(call: Call, interval: str) -> int:
    """So many that its value is the one it would have had it run on since long ago."""
    if call.name == "rvol":
        return (RVOL_SESSIONS[1] + 1) * -(-_DAY_S // INTERVALS_S[interval])
    function = FUNCTIONS.get(call.name)
    counts = tuple(number for number in track_key(call)[2] if isinstance(number, int))
    most = max((function.bars_needed(counts, part) for part in function.parts or ("",)), default=1) if function else 1
    if call.name in _WILDER:
        return most + FADED_WILDER * counts[0]
    if call.name in ("ema", "macd"):
        return most + FADED_EMA * (sum(counts) + len(counts))
    return most


def _days(scope: str, here: Instrument) -> Iterator[tuple[SeriesKey, int]]:
    word = scope.removeprefix("prev_")
    if word == "year":
        return
    session = word if word in session_words(here) else series_session(here)
    yield SeriesKey(here.symbol, "1d", session), DAYS_NEEDED


def _opening_range(call: Call, here: Instrument) -> tuple[SeriesKey, int]:
    """The longest bars that a range is made of, as many as a day may have since its opening."""
    args, session, _ = bar_arguments(call, here)
    seconds = duration_s(args[0])
    interval = next((one for one, length_s in reversed(INTERVALS_S.items()) if one != "1d" and seconds % length_s == 0),
                    "1m")  # fmt: skip
    return SeriesKey(here.symbol, interval, session or "rth"), _DAY_S // INTERVALS_S[interval]
