"""Functions that a user brings: what they declare, how they are called, and those that are in the table now.

A user imports all of this from `tradeassistd.functions`; docs/own-functions.md tells it from their side.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, NamedTuple

from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.engine.language.expression import Call, Expression
from tradeassistd.engine.language.functions import (
    BAR_FIELDS,
    COUNT_MAX,
    FUNCTIONS,
    PRICE,
    RATIO,
    VOLUME,
    Arg,
    Function,
    Gives,
    Part,
    Unit,
)
from tradeassistd.engine.language.walk import walk

Kind = Literal["series", "count", "number", "interval", "value", "price", "volume", "ratio"]
"""What a function takes at one place: a field of bars, a whole number of bars, a plain number, a bar interval; or a
present value: of any unit, or of this one."""
Given = Literal["same", "price", "volume", "ratio", "number"]
"""The unit of a result: that of the series or of the first value, or this one."""
Result = float | Fraction | None
"""A number in its natural unit (points, shares, 0.01 for one percent); None is unknown."""

NUMBER_MAX = 1_000_000_000
_KINDS: dict[Kind, Arg] = {
    "series": Arg.SERIES, "count": Arg.COUNT, "number": Arg.NUMBER, "interval": Arg.INTERVAL,
    "value": Arg.VALUE, "price": Arg.VALUE, "volume": Arg.VALUE, "ratio": Arg.VALUE,
}  # fmt: skip
_GIVES: dict[Given, Gives] = {
    "same": Gives.ARGUMENT, "price": Gives.PRICE, "volume": Gives.VOLUME, "ratio": Gives.RATIO, "number": Gives.NUMBER,
}  # fmt: skip
_UNITS: dict[Kind, Unit] = {"price": PRICE, "volume": VOLUME, "ratio": RATIO}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class OwnFunctionError(PermanentError):
    """A user's function raised, or gave what is no number; the rule that reads it is isolated (rules.md 4.9)."""


