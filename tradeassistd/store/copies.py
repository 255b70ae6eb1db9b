"""Copies that were kept in the state directory: from before a migration, what a restore moved aside, damaged tapes."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tradeassistd.base.errors import PermanentError, TradeAssistError
from tradeassistd.base.instant import US_PER_MS, iso
from tradeassistd.store.directory import files_in
from tradeassistd.store.faults import schema_version
from tradeassistd.store.reading import reading

_BEFORE = re.compile(r"(main\.db|tape-\d{8}\.db)\.before-(\d{4})")
_REPLACED = re.compile(r"replaced-\d{8}T\d{6}(-\d+)?")
_DAMAGED = re.compile(r"tape-\d{8}\.db\.damaged-\d+")


class Copy(msgspec.Struct, frozen=True):
    """One of them."""

    name: str
    kind: str
    """migration, restore or damaged."""
    what: str
    """In words, what it is a copy of."""
    bytes: int
    made: str
    """ISO 8601 in UTC, by the computer's clock."""
    of: str
    """The file it is a former state of; copies of one file make each other superfluous."""
    schema: int = 0


def copies(directory: Path) -> list[Copy]:
    """Every copy, newest first. Raises FatalError when this user may not look."""
    found = (one for path in files_in(directory) if (one := _copy(path)) is not None)
    return sorted(found, key=lambda one: (one.made, one.name), reverse=True)


def superfluous(found: list[Copy], keep: int) -> Iterator[Copy]:
    """Of each file all but the newest `keep` copies. A damaged tape is the only one of its kind, and stays."""
    seen: dict[str, int] = {}
    for one in found:
        seen[one.of] = seen.get(one.of, 0) + 1
        if one.kind != "damaged" and seen[one.of] > keep:
            yield one


def remove(directory: Path, one: Copy) -> None:
    """Raises PermanentError when it cannot be removed."""
    path = directory / one.name
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise PermanentError(f"{path} cannot be removed: {error.strerror}", hint="Run it as its owner") from error


def _copy(path: Path) -> Copy | None:
    name = path.name
    made = iso(path.stat().st_mtime_ns // US_PER_MS)
    if before := _BEFORE.fullmatch(name):
        what = f"{before[1]} before it was brought to schema {int(before[2])}"
        return Copy(name, "migration", what, path.stat().st_size, made, before[1], _schema(path, before[1]))
    if _REPLACED.fullmatch(name) and path.is_dir():
        files = [one for one in path.rglob("*") if one.is_file()]
        what = f"what a restore moved aside: {len(files)} files"
        return Copy(name, "restore", what, sum(one.stat().st_size for one in files), made, "the directory")
    if _DAMAGED.fullmatch(name):
        return Copy(name, "damaged", "a damaged tape that was set aside", path.stat().st_size, made, name)
    return None


def _schema(path: Path, of: str) -> int:
    """0 when it cannot be read."""
    try:
        with reading(path, "main" if of == "main.db" else "tape", untouched=True) as raw:
            return schema_version(raw)
    except (TradeAssistError, sqlite3.DatabaseError):
        return 0
