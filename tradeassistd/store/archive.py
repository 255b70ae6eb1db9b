"""The backup file: a tar, gzipped or plain, with a manifest first, the files, and their SHA-256 last.

Standard tools read it: `tar xf FILE` unpacks it, `sha256sum -c SHA256SUMS` checks what came out. A file without its
last member is one that was broken off, and is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from tradeassistd.base.errors import FatalError, PermanentError

FORMAT = 1
"""Raised when an older program could not restore what a newer one wrote."""
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
SETTINGS, RULES = "config.yaml", "rules/"
MEMBER_MODE = 0o600
CHUNK_BYTES = 1 << 20
SYNC_EVERY_BYTES = 16 << 20
"""Written out so often, that the disk never has a heap to take while an alert wants to be stored."""
PACKED_LEVEL = 1
MANIFEST_BYTES_MAX, TEXT_BYTES_MAX = 4 << 20, 16 << 20
NAME_CHARACTERS_MAX = 300
_STATE = re.compile(r"main\.db|tape-\d{8}\.db")
_RULE = re.compile(r"rules/(?:[^/\x00-\x1f.][^/\x00-\x1f]*/)*[^/\x00-\x1f.][^/\x00-\x1f]*\.ya?ml")


class FileNote(msgspec.Struct, frozen=True):
    """A file of the backup: its name there and its size in bytes."""

    name: str
    size: int
    schema: int = 0
    """Of a database: its schema version."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself, before anything else."""

    format: int
    program: str
    """Version of tradeassistd that made it."""
    made: str
    """When, ISO 8601 in UTC, by the computer's clock."""
    files: tuple[FileNote, ...]
    last_event: str = ""
    """Event time of the last thing in it, ISO 8601 in UTC."""
    rules_hash: str = ""
    """Of the rule set in force."""
    counts: dict[str, int] = {}
    """Rows: alerts, open deliveries, rule states, spent rules, ..."""
    blanked: tuple[str, ...] = ()
    """Keys of the settings that were secrets and are empty in it."""
    left_out: tuple[str, ...] = ()
    """Tapes that could not be read, each with why."""

    @property
    def size(self) -> int:
        """Bytes of all files once they are unpacked."""
        return sum(one.size for one in self.files)


class Member(NamedTuple):
    """One file on its way out of a backup."""

    name: str
    size: int
    content: IO[bytes]


class Writer:
    """Puts files into a backup one after another; `finish` makes it whole."""

    def __init__(self, file: IO[bytes], manifest: Manifest, made_s: int, *, packed: bool) -> None:
        self._file = _Synced(file)
        self._packer = gzip.GzipFile("", "wb", PACKED_LEVEL, self._file, made_s) if packed else None
        target: Any = self._packer or self._file
        self._tar = tarfile.TarFile(
            fileobj=target, mode="w", format=tarfile.PAX_FORMAT, copybufsize=CHUNK_BYTES
        )  # fmt: skip
        self._made_s = made_s
        self._sums: list[str] = []
        self.add_text(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))

    def add_text(self, name: str, content: bytes) -> None:
        self.add(name, io.BytesIO(content), len(content))

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Raises OSError when the source ends early."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, MEMBER_MODE, self._made_s
        reader = _Hashed(source)
        self._tar.addfile(entry, reader)
        self._sums.append(f"{reader.digest}  {name}\n")

    def finish(self) -> None:
        self.add_text(SUMS, "".join(self._sums).encode())
        self._tar.close()
        if self._packer is not None:
            self._packer.close()


