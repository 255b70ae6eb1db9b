"""Backup and restore of a state directory: whole while it is written, and nothing changes for a damaged one."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.store.makers import DAY, FRIDAY_US, a_decision, a_tick
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, PermanentError, TradeAssistError
from tradeassistd.engine.events import ClockTurn
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.market.tick import Tick
from tradeassistd.store import archive, queries, snapshot
from tradeassistd.store.archive import Manifest
from tradeassistd.store.backup import size_of, write_backup
from tradeassistd.store.directory import MAIN_FILE, RESTORING, DirectoryLock
from tradeassistd.store.records import DeliveryState
from tradeassistd.store.restoring import Places, Restored, read_whole, restore, restore_copy
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.writer import Store

DAY_US = 86_400_000_000
TEXTS = {
    "config.yaml": b"store: {path: state}\n",
    "rules/a.yaml": b"version: 1\nrules: []\n",
    "rules/tests/a.yaml": b"{}\n",
}
STATE = RuleState("es-levels", "/ES", 0, "f" * 16, State.FIRING, 1, 2, 3, False, [1], told_price=5)


def backed_up(directory: Path, target: Path, days: int | None = None) -> Manifest:
    return write_backup(directory, target, texts=TEXTS, blanked=("schwab.app_key",), program="9.9", made_us=FRIDAY_US,
                        days=days)  # fmt: skip


def restored(source: Path, folder: Path, *, replace: bool = False, rules: bool = True) -> Restored:
    places = Places(folder / "state", folder / "rules.d", folder / "config.yaml", (folder / "config.yaml").exists())
    return restore(source, lambda _: places, replace=replace, rules=rules, now_us=FRIDAY_US, by="anna")


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    """A state directory of three days with an alert whose deliveries stand everywhere they can."""
    directory = tmp_path / "before"
    store = await Store.open(directory, clock=ManualClock(FRIDAY_US))
    for day in (2, 1, 0):
        for number in range(300):
            store.record(a_tick(FRIDAY_US - day * DAY_US + number * 1_000))
    decided = a_decision(FRIDAY_US + 1_000_000, "slack", "phone", "bell")
    await store.commit(decided, [STATE])
    deliveries = {pair[0].channel: pair[0] for pair in await store.open_deliveries()}
    sending, sent = deliveries["phone"], deliveries["bell"]
    sending.state, sent.state = DeliveryState.SENDING, DeliveryState.SENT
    assert await store.mark(sending) and await store.mark(sent)
    await store.note_audit(FRIDAY_US + 2_000_000, "ack", {"by": "anna"})
    await store.close()
    return directory


def rows(path: Path) -> dict[str, list[object]]:
    """Everything in a database but the audit."""
    raw = sqlite3.connect(path)
    try:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in names
                if name not in ("audit", "sqlite_sequence")}  # fmt: skip
    finally:
        raw.close()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_everything_is_as_it_was_on_a_bare_machine(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    manifest = backed_up(filled, target)
    assert manifest.counts["alerts"] == 1 and manifest.counts["open deliveries"] == 2 and manifest.counts["tapes"] == 3
    assert target.stat().st_mode & 0o777 == 0o600
    done = restored(target, tmp_path / "new")
    state = tmp_path / "new" / "state"
    assert rows(state / MAIN_FILE) == rows(filled / MAIN_FILE)
    for path in queries.tape_paths(filled):
        assert rows(state / path.name) == rows(path)
    assert (tmp_path / "new" / "rules.d" / "tests" / "a.yaml").read_bytes() == TEXTS["rules/tests/a.yaml"]
    assert (tmp_path / "new" / "config.yaml").read_bytes() == TEXTS["config.yaml"]
    assert done.aside == "" and not (state / RESTORING).exists()
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}

    store = await Store.open(state, clock=ManualClock(FRIDAY_US))
    assert {(one.channel, one.state.value) for one, _ in await store.open_deliveries()} == {
        ("slack", "pending"), ("phone", "sending"),
    }  # fmt: skip
    assert await store.load_states() == (STATE,)
    assert await store.last_event_us() == FRIDAY_US + 2_000_000
    await store.close()
    kinds = [(kind, body.get("by")) for _, kind, body in queries.audit(state)]
    assert kinds == [("db.restore", "anna"), ("ack", "anna")]


async def test_a_backup_beside_a_writer_is_what_a_crash_would_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every decision in it has its event on its tape: whatever was going on."""
    committed, look = threading.Event(), snapshot._standing

    @contextmanager
    def slow_look(path: Path, kind: str) -> Iterator[sqlite3.Connection]:
        with look(path, kind) as raw:
            for _ in range(2):  # much is decided between one look and the next
                committed.clear()
                assert committed.wait(10)
            yield raw

    monkeypatch.setattr(snapshot, "_standing", slow_look)
    store = await Store.open(tmp_path / "state", clock=ManualClock(FRIDAY_US))
    written = asyncio.Event()

    async def write() -> None:
        number = 0
        while True:
            number += 1
            at_us = FRIDAY_US + number * 10
            store.record(a_tick(at_us))
            if number % 5 == 0:
                await store.commit(a_decision(at_us, "slack"), [])
                written.set()
                committed.set()
            await asyncio.sleep(0)

    def newest_us() -> int:
        return queries.alerts(tmp_path / "state", limit=1)[0].alert.transition.event_us

    writing = asyncio.create_task(write())
    await written.wait()
    seen = []
    for number in range(2):
        target = tmp_path / f"{number}.tar"
        await asyncio.to_thread(backed_up, tmp_path / "state", target)
        before = newest_us()
        await until(lambda before=before: newest_us() > before)  # type: ignore[misc]
        seen.append(target)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.close()
    counts = []
    for number, target in enumerate(seen):
        restored(target, tmp_path / f"new{number}")
        state = tmp_path / f"new{number}" / "state"
        decided = [one.alert.transition.event_us for one in queries.alerts(state, limit=100_000)]
        ticks = {event.event_us for path in queries.tape_paths(state) for event in read_tape(path)}
        assert decided and set(decided) <= ticks
        counts.append(len(decided))
    assert counts == sorted(set(counts))  # each one later than the one before


