"""What every value of an expression is at an event, worked out from the list of events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate

from tests.oracle.bars import OracleBar, Series
from tests.oracle.closed_bars import ClosedBars, over_bars
from tests.oracle.day import DayValues
from tests.oracle.events import US_PER_S, Clock, Event, Row
from tests.oracle.expression import (
    LIVE_QUOTES,
    Apply,
    Arithmetic,
    Count,
    Day,
    Flag,
    Look,
    Named,
    Node,
    Number,
    OfBars,
    OpeningRange,
    Quote,
    Streak,
    Sym,
    Ticks,
    Value,
    Vwap,
    read_by,
)
from tests.oracle.hours import series_session, trading_session
from tests.oracle.seen import UNSEEN, Seen, Symbol

_FUTURE_TICKS = {"/ES": "0.25", "/NQ": "0.25"}


def tick_size(symbol: str) -> Fraction:
    """The smallest move of a price, from the exchanges' specifications."""
    if symbol.startswith("$"):
        return Fraction(1) if symbol in ("$TICK", "$ADD") else Fraction("0.01")
    return Fraction(_FUTURE_TICKS.get(symbol, "0.01"))


class World:
    """A list of events, and all that follows from it for every symbol."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.times = [event.at_us for event in events]
        self.changes = list(
            accumulate(not isinstance(event, Row | Clock) for event in events)
        )  # what may be a cut, so far
        self._symbols: dict[str, Symbol] = {}
        self._days: dict[str, DayValues] = {}
        self._series: dict[tuple[str, str, str | None], Series] = {}
        self._bars: dict[tuple[str, str, str | None], dict[int, ClosedBars]] = {}

    def symbol(self, symbol: str) -> Symbol:
        """What was seen of a symbol."""
        if symbol not in self._symbols:
            self._symbols[symbol] = Symbol(symbol, self.events)
        return self._symbols[symbol]

    def day(self, symbol: str) -> DayValues:
        """The day values of a symbol."""
        if symbol not in self._days:
            self._days[symbol] = DayValues(self.symbol(symbol))
        return self._days[symbol]

    def series(self, symbol: str, interval: str, word: str | None = None) -> Series:
        """The bars of an interval; of the symbol's own session unless a word is given."""
        key = (symbol, interval, word)
        if key not in self._series:
            session = series_session(symbol, word)
            self._series[key] = Series(self.events, self.symbol(symbol), interval, session)
        return self._series[key]

    def closed(self, symbol: str, interval: str, word: str | None, index: int) -> ClosedBars | None:
        """The closed bars of a series since the last hole in its session before an event; None when there are none."""
        key = (symbol, interval, word)
        if key not in self._bars:
            self._bars[key] = {}
            for closing in self.series(*key).closings:
                self._bars[key].setdefault(closing.holes, ClosedBars()).append(closing.index, closing.bar)
        return self._bars[key].get(self.series(*key).holes_at(index))


