"""SQLite's errors sorted by what the operator can do about them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tradeassistd.base.errors import FatalError, TradeAssistError, TransientError
from tradeassistd.store.directory import MAIN_FILE

# Primary result codes (sqlite.org/rescode.html) that pass by themselves or once somebody makes room.
_PASSING = {
    sqlite3.SQLITE_FULL: "Free some space on the disk that holds it",
    sqlite3.SQLITE_BUSY: "Close the program that keeps it locked",
    sqlite3.SQLITE_LOCKED: "Close the program that keeps it locked",
    sqlite3.SQLITE_IOERR: "Look at the disk: it is full or failing",
}
_LASTING = {
    sqlite3.SQLITE_READONLY: "Give the daemon's user the right to write there",
    sqlite3.SQLITE_PERM: "Give the daemon's user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "Give this user the right to read and write the directory and its files",
}
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
RESTORE = "`tradeassist db restore FILE --replace` puts a backup in its place and keeps the damaged file aside"
NOT_NEEDED = "Alerts need nothing of it: the daemon sets the tape of today aside, an older one can be moved away"


class DamagedError(FatalError):
    """What is in a file is not what was written there."""

    def __init__(self, path: Path, what: object) -> None:
        super().__init__(f"{path.name} is damaged: {what}", hint=RESTORE if path.name == MAIN_FILE else NOT_NEEDED)
        self.path = path


def translated(error: sqlite3.Error, path: Path, *, in_use: bool = False) -> TradeAssistError | None:
    """`error` as one of ours, by what the caller can do; None when it is a mistake of the program itself.

    A right to write that a file `in_use` has lost may come back, and until then its writer holds what it has.
    """
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if path.is_dir():  # SQLite says "disk I/O error" or "unable to open"
        return FatalError(
            f"{path} is a directory, and should be a database file", hint="Move it away: the daemon makes its own file"
        )
    if primary in _DAMAGE:
        return DamagedError(path, error)
    if primary in _PASSING:
        return TransientError(f"{path.name}: {error}", hint=_PASSING[primary])
    if primary in _LASTING:
        kind = TransientError if in_use else FatalError
        return kind(f"{path.name}: {error}", hint=_LASTING[primary])
    return None


def schema_version(raw: sqlite3.Connection) -> int:
    """What `meta` says; 0 for an empty file."""
    if not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return 0
    row = raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return int(row[0]) if row else 0


def refuse_newer(raw: sqlite3.Connection, path: Path, newest: int) -> int:
    """The file's schema version. Raises FatalError when this program knows only older ones."""
    version = schema_version(raw)
    if version > newest:
        copy = f"{path.name}.before-{newest + 1:04d}"
        raise FatalError(
            f"{path.name} has schema {version}, and this program knows {newest} at most",
            hint=f"Install the newer version again, or put back {copy} (see `tradeassist db copies`)",
        )
    return version
