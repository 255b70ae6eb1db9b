"""Tries a user's function out: with a made-up market, each stretch of it twice, and with bars that come seldom."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as counting

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.language.arguments import ExpressionError, track_key
from tradeassistd.engine.language.expression import Attribute, Call, Index, render
from tradeassistd.engine.language.functions import FUNCTIONS
from tradeassistd.engine.language.kinds import unit_of
from tradeassistd.engine.language.own import Bars, OwnFunctionError, UserFunction
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

WALKS = 20
"""How many stretches of a made-up market it is called with, beside flat and empty ones."""
SLOW_US = 1_000
"""A call that takes longer than this is told: ticks wait for it."""
_LADDER = (10, 20, 30, 40, 50, 60, 70, 80)
_ROWS = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it; `problems` is empty for a sound function."""

    written: str
    """The call that was tried."""
    bars: int
    """How many bars it gets so; 0 for a function of present values."""
    calls: int
    mean_us: float
    """Microseconds of one call on this machine."""
    problems: tuple[str, ...]


def try_out(function: UserFunction, clock: Clock) -> Trial:
    """Call it with each of many arguments twice, the second time in another order."""
    try:
        written, numbers, bars = _arguments(function)
    except ConfigError as error:
        return Trial(function.example or written_like(function), 0, 0, 0.0, (str(error),))
    samples = [*_windows(function, bars, numbers)] if function.reads_bars else [*_values(function, numbers)]
    first: list[object] = []
    begin_s = clock.elapsed_s()
    for _, arguments in samples:
        first.append(_outcome(function, arguments))
    mean_us = (clock.elapsed_s() - begin_s) / len(samples) * 1e6
    second = [_outcome(function, arguments) for _, arguments in reversed(samples)]
    problems = dict.fromkeys(f"{one}, for {what}" for (what, _), one in zip(samples, first, strict=True)
                             if isinstance(one, str))  # fmt: skip
    for (what, _), one, other in zip(samples, first, reversed(second), strict=True):
        if one != other:
            problems[f"is not pure: it gave {_told(one)}, and then {_told(other)}, for {what}"] = None
            break
    if mean_us > SLOW_US:
        problems[f"takes {mean_us / 1000:.1f} ms a call, and ticks wait for it"] = None
    return Trial(written, bars, 2 * len(samples), mean_us, tuple(problems))


def written_like(function: UserFunction) -> str:
    """How a call of it looks, where it gives no example itself: counts in rising order."""
    counts, values = iter(_LADDER), iter(("price", "day.open", "day.high", "day.low"))
    words = {"series": "close", "number": "2", "interval": "5m", "volume": "volume(5m)", "ratio": "net_pct"}
    written = [
        str(next(counts, 90)) if kind == "count" else words.get(kind) or next(values, "price")
        for kind in function.args.values()
    ]
    line = f".{next(iter(function.lines))}" if function.lines else ""
    return f"{function.name}({', '.join(written)}){line}"


def _arguments(function: UserFunction) -> tuple[str, tuple[float, ...], int]:
    """The call to try, its numbers, and how many bars it gets. Raises ConfigError when that is no call of it."""
    written = function.example or written_like(function)
    try:
        tree = parse(written)
        unit_of(tree, instrument_of("/ES"))
    except ExpressionError as error:
        hint = error.hint if function.example else "give it an example=... that it accepts"
        raise ConfigError(f"{written} is not accepted: {error.message}", hint=hint) from None
    call = tree
    while isinstance(call, Attribute | Index):
        call = call.base
    if not isinstance(call, Call) or call.name != function.name:
        raise ConfigError(f"its example {written} is no call of it", hint=f"write {FUNCTIONS[function.name].signature}")
    _, _, exact = track_key(call)
    numbers = tuple(one if isinstance(one, int) else float(one) for one in exact)
    bars = function.window(tuple(one for one in numbers if isinstance(one, int))) if function.reads_bars else 0
    return render(tree), numbers, bars


def _windows(function: UserFunction, bars: int, numbers: tuple[float, ...]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Stretches of bars as a market makes them, and such as it makes seldom."""
    chance = random.Random(1)
    walks = [_walk(chance, bars) for _ in range(WALKS)]
    odd: list[tuple[str, _ROWS]] = [
        ("bars that are all equal", ((100.0,) * 4 + (500.0,),) * bars),
        ("bars without volume", tuple((*row[:4], 0.0) for row in walks[0])),
        ("prices below zero", tuple((*(price - 1000.0 for price in row[:4]), row[4]) for row in walks[0])),
        ("prices of zero", ((0.0,) * 4 + (500.0,),) * bars),
    ]
    column = _column_of(function)
    for what, rows in (*((f"bars {number}", rows) for number, rows in zip(counting(1), walks, strict=False)), *odd):
        columns = tuple(zip(*rows, strict=True))
        given: object = Bars(*columns) if column is None else columns[column]
        yield what, (given, *numbers)


def _column_of(function: UserFunction) -> int | None:
    """Which field of bars the tried series is; None for a function of whole bars."""
    if "series" not in function.args.values():
        return None
    tree = parse(function.example or written_like(function))
    while isinstance(tree, Attribute | Index):
        tree = tree.base
    return Bars._fields.index(track_key(tree)[0]) if isinstance(tree, Call) else None


def _values(function: UserFunction, numbers: tuple[float, ...]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Present values as they come, and such as come seldom."""
    chance = random.Random(1)
    makers = {
        "ratio": lambda: round(chance.uniform(-0.05, 0.05), 4),
        "volume": lambda: float(chance.randrange(1, 5_000_000)),
    }
    rounds = [("values as they come", None)] * WALKS + [("values of zero", 0.0), ("values that are all equal", 100.0)]
    for number, (what, fixed) in enumerate(rounds, 1):
        plain = iter(numbers)
        given = [
            next(plain) if kind == "number"
            else fixed if fixed is not None
            else makers.get(kind, lambda: round(chance.uniform(50, 150), 2))()
            for kind in function.args.values()
        ]  # fmt: skip
        yield f"{what} ({number})" if fixed is None else what, tuple(given)


def _walk(chance: random.Random, bars: int) -> _ROWS:
    """Bars of a price that wanders in cents, most with volume."""
    rows, price = [], 100.0
    for _ in range(bars):
        steps = [round(price + chance.gauss(0, 0.2), 2) for _ in range(4)]
        rows.append((steps[0], max(steps), min(steps), steps[-1], float(chance.randrange(0, 10_000))))
        price = steps[-1]
    return tuple(rows)


def _outcome(function: UserFunction, arguments: tuple[object, ...]) -> object:
    """What it gives for these, or, as a text, what is wrong with that."""
    try:
        return function.call(*arguments)
    except OwnFunctionError as error:
        return str(error)


def _told(outcome: object) -> str:
    if isinstance(outcome, tuple):
        return ", ".join("unknown" if one is None else repr(one) for one in outcome)
    return f"an error ({outcome})"
