"""The tapes as files: one for each trading day, with what stands beside it; a day goes by unlinking them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_FILE = re.compile(r"tape-(\d{8})\.db.*")


class TapeFiles(NamedTuple):
    """All that there is of one trading day: the tape, its log, and copies of it (damaged, or of an older schema)."""

    day: str
    """YYYYMMDD."""
    paths: tuple[Path, ...]
    size: int
    """Bytes."""


def day_of(name: str) -> str:
    """The trading day of a tape's file name or of what stands beside it; empty for another file."""
    found = _FILE.fullmatch(name)
    return found[1] if found else ""


def tape_files(directory: Path) -> list[TapeFiles]:
    """The files of every day, oldest day first. Raises OSError."""
    days: dict[str, list[tuple[Path, int]]] = {}
    for path in sorted(directory.glob("tape-*.db*")):
        if day := day_of(path.name):
            try:
                days.setdefault(day, []).append((path, path.stat().st_size))
            except FileNotFoundError:
                continue  # a log that has just been written back
    return [
        TapeFiles(day, tuple(path for path, _ in found), sum(size for _, size in found))
        for day, found in sorted(days.items())
    ]


def old_tapes(directory: Path, before_day: str) -> list[TapeFiles]:
    """The days before `before_day` (YYYYMMDD), but for the newest there is. Raises OSError."""
    return [one for one in tape_files(directory)[:-1] if one.day < before_day]


def unlink(tape: TapeFiles) -> None:
    """Remove a day. Who reads it goes on reading; its log goes first, so that none is left alone. Raises OSError."""
    for path in reversed(tape.paths):  # the name of the tape itself is the shortest and comes first
        path.unlink(missing_ok=True)