class Bars(NamedTuple):
    """The last closed bars, oldest first: prices in points, volumes in shares or contracts."""

    open: tuple[float, ...]
    high: tuple[float, ...]
    low: tuple[float, ...]
    close: tuple[float, ...]
    volume: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UserFunction:
    """One function of a user's own. Raises ConfigError where what it declares does not fit together.

    With an `interval` among its arguments (then the last of them) it is a function of bars: `compute` gets the last
    `bars` closed values of its series, oldest first - without a series `Bars` - and then its counts (int) and numbers
    (float) in their order. Without one it is a function of present values, and gets those.

    `compute` must be pure: the same arguments give the same result, it keeps nothing between calls, reads no clock, no
    file and no network. It computes in float; its result is rounded to ten significant digits as that of every
    recursive indicator, so a price is compared as the decimal that is meant.
    """

    name: str
    args: Mapping[str, Kind]
    """What it takes, by the names that its signature shows, in their order."""
    gives: Given
    compute: Callable[..., Result | tuple[Result, ...]]
    version: str
    """Raise it whenever results change: rules that read the function are then armed anew."""
    doc: str
    """One sentence for `tradeassist rules functions`."""
    bars: int | Callable[..., int] | None = None
    """How many closed bars `compute` gets: a number, or made from its counts; default: its first count.

    A ValueError that it raises refuses the counts, with its text: `fast must be below slow`.
    """
    lines: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where `compute` gives several values as a tuple: what each is called (`.upper`), and what it is."""
    needs_volume: bool = False
    """Means nothing on a symbol whose trades carry no size; a function of the series `volume` need not say it."""
    example: str = ""
    """How it may be written, e.g. `hull(close, 20, 5m)`."""

    def __post_init__(self) -> None:
        for part in ("name", "version", "doc", "example"):
            if not isinstance(getattr(self, part), str) or not (getattr(self, part) or part == "example"):
                raise _wrong(f"{part} is not a text", f"write {part}='...'")
        if not _NAME.fullmatch(self.name):
            raise _wrong(f"{self.name!r} is not a name", "letters, digits and _, at most 64, not a digit first")
        self._check_arguments()
        if self.gives not in _GIVES:
            raise _wrong(f"gives={self.gives!r} is not known", f"one of {' '.join(_GIVES)}")
        if self.gives == "same" and not {"series", "value"} & {*self.args.values()}:
            raise _wrong("gives='same' needs a series or a value", "name the unit of the result")
        self._check_lines()
        self._check_compute()

    @property
    def reads_bars(self) -> bool:
        """Whether it is computed from closed bars, not from present values."""
        return "interval" in self.args.values()

    @property
    def units(self) -> tuple[Unit | None, ...]:
        """Per argument the unit it has to have; None: any, or none."""
        return tuple(_UNITS.get(kind) for kind in self.args.values())

    def window(self, counts: tuple[int, ...]) -> int:
        """How many closed bars it gets with these counts. Raises ConfigError when it refuses them."""
        try:
            bars = counts[0] if self.bars is None else self.bars(*counts) if callable(self.bars) else self.bars
        except ValueError as error:
            raise ConfigError(f"{self.name}: {error}") from error
        except Exception as error:
            raise ConfigError(
                f"{self.name} cannot say how many bars it needs: {error!r}", hint="mend its bars="
            ) from error
        if type(bars) is not int or not 1 <= bars <= COUNT_MAX:
            raise ConfigError(f"{self.name} asks for {bars!r} bars", hint=f"at least 1 and at most {COUNT_MAX:,}")
        return bars

    def call(self, *arguments: object) -> tuple[float | None, ...]:
        """Its result: one value, or one per line. Raises OwnFunctionError for whatever it raises, or gives, amiss."""
        try:
            result = self.compute(*arguments)
        except Exception as error:
            raise OwnFunctionError(f"{self.name} raised {type(error).__name__}: {error}") from error
        if not self.lines:
            return (self._number(result),)
        if result is None:
            return (None,) * len(self.lines)
        if not isinstance(result, tuple) or len(result) != len(self.lines):
            raise OwnFunctionError(f"{self.name} gave {result!r}, not a tuple of {len(self.lines)} values")
        return tuple(map(self._number, result))

    def as_function(self) -> Function:
        """Its entry of the table."""
        kinds = self.args.values()
        needed = (
            self.bars if isinstance(self.bars, int) else next((n for n, k in self.args.items() if k == "count"), "")
        )
        warm_up = (
            "none"
            if not self.reads_bars
            else "as many bars as its counts ask for"
            if callable(self.bars)
            else f"{needed} bars"
        )
        window = self.window if self.reads_bars else lambda counts: 0
        return Function(
            self.name, tuple(_KINDS[kind] for kind in kinds), _GIVES[self.gives], self.doc, warm_up, bars=window,
            parts={name: Part(doc, window) for name, doc in self.lines.items()}, named=tuple(self.args),
            reads_volume=self.needs_volume, number_max=NUMBER_MAX, own=self,
        )  # fmt: skip

    def _number(self, result: object) -> float | None:
        if result is None:
            return None
        if isinstance(result, bool) or not isinstance(result, int | float | Fraction):
            raise OwnFunctionError(
                f"{self.name} gave {result!r}, not a number", hint="give a float, or None for unknown"
            )
        try:
            number = float(result)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise OwnFunctionError(f"{self.name} gave {number}", hint="give None where it is unknown")
        return number

    def _check_arguments(self) -> None:
        if not isinstance(self.args, Mapping) or not self.args:
            raise _wrong("args names no argument", "write args={'series': 'series', 'count': 'count', ...}")
        for name, kind in self.args.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise _wrong(f"{name!r} is not a name of an argument", "letters, digits and _")
            if kind not in _KINDS:
                raise _wrong(f"argument {name}={kind!r} is not known", f"one of {' '.join(_KINDS)}")
        kinds = [*self.args.values()]
        if not self.reads_bars:
            if {"series", "count"} & {*kinds}:
                raise _wrong("a series or a count needs an interval", "add 'interval': 'interval' as the last argument")
            if {*kinds} == {"number"}:
                raise _wrong("nothing it takes can change", "take a value, a price, a series")
            return
        if kinds.index("interval") != len(kinds) - 1:
            raise _wrong("the interval is not its last argument", "it is the last, as in sma(close, 20, 5m)")
        if extra := {*kinds} - {"series", "count", "number", "interval"}:
            raise _wrong(f"it takes bars and a present {min(extra)}", "take one or the other; a rule can combine them")
        if "series" in kinds[1:]:
            raise _wrong("a series is the first argument, and the only one", "leave it out to get whole bars")

    def _check_lines(self) -> None:
        if not isinstance(self.lines, Mapping) or not all(
            isinstance(name, str) and _NAME.fullmatch(name) and isinstance(doc, str) and doc
            for name, doc in self.lines.items()
        ):
            raise _wrong("lines are not names with what they are", "write lines={'upper': 'The upper band.', ...}")
        if self.lines and not self.reads_bars:
            raise _wrong("only a function of bars has lines", "make it one function for each value")

    def _check_compute(self) -> None:
        counts = [*self.args.values()].count("count")
        if self.reads_bars and self.bars is None and not counts:
            raise _wrong("it does not say how many bars it needs", "write bars=20, or take a count")
        if not self.reads_bars and self.bars is not None:
            raise _wrong("bars= is for functions of bars", "remove it, or take an interval")
        if self.bars is not None and not callable(self.bars) and (type(self.bars) is not int or self.bars < 1):
            raise _wrong(f"bars={self.bars!r} is no number of bars", "write bars=20, or bars=lambda count: 2 * count")
        given = [name for name, kind in self.args.items() if kind not in ("series", "interval")]
        if self.reads_bars:
            given.insert(0, "values" if "series" in self.args.values() else "bars")
        _check_takes("compute", self.compute, given)
        if callable(self.bars):
            _check_takes("bars", self.bars, [name for name, kind in self.args.items() if kind == "count"])


UNUSABLE: dict[str, str] = {}
"""Names of functions that are installed and cannot be used, and why."""


def put_in_table(functions: Iterable[UserFunction], unusable: Mapping[str, str] | None = None) -> None:
    """Make these the user's functions of the table, in the place of any before; `unusable`: see UNUSABLE.

    Raises ValueError for a name that is in the table already.
    """
    entries = [function.as_function() for function in functions]
    before = in_table()
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1 or name in BAR_FIELDS or name in FUNCTIONS.keys() - before.keys():
            raise ValueError(f"there is a function {name!r} already")
    for name in before:
        del FUNCTIONS[name]
    FUNCTIONS.update({entry.name: entry for entry in entries})
    UNUSABLE.clear()
    UNUSABLE.update(unusable or {})


def in_table() -> dict[str, UserFunction]:
    """The user's functions that expressions may use now, by name."""
    return {name: entry.own for name, entry in FUNCTIONS.items() if entry.own is not None}


def versions_read(trees: Iterable[Expression]) -> list[str]:
    """Name and version of each user's function that the trees call, sorted."""
    own = in_table()
    if not own:
        return []
    called = {node.name for tree in trees for node in walk(tree) if isinstance(node, Call)}
    return [f"{name} {own[name].version}" for name in sorted(called & own.keys())]


def _check_takes(what: str, function: object, given: list[str]) -> None:
    """Raise ConfigError unless `function` can be called with so many arguments."""
    takes = f"{what} takes {', '.join(given) or 'nothing'}"
    if not callable(function):
        raise _wrong(f"{what} is not a function", takes)
    try:
        inspect.signature(function).bind(*given)
    except TypeError as error:
        raise _wrong(f"{what} cannot be called with what it gets: {error}", takes) from None
    except ValueError:
        return  # something built in that does not tell its signature; `--check` calls it


def _wrong(message: str, hint: str) -> ConfigError:
    return ConfigError(message, hint=hint)
