"""The newest one-minute bars of one symbol, kept small: they fill up for days, for every symbol."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import ARCHIVE_INTERVAL, INTERVALS_S, Bar
from tradeassistd.market.session import ALWAYS

_LENGTH_US = INTERVALS_S[ARCHIVE_INTERVAL] * US_PER_S
_WIDTH = 7
"""Numbers kept of a bar: 56 bytes, where a bar with its numbers takes 400."""


class Minutes:
    """One-minute bars over all trades of a symbol, oldest first; with more than `most` of them the oldest go."""

    def __init__(self, symbol: str, most: int) -> None:
        self._symbol = symbol
        self._most = most
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._numbers) // _WIDTH

    def __iter__(self) -> Iterator[Bar]:
        numbers = iter(self._numbers)
        for start_us, *rest in zip(*[numbers] * _WIDTH, strict=True):
            yield Bar(self._symbol, ARCHIVE_INTERVAL, ALWAYS, start_us, start_us + _LENGTH_US, *rest)

    @property
    def is_full(self) -> bool:
        """Whether the oldest goes with the next."""
        return len(self) >= self._most

    @property
    def first_end_us(self) -> int:
        """When the oldest ended. Raises IndexError without any."""
        return self._numbers[0] + _LENGTH_US

    @property
    def last_end_us(self) -> int:
        """When the newest ended, 0 without any."""
        return self._numbers[-_WIDTH] + _LENGTH_US if self._numbers else 0

    def append(self, bar: Bar) -> None:
        """One more."""
        if self.is_full:
            del self._numbers[:_WIDTH]
        self._numbers.extend((bar.start_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades))

    def drop_last(self) -> None:
        """The newest goes."""
        del self._numbers[-_WIDTH:]

    def replace(self, bars: Iterable[Bar]) -> None:
        """These instead, oldest first."""
        self.clear()
        for bar in bars:
            self.append(bar)

    def clear(self) -> None:
        """All go."""
        del self._numbers[:]
