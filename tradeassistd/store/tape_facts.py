"""The slow values of each symbol's day (previous close, open, ...) from a tape, also while the daemon writes it."""

from __future__ import annotations

from pathlib import Path

from tradeassistd.engine.events import Facts
from tradeassistd.store.reading import reading
from tradeassistd.store.tape_rows import event_of

_KIND = str(Facts.__struct_config__.tag)


def newest_facts(path: Path, *, since_us: int = 0) -> dict[str, Facts]:
    """The last facts of each symbol that got any from `since_us` (event time) on. Raises like `reading`."""
    with reading(path, "tape") as raw:
        row = raw.execute("SELECT value FROM meta WHERE key = 'begin_us'").fetchone()
        begin_us = int(row[0]) if row else 0
        rows = raw.execute(
            "SELECT kind, body FROM events WHERE at >= ? AND kind = ? ORDER BY at", (since_us - begin_us, _KIND)
        )
        events = (event_of(kind, body) for kind, body in rows)
        return {event.symbol: event for event in events if isinstance(event, Facts)}
