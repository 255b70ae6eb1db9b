"""One file with everything a daemon on another machine needs to go on: state, alerts, tape, rules, settings."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tradeassistd.base.errors import PermanentError, TradeAssistError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.store import archive, journal
from tradeassistd.store.archive import FORMAT, FileNote, Manifest, Writer
from tradeassistd.store.directory import FILE_MODE, MAIN_FILE, sync_directory, tape_paths
from tradeassistd.store.records import OPEN_STATES
from tradeassistd.store.snapshot import Progress, Still, Stills, stills, unchanged

FREE_LEFT_BYTES = 64 << 20
"""Room that a backup leaves on the disk it is written to."""
PACKED_SHARE = 0.6
"""What is left of a database when it is packed, as a guess on the safe side (half to a third as tried)."""
_OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)
_COUNTS = {
    "alerts": "alerts",
    "deliveries": "deliveries",
    "open deliveries": f"deliveries WHERE state IN ({_OPEN})",
    "rule states": "rule_states",
    "firing": "rule_states WHERE state = 'firing'",
    "silences": "silences",
    "bars": "bars",
    "official bars": "official_bars",
}


def write_backup(
    directory: Path, target: Path, *, texts: Mapping[str, bytes], blanked: Iterable[str] = (), program: str,
    made_us: int, days: int | None = None, progress: Progress = lambda _: None,
) -> Manifest:  # fmt: skip
    """Back up the state directory into `target`, which appears, mode 0600, only once it is whole and on the disk.

    `texts` are the settings and rule files by their names in the backup (archive.SETTINGS, archive.RULES + name);
    `days`: only the newest so many tapes. A name that ends in `.tar` is not packed. Nothing is written into the state
    directory, and a daemon that runs there is not disturbed. Raises PermanentError when the target cannot be written
    or is something else than a backup, else like `stills`.
    """
    _refuse_other(target)
    _clear_left_behind(target)
    _refuse_full(directory, target, days)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))  # mode 0700
    except OSError as error:
        raise _not_written(target, error) from error
    held = _hold(scratch)
    try:
        with stills(directory, scratch, days=days, progress=progress) as found:
            files = found.files
            manifest = _manifest(found, texts, blanked, program, made_us)
            partial = scratch / "whole"
            _pack(partial, manifest, files, texts, made_us // US_PER_S, target.suffix != ".tar", progress)
            partial.replace(target)
        sync_directory(target.parent)
        return manifest
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if held is not None:
            os.close(held)


def _clear_left_behind(target: Path) -> None:
    """Remove what backups of that name left behind that were killed: a copy of main.db each."""
    for scratch in target.parent.glob(f".{glob.escape(target.name)}.????????"):  # as mkdtemp names them
        held = _hold(scratch)
        if held is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(held)


def _hold(folder: Path) -> int | None:
    """Lock a folder until what is given is closed, or the process has ended; None when it cannot be had.

    Another backup is at work there, it is somebody else's, or its file system knows no locks: then nobody removes it.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def size_of(directory: Path, days: int | None = None) -> int:
    """Bytes of the files a backup would read, for whoever shows how far it is."""
    paths = tape_paths(directory)
    return sum(_size(path) for path in (directory / MAIN_FILE, *(paths if days is None else paths[:days])))


def _pack(
    partial: Path, manifest: Manifest, files: list[Still], texts: Mapping[str, bytes], made_s: int, packed: bool,
    progress: Progress,
) -> None:  # fmt: skip
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        writer = Writer(file, manifest, made_s, packed=packed)
        for name in sorted(texts):
            writer.add_text(name, texts[name])
        for still in files:
            try:
                with still.path.open("rb") as source:
                    writer.add(still.name, source, still.size)
            except FileNotFoundError:
                raise PermanentError(f"{still.name} was removed meanwhile", hint="Run it again") from None
            progress(still.size)
            if not unchanged(still):
                raise PermanentError(f"{still.name} changed while it was copied", hint="Run it again")
        writer.finish()
        file.flush()
        os.fsync(file.fileno())


def _manifest(
    found: Stills, texts: Mapping[str, bytes], blanked: Iterable[str], program: str, made_us: int
) -> Manifest:
    files = found.files
    notes = [FileNote(name, len(texts[name])) for name in sorted(texts)]
    notes += [FileNote(still.name, still.size, still.schema) for still in files]
    raw = sqlite3.connect(f"{files[0].path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        counts = {
            what: int(raw.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])
            for what, rows in _COUNTS.items()
            if rows.split()[0] in tables  # an older file lacks some until the daemon brings it up to date
        }
        last_us, rules_hash = journal.last_event_us(raw), journal.accepted_hash(raw)
    except sqlite3.OperationalError:
        counts, last_us, rules_hash = {}, 0, ""
    finally:
        raw.close()
    counts |= {"tapes": len(files) - 1, "rule files": sum(archive.is_rule(name) for name in texts)}
    return Manifest(
        FORMAT, program, iso(made_us), tuple(notes), iso(last_us) if last_us else "", rules_hash, counts,
        tuple(blanked), tuple(found.left_out),
    )  # fmt: skip


def _refuse_other(target: Path) -> None:
    """Only a backup may be replaced by a backup. Raises PermanentError."""
    if target.is_dir():
        raise PermanentError(f"{target} is a directory", hint="Name a file in it, e.g. tradeassist.tar.gz")
    if not target.exists() or target.stat().st_size == 0:
        return
    try:
        with archive.opened(target):
            return
    except TradeAssistError:
        raise PermanentError(f"{target} is something else than a backup, and stays", hint="Name a new file") from None


def _refuse_full(directory: Path, target: Path, days: int | None) -> None:
    """A backup must not be what fills the disk. Raises PermanentError."""
    copied = sum(_size(path) for path in (directory / MAIN_FILE, *tape_paths(directory)[:1]))
    kept = size_of(directory, days) * (1 if target.suffix == ".tar" else PACKED_SHARE)
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise _not_written(target, error) from error
    if free < copied + kept + FREE_LEFT_BYTES:
        raise PermanentError(
            f"{target.parent} has {free >> 20} MiB free, and the backup may take {round(copied + kept) >> 20} MiB",
            hint="Name a file on a disk with more room, or take fewer days with --days",
        )


def _size(path: Path) -> int:
    """With what is still in the log beside it."""
    sizes = (one.stat().st_size for one in (path, Path(f"{path}-wal")) if one.exists())
    return sum(sizes)


def _not_written(target: Path, error: OSError) -> PermanentError:
    hint = "Free some space there" if error.errno == errno.ENOSPC else "Name a place this user may write to"
    return PermanentError(f"{target} cannot be written: {error.strerror or error}", hint=hint)
