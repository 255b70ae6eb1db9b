"""Read-only access to a database file, beside a running daemon or without one; needs nothing but sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.store.faults import refuse_newer, translated
from tradeassistd.store.migrations import SQL, migration_files

BUSY_TIMEOUT_S = 5.0


class EmptyFileError(TransientError):
    """The file has no schema yet: the daemon is just creating it, or died doing so."""


@contextmanager
def reading(path: Path, kind: str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. `kind` is main or tape: whose schemas the file may have.

    Raises FatalError when the file is absent, damaged or of a newer schema, TransientError when it is locked,
    EmptyFileError (one of those) when it holds nothing yet.
    """
    if not path.exists():
        raise FatalError(f"there is no {path}", hint="Start tradeassistd once, or name its state directory")
    raw: sqlite3.Connection | None = None
    try:
        raw = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )
        raw.execute("PRAGMA query_only = ON")
        if refuse_newer(raw, path, len(migration_files(SQL / kind))) == 0:
            raise EmptyFileError(f"{path.name} is still empty", hint="Try again once the daemon is up")
        yield raw
    except sqlite3.DatabaseError as error:
        if (ours := translated(error, path)) is not None:
            raise ours from error
        raise
    finally:
        if raw is not None:
            raw.close()
