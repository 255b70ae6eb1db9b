"""The state directory: where each file is, and the lock that lets one daemon at a time write there."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from tradeassistd.base.errors import FatalError

MAIN_FILE = "main.db"
LOCK_FILE = "daemon.lock"
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_TAPE = re.compile(r"tape-(\d{8})\.db")


def tape_path(directory: Path, day: str) -> Path:
    """The tape of one trading day (YYYYMMDD)."""
    return directory / f"tape-{day}.db"


def tape_paths(directory: Path) -> list[Path]:
    """Every tape there is, newest day first."""
    return sorted((path for path in directory.glob("tape-*.db") if _TAPE.fullmatch(path.name)), reverse=True)


def make_directory(directory: Path) -> None:
    """Create the state directory, readable by its owner only. An existing one keeps its mode: it may be shared.

    Raises FatalError when it cannot be created.
    """
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise FatalError(
            f"the state directory {directory} cannot be created: {error.strerror}",
            hint="Create it for the daemon's user, or name another one in the settings",
        ) from error


class DirectoryLock:
    """Held as long as the daemon runs; the kernel lets go of it however the process ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._file: int | None = None

    def take(self) -> bool:
        """Whether the lock is ours now. Raises FatalError when the file cannot be opened."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            hint = "Run the daemon as the user who owns the state directory"
            raise FatalError(f"{self._path} cannot be opened: {error.strerror}", hint=hint) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return True

    def release(self) -> None:
        """Let the next daemon in. The file stays: unlinking it would let two daemons lock two files of one name."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def lock_holder(directory: Path) -> int | None:
    """The process id written in the lock file, if there is one; says nothing about whether it still runs."""
    try:
        text = (directory / LOCK_FILE).read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() else None


def daemon_running(directory: Path) -> int | None:
    """The process id of the daemon that holds the directory, or None.

    Asking takes a shared lock for an instant, which is why a starting daemon tries more than once.
    """
    try:
        file = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return lock_holder(directory)
    finally:
        os.close(file)
    return None