async def test_the_newest_days_are_enough_when_asked_for(filled: Path, tmp_path: Path) -> None:
    manifest = backed_up(filled, tmp_path / "b.tar", days=1)
    assert [note.name for note in manifest.files if note.name.startswith("tape")] == [f"tape-{DAY}.db"]
    none = backed_up(filled, tmp_path / "c.tar", days=0)
    assert none.counts["tapes"] == 0 and none.counts["alerts"] == 1
    assert size_of(filled, 0) < size_of(filled, 1) < size_of(filled)


async def test_a_tape_left_by_a_crash_brings_its_log(tmp_path: Path) -> None:
    state = tmp_path / "state"
    store = await Store.open(state, clock=ManualClock(FRIDAY_US))
    store.record(a_tick(FRIDAY_US - DAY_US))
    await store.flush()
    crashed = tmp_path / "crashed"
    shutil.copytree(state, crashed)  # the log of the older day is still beside it
    await store.close()
    other = await Store.open(tmp_path / "other", clock=ManualClock(FRIDAY_US))
    other.record(ClockTurn(FRIDAY_US))
    await other.close()
    shutil.copy(tmp_path / "other" / f"tape-{DAY}.db", crashed)
    older = queries.tape_paths(crashed)[1]
    assert f"{older.name}-wal" in names_in(crashed)
    backed_up(crashed, tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new")
    assert [type(event) for event in read_tape(tmp_path / "new" / "state" / older.name)] == [Tick]


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


async def test_only_a_backup_is_replaced_by_a_backup(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    backed_up(filled, target)
    first = target.read_bytes()
    backed_up(filled, target, days=0)
    assert 0 < target.stat().st_size < len(first)
    (tmp_path / "rules.yaml").write_text("version: 1")
    for other in (tmp_path / "rules.yaml", tmp_path):
        with pytest.raises(PermanentError, match=r"something else|is a directory"):
            backed_up(filled, other)
    assert (tmp_path / "rules.yaml").read_text() == "version: 1"
    with pytest.raises(PermanentError, match="cannot be written"):
        backed_up(filled, tmp_path / "nowhere" / "b.tar")


async def test_a_damaged_main_db_does_not_replace_a_good_backup(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    backed_up(filled, target)
    good = target.read_bytes()
    with (filled / MAIN_FILE).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(16_384))
    with pytest.raises(FatalError, match="damaged"):
        backed_up(filled, target)
    assert target.read_bytes() == good
    assert names_in(tmp_path) == ["b.tar.gz", "before"]


async def test_a_damaged_tape_is_left_out_and_said(filled: Path, tmp_path: Path) -> None:
    newest = queries.tape_paths(filled)[0]
    newest.write_bytes(b"not a database" * 1_000)
    manifest = backed_up(filled, tmp_path / "b.tar")
    assert len(manifest.left_out) == 1 and newest.name in manifest.left_out[0]
    assert manifest.counts["tapes"] == 2
    restored(tmp_path / "b.tar", tmp_path / "new")


async def test_a_backup_leaves_nothing_behind_and_changes_nothing(filled: Path, tmp_path: Path) -> None:
    files = [filled / MAIN_FILE, *queries.tape_paths(filled)]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    (tmp_path / "out").mkdir()
    backed_up(filled, tmp_path / "out" / "b.tar.gz")
    assert names_in(tmp_path / "out") == ["b.tar.gz"]
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before


async def test_standard_tools_read_it(filled: Path, tmp_path: Path) -> None:
    backed_up(filled, tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    lines = (tmp_path / "out" / archive.SUMS).read_text().splitlines()
    for digest, name in (line.split("  ") for line in lines):
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert len(lines) == len(TEXTS) + 5  # manifest, main.db, three tapes
    assert read_whole(tmp_path / "b.tar.gz").program == "9.9"


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
