"""Volume-weighted average price of a session, exact, from its trades."""

from __future__ import annotations

from tradeassistd.engine.bars.indicators import exact
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.symbol.watch import Anchored, Span, Watch


class Vwap(Anchored):
    """sum(price * size) / sum(size) over a session watched whole (rules.md 5); stays until the next session begins."""

    def __init__(self, span: Span, watch: Watch) -> None:
        super().__init__(span, watch)
        self._turnover = 0
        self._size = 0
        self._average: Value | None = None

    def value(self) -> Value | None:
        """The average in scaled price; unknown before its first trade, and for a session not watched whole."""
        if not self.watch.live or not self._size or not self.whole:
            return None
        if self._average is None:
            self._average = exact(self._turnover, self._size)
        return self._average

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        self._turnover += price * size
        self._size += size
        self._average = None
        return False

    def begin(self) -> None:
        super().begin()
        self._turnover = self._size = 0
        self._average = None

    def forget(self) -> None:
        super().forget()
        self._turnover = self._size = 0
        self._average = None
