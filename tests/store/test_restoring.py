"""A restore: all of a backup or nothing of it, and nothing that was there is lost."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.store.backed_up import TEXTS, a_state, backed_up, names_in, restored, rows
from tests.store.makers import FRIDAY_US
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, PermanentError, TradeAssistError
from tradeassistd.store import archive, queries
from tradeassistd.store.directory import MAIN_FILE, DirectoryLock
from tradeassistd.store.restoring import Places, restore, restore_copy
from tradeassistd.store.writer import Store


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    return await a_state(tmp_path / "before")


def members(source: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(source) as tar:
        return [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]


def rewritten(target: Path, files: list[tuple[tarfile.TarInfo, bytes]], *, sums: bool = True) -> None:
    """The same as a tar of its own, with sums that fit."""
    with tarfile.open(target, "w") as tar:
        lines = ""
        for entry, content in files:
            if entry.name == archive.SUMS:
                content = lines.encode() if sums else content
            lines += f"{hashlib.sha256(content).hexdigest()}  {entry.name}\n"
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def with_manifest(
    packed: list[tuple[tarfile.TarInfo, bytes]], **changes: object
) -> list[tuple[tarfile.TarInfo, bytes]]:
    manifest = msgspec.json.decode(packed[0][1]) | changes
    return [(packed[0][0], msgspec.json.encode(manifest)), *packed[1:]]


def flipped(source: Path, target: Path) -> None:
    files = members(source)
    index = next(number for number, (entry, _) in enumerate(files) if entry.name == MAIN_FILE)
    content = bytearray(files[index][1])
    content[len(content) // 2] ^= 0xFF
    files[index] = files[index][0], bytes(content)
    rewritten(target, files, sums=False)


def broken_off(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[:-9_000])


def broken_off_in_the_tar(source: Path, target: Path) -> None:
    rewritten(target, members(source)[:-1])


def of_newer_schema(source: Path, target: Path) -> None:
    files = members(source)
    notes = msgspec.json.decode(files[0][1])["files"]
    rewritten(target, with_manifest(files, files=[note | {"schema": 99 * bool(note["schema"])} for note in notes]))


def of_newer_format(source: Path, target: Path) -> None:
    rewritten(target, with_manifest(members(source), format=2))


def beyond_its_folder(source: Path, target: Path) -> None:
    files = members(source)
    notes = msgspec.json.decode(files[0][1])["files"]
    files[2][0].name = "rules/../../escaped.yaml"
    notes[1]["name"] = "rules/../../escaped.yaml"
    rewritten(target, with_manifest(files, files=notes))


def with_a_link(source: Path, target: Path) -> None:
    files = members(source)
    files[2][0].type, files[2][0].linkname = tarfile.SYMTYPE, "/etc/passwd"
    rewritten(target, files)


def with_more_than_it_says(source: Path, target: Path) -> None:
    files = members(source)
    extra = tarfile.TarInfo("rules/extra.yaml")
    rewritten(target, [*files[:-1], (extra, b"x"), files[-1]])


def without_main(source: Path, target: Path) -> None:
    files = [one for one in members(source) if one[0].name != MAIN_FILE]
    notes = [note for note in msgspec.json.decode(files[0][1])["files"] if note["name"] != MAIN_FILE]
    rewritten(target, with_manifest(files, files=notes))


def with_a_damaged_main(source: Path, target: Path) -> None:
    files = members(source)
    index = next(number for number, (entry, _) in enumerate(files) if entry.name == MAIN_FILE)
    content = bytearray(files[index][1])
    content[4096:12_288] = os.urandom(8192)
    files[index] = files[index][0], bytes(content)
    rewritten(target, files)  # its sums are right: it was damaged when it was packed


def a_text(_: Path, target: Path) -> None:
    target.write_text("version: 1\n")


def a_zipped_text(_: Path, target: Path) -> None:
    target.write_bytes(gzip.compress(b"version: 1\n" * 2_000))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (flipped, "main.db is not what was written"), (broken_off, "damaged"), (broken_off_in_the_tar, "broken off"),
        (of_newer_schema, r"schema is 99, and this program knows"), (of_newer_format, "newer program"),
        (beyond_its_folder, "no place in a backup"), (with_a_link, "no place in a backup"),
        (with_more_than_it_says, "not in its manifest"), (without_main, "holds no main.db"),
        (with_a_damaged_main, "damaged"), (a_text, "no backup"), (a_zipped_text, "no backup"),
    ],
)  # fmt: skip
async def test_a_backup_that_is_not_right_changes_nothing(
    spoil: Callable[[Path, Path], None], says: str, filled: Path, tmp_path: Path
) -> None:
    good, bad, folder = tmp_path / "good.tar.gz", tmp_path / "bad.tar", tmp_path / "new"
    backed_up(filled, good)
    spoil(good, bad)
    shutil.copytree(filled, folder / "state")
    before = {path.name: path.read_bytes() for path in (folder / "state").iterdir()}
    with pytest.raises(TradeAssistError, match=says):
        restored(bad, folder, replace=True)
    assert {path.name: path.read_bytes() for path in (folder / "state").iterdir()} == before
    assert not (folder / "rules.d").exists() and not (folder / "config.yaml").exists()
    assert not (tmp_path / "escaped.yaml").exists()
    restored(good, folder, replace=True)


async def test_what_is_there_is_refused_or_moved_aside(filled: Path, tmp_path: Path) -> None:
    target, folder = tmp_path / "b.tar.gz", tmp_path / "new"
    backed_up(filled, target)
    restored(target, folder)
    (folder / "config.yaml").write_text("log: {level: debug}\n")
    with pytest.raises(PermanentError, match=r"not empty: it holds main.db and 3 more.*--replace"):
        restored(target, folder)
    done = restored(target, folder, replace=True)
    assert names_in(Path(done.aside)) == sorted(path.name for path in (*queries.tape_paths(filled), filled / MAIN_FILE))
    assert rows(Path(done.aside) / MAIN_FILE) == rows(filled / MAIN_FILE)
    assert done.settings == "" and (folder / "config.yaml").read_text() == "log: {level: debug}\n"


async def test_other_rules_are_refused_kept_or_moved_aside(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    backed_up(filled, target)
    for number in range(3):
        rules = tmp_path / f"new{number}" / "rules.d"
        rules.mkdir(parents=True)
        (rules / "a.yaml").write_bytes(TEXTS["rules/a.yaml"])
        (rules / "mine.yaml").write_text("mine")
    with pytest.raises(PermanentError, match=r"other rules.*mine.yaml.*--keep-rules"):
        restored(target, tmp_path / "new0")
    assert not (tmp_path / "new0" / "state" / MAIN_FILE).exists()
    assert restored(target, tmp_path / "new1", rules=False).rules == ""
    assert (tmp_path / "new1" / "rules.d" / "mine.yaml").exists()
    done = restored(target, tmp_path / "new2", replace=True)
    assert (Path(done.aside) / "rules" / "mine.yaml").read_text() == "mine"
    assert [path.name for path in (tmp_path / "new2" / "rules.d").glob("*.yaml")] == ["a.yaml"]


async def test_a_running_daemon_is_not_restored_over(filled: Path, tmp_path: Path) -> None:
    backed_up(filled, tmp_path / "b.tar")
    lock = DirectoryLock(filled)
    assert lock.take()
    with pytest.raises(FatalError, match=r"a daemon runs.*Stop it first"):
        restore(tmp_path / "b.tar", lambda _: Places(filled, tmp_path / "r", tmp_path / "c", True), replace=True,
                rules=False, now_us=FRIDAY_US, by="")  # fmt: skip
    lock.release()


async def test_a_restore_that_is_broken_off_keeps_daemons_away_until_it_is_run_again(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, folder = tmp_path / "b.tar", tmp_path / "new"
    backed_up(filled, target)
    real, calls = Path.replace, 0

    def killed(path: Path, to: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            restored(target, folder)
    with pytest.raises(FatalError, match=r"broken off.*db restore"):
        await Store.open(folder / "state", clock=ManualClock(FRIDAY_US))
    restored(target, folder)
    assert rows(folder / "state" / MAIN_FILE) == rows(filled / MAIN_FILE)
    await (await Store.open(folder / "state", clock=ManualClock(FRIDAY_US))).close()


async def test_a_copy_of_main_db_goes_back_alone(filled: Path, tmp_path: Path) -> None:
    copy = filled / f"{MAIN_FILE}.before-0002"
    shutil.copy(filled / MAIN_FILE, copy)
    raw = sqlite3.connect(filled / MAIN_FILE)
    raw.execute("DELETE FROM deliveries")
    raw.commit()
    raw.close()
    with pytest.raises(PermanentError, match="--replace"):
        restore_copy(copy, filled, replace=False, now_us=FRIDAY_US, by="anna")
    aside = restore_copy(copy, filled, replace=True, now_us=FRIDAY_US, by="anna")
    assert len(rows(filled / MAIN_FILE)["deliveries"]) == 3 and len(queries.tape_paths(filled)) == 3
    assert rows(Path(aside) / MAIN_FILE)["deliveries"] == []
    assert queries.audit(filled)[0][1:] == (
        "db.restore", {"file": copy.name, "by": "anna", "at": "2026-11-20T14:30:00.000000Z", "made": ""}
    )  # fmt: skip


async def test_only_a_main_db_takes_the_place_of_main_db(filled: Path, tmp_path: Path) -> None:
    before = (filled / MAIN_FILE).read_bytes()
    with pytest.raises(PermanentError, match=r"no copy of main\.db"):
        restore_copy(queries.tape_paths(filled)[0], filled, replace=True, now_us=FRIDAY_US, by="anna")
    shutil.copy(filled / MAIN_FILE, tmp_path / "newer.db")
    raw = sqlite3.connect(tmp_path / "newer.db")
    raw.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    raw.commit()
    raw.close()
    with pytest.raises(FatalError, match=r"main schema is 99, and this program knows"):
        restore_copy(tmp_path / "newer.db", filled, replace=True, now_us=FRIDAY_US, by="anna")
    assert (filled / MAIN_FILE).read_bytes() == before
