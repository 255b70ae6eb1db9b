"""Open, high, low, close and volume of one session of a symbol, from its trades."""

from __future__ import annotations

from tradeassistd.engine.symbol.extremes import RunningExtremes
from tradeassistd.engine.symbol.watch import Anchored, Span, Watch
from tradeassistd.engine.symbol.week import NOTHING, Past
from tradeassistd.market.bar import Bar


class SessionValues(Anchored):
    """One session's values from trades alone; `previous` is the session right before it."""

    def __init__(self, span: Span, watch: Watch, *, has_volume: bool) -> None:
        super().__init__(span, watch)
        self.seen = RunningExtremes(watch)
        self.close: int | None = None
        """The last trade; unknown after a gap until the next."""
        self.previous = NOTHING
        self._has_volume = has_volume
        self._first: int | None = None
        self._size: int | None = 0
        self._ended_live = False

    def relive(self, bar: Bar) -> None:
        """The session, which is over, was watched from its open to its end, and this is the bar of its trades."""
        self._first, self.close, self._size = bar.open, bar.close, bar.volume
        self.seen.take(bar.high)
        self.seen.take(bar.low)
        self._whole_at_end = self._ended_live = True

    def leave(self, *, adjacent: bool) -> None:
        self.previous = self.past() if adjacent else NOTHING

    def begin(self) -> None:
        super().begin()
        self._restart()

    def end(self) -> None:
        super().end()
        self._ended_live = self.watch.live

    def forget(self) -> None:
        super().forget()
        self.previous = NOTHING
        self._restart()

    def cut(self) -> None:
        """A gap: what came last is unknown, also of a session that is over when nobody saw its end."""
        if not self.span.over:
            self.close = None

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        if self._first is None and self.whole:
            self._first = price
        self.seen.take(price)
        self.close = price
        if self._size is not None:
            self._size += size
        return False

    def image(self, price: int | None, volume: int | None) -> None:
        """The last trade before the image was one of this session."""
        self.close = price

    def past(self) -> Past:
        """The session as it stands, as far as it was observed; a close counts when its end was watched."""
        close = self.close if self._ended_live else None
        if not self.whole:
            return Past(close=close)
        high, low = self.extremes(before=False)
        return Past(self.open, high, low, close, self.volume)

    @property
    def open(self) -> int | None:
        return self._first

    @property
    def volume(self) -> int | None:
        """What was traded in a session watched whole."""
        return self._size if self._has_volume and self.whole and self._first is not None else None

    def extremes(self, *, before: bool) -> tuple[int | None, int | None]:
        """(high, low), None when unknown; `before`: as before the last row."""
        return self.seen.both(before=before) if self.whole else (None, None)

    def value(self, part: str, *, before: bool) -> int | None:
        match part:
            case "open":
                return self.open
            case "high":
                return self.extremes(before=before)[0]
            case "low":
                return self.extremes(before=before)[1]
            case "close":
                return self.close
            case "volume":
                return self.volume
        raise ValueError(f"a session has no {part!r}")

    def _restart(self) -> None:
        self.seen.clear()
        self._first = self.close = None
        self._size = 0
        self._ended_live = False
