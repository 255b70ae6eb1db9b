"""Makes a backlog shorter without changing what it says: rows that only lie on the way are merged into the next.

A row is merged into its successor only when every price in it lies between those before and after, so every extreme
and every crossing stays; and only when it is no trade, or one at the same price in the same minute as the next, so
that bars and volume-weighted averages stay exact. What is lost is how often a price was quoted, or traded, on its way.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradeassistd.feed.frames import Frame
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.quote import Change

PRICES = ("last", "bid", "ask")
MERGED = (*PRICES, "bid_size", "ask_size", "volume", "trade_ms", "quote_ms", "open", "high", "low", "prev_close",
          "year_high", "year_low")  # fmt: skip
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
        """Another row comes: the one before it is merged into it if it only lies on the way."""
        if not self._is_first and self._is_on_the_way_to(change):
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

    def _is_on_the_way_to(self, after: Change) -> bool:
        row, before = self._row, self._before
        if row.status is not None or row.contract is not None or row.delayed is not None:
            return False
        if row.volume is not None and not self._is_same_trade(after):
            return False
        paths = [
            (_of(row, name, before), before.get(name), _of(after, name, before, _of(row, name, before)))
            for name in PRICES
        ]
        (bid, bid_before, bid_after), (ask, ask_before, ask_after) = paths[1:]
        paths += [  # of the spread and (twice) the middle
            (_sum(ask, sign, bid), _sum(ask_before, sign, bid_before), _sum(ask_after, sign, bid_after))
            for sign in (-1, 1)
        ]
        return all(_is_on_the_way(*path) for path in paths)

    def _is_same_trade(self, after: Change) -> bool:
        """Whether the trades of this row and the next are at one price, in one minute."""
        row = self._row
        if after.volume is None or row.volume is None or after.volume < row.volume:
            return False
        price, later = _of(row, "last", self._before), after.last
        same_minute = (
            row.trade_ms is not None
            and after.trade_ms is not None
            and int(row.trade_ms) // MS_PER_MINUTE == int(after.trade_ms) // MS_PER_MINUTE
        )
        return price is not None and later in (None, price) and same_minute


def _of(change: Change, name: str, before: dict[str, float], known: float | None = None) -> float | None:
    """A price as it is with that change."""
    value: float | None = getattr(change, name)
    if value is not None:
        return value
    return before.get(name) if known is None else known


def _sum(ask: float | None, sign: int, bid: float | None) -> float | None:
    return None if not bid or not ask else ask + sign * bid


def _is_on_the_way(value: float | None, before: float | None, after: float | None) -> bool:
    """Whether the value is nothing new: unchanged, or between what was and what comes. A price of 0 may mean "none"."""
    if value in (before, after):
        return True
    if not value or not before or not after:
        return False
    return before <= value <= after or after <= value <= before
