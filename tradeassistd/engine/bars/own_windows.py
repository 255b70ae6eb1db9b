"""What computes a user's function of bars: the window it gets, and one call per bar however many rules read it.

Nothing is called before somebody reads the result, so filling in a series from its past costs no call for the bars in
between; what a call gave, or raised, is kept with its bar.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice

from tradeassistd.engine.bars.rounding import on_grid
from tradeassistd.engine.language.functions import BAR_FIELDS, NUMBER, PRICE, RATIO, VOLUME, Unit, Value
from tradeassistd.engine.language.own import Bars, OwnFunctionError, UserFunction
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import PRICE_SCALE

Row = tuple[float, ...]
"""Of one bar what the function gets: the field of its series, or all five."""
_UNITS = {"price": PRICE, "volume": VOLUME, "ratio": RATIO, "number": NUMBER}


class Pending:
    """The result at one bar, computed when it is first read."""

    __slots__ = ("_error", "_function", "_numbers", "_places", "_values", "_window")

    def __init__(self, function: UserFunction, numbers: tuple[float, ...], window: tuple[Row, ...], unit: Unit) -> None:
        self._function = function
        self._numbers = numbers
        self._window: tuple[Row, ...] | None = window
        self._places = unit
        self._values: tuple[Value | None, ...] = ()
        self._error: OwnFunctionError | None = None

    def value(self, part: str = "") -> Value | None:
        """The value, or that of one line. Raises OwnFunctionError each time when the function raised."""
        if self._window is not None:
            window, self._window = self._window, None
            self._compute(window)
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._values[[*self._function.lines].index(part)] if part else self._values[0]

    def _compute(self, window: tuple[Row, ...]) -> None:
        columns = tuple(zip(*window, strict=True))
        given = Bars(*columns) if len(columns) > 1 else columns[0]
        try:
            results = self._function.call(given, *self._numbers)
        except OwnFunctionError as error:
            self._error = error
        else:
            self._values = tuple(exact_in(self._places, result) for result in results)


class OwnWindow:
    """A user's function over the last n closed bars of a series."""

    def __init__(self, function: UserFunction, field: str, numbers: Iterable[Value]) -> None:
        """`field` is that of its series, "" when it takes whole bars; `numbers` are its counts and plain numbers."""
        self._function = function
        self._numbers = tuple(one if isinstance(one, int) else float(one) for one in numbers)
        self._length = function.window(tuple(one for one in self._numbers if isinstance(one, int)))
        self._rows: deque[Row] = deque(maxlen=self._length)
        self._fields = (field,) if field else tuple(BAR_FIELDS)
        self._unit = unit_given(function, BAR_FIELDS[field][0] if field else None)
        self._peeked: tuple[Row, Pending] | None = None

    def step(self, bar: Bar) -> Pending | None:
        self._rows.append(self._row(bar))
        self._peeked = None
        return self._pending(tuple(self._rows)) if len(self._rows) == self._length else None

    def peek(self, bar: Bar) -> Pending | None:
        if len(self._rows) + 1 < self._length:
            return None
        row = self._row(bar)
        if self._peeked is None or self._peeked[0] != row:  # as often as a trade moves the bar, not for each rule
            first = len(self._rows) + 1 - self._length
            self._peeked = row, self._pending((*islice(self._rows, first, None), row))
        return self._peeked[1]

    def _pending(self, window: tuple[Row, ...]) -> Pending:
        return Pending(self._function, self._numbers, window, self._unit)

    def _row(self, bar: Bar) -> Row:
        return tuple(
            float(bar.volume) if field == "volume" else getattr(bar, field) / PRICE_SCALE for field in self._fields
        )


def exact_in(unit: Unit, result: float | None) -> Value | None:
    """A result in its natural unit as an exact value, rounded to the grid of recursive indicators."""
    if result is None:
        return None
    rounded = on_grid(result)
    if not unit.price:
        return rounded
    scaled = rounded * Fraction(PRICE_SCALE) ** unit.price
    return int(scaled) if scaled.denominator == 1 else scaled


def unit_given(function: UserFunction, same: Unit | None) -> Unit:
    """The unit of its result; `same` is that of its series or first value."""
    return (same or RATIO) if function.gives == "same" else _UNITS[function.gives]
