"""Numbered steps that bring a file to the newest schema, each in one transaction."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tradeassistd.base.errors import FatalError
from tradeassistd.store.directory import FILE_MODE
from tradeassistd.store.faults import refuse_newer

SQL = Path(__file__).parent / "sql"


def migration_files(folder: Path) -> list[Path]:
    """The numbered steps of a folder in order. Raises FatalError when a number is missing or there is no step."""
    steps = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not steps or [int(step.name[:4]) for step in steps] != list(range(1, len(steps) + 1)):
        raise FatalError(f"the migrations in {folder} are incomplete", hint="Install the program again")
    return steps


def migrate(raw: sqlite3.Connection, path: Path, folder: Path, now_us: int) -> None:
    """Bring the file to the newest schema; one that holds data is copied aside first.

    Raises FatalError when the file is newer than the steps.
    """
    steps = migration_files(folder)
    version = refuse_newer(raw, path, len(steps))
    if 0 < version < len(steps):
        _copy_aside(raw, path.with_name(f"{path.name}.before-{version + 1:04d}"))
    for number, file in enumerate(steps[version:], start=version + 1):
        _apply(raw, number, file.read_text(encoding="utf-8"), now_us)


def create_private(path: Path) -> None:
    """Make sure the file exists with mode 0600; SQLite gives its -wal and -shm the same mode. Raises FatalError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        path.chmod(FILE_MODE)
    except OSError as error:
        hint = "Run the daemon as the user who owns the state directory"
        raise FatalError(f"{path} cannot be opened: {error.strerror}", hint=hint) from error


def _apply(raw: sqlite3.Connection, number: int, statements: str, now_us: int) -> None:
    # executescript ends an open transaction first, so BEGIN and COMMIT have to be part of the script.
    noted = f"""
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
        INSERT OR REPLACE INTO meta VALUES ('schema_version', {number}), ('migrated_us', {now_us});
        COMMIT;
    """
    try:
        raw.executescript(f"BEGIN IMMEDIATE;\n{statements}\n{noted}")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


def _copy_aside(raw: sqlite3.Connection, target: Path) -> None:
    """A whole copy under `target`, which appears only once it is complete."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    create_private(partial)  # VACUUM INTO accepts an empty file and keeps its mode
    raw.execute("VACUUM INTO ?", (str(partial),))
    partial.replace(target)
