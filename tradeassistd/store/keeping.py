"""What a running daemon does for whoever backs up, exports and imports: it is the one that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from tradeassistd.store.transfer.files import Row
from tradeassistd.store.transfer.incoming import Taken, put_rows, put_span
from tradeassistd.store.transfer.tables import Table
from tradeassistd.store.writer import Store

_log = structlog.get_logger(__name__)


class Keeping:
    """Every method may raise TransientError: the disk is busy or full."""

    def __init__(self, store: Store, save: Callable[[], Awaitable[None]], last_us: Callable[[], int]) -> None:
        """`save` stores what the daemon holds in memory of rule states and bars, `last_us` gives the event time."""
        self._store = store
        self._save = save
        self._last_us = last_us

    async def settle(self, kind: str, body: Mapping[str, Any]) -> None:
        """Put everything on the disk that is still on its way there, and note in the audit what for.

        A copy made then lacks nothing that had happened when it was asked for.
        """
        await self._save()
        await self._store.flush()
        await self._store.note_audit(self._last_us(), kind, body)
        _log.info(f"{kind}.asked", **body)

    async def put(self, table: Table, rows: Sequence[Row]) -> Taken:
        """Store imported rows that are new, in one transaction. Raises ValueError when one is unfit."""
        event_us = self._last_us()
        return await self._store.transaction(lambda raw: put_rows(raw, table, rows, event_us))

    async def note_import(self, spans: Sequence[tuple[str, int, int]], body: Mapping[str, Any]) -> None:
        """The end of an import: which spans (symbol, from, to) of one-minute bars lack nothing, and the audit."""
        event_us = self._last_us()

        def note(raw: sqlite3.Connection) -> None:
            for symbol, from_us, to_us in spans:
                put_span(raw, symbol, from_us, to_us, event_us)

        await self._store.transaction(note)
        await self._store.note_audit(event_us, "db.import", body)
        _log.info("db.import.done", **body)
