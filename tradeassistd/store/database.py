"""The one door to SQLite for whoever writes: open, migrate, run a transaction as one hop into aiosqlite's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite
import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.store.faults import translated
from tradeassistd.store.migrations import SQL, create_private, migrate

BUSY_TIMEOUT_MS = 5_000
MADE_ANEW_PAGES_MAX = 50_000
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Database:
    """One SQLite file with its one writing connection. Transactions run one after another, in the order asked for."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self.path = path
        self._connection = connection
        self._in_use = False

    @classmethod
    async def open(
        cls, path: Path, *, clock: Clock, synchronous: str, migrations: Path | str, shrinks: bool = False
    ) -> Database:
        """Open or create the file, mode 0600, and bring it to the newest schema of `store/sql/<migrations>`.

        `synchronous` is NORMAL or FULL; one that `shrinks` can give pages back in steps. An older file is copied
        beside itself before it is migrated. Raises FatalError when the file is newer than this program, cannot be
        opened or is damaged; TransientError when it is locked or the disk is full.
        """
        create_private(path)
        opening = asyncio.ensure_future(cls._connect(path))
        try:
            database = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await (await opening).close()  # aiosqlite would leave behind a connection whose opening is cancelled
            raise
        try:
            await database._hop(lambda raw: _prepare(raw, synchronous, shrinks=shrinks))
            await database._hop(lambda raw: migrate(raw, path, SQL / migrations, clock.now_us()))
            if shrinks:
                await database._hop(_make_shrink)
            database._in_use = True
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def _connect(cls, path: Path) -> Database:
        return cls(path, await aiosqlite.connect(path, isolation_level=None, cached_statements=256))

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` inside BEGIN IMMEDIATE .. COMMIT in the connection's thread; any exception rolls back.

        Durable (as `synchronous` says) on return. A cancelled caller does not stop a transaction under way.
        Raises TransientError or FatalError as faults.py sorts them; nothing was stored then.
        """
        return await self._hop(lambda raw: in_transaction(raw, work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads, in the connection's thread. Raises like `transaction`."""
        return await self._hop(work)

    async def close(self) -> None:
        """Finish what was asked for, write the log back into the file and end the thread. Raises like `transaction`."""
        with self._sorted_errors():
            await self._connection.close()

    async def _hop(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # aiosqlite has no public call that runs a function in its thread (0.20-0.22), and a transaction of several
        # awaits costs a hop each and can interleave. This is the one place that reaches for its private parts.
        with self._sorted_errors():
            return cast(T, await self._connection._execute(work, self._connection._conn))  # type: ignore[no-untyped-call]

    @contextmanager
    def _sorted_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if (ours := translated(error, self.path, in_use=self._in_use)) is not None:
                raise ours from error
            raise


def _prepare(raw: sqlite3.Connection, synchronous: str, *, shrinks: bool) -> None:
    raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    if shrinks:
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a new file, and for the next VACUUM of another
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute(f"PRAGMA synchronous = {synchronous}")
    raw.execute("PRAGMA foreign_keys = ON")


def _make_shrink(raw: sqlite3.Connection) -> None:
    """A file from before is made anew, once; a large one, which would hold up the start, at the next `db prune`."""
    (mode,) = raw.execute("PRAGMA auto_vacuum").fetchone()
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    if mode or pages > MADE_ANEW_PAGES_MAX:
        return
    try:
        raw.execute("VACUUM")
    except sqlite3.OperationalError as error:  # no room for a second file, say: free pages are used again all the same
        _log.warning("store.not_made_anew", file=raw.execute("PRAGMA database_list").fetchone()[2], reason=str(error))


def in_transaction(raw: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` between BEGIN IMMEDIATE and COMMIT; whatever it raises rolls back."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        result = work(raw)
        raw.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself on a full disk or an I/O error; a second ROLLBACK would hide that error.
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    return result
