"""Puts a backup in place: on a bare machine, or over what is there, which is kept aside.

Everything is unpacked and checked beside its place first, so a damaged backup changes nothing. What was there is moved,
never deleted. A restore that is broken off in the middle of the moving leaves a folder behind that keeps daemons from
starting until it is run again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradeassistd.base.errors import FatalError, PermanentError
from tradeassistd.base.instant import iso
from tradeassistd.store import journal
from tradeassistd.store.archive import RULES, SETTINGS, TEXT_BYTES_MAX, FileNote, Manifest, Member, is_rule, opened
from tradeassistd.store.directory import (
    DIRECTORY_MODE,
    FILE_MODE,
    MAIN_FILE,
    RESTORING,
    DirectoryLock,
    lock_holder,
    make_directory,
    sync_directory,
    tape_paths,
)
from tradeassistd.store.faults import DamagedError, schema_version
from tradeassistd.store.migrations import SQL, migration_files
from tradeassistd.store.snapshot import Progress, damage

CHUNK_BYTES = 1 << 20
FREE_LEFT_BYTES = 64 << 20
"""Room that a restore leaves on the disk of the state directory."""
RULE_MODE = 0o644
SQLITE_HEAD = b"SQLite format 3\0"
_PARTS = ("", "-wal", "-shm")


class Places(NamedTuple):
    """Where on this machine the parts of a backup belong."""

    state: Path
    rules: Path
    settings: Path
    has_settings: bool
    """A settings file is there already; it stays as it is."""


class Restored(msgspec.Struct, frozen=True):
    """What was put where."""

    manifest: Manifest
    state: str
    rules: str
    """Empty when the rule files were left as they are."""
    settings: str
    """Empty when there was a settings file already, or the backup has none."""
    aside: str
    """Where what was there before is kept; empty when there was nothing."""


def restore(
    source: Path, places: Callable[[str | None], Places], *, replace: bool, rules: bool, now_us: int, by: str,
    progress: Progress = lambda _: None,
) -> Restored:  # fmt: skip
    """Put a backup in place, checked as a whole before anything changes.

    `places` gives where, once the settings text of the backup (or None) is known; `replace`: move what is there aside;
    `rules`: the rule files, too. Raises FatalError when a daemon runs there or the backup is of a newer program,
    PermanentError when it is damaged, does not fit on the disk, or would replace something without being told to.
    """
    with opened(source) as (manifest, members):
        refuse_newer(manifest, source)
        texts: dict[str, bytes] = {}
        first = _take_texts(members, texts)
        settings = texts.get(SETTINGS)
        where = places(None if settings is None else settings.decode("utf-8", "replace"))
        rule_texts = {name.removeprefix(RULES): text for name, text in texts.items() if is_rule(name)} if rules else {}
        with _locked(where.state) as left_half:
            if not (replace or left_half):
                _refuse_occupied(where, rule_texts)
            _refuse_full(where.state, manifest)
            staging = _fresh(where.state / RESTORING)
            try:
                notes = {note.name: note for note in manifest.files}
                for member in _behind(first, members):
                    _unpack(member, staging, progress)
                _check(staging, notes, source)
                _note(staging / MAIN_FILE, manifest, source, now_us, by)
            except BaseException:
                if not left_half:
                    shutil.rmtree(staging, ignore_errors=True)
                raise
            aside = _Aside(where.state, now_us)
            _exchange_state(where.state, staging, aside)
            _exchange_rules(where.rules, rule_texts, aside)
            written = settings is not None and not where.has_settings
            if written:
                assert settings is not None
                _put(where.settings, settings, RULE_MODE if os.geteuid() == 0 else FILE_MODE)
            sync_directory(where.state)
            staging.rmdir()
            sync_directory(where.state)
    return Restored(
        manifest, str(where.state), str(where.rules) if rule_texts else "", str(where.settings) if written else "",
        str(aside.folder) if aside.used else "",
    )  # fmt: skip


def restore_copy(source: Path, state: Path, *, replace: bool, now_us: int, by: str) -> str:
    """Put one copy of main.db (such as `main.db.before-0007`) in its place; the tapes stay.

    Gives where the file that was there is kept. Raises like `restore`.
    """
    if what := damage(source):
        raise PermanentError(f"{source} is damaged: {what}", hint="Take another copy")
    if not _is_main(source):
        hint = "Copies of tapes are put back with mv, while no daemon runs"
        raise PermanentError(f"{source} is no copy of {MAIN_FILE}", hint=hint)
    with _locked(state):
        if (state / MAIN_FILE).exists() and not replace:
            raise PermanentError(f"{state} holds a main.db", hint="Say --replace: it is kept aside, and the tapes stay")
        _refuse_schema(_schema_of(source), "main", source)
        staging = _fresh(state / RESTORING)
        with source.open("rb") as content:
            _write(staging / MAIN_FILE, content, source.stat().st_size, lambda _: None)
        _note(staging / MAIN_FILE, None, source, now_us, by)
        aside = _Aside(state, now_us)
        _move_aside(state / MAIN_FILE, aside)
        (staging / MAIN_FILE).replace(state / MAIN_FILE)
        _give_to_owner(state / MAIN_FILE, state)
        sync_directory(state)
        staging.rmdir()
    return str(aside.folder) if aside.used else ""


def read_whole(source: Path, progress: Progress = lambda _: None) -> Manifest:
    """Read a backup to its end and hold it against its sums; nothing is written. Raises like `restore`."""
    with opened(source) as (manifest, members):
        refuse_newer(manifest, source)
        for member in members:
            while chunk := member.content.read(CHUNK_BYTES):
                progress(len(chunk))
    return manifest


def refuse_newer(manifest: Manifest, source: Path) -> None:
    """Raises FatalError when a database in the backup has a schema that this program does not know."""
    for note in manifest.files:
        if note.schema:
            _refuse_schema(note.schema, "main" if note.name == MAIN_FILE else "tape", source, manifest.program)


def _refuse_schema(version: int, kind: str, source: Path, program: str = "") -> None:
    newest = len(migration_files(SQL / kind))
    if version > newest:
        made = f"tradeassist {program}" if program else "a newer program"
        raise FatalError(
            f"{source} was made by {made}: its {kind} schema is {version}, and this program knows {newest} at most",
            hint="Install that version or a newer one, and restore with it",
        )


def _take_texts(members: Iterator[Member], texts: dict[str, bytes]) -> Member | None:
    """Read settings and rule files, which come first; gives the first member that is neither."""
    for member in members:
        if member.name != SETTINGS and not is_rule(member.name):
            return member
        if member.size + sum(map(len, texts.values())) > TEXT_BYTES_MAX:
            raise PermanentError(f"the backup holds more than {TEXT_BYTES_MAX >> 20} MiB of rules",
                                 hint="Restore with --keep-rules after unpacking it with tar")  # fmt: skip
        texts[member.name] = member.content.read()
    return None


def _behind(first: Member | None, members: Iterator[Member]) -> Iterator[Member]:
    if first is not None:
        yield first
        yield from members


@contextmanager
def _locked(state: Path) -> Iterator[bool]:
    """Hold the state directory; gives whether a restore of it was broken off before."""
    make_directory(state)
    lock = DirectoryLock(state)
    if not lock.take():
        holder = lock_holder(state)
        raise FatalError(
            f"a daemon runs on {state}" + (f" (process {holder})" if holder else ""),
            hint="Stop it first, and start it again when the restore is done",
        )
    clean = not lock.left_behind
    try:
        yield (state / RESTORING).exists()
        clean = True  # what is there now was read through
    finally:
        lock.release(clean=clean)


def _refuse_occupied(where: Places, rule_texts: dict[str, bytes]) -> None:
    present = [one.name for one in (where.state / MAIN_FILE, *tape_paths(where.state)) if one.exists()]
    if present:
        more = f" and {len(present) - 1} more" if len(present) > 1 else ""
        raise PermanentError(f"{where.state} is not empty: it holds {present[0]}{more}",
                             hint="Say --replace: what is there is moved aside, not deleted")  # fmt: skip
    others = [name for name in _rule_files(where.rules) if rule_texts and _differs(where.rules, name, rule_texts)]
    if others:
        raise PermanentError(
            f"{where.rules} holds other rules than the backup ({others[0]}{', ...' * (len(others) > 1)})",
            hint="Say --keep-rules to leave them, or --replace to move them aside",
        )


def _refuse_full(state: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(state).free
    if free < manifest.size + FREE_LEFT_BYTES:
        raise PermanentError(
            f"the backup unpacks to {manifest.size >> 20} MiB, and {state} has {free >> 20} MiB free",
            hint="Free some space there, or name another state directory in the settings",
        )


def _unpack(member: Member, staging: Path, progress: Progress) -> None:
    if is_rule(member.name) or member.name == SETTINGS:
        raise PermanentError(f"{member.name} is not where a backup has it", hint="Take another backup")
    _write(staging / member.name, member.content, member.size, progress)


def _write(target: Path, content: object, size: int, progress: Progress) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            while chunk := content.read(CHUNK_BYTES):  # type: ignore[attr-defined]
                file.write(chunk)
                progress(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        hint = f"It takes {size >> 20} MiB there"
        raise PermanentError(f"{target} cannot be written: {error.strerror or error}", hint=hint) from error


def _check(staging: Path, notes: dict[str, FileNote], source: Path) -> None:
    """What was unpacked is what the manifest says, and main.db is sound."""
    main = staging / MAIN_FILE
    if MAIN_FILE not in notes:
        raise PermanentError(f"{source} holds no {MAIN_FILE}", hint="Take another backup")
    if what := damage(main):
        raise PermanentError(f"{MAIN_FILE} in {source} is damaged: {what}", hint="Take another backup")
    _refuse_schema(_schema_of(main), "main", source)


def _schema_of(path: Path) -> int:
    raw = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        return schema_version(raw)
    except sqlite3.DatabaseError as error:
        raise DamagedError(path, error) from error
    finally:
        raw.close()


def _is_main(path: Path) -> bool:
    raw = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        return raw.execute("SELECT 1 FROM sqlite_schema WHERE name = 'rule_states'").fetchone() is not None
    finally:
        raw.close()


def _note(main: Path, manifest: Manifest | None, source: Path, now_us: int, by: str) -> None:
    """A line in the audit of the restored file: who brought it here, from what. Its event time is the last one."""
    body = {"file": source.name, "by": by, "at": iso(now_us), "made": manifest.made if manifest else ""}
    raw = sqlite3.connect(main, isolation_level=None)
    try:
        (last_us,) = raw.execute("SELECT ifnull(max(event_us), 0) FROM audit").fetchone()
        journal.insert_audit(raw, last_us, "db.restore", body)
    finally:
        raw.close()


class _Aside:
    """The folder for what was there before, made when there is something to put into it."""

    def __init__(self, state: Path, now_us: int) -> None:
        stamp = iso(now_us)[:19].replace("-", "").replace(":", "")
        names = (f"replaced-{stamp}" + (f"-{number}" if number > 1 else "") for number in count(1))
        self.folder = next(state / name for name in names if not (state / name).exists())
        self.used = False

    def take(self, path: Path, name: str) -> None:
        """Move a file there, across file systems where it has to be."""
        target = self.folder / name
        target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        shutil.move(path, target)
        self.used = True


def _exchange_state(state: Path, staging: Path, aside: _Aside) -> None:
    """The old files out, the new ones in, main.db last: without it nothing takes the directory for a whole one."""
    old = [state / MAIN_FILE, *tape_paths(state), *state.glob(f"{MAIN_FILE}.before-*")]
    for path in old:
        _move_aside(path, aside)
    for path in sorted(staging.iterdir(), key=lambda one: one.name == MAIN_FILE):
        path.replace(state / path.name)
        _give_to_owner(state / path.name, state)


def _move_aside(path: Path, aside: _Aside) -> None:
    for part in _PARTS:
        beside = Path(f"{path}{part}")
        if beside.exists():
            aside.take(beside, beside.name)


def _exchange_rules(rules: Path, texts: dict[str, bytes], aside: _Aside) -> None:
    if not texts:
        return
    for name in _rule_files(rules):
        if _differs(rules, name, texts):
            aside.take(rules / name, f"{RULES}{name}")
    for name, text in texts.items():
        if not (rules / name).exists():
            _put(rules / name, text, RULE_MODE)


def _rule_files(rules: Path) -> list[str]:
    """Names of the rule files and their tests below a directory, as a backup would hold them."""
    found = (str(one.relative_to(rules)) for one in rules.rglob("*") if one.suffix in (".yaml", ".yml"))
    return sorted(name for name in found if is_rule(RULES + name) and (rules / name).is_file())


def _differs(rules: Path, name: str, texts: dict[str, bytes]) -> bool:
    return name not in texts or (rules / name).read_bytes() != texts[name]


def _put(path: Path, content: bytes, mode: int) -> None:
    """Write a text file whole or not at all. Raises PermanentError."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(content)
        scratch.chmod(mode)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise PermanentError(f"{path} cannot be written: {error.strerror}", hint="Run the restore again as its owner"
                             ) from error  # fmt: skip
    _give_to_owner(path, path.parent)


def _give_to_owner(path: Path, directory: Path) -> None:
    """What root restores belongs to whoever owns the directory: the daemon's user."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=DIRECTORY_MODE)
    return folder
