"""Keeps Schwab's own minutes in the store, and counts in what they differ from ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any

from tradeassistd.history.gaps import MINUTE_US, joined
from tradeassistd.history.reconcile import Tally, compare, watched_minutes
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.store.bars import select_minutes, select_stretches, watched_until_us
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import Source, Span, insert_official, insert_span, select_official
from tradeassistd.store.reading import reading
from tradeassistd.store.writer import Store

ROWS_AT_ONCE = 1_000
"""Bars in one transaction: an alert that is to be stored waits for no more."""
WAITING_MAX = 200_000


class Official:
    """Schwab's minutes on their way into the store, and from there beside ours. Each is compared once, the first time
    it is told."""

    def __init__(self, store: Store) -> None:
        self.tallies: dict[str, Tally] = {}
        """By symbol, since the start."""
        self._store = store
        self._waiting: deque[Bar] = deque(maxlen=WAITING_MAX)
        self._compared_us: dict[str, int] = {}
        """By symbol the newest minute that was compared."""

    async def keep(self, bars: Sequence[Bar], source: Source, event_us: int, whole: Span | None = None) -> int:
        """Store the bars, and behind them that a span is whole; returns how many were new or are others now.

        Raises TransientError when the disk is busy; what was stored until then stays, and may be stored again.
        """
        stored = 0
        for first in range(0, len(bars), ROWS_AT_ONCE):
            some = bars[first : first + ROWS_AT_ONCE]
            stored += await self._store.transaction(lambda raw, some=some: insert_official(raw, some, source, event_us))  # type: ignore[misc]
        if whole is not None:
            await self._store.transaction(lambda raw: insert_span(raw, whole, source, event_us))
        self._waiting.extend(bar for bar in bars if bar.start_us > self._compared_us.get(bar.symbol, -1))
        return stored

    async def whole(self, span: Span) -> list[Bar] | None:
        """The official bars of a span when every one of its minutes has one; else None, for some may be missing."""
        minutes = (span.to_us - span.from_us) // MINUTE_US

        def read(raw: sqlite3.Connection) -> list[Bar]:
            return list(select_official(raw, span.symbol, ARCHIVE_INTERVAL, span.from_us, span.to_us))

        bars = await self._store.read(read)
        return bars if len(bars) == minutes else None

    async def compare(self) -> None:
        """Compare what was told with ours, as far as the store has ours. Raises TransientError when it is busy."""
        if not self._waiting:
            return
        left: Sequence[Bar] = [*self._waiting]
        self._waiting.clear()
        try:
            left = await asyncio.to_thread(self._compare, left)
        finally:  # also after an error: then all of them wait for another time
            newer = [*self._waiting]
            self._waiting.clear()
            self._waiting.extend([*left, *newer])

    def document(self) -> dict[str, Any]:
        """The tallies for `status`."""
        return {symbol: tally.document() for symbol, tally in sorted(self.tallies.items())}

    def _compare(self, waiting: Sequence[Bar]) -> list[Bar]:
        """Gives those that have to wait for ours."""
        by_symbol: dict[str, dict[int, Bar]] = {}
        with reading(self._store.directory / MAIN_FILE, "main") as raw:
            until_us = watched_until_us(raw)
            for bar in waiting:
                if self._compared_us.get(bar.symbol, -1) < bar.start_us and bar.end_us <= until_us:
                    by_symbol.setdefault(bar.symbol, {})[bar.start_us] = bar
            for symbol, official in by_symbol.items():
                self._tally(raw, symbol, official)
                self._compared_us[symbol] = max(official)
        return [bar for bar in waiting if bar.end_us > until_us]

    def _tally(self, raw: sqlite3.Connection, symbol: str, official: dict[int, Bar]) -> None:
        first_us, last_us = min(official), max(official) + MINUTE_US
        ours = {bar.start_us: bar for bar in select_minutes(raw, symbol, first_us, last_us) if bar.start_us in official}
        watched = watched_minutes(joined((one.from_us, one.to_us) for one in select_stretches(raw, symbol)))
        compare(self.tallies.setdefault(symbol, Tally()), ours, official, list(watched))
