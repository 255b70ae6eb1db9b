"""The state directory: where each file is, and the lock that lets one daemon at a time write there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.base.paths import ASK_AS_ROOT, is_system_hidden

MAIN_FILE = "main.db"
LOCK_FILE = "daemon.lock"
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
RESTORING = "restoring"
"""Folder in which a restore makes the files ready; while it is there the directory is neither the old nor the new."""
_HOLDER_WIDTH = 16
"""Every process id fits behind a blank, and covers one that stood there before."""
_CLEAN_SIZE = 1
"""What is left of the lock file after an end in good order: its blank. Cutting it off needs no room on the disk. A file
that is empty was never written, or its content went with the power."""
_TAPE = re.compile(r"tape-(\d{8})\.db")


def tape_path(directory: Path, day: str) -> Path:
    """The tape of one trading day (YYYYMMDD)."""
    return directory / f"tape-{day}.db"


def tape_paths(directory: Path) -> list[Path]:
    """Every tape there is, newest day first. Raises FatalError when this user may not look."""
    return sorted((path for path in files_in(directory) if _TAPE.fullmatch(path.name)), reverse=True)


def files_in(directory: Path) -> list[Path]:
    """What is in a directory, none where there is no directory. Raises FatalError when this user may not look."""
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise _no_right(directory, error) from error


def is_there(path: Path) -> bool:
    """Whether a file exists. Raises FatalError when this user may not look."""
    try:
        return path.exists()
    except PermissionError as error:
        raise _no_right(path, error) from error


def refuse_absent(path: Path) -> None:
    """Raises FatalError when a file or directory of the state is not there, or this user may not look."""
    if not is_there(path):
        hint = ASK_AS_ROOT if is_system_hidden() else "Start tradeassistd once, or name its settings with --config"
        raise FatalError(f"there is no {path}", hint=hint)


def _no_right(path: Path, error: OSError) -> FatalError:
    hint = "Run this as the user the daemon runs as, or as root"
    return FatalError(f"{path} cannot be read: {error.strerror}", hint=hint)


def refuse_half_restored(directory: Path) -> None:
    """Raises FatalError when a restore of the directory was broken off."""
    if (directory / RESTORING).exists():
        raise FatalError(f"the restore of {directory} was broken off", hint="Run `tradeassist db restore` again")


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


def sync_directory(directory: Path) -> None:
    """Have the disk keep which files are in a directory."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class DirectoryLock:
    """Held as long as the daemon runs; the kernel lets go of it however the process ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._file: int | None = None
        self.left_behind = False
        """Whether the daemon before did not end in good order: what it wrote may be damaged."""

    def take(self) -> bool:
        """Whether the lock is ours now. Raises FatalError when the file cannot be opened, TransientError when the disk
        is full."""
        try:
            is_new = not self._path.exists()
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            hint = "Run the daemon as the user who owns the state directory"
            raise FatalError(f"{self._path} cannot be opened: {error.strerror}", hint=hint) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self.left_behind = not is_new and os.fstat(file).st_size != _CLEAN_SIZE
        self._file = file
        try:
            os.pwrite(file, f" {os.getpid()}\n".ljust(_HOLDER_WIDTH).encode(), 0)
            os.fsync(file)
            if is_new:
                sync_directory(self._path.parent)
        except OSError as error:
            self.release(clean=False)
            hint = "Free some space on the disk that holds it" if error.errno == errno.ENOSPC else "Look at the disk"
            raise TransientError(f"{self._path} cannot be written: {error.strerror}", hint=hint) from error
        return True

    def release(self, *, clean: bool | None = None) -> None:
        """Let the next daemon in; it looks for damage unless this one ended in good order (`clean`).

        None: nobody looked, so that it is as it was before.

        The file stays: unlinking it would let two daemons lock two files of one name.
        """
        if self._file is not None:
            if not self.left_behind if clean is None else clean:
                os.ftruncate(self._file, _CLEAN_SIZE)
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
    Raises FatalError when this user may not look.
    """
    try:
        file = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _no_right(directory / LOCK_FILE, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return lock_holder(directory)
    finally:
        os.close(file)
    return None
