"""Silences as rows of main.db: what somebody said, and what the engine takes up again after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.store.journal import insert_audit


class _Matches(msgspec.Struct, omit_defaults=True):
    rules: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


_MATCHES = msgspec.json.Decoder(_Matches)
_COLUMNS = "number, event_us, until_us, matches, reason, said_by"
_INSERT = f"INSERT OR IGNORE INTO silences ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_END = "UPDATE silences SET ended_us = ?, ended_by = ? WHERE number = ? AND ended_us = 0"
_IN_FORCE = f"SELECT {_COLUMNS} FROM silences WHERE ended_us = 0 AND until_us > ? ORDER BY number"


def write_silences(raw: sqlite3.Connection, events: Iterable[Silence | SilenceEnd]) -> None:
    """Silences that began and ended, each with its note in the audit; one that is stored already changes nothing."""
    for event in events:
        if isinstance(event, Silence):
            if raw.execute(_INSERT, _row(event)).rowcount:
                insert_audit(raw, event.event_us, "silence", msgspec.structs.asdict(event))
        elif raw.execute(_END, (event.event_us, event.by, event.number)).rowcount:
            insert_audit(raw, event.event_us, "silence.end", {"number": event.number, "by": event.by})


def select_silences(raw: sqlite3.Connection, now_us: int) -> tuple[Silence, ...]:
    """Those that nobody has ended and that are not over at `now_us`, oldest first."""
    return tuple(
        Silence(event_us, until_us, **msgspec.structs.asdict(_MATCHES.decode(matches)), reason=reason, by=by,
                number=number)
        for number, event_us, until_us, matches, reason, by in raw.execute(_IN_FORCE, (now_us,))
    )  # fmt: skip


def last_number(raw: sqlite3.Connection) -> int:
    """The greatest number that any silence has had, 0 before the first."""
    (greatest,) = raw.execute("SELECT max(number) FROM silences").fetchone()
    return greatest or 0


def _row(silence: Silence) -> tuple[int | str, ...]:
    matches = msgspec.json.encode(_Matches(silence.rules, silence.symbols, silence.tags)).decode()
    return silence.number, silence.event_us, silence.until_us, matches, silence.reason, silence.by
