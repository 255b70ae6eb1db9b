"""Writes to main.db while no daemon runs, under the lock that a daemon would hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tradeassistd.base.errors import FatalError
from tradeassistd.store import journal
from tradeassistd.store.database import in_transaction
from tradeassistd.store.directory import MAIN_FILE, DirectoryLock, refuse_absent, refuse_half_restored
from tradeassistd.store.faults import refuse_newer, translated
from tradeassistd.store.migrations import SQL, create_private, migrate, migration_files
from tradeassistd.store.reading import BUSY_TIMEOUT_S

T = TypeVar("T")


@contextmanager
def writing(directory: Path, now_us: int) -> Iterator[Callable[[Callable[[sqlite3.Connection], T]], T]]:
    """Gives what runs a function in one transaction of main.db, which is made or brought up to date first.

    Raises FatalError when a daemon holds the directory or main.db is damaged or newer, TransientError when the disk is
    full.
    """
    with _locked(directory):
        create_private(directory / MAIN_FILE)
        with _opened(directory / MAIN_FILE) as raw:
            migrate(raw, directory / MAIN_FILE, SQL / "main", now_us)

            def run(work: Callable[[sqlite3.Connection], T]) -> T:
                with _sorted_errors(directory / MAIN_FILE):
                    return in_transaction(raw, work)

            yield run


def note_offline(directory: Path, kind: str, body: Mapping[str, Any]) -> None:
    """One line in the audit; the file keeps the schema it has. Raises like `writing`."""
    path = directory / MAIN_FILE
    refuse_absent(path)
    with _locked(directory), _opened(path) as raw:
        refuse_newer(raw, path, len(migration_files(SQL / "main")))
        (last_us,) = raw.execute("SELECT ifnull(max(event_us), 0) FROM audit").fetchone()
        journal.insert_audit(raw, last_us, kind, body)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = DirectoryLock(directory)
    if not lock.take():
        raise FatalError(f"a daemon has just begun on {directory}", hint="Run it again")
    try:
        refuse_half_restored(directory)
        yield
    finally:
        lock.release(clean=not lock.left_behind)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with _sorted_errors(path):
        raw = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA synchronous = FULL")
            raw.execute("PRAGMA foreign_keys = ON")
            yield raw
        finally:
            raw.close()


@contextmanager
def _sorted_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise translated(error, path) or error from error
