"""Damaged files: found before a daemon begins, and never written to again.

main.db and the newest tape are read through, large ones only when the daemon before did not end in good order. A
damaged main.db is refused: rule states and spent rules stand there, and what is told without them may be wrong. A
damaged tape is put aside under another name, for alerts need nothing of it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tradeassistd.base.errors import TransientError
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.faults import DamagedError
from tradeassistd.store.reading import EmptyFileError, reading

SET_ASIDE_MAX = 20
"""Damaged tapes of one day that are kept."""
READ_ALWAYS_BYTES = 64 * 2**20
"""A file of that size is read through in some tenths of a second, at every start."""
_PARTS = ("", "-wal", "-shm")


class SetAside(msgspec.Struct, frozen=True):
    """A damaged tape that was put aside."""

    name: str
    """What it was called."""
    kept: str
    """What it is called now."""
    why: str
    """What SQLite found wrong with it."""

    @property
    def text(self) -> str:
        """For people: what happened, and what is lost by it."""
        return (
            f"{self.name} was damaged ({self.why}) and is kept as {self.kept}; a new one was begun. Alerts go on; what "
            f"was on it cannot be replayed."
        )


def read_through(path: Path, kind: str) -> None:
    """Read every page of a database. Raises DamagedError, else like `reading`."""
    with reading(path, kind) as raw:
        (said,) = raw.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise DamagedError(path, str(said).replace("\n", " "))


def look_for_damage(directory: Path, *, whole: bool) -> SetAside | None:
    """What a daemon that begins has to know of its files; gives the tape that was put aside, if one was.

    `whole`: also large files are read through, which else are only opened. Raises DamagedError when main.db is damaged,
    or is empty beside tapes, like `reading` when it cannot be read, OSError when the tape cannot be renamed.
    """
    main, tapes = directory / MAIN_FILE, tape_paths(directory)
    if main.exists():
        try:
            _look(main, "main", whole=whole)
        except EmptyFileError:
            if tapes:  # a disk that lost it; one that was never written stands alone
                raise DamagedError(main, f"it is empty, and there is {tapes[0].name}") from None
    for tape in tapes[:1]:
        try:
            _look(tape, "tape", whole=whole)
        except EmptyFileError:
            continue
        except DamagedError as error:
            return set_aside(tape, error)
    return None


def set_aside(path: Path, error: DamagedError) -> SetAside:
    """Give a damaged tape, which nobody may have open, another name. Raises OSError, TransientError."""
    for number in range(1, SET_ASIDE_MAX + 1):
        kept = path.with_name(f"{path.name}.damaged-{number}")
        if not kept.exists():
            break
    else:
        raise TransientError(f"{path.name} was damaged {SET_ASIDE_MAX} times", hint="Look at the disk: it is failing")
    for part in _PARTS:  # the log goes with the file: what it holds may be whole
        beside = Path(f"{path}{part}")
        if beside.exists():
            beside.rename(f"{kept}{part}")
    return SetAside(path.name, kept.name, error.message.partition(": ")[2])


def _look(path: Path, kind: str, *, whole: bool) -> None:
    if whole or path.stat().st_size <= READ_ALWAYS_BYTES:
        read_through(path, kind)
        return
    with reading(path, kind):
        return
