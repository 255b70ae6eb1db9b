"""Checks what this machine gives the daemon: a private directory, room on the disk, databases that are whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from tradeassistd.base.errors import FatalError, TradeAssistError, TransientError
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning
from tradeassistd.cli.view.words import size
from tradeassistd.store.directory import MAIN_FILE, is_there, tape_paths
from tradeassistd.store.reading import EmptyFileError, reading

ROOM_WARNING_BYTES, ROOM_PROBLEM_BYTES = 2 * 2**30, 200 * 2**20
"""A busy day's tape takes some hundred megabytes; at the end of the disk the tape is thinned, and alerts wait."""
CHECKED_BYTES_MAX = 2 * 2**30
"""A larger file takes minutes to read through: it is only opened."""
RESTORE = "Stop the daemon and put a backup in its place: tradeassist db restore FILE --replace"


def directory(path: Path) -> Iterator[Finding]:
    """The state directory, and the disk below it."""
    try:
        present = is_there(path)
    except FatalError as error:
        yield problem("state", error.message, error.hint)
        return
    if not present:
        parent = next(one for one in (path, *path.parents) if one.exists())
        if os.access(parent, os.W_OK):
            yield ok("state", f"{path} is made at the first start")
        else:
            yield problem("state", f"{path} cannot be made: no right to write in {parent}",
                          "Make it for the daemon's user, or name another under store.path")  # fmt: skip
        path = parent
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield problem("state", f"{path} cannot be written by this user", "Run this as the user the daemon runs as")
    elif stat.S_IMODE(path.stat().st_mode) & 0o007:
        yield warning("state", f"{path} is open to everybody", f"chmod o-rwx {path}")
    else:
        yield ok("state", str(path))
    yield from _room(path)


def _room(path: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(path).free
    text = f"{size(free)} free for {path}"
    if free < ROOM_PROBLEM_BYTES:
        yield problem("disk", text, "Make room: without it nothing can be stored, and then nothing is told")
    elif free < ROOM_WARNING_BYTES:
        yield warning("disk", text, "Make room, or keep less: `tradeassist db info` says what takes it")
    else:
        yield ok("disk", text)


def databases(path: Path) -> Iterator[Finding]:
    """main.db and the newest tape, read through for damage; beside a running daemon, too."""
    main = path / MAIN_FILE
    try:
        present = is_there(main)
    except FatalError:
        return  # the finding before says so
    if not present:
        yield ok("database", "there is none before the first start")
        return
    files = [(main, "main"), *((tape, "tape") for tape in tape_paths(path)[:1])]
    whole = []
    for file, kind in files:
        try:
            damage = _damage(file, kind)
        except EmptyFileError:
            continue  # just being made
        except TransientError as error:
            yield warning("database", error.message, error.hint or "Run it again")
            continue
        except (FatalError, TradeAssistError) as error:
            yield problem("database", error.message, error.hint or RESTORE)
            continue
        if damage:
            yield problem("database", f"{file.name} is damaged: {damage}", RESTORE)
        else:
            whole.append(f"{file.name} {size(file.stat().st_size)}")
    if whole:
        yield ok("database", f"whole: {', '.join(whole)}")


def _damage(file: Path, kind: str) -> str:
    """What SQLite finds wrong first; empty when nothing. Raises like `reading`."""
    if file.stat().st_size > CHECKED_BYTES_MAX:
        with reading(file, kind):
            return ""
    with reading(file, kind) as raw:
        try:
            (said,) = raw.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return "" if said == "ok" else str(said).replace("\n", " ")
