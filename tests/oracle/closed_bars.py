"""Functions over the closed bars of one series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from tests.oracle.bars import OracleBar
from tests.oracle.expression import OfBars
from tests.oracle.indicators import WINDOWS, band, exponential_means, macd, true_range

BAR_FIELDS = ("open", "high", "low", "close", "volume")


class ClosedBars:
    """The closed bars of one series between two holes in its session."""

    def __init__(self) -> None:
        self.closed_at: list[int] = []  # event indices
        self.bars: list[OracleBar] = []
        self.fields: dict[str, list[Fraction]] = {name: [] for name in BAR_FIELDS}
        self._exponential: dict[tuple[str, int], list[Fraction | None]] = {}
        self._found: dict[tuple[OfBars, int], Fraction | None] = {}

    def append(self, index: int, bar: OracleBar) -> None:
        """Adds a bar closed at event `index`."""
        self.closed_at.append(index)
        self.bars.append(bar)
        for name, numbers in self.fields.items():
            numbers.append(bar.field(name))

    def value(self, of: OfBars, count: int, opening: Callable[[int], int]) -> Fraction | None:
        """The function over the first `count` bars: it never changes, so it is worked out once."""
        key = (of, count)
        if key not in self._found:
            self._found[key] = self._calculate(of, count, opening)
        return self._found[key]

    def _calculate(self, of: OfBars, count: int, opening: Callable[[int], int]) -> Fraction | None:
        if of.function == "ema":
            # Element k depends on the first k bars only, so the list made once from all of them looks at no future.
            name = (of.field, of.n)
            means = self._exponential.setdefault(name, exponential_means(self.fields[of.field], of.n))
            return means[count - 1]
        return over_bars(of, self.bars[:count], opening)


def over_bars(of: OfBars, bars: Sequence[OracleBar], opening: Callable[[int], int]) -> Fraction | None:
    """A function of bars, the last of them the newest; `opening` gives the session's opening of an instant."""
    if not bars:
        return None
    match of.function:
        case "atr":
            highs, lows, closes = ([bar.field(name) for bar in bars] for name in ("high", "low", "close"))
            return true_range(highs, lows, closes, of.n)
        case "rvol":
            return relative_volume(bars, opening)
    values = [bar.field(of.field) for bar in bars]
    match of.function:
        case "":
            return values[-1]
        case "ema":
            return exponential_means(values, of.n)[-1]
        case "macd":
            return macd(values, of.n, int(of.more[0]), int(of.more[1]), of.line)
        case "bollinger":
            return band(values, of.n, of.more[0], of.line)
    return WINDOWS[of.function](values, of.n)


def relative_volume(bars: Sequence[OracleBar], opening: Callable[[int], int]) -> Fraction | None:
    """`rvol`: against the mean of the same slot in the sessions before, at least 5 of them, at most 20."""
    *before, last = bars
    slot_us = last.open_us - opening(last.open_us)
    same = [bar.volume for bar in before if bar.open_us - opening(bar.open_us) == slot_us][-20:]
    if len(same) < 5 or not sum(same):
        return None
    return Fraction(last.volume * len(same), sum(same))
