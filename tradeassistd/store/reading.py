"""Read-only access to a database file, beside a running daemon or without one; needs nothing but sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.store.directory import refuse_absent
from tradeassistd.store.faults import refuse_newer, translated
from tradeassistd.store.migrations import SQL, migration_files

BUSY_TIMEOUT_S = 5.0
_NO_LOCKS = "&vfs=unix-none"


class EmptyFileError(TransientError):
    """The file has no schema yet: the daemon is just creating it, or died doing so."""


@contextmanager
def reading(path: Path, kind: str, *, untouched: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. `kind` is main or tape: whose schemas the file may have.

    `untouched`: not even the helper files that SQLite makes beside a database are made. Only for a question that is
    answered at once: while no daemon runs it is asked without a lock.
    An older file is read as far as the question needs nothing that it lacks. Raises FatalError when the file is
    absent, damaged, of a newer schema or lacks something, TransientError when it is locked, EmptyFileError (one of
    those) when it holds nothing yet.
    """
    refuse_absent(path)
    raw: sqlite3.Connection | None = None
    version = newest = len(migration_files(SQL / kind))
    try:
        way = _without_a_trace(path) if untouched else ""
        raw = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro{way}", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )
        raw.execute("PRAGMA query_only = ON")
        if way == _NO_LOCKS:
            raw.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index of the log in memory, not in a file
        version = refuse_newer(raw, path, newest)
        if version == 0:
            raise EmptyFileError(f"{path.name} is still empty", hint="Try again once the daemon is up")
        yield raw
    except sqlite3.DatabaseError as error:
        if (ours := translated(error, path)) is not None:
            raise ours from error
        if version < newest:
            hint = "Restart the daemon: it brings the file up to date, after a copy"
            raise FatalError(f"{path.name} has schema {version}, and this needs {newest}", hint=hint) from error
        raise
    finally:
        if raw is not None:
            raw.close()


def _without_a_trace(path: Path) -> str:
    """How to open a database so that nothing appears beside it.

    A running daemon, or one that was killed, has left `-wal` and `-shm`, and both are used as they are. A log alone (a
    copy) is read without its index file; without a log everything is in the file itself (sqlite.org/wal.html, section
    "Read-Only Databases").
    """
    if Path(f"{path}-shm").exists():
        return ""
    return _NO_LOCKS if Path(f"{path}-wal").exists() else "&immutable=1"
