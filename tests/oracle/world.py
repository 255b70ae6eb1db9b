"""What every value of an expression is at an event, worked out from the list of events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

from tests.oracle.bars import Series
from tests.oracle.expression import Arithmetic, Number, OfBars, PctChange, Quote, Value
from tests.oracle.hours import series_session, trading_session
from tests.oracle.indicators import WINDOWS, exponential_means
from tests.oracle.tape import US_PER_S, Cut, Event, Held, Kind, events, read_rows


class World:
    """One tick file under one symbol name."""

    def __init__(self, path: Path, symbol: str, cuts: Iterable[Cut] = ()) -> None:
        self.symbol = symbol
        self.events: list[Event] = events(read_rows(path), cuts)
        self.trading = trading_session(symbol)
        set_price = [event for event in self.events if event.kind is Kind.IMAGE or event.size]
        self._priced = [(event.held.price, event.cuts) for event in set_price]
        self._priced_us = [event.event_us for event in set_price]
        self._series: dict[tuple[str, str | None], Series] = {}
        self._bars: dict[tuple[str, str | None], dict[int, _ClosedBars]] = {}

    def series(self, interval: str, session: str | None = None) -> Series:
        """The symbol's bars of an interval; its own session unless a word is given."""
        key = (interval, session)
        if key not in self._series:
            self._series[key] = Series(self.events, interval, series_session(self.symbol, session))
        return self._series[key]

    def value(self, expression: Value, index: int, *, before_row: bool = False) -> Fraction | None:
        """The value at event `index` once its bars have closed, its row applied or not yet; None is unknown."""
        match expression:
            case Number(value):
                return value
            case Quote(name):
                return _quote(name, self._held(index, before_row))
            case OfBars():
                return self._of_bars(expression, index)
            case PctChange(duration_s):
                return self._pct_change(duration_s, self._held(index, before_row).price, self.events[index])
            case Arithmetic(operator, left, right):
                first = self.value(left, index, before_row=before_row)
                second = self.value(right, index, before_row=before_row)
                return None if first is None or second is None else _calculate(operator, first, second)

    def _held(self, index: int, before_row: bool) -> Held:
        return self.events[index - 1 if before_row else index].held

    def _of_bars(self, expression: OfBars, index: int) -> Fraction | None:
        key = (expression.interval, expression.session)
        if key not in self._bars:
            self._bars[key] = {}
            for closing in self.series(*key).closings:
                self._bars[key].setdefault(closing.cuts, _ClosedBars()).append(closing.index, closing.bar.field)
        bars = self._bars[key].get(self.events[index].cuts)
        return bars.value(expression, index) if bars else None

    def _pct_change(self, duration_s: int, price: Fraction | None, now: Event) -> Fraction | None:
        """Against the price held at the last whole second at least `duration_s` ago, same session, no cut between."""
        then_us = (now.event_us // US_PER_S - duration_s) * US_PER_S
        found = bisect_right(self._priced_us, then_us)
        if price is None or found == 0:
            return None
        reference, cuts = self._priced[found - 1]
        window = self.trading.window(now.event_us)
        if not reference or cuts != now.cuts or window is None or not window[0] <= then_us < window[1]:
            return None
        return price / reference - 1


class _ClosedBars:
    """The closed bars of one series between two cuts, and what functions gave after each of them."""

    def __init__(self) -> None:
        self._closed_at: list[int] = []  # event indices
        self._fields: dict[str, list[Fraction]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
        self._exponential: dict[tuple[str, int], list[Fraction | None]] = {}
        self._windows: dict[tuple[OfBars, int], Fraction | None] = {}

    def append(self, index: int, field: Callable[[str], Fraction]) -> None:
        """Adds a bar closed at event `index`."""
        self._closed_at.append(index)
        for name, numbers in self._fields.items():
            numbers.append(field(name))

    def value(self, expression: OfBars, index: int) -> Fraction | None:
        """The value with the bars closed up to and at event `index`, less `back`."""
        count = bisect_right(self._closed_at, index) - expression.back
        if count <= 0:
            return None
        if (expression, count) not in self._windows:
            self._windows[expression, count] = self._calculate(expression, count)
        return self._windows[expression, count]

    def _calculate(self, expression: OfBars, count: int) -> Fraction | None:
        numbers = self._fields[expression.field]
        if not expression.function:
            return numbers[count - 1]
        if expression.function == "ema":
            # Element k depends on the first k bars only, so the list made once from all of them looks at no future.
            means = self._exponential.setdefault(
                (expression.field, expression.n), exponential_means(numbers, expression.n)
            )
            return means[count - 1]
        return WINDOWS[expression.function](numbers[:count], expression.n)


def _quote(name: str, held: Held) -> Fraction | None:
    price, bid, ask = held
    if name == "price":
        return price
    if name == "bid":
        return bid
    if name == "ask":
        return ask
    if bid is None or ask is None:
        return None
    return (bid + ask) / 2 if name == "mid" else ask - bid


def _calculate(operator: str, first: Fraction, second: Fraction) -> Fraction | None:
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
