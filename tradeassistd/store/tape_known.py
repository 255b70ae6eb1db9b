"""Until when the tapes know the market: for the gap that a start begins with.

That is not always their end. A daemon that stopped, or was killed, while the line was down knew nothing since the line
was lost; seconds that pass meanwhile are on the tape all the same. The same holds for one symbol that was lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from tradeassistd.base.errors import FatalError
from tradeassistd.engine.events import Connection, Event, Gap, Start
from tradeassistd.store.journal import NEVER_US
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.tape_ends import day_begin_us, last_at, last_row_at
from tradeassistd.store.tape_rows import AT_MASK, entries_of, event_of

TAPES_MAX = 3
"""How many trading days are looked at for symbols that were lost."""
_KINDS = ("start", "gap", "connection")

log = structlog.get_logger(__name__)


class Known(NamedTuple):
    """Until when the market is known, 0 without any tape, and since when nothing is known of some symbols."""

    until_us: int
    lost: dict[str, int]


def known_until(paths: Sequence[Path]) -> Known:
    """What these tapes know, newest day first; one that is damaged knows nothing, which the log says.

    Raises TransientError when one is locked.
    """
    line, lost = _Line(), _Lost()
    for number, path in enumerate(paths):
        if line.is_settled and number >= TAPES_MAX:
            break
        try:
            with reading(path, "tape") as raw:
                line.begin(raw)
                lost.begin(raw)
                for event in _told(raw):
                    line.see(raw, event)
                    lost.see(event)
        except EmptyFileError:
            continue
        except FatalError as error:  # a start goes on without it
            log.warning("tape.not_read", tape=path.name, reason=error.message)
    return Known(line.until_us, lost.since_us)


class _Line:
    """The connection, looked at from its last event back."""

    def __init__(self) -> None:
        self.until_us = 0
        self.is_settled = False
        self._before_us = NEVER_US
        self._ended: set[int] = set()
        """Where gaps of every symbol began whose end was told."""

    def begin(self, raw: sqlite3.Connection) -> None:
        """Another tape, of the day before."""
        if not self.is_settled:
            self.until_us = self.until_us or _newest_us(raw, self._before_us)

    def see(self, raw: sqlite3.Connection, event: Event) -> None:
        match event:
            case _ if self.is_settled:
                return
            case Start():  # it has not come to a connection: what it found counts
                self._before_us = event.event_us
                self.until_us = _newest_us(raw, event.event_us)
            case Gap(symbols=()):
                self._ended.add(event.from_us)
            case Connection(known_us=known_us):
                self.is_settled = True
                if known_us and known_us not in self._ended:
                    self.until_us = known_us


class _Lost:
    """Symbols without a row since the last gap that names them."""

    def __init__(self) -> None:
        self.since_us: dict[str, int] = {}
        self._seen: set[str] = set()
        self._rows: dict[str, int] = {}
        """By symbol when its last row came, of the tapes looked at."""

    def begin(self, raw: sqlite3.Connection) -> None:
        """Another tape, of the day before."""
        for symbol, row_us in _last_rows(raw):
            self._rows[symbol] = max(row_us, self._rows.get(symbol, 0))

    def see(self, event: Event) -> None:
        if not isinstance(event, Gap):
            return
        for symbol in set(event.symbols) - self._seen:
            self._seen.add(symbol)
            if self._rows.get(symbol, 0) < event.event_us:
                self.since_us[symbol] = event.to_us


def _told(raw: sqlite3.Connection) -> Iterator[Event]:
    """What says that the line, or a symbol, was lost or is back, newest first."""
    kinds = ", ".join("?" * len(_KINDS))
    rows = raw.execute(f"SELECT kind, body FROM events WHERE kind IN ({kinds}) ORDER BY at DESC", _KINDS)
    return (event_of(kind, body) for kind, body in rows)


def _last_rows(raw: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """By entry when its last row came."""
    for entry in entries_of(raw):
        if (at := last_row_at(raw, entry)) >= 0:
            yield entry.symbol, day_begin_us(raw) + at


def _newest_us(raw: sqlite3.Connection, before_us: int) -> int:
    """The greatest event time before an instant, 0 when there is none."""
    at = last_at(raw, min(before_us - day_begin_us(raw) - 1, AT_MASK))
    return day_begin_us(raw) + at if at >= 0 else 0
