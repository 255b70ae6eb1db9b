"""Makes a backlog shorter without changing what it says: rows that bring no new price are merged into the next.

Whatever level is armed, and on whichever symbol beside it, no price that it could be judged at is passed over, and none
is moved past a row of another symbol. A row is merged only when it is no trade, or one in the same minute as the next
at the same price, so that bars and volume-weighted averages stay exact. What is lost is how often sizes flickered, and
in how many trades a volume was traded.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradeassistd.feed.frames import Frame
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.quote import Change

PRICES = ("last", "bid", "ask")
MERGED = ("bid_size", "ask_size", "volume", "trade_ms", "quote_ms")
NEWS = ("status", "contract", "delayed", "open", "high", "low", "prev_close", "year_high", "year_low")
"""Rules read these, too."""
MS_PER_MINUTE = 60_000


def conflate(entries: Iterable[Frame | ConnectionChange]) -> int:
    """Merge rows in place, in the frames of one stretch of the queue; gives how many were merged away.

    Nothing is merged across a connection change, nor into the first row of a symbol, whose past is not known here.
    """
    merged = 0
    tails: dict[str, _Tail] = {}
    for entry in entries:
        if isinstance(entry, ConnectionChange):
            tails.clear()
            continue
        for change in entry.changes:
            tail = tails.get(change.symbol)
            if tail is None:
                tails[change.symbol] = _Tail(change, entry)
            else:
                merged += tail.take(change, entry)
    return merged


class _Tail:
    """The last row of a symbol so far, and what was known before it."""

    def __init__(self, change: Change, frame: Frame) -> None:
        self._before: dict[str, float] = {}
        self._row, self._frame = change, frame
        self._is_first = True

    def take(self, change: Change, frame: Frame) -> bool:
        """Another row comes: the one before it is merged into it if it has no news."""
        if not self._is_first and not self._has_news() and (self._row.volume is None or self._is_same_trade(change)):
            self._frame.changes = [one for one in self._frame.changes if one is not self._row]
            for name in MERGED:
                if getattr(change, name) is None:
                    setattr(change, name, getattr(self._row, name))
            self._row, self._frame = change, frame
            return True
        self._note(self._row)
        self._row, self._frame, self._is_first = change, frame, False
        return False

    def _note(self, change: Change) -> None:
        for name in PRICES:
            value = getattr(change, name)
            if value is not None:
                self._before[name] = value

    def _has_news(self) -> bool:
        row, before = self._row, self._before
        return any(getattr(row, name) not in (None, before.get(name)) for name in PRICES) or any(
            getattr(row, name) is not None for name in NEWS
        )

    def _is_same_trade(self, after: Change) -> bool:
        """Whether the trades of this row and the next are at one price, in one minute."""
        row = self._row
        if after.volume is None or row.volume is None or after.volume < row.volume:
            return False
        price = self._before.get("last")  # the row has no other
        same_minute = (
            row.trade_ms is not None
            and after.trade_ms is not None
            and int(row.trade_ms) // MS_PER_MINUTE == int(after.trade_ms) // MS_PER_MINUTE
        )
        return price is not None and after.last in (None, price) and same_minute
