"""A backup of a state directory: whole while it is written, and never in the place of a better one."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.store.backed_up import DAY_US, STATE, TEXTS, a_state, backed_up, names_in, restored, rows
from tests.store.makers import DAY, FRIDAY_US, a_decision, a_tick
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, PermanentError
from tradeassistd.engine.events import ClockTurn
from tradeassistd.market.tick import Tick
from tradeassistd.store import archive, queries, snapshot
from tradeassistd.store.backup import size_of
from tradeassistd.store.directory import MAIN_FILE, RESTORING
from tradeassistd.store.restoring import read_whole
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.writer import Store


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    return await a_state(tmp_path / "before")


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
                assert committed.wait(60)
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


async def test_what_a_killed_backup_left_is_removed_by_the_next_and_not_while_it_works(
    filled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name in (".b.tar.gz.left0000", ".b.tar.gz.at_work0", ".other.tar.gz.left000"):
        (out / name).mkdir(parents=True)
        (out / name / MAIN_FILE).write_bytes(b"a copy")
    working = os.open(out / ".b.tar.gz.at_work0", os.O_RDONLY)
    fcntl.flock(working, fcntl.LOCK_EX)
    backed_up(filled, out / "b.tar.gz")
    assert names_in(out) == [".b.tar.gz.at_work0", ".other.tar.gz.left000", "b.tar.gz"]
    os.close(working)


async def test_standard_tools_read_it(filled: Path, tmp_path: Path) -> None:
    backed_up(filled, tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    lines = (tmp_path / "out" / archive.SUMS).read_text().splitlines()
    for digest, name in (line.split("  ") for line in lines):
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert len(lines) == len(TEXTS) + 5  # manifest, main.db, three tapes
    assert read_whole(tmp_path / "b.tar.gz").program == "9.9"