@dataclass(slots=True)
class Reader:
    """Reads values of one rule at one event: once its bars have closed, its row applied or, `before`, not yet.

    `stale_us`: how long a symbol may have had no row (0: for ever); `counted`: the counts and streaks of this judging;
    `names`: the rule's `values` for its symbol.
    """

    world: World
    symbol: str
    index: int
    before: bool = False
    stale_us: int = 0
    counted: dict[Count | Streak, Fraction | None] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)
    own: str = ""

    @property
    def at_us(self) -> int:
        return self.world.times[self.index]

    def held(self, symbol: str = "") -> Seen:
        """What is known of the symbol, or of another."""
        after = self.world.symbol(symbol or self.symbol).after
        return after[self.last] if self.index or not self.before else UNSEEN

    @property
    def known(self) -> bool:
        """Whether the feed is live for the symbol, and not stale."""
        held = self.held()
        if not held.live:
            return False
        return not self.stale_us or (held.row_us is not None and self.at_us - held.row_us < self.stale_us)

    def __call__(self, value: Value) -> Fraction | None:
        """The value; None is unknown."""
        match value:
            case Number(number):
                return number
            case Quote() | OfBars():
                return self._of_symbol(value) if self.known else None
            case Ticks(count):
                return count * tick_size(self.own or self.symbol)
            case Named(name):
                return self(self.names[name])
            case Sym(symbol, inner):
                return replace(self, symbol=symbol, own=self.own or self.symbol)(inner)
            case Arithmetic(operator, left, right):
                return calculate(operator, self(left), self(right))
            case Apply(function, values):
                return apply(function, [self(one) for one in values])
            case Count() | Streak():
                return self.counted[value]
        return self._of_symbol(value) if self.known else None

    def _of_symbol(self, value: Value) -> Fraction | None:
        match value:
            case Quote(name):
                return self._quote(name)
            case Day(group, line):
                return self.world.day(self.symbol).value(group, line, self.held(), self.last, self.at_us)
            case OpeningRange(duration_s, line, word):
                day = self.world.day(self.symbol)
                return day.opening_range(duration_s, line, word or "rth", self.held(), self.index, self.at_us)
            case Vwap(word):
                return self.world.day(self.symbol).vwap(word, self.held(), self.last, self.at_us)
            case Look(function, quote, duration_s):
                return self._look(function, quote, duration_s)
            case OfBars():
                return self._of_bars(value)
        raise AssertionError(f"no value {value}")

    @property
    def last(self) -> int:
        """The last event that is applied."""
        return self.index - 1 if self.before else self.index

    def flag(self, flag: Flag) -> bool | None:
        """`halted`, as far as Schwab has said."""
        reader = replace(self, symbol=flag.symbol) if flag.symbol else self
        facts = reader.held().facts
        if not reader.known or facts is None or not facts.status:
            return None
        return facts.status == "Halted"

    def beside(self, other: Sequence[Value]) -> Reader | None:
        """A reader of running extremes as they were before the row; None when nothing in `other` operands is live."""
        live = {
            symbol
            for value in other
            for symbol, node in read_by(value, self.symbol)
            if isinstance(node, Quote) and node.name in LIVE_QUOTES
        }
        return (
            Extremes(**{name: getattr(self, name) for name in self.__slots__}, live=frozenset(live)) if live else None
        )

    # --- quotes -----------------------------------------------------------------------------------------------------

    def _quote(self, name: str) -> Fraction | None:
        held = self.held()
        if name == "minutes_to_close":
            return self._minutes_to_close()
        if name == "age":
            return None if held.row_us is None else Fraction(self.at_us - held.row_us, US_PER_S)
        if name == "settle":
            return held.facts.prev_close if held.facts else None
        if name in ("net_change", "net_pct"):
            before = self.world.day(self.symbol).value("prev_day", "close", held, self.last, self.at_us)
            if held.price is None or not before:
                return None
            return held.price - before if name == "net_change" else held.price / before - 1
        return quote(name, held)

    def _minutes_to_close(self) -> Fraction | None:
        window = series_session(self.symbol).window(self.at_us)
        return None if window is None else Fraction(window[1] - self.at_us // US_PER_S * US_PER_S, 60 * US_PER_S)

    # --- windows on ticks -------------------------------------------------------------------------------------------

    def _look(self, function: str, name: str, duration_s: int, row: int | None = None) -> Fraction | None:
        """Against the value held at the last whole second at least `duration_s` ago, same session, in no gap.

        Of what came since, `row` is left out, with all that came later.
        """
        then_us = (self.at_us // US_PER_S - duration_s) * US_PER_S
        then_index = bisect_right(self.world.times, then_us) - 1
        window = trading_session(self.symbol).window(self.at_us)
        if then_index < 0 or window is None or not window[0] <= then_us < window[1]:
            return None
        seen, now = self.world.symbol(self.symbol), self.held()
        then = seen.after[then_index]
        last = self.last if row is None or row <= then_index else row - 1
        reference, value = quote(name, then), quote(name, seen.after[last])
        # Looking back at one instant is no window: what a gap between may have held is of no interest.
        whole = then.lives == now.lives and (function in ("pct_change", "change") or then.cuts == now.cuts)
        if reference is None or value is None or not then.live or not whole:
            return None
        if then.row_us is None or then.row_us < window[0]:
            return None  # what was held then came from another session
        match function:
            case "pct_change":
                return value / reference - 1 if reference else None
            case "change":
                return value - reference
        between = (quote(name, seen.after[row]) for row in seen.rows_between(then_index, last))
        values = [reference, *(one for one in between if one is not None)]
        return max(values) if function == "highest" else min(values)

    # --- bars -------------------------------------------------------------------------------------------------------

    def _of_bars(self, of: OfBars) -> Fraction | None:
        session = series_session(self.symbol, of.session)
        bars = self.world.closed(self.symbol, of.interval, of.session, self.last)
        count = bisect_right(bars.closed_at, self.index) if bars else 0

        def opening(at_us: int) -> int:
            return session.latest(at_us)[0]

        if not of.live or of.back:
            count -= of.back - of.live
            return bars.value(of, count, opening) if bars and count > 0 else None
        forming = self.forming(of)
        if forming is None:
            return None
        return over_bars(of, [*(bars.bars[:count] if bars else ()), forming], opening)

    def forming(self, of: OfBars) -> OracleBar | None:
        """The bar that is forming."""
        series = self.world.series(self.symbol, of.interval, of.session)
        if not self.before:
            return series.forming_at(self.index)
        closed = bisect_right(series.closed_at, self.index)
        if closed and series.closed_at[closed - 1] == self.index:
            return None  # it closed a moment ago
        return series.forming_at(self.index - 1)


@dataclass(slots=True)
class Extremes(Reader):
    """Reads running extremes of `live` symbols as they were before the last row; everything else as it is."""

    live: frozenset[str] = frozenset()

    def _of_symbol(self, value: Value) -> Fraction | None:
        if is_running_extreme(value) and self.symbol in self.live:
            rows = self.world.symbol(self.symbol).rows
            found = bisect_right(rows, self.last)
            if not found:
                return None
            if isinstance(value, Look):
                return self._look(value.function, value.quote, value.duration_s, rows[found - 1])
            return replace(self, index=rows[found - 1], before=True, live=frozenset())(value)
        return Reader._of_symbol(self, value)


def is_running_extreme(value: Node) -> bool:
    """Whether a row can push it: `day.high`, `lowest(price, 5m)`, `highest(high, 20, 5m, live)`."""
    match value:
        case Day(group, line):
            return group in ("day", "rth", "overnight", "year") and line in ("high", "low")
        case Look(function):
            return function in ("highest", "lowest")
        case OfBars():
            return value.live and value.function in ("highest", "lowest")
    return False


def quote(name: str, held: Seen) -> Fraction | None:
    """A plain value of the quote."""
    price, bid, ask = held.price, held.bid, held.ask
    if name == "price":
        return price
    if name == "bid":
        return bid
    if name == "ask":
        return ask
    if bid is None or ask is None:
        return price if name == "mark" else None
    match name:
        case "mid":
            return (bid + ask) / 2
        case "spread":
            return ask - bid
        case "spread_pct":
            return (ask - bid) / ((bid + ask) / 2) if bid + ask else None
        case "mark":
            return None if price is None else min(max(price, bid), ask)
    raise AssertionError(f"no quote {name!r}")


def calculate(operator: str, first: Fraction | None, second: Fraction | None) -> Fraction | None:
    """Arithmetic; unknown where a part is, or a division by zero."""
    if first is None or second is None:
        return None
    match operator:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
        case "/":
            return first / second if second else None
    raise ValueError(f"no operator {operator!r}")


def apply(function: str, values: Sequence[Fraction | None]) -> Fraction | None:
    """`abs`, `min`, `max`, `pct_from`, the unary minus; unknown where an argument is."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    match function:
        case "abs":
            return abs(known[0])
        case "-":
            return -known[0]
        case "min":
            return min(known)
        case "max":
            return max(known)
        case "pct_from":
            return known[0] / known[1] - 1 if known[1] else None
    raise ValueError(f"no function {function!r}")
