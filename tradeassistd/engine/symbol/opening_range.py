"""High and low of the first minutes of a session."""

from __future__ import annotations

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.events import Bars
from tradeassistd.engine.symbol.watch import NEVER_US, Anchored, Span, Watch
from tradeassistd.market.bar import INTERVALS_S


class OpeningRange(Anchored):
    """Known from its end until the next session begins, when it was watched whole and something was traded in it.

    It ends as a bar does, so that `opening_range(15m).high` is the high of that bar: at the first trade past its end or
    BAR_GRACE_US after it on the clock. A trade that comes later does not change it.
    """

    def __init__(self, span: Span, watch: Watch, seconds: int) -> None:
        super().__init__(span, watch)
        self._length_us = seconds * US_PER_S
        self._end_us = 0
        self._over = False
        self._known = False
        self._high: int | None = None
        self._low: int | None = None

    def value(self, part: str) -> int | None:
        """`high` or `low` in scaled price. Raises ValueError for another part."""
        if part not in ("high", "low"):
            raise ValueError(f"an opening range has no {part!r}")
        if not self._known or not self.watch.live:
            return None
        return self._high if part == "high" else self._low

    def relive(self, past: Bars) -> None:
        """Take the range from bars of its session, where they hold all of it and nothing else."""
        open_us, length_us = self.span.open_us, INTERVALS_S[past.interval] * US_PER_S
        if self._known or not open_us or past.interval == "1d" or self._length_us % length_us:
            return
        if not past.whole_from_us <= open_us or past.until_us < self._end_us:
            return
        inside = [row for row in past.rows if open_us <= row.start_us < self._end_us]
        if inside:
            self._high, self._low = max(row.high for row in inside), min(row.low for row in inside)
            self._over = self._known = True
            self.due_us = NEVER_US

    def begin(self) -> None:
        super().begin()
        self._high = self._low = None
        self._over = self._known = False
        self._end_us = min(self.span.open_us + self._length_us, self.span.close_us)
        self.due_us = self._end_us + BAR_GRACE_US

    def forget(self) -> None:
        super().forget()
        self._over, self._known, self.due_us = True, False, NEVER_US

    def run(self, now_us: int) -> bool:
        """The range is over on the clock; what was seen of it stands."""
        self.due_us = NEVER_US
        self._finish()
        return True

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        if self._over:
            return False
        if at_us >= self._end_us:
            self._finish()
            return True
        if self._high is None or self._low is None:
            self._high = self._low = price
        else:
            self._high, self._low = max(self._high, price), min(self._low, price)
        return False

    def _finish(self) -> None:
        if not self._over:
            self._over, self._known = True, self.whole and self._high is not None
