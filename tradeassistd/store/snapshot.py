"""Copies of main.db and the tapes as they stand at one instant, made from the outside while the daemon writes on.

Nothing is asked of the writer. Readers of a write-ahead log see the file as it was when they began, so a copy is whole
whatever is written meanwhile. main.db is looked at first and the tapes after it: a decision is stored only once the
tape up to it is written, so every copied decision has its events on the copied tape. What the copy is, therefore, is
what a daemon that was killed at that instant would have left behind, and it starts like one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tradeassistd.base.errors import FatalError
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.faults import DamagedError, schema_version, translated
from tradeassistd.store.migrations import create_private
from tradeassistd.store.reading import EmptyFileError, reading

STEP_PAGES = 1_024
"""Pages copied at once, 4 MiB. Each step is written out to the disk before the next one, so that the disk never has a
heap to take while the daemon wants to store an alert."""

Progress = Callable[[int], None]
"""Told how many bytes more are done."""


class Stills(NamedTuple):
    """What there is to copy."""

    files: list[Still]
    """main.db first, then the tapes, newest first."""
    left_out: list[str]
    """Tapes that cannot be read, each with why."""


class Still(NamedTuple):
    """One file of the state directory that does not change any more under the eyes of whoever copies it."""

    name: str
    path: Path
    """Where to read it: a copy in the scratch folder, or a tape that nobody writes to."""
    size: int
    mtime_ns: int
    schema: int


@contextmanager
def stills(directory: Path, scratch: Path, *, days: int | None = None, progress: Progress = lambda _: None
           ) -> Iterator[Stills]:  # fmt: skip
    """main.db and the tapes of the newest `days` trading days (None: all).

    What is being written to is copied into `scratch`, which has to be on a disk with room for it; a tape that is only
    read is given as it is, and has to be looked at again after it was read (`unchanged`). Raises FatalError when
    main.db is absent, damaged or of a newer program, TransientError when a file is locked or the disk is full.
    """
    with ExitStack() as stack:
        main = stack.enter_context(_standing(directory / MAIN_FILE, "main"))
        left_out: list[str] = []
        held: list[tuple[Path, sqlite3.Connection | None]] = []
        paths = tape_paths(directory)
        for path in paths if days is None else paths[:days]:
            if path != paths[0] and not _has_log(path):
                held.append((path, None))
                continue
            try:
                held.append((path, stack.enter_context(_standing(path, "tape"))))
            except EmptyFileError:
                continue  # begun this instant; nothing is in it yet
            except FatalError as error:  # alerts need nothing of a tape: it must not keep them from being backed up
                left_out.append(str(error))
        files = [_copied(directory / MAIN_FILE, main, scratch, progress)]
        main.execute("COMMIT")  # a long look keeps the log from being written back
        for path, raw in held:
            try:
                files.append(_as_it_is(path) if raw is None else _copied(path, raw, scratch, progress))
            except FatalError as error:
                left_out.append(str(error))
            if raw is not None and raw.in_transaction:
                raw.execute("COMMIT")
        yield Stills(files, left_out)


def unchanged(still: Still) -> bool:
    """Whether a file that was read is what it was when it was named."""
    try:
        after = still.path.stat()
    except FileNotFoundError:
        return False
    return (after.st_size, after.st_mtime_ns) == (still.size, still.mtime_ns) and not _has_log(still.path)


def damage(path: Path) -> str:
    """What is wrong with a database file that nobody writes to; empty when SQLite finds nothing."""
    raw = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        found = [str(line) for (line,) in raw.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        raw.close()
    return "" if found == ["ok"] else "; ".join(found)


@contextmanager
def _standing(path: Path, kind: str) -> Iterator[sqlite3.Connection]:
    """A connection that sees the file as it is now for as long as its transaction goes on."""
    with reading(path, kind) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the look begins with the first read
        try:
            yield raw
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")


def _copied(path: Path, raw: sqlite3.Connection, scratch: Path, progress: Progress) -> Still:
    """The file as the connection sees it, checked: a damaged one must not take the place of a good backup."""
    target = scratch / path.name
    create_private(target)
    version, page_bytes = schema_version(raw), int(raw.execute("PRAGMA page_size").fetchone()[0])
    done_pages = 0

    def step(_: int, remaining: int, total: int) -> None:
        nonlocal done_pages
        os.fdatasync(handle)
        progress((total - remaining - done_pages) * page_bytes)
        done_pages = total - remaining

    handle = os.open(target, os.O_RDONLY)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        raw.backup(copy, pages=STEP_PAGES, progress=step)
    except sqlite3.DatabaseError as error:
        raise translated(error, path) or error from error
    finally:
        copy.close()
        os.close(handle)
    if what := damage(target):
        raise DamagedError(path, what)
    status = target.stat()
    return Still(path.name, target, status.st_size, status.st_mtime_ns, version)


def _as_it_is(path: Path) -> Still:
    with reading(path, "tape", untouched=True) as raw:
        version = schema_version(raw)
    status = path.stat()
    return Still(path.name, path, status.st_size, status.st_mtime_ns, version)


def _has_log(path: Path) -> bool:
    """Whether part of the file is still in its write-ahead log."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