@contextmanager
def opened(path: Path) -> Iterator[tuple[Manifest, Iterator[Member]]]:
    """The manifest of a backup and its files in order, each to be read to its end before the next.

    The last file is followed by a check of everything: only when the members have run out without an error was the
    backup whole. Raises PermanentError when it is no backup, is damaged or was broken off, FatalError when it was made
    by a newer program.
    """
    with ExitStack() as stack:
        with _reading(path):
            file = stack.enter_context(path.open("rb"))
            try:
                tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:*"))
            except tarfile.ReadError:
                raise _no_backup(path) from None
        members = _members(tar, path)
        first = next(members, None)
        if first is None or first.name != MANIFEST or first.size > MANIFEST_BYTES_MAX:
            raise _no_backup(path)
        manifest = _manifest(first.content.read(), path)
        yield manifest, _expected(members, manifest, path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong while the backup itself is read, in our words."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        why = error.strerror or error
        raise PermanentError(f"{path} cannot be read: {why}", hint="Name a readable file") from error


def _manifest(content: bytes, path: Path) -> Manifest:
    try:
        version = msgspec.json.decode(content).get("format", 0)
        if version > FORMAT:
            raise FatalError(
                f"{path} was made by a newer program (format {version}, and this one knows {FORMAT})",
                hint="Install that version, and restore with it",
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, AttributeError, TypeError) as error:
        raise _damaged(path, f"its manifest cannot be read: {error}") from None


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[Member]:
    """Every member, held against the sums at the end."""
    sums: dict[str, str] = {}
    while True:
        with _reading(path):
            entry = tar.next()
        if entry is None:
            raise _damaged(path, "its end is missing: it was broken off")
        if not entry.isreg() or entry.name in sums:
            raise _damaged(path, f"{entry.name[:NAME_CHARACTERS_MAX]!r} has no place in a backup")
        content = tar.extractfile(entry)
        assert content is not None  # it is a regular file
        reader = _Hashed(content, path)
        if entry.name == SUMS:
            _check(reader.read(MANIFEST_BYTES_MAX), sums, path)
            return
        yield Member(entry.name, entry.size, reader)  # type: ignore[arg-type]
        if reader.count != entry.size:
            raise _damaged(path, f"{entry.name} ends early")
        sums[entry.name] = reader.digest


def _expected(members: Iterator[Member], manifest: Manifest, path: Path) -> Iterator[Member]:
    """The members, which must be those that the manifest names, in its order."""
    for note in manifest.files:
        if not (_STATE.fullmatch(note.name) or note.name == SETTINGS or is_rule(note.name)):
            raise _damaged(path, f"{note.name[:NAME_CHARACTERS_MAX]!r} has no place in a backup")
    for note in manifest.files:
        member = next(members, None)
        if member is None or (member.name, member.size) != (note.name, note.size):
            raise _damaged(path, f"{note.name} is not where its manifest says")
        yield member
    for member in members:
        raise _damaged(path, f"{member.name[:NAME_CHARACTERS_MAX]!r} is not in its manifest")


def is_rule(name: str) -> bool:
    """Whether a member is a rule file, by a name that stays below its folder."""
    return len(name) <= NAME_CHARACTERS_MAX and _RULE.fullmatch(name) is not None


def _check(said: bytes, found: dict[str, str], path: Path) -> None:
    lines = [line.split("  ", 1) for line in said.decode("utf-8", "replace").splitlines()]
    expected = {name: digest for digest, name in lines if digest} if all(len(one) == 2 for one in lines) else {}
    if expected.keys() != found.keys():
        raise _damaged(path, "its list of files is not that of its files")
    for name, digest in found.items():
        if expected[name] != digest:
            raise _damaged(path, f"{name} is not what was written")


def _no_backup(path: Path) -> PermanentError:
    return PermanentError(f"{path} is no backup of tradeassist", hint="Name a file that `tradeassist db backup` made")


def _damaged(path: Path, what: str) -> PermanentError:
    hint = "Copy it again from where it was kept, or take another one"
    return PermanentError(f"{path} is damaged: {what}", hint=hint)


class _Hashed:
    """Counts and hashes what is read through it, out of the backup `path` or into one."""

    def __init__(self, source: IO[bytes], path: Path | None = None) -> None:
        self._source = source
        self._reading = nullcontext if path is None else partial(_reading, path)
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        with self._reading():
            chunk = self._source.read(size)
        self._hash.update(chunk)
        self.count += len(chunk)
        return chunk

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class _Synced:
    """A file that is written out to the disk every so many bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unsynced = 0

    def write(self, content: Any) -> int:
        written = self._file.write(content)
        self._unsynced += written
        if self._unsynced >= SYNC_EVERY_BYTES:
            self.flush()
        return written

    def flush(self) -> None:
        self._file.flush()
        os.fdatasync(self._file.fileno())
        self._unsynced = 0

    def tell(self) -> int:
        return self._file.tell()
