"""What a store makes of damaged files before it begins, and when it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.hardship import garble, root_page
from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.engine.events import Gap
from tradeassistd.market.tick import Tick
from tradeassistd.store import damage, queries
from tradeassistd.store.damage import SetAside, set_aside
from tradeassistd.store.directory import DirectoryLock, lock_holder
from tradeassistd.store.faults import DamagedError
from tradeassistd.store.writer import Store


async def a_store(directory: Path, *, ticks: int = 1) -> None:
    """A directory that a daemon has left in good order, with a tape."""
    store = await Store.open(directory, clock=ManualClock(FRIDAY_US))
    for number in range(ticks):
        store.record(a_tick(FRIDAY_US + number))
    await store.close()


async def opened(directory: Path) -> Store:
    return await Store.open(directory, clock=ManualClock(FRIDAY_US))


@pytest.mark.parametrize("how", ["head", "page", "empty"])
async def test_a_damaged_main_database_is_refused_again_and_again_and_not_touched(how: str, tmp_path: Path) -> None:
    await a_store(tmp_path)
    main = tmp_path / "main.db"
    page = root_page(main, "rule_states")
    if how == "empty":
        main.write_bytes(b"")
    else:
        garble(main, page if how == "page" else None)
    damaged = main.read_bytes()
    for _ in range(2):
        with pytest.raises(DamagedError, match=r"main\.db is damaged: .*tradeassist db restore"):
            await opened(tmp_path)
        assert main.read_bytes() == damaged


async def test_an_empty_database_without_tapes_is_a_daemon_that_died_while_it_made_it(tmp_path: Path) -> None:
    (tmp_path / "main.db").touch()
    await (await opened(tmp_path)).close()
    assert queries.alerts(tmp_path) == []


async def test_a_large_file_is_read_through_only_when_the_daemon_before_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "READ_ALWAYS_BYTES", 0)
    await a_store(tmp_path)
    garble(tmp_path / "main.db", root_page(tmp_path / "main.db", "bars"))
    store = await opened(tmp_path)
    await store.close(clean=False)
    with pytest.raises(DamagedError):
        await opened(tmp_path)
    with pytest.raises(DamagedError):
        await opened(tmp_path)


def test_who_only_borrows_the_lock_leaves_it_as_it_was(tmp_path: Path) -> None:
    for clean, left_behind in ((True, False), (False, False), (None, True), (True, True), (None, False)):
        lock = DirectoryLock(tmp_path)
        assert lock.take() and lock.left_behind is left_behind
        lock.release(clean=clean)


@pytest.mark.parametrize("left", [b"", b"\0" * 16, b" 4711\n"])
def test_a_lock_whose_content_went_with_the_power_is_no_end_in_good_order(left: bytes, tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").write_bytes(left)
    lock = DirectoryLock(tmp_path)
    assert lock.take() and lock.left_behind
    assert lock_holder(tmp_path) == os.getpid()
    lock.release(clean=True)
    assert lock_holder(tmp_path) is None
    assert lock.take() and not lock.left_behind
    lock.release()


def test_the_lock_is_on_the_disk_before_anything_else_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    for expected in (["daemon.lock", tmp_path.name], ["daemon.lock"]):
        lock = DirectoryLock(tmp_path)
        assert lock.take()
        assert synced == expected
        lock.release()
        synced.clear()


@pytest.mark.parametrize("how", ["head", "page"])
async def test_a_damaged_tape_is_put_aside_and_told_to_who_listens_later(how: str, tmp_path: Path) -> None:
    await a_store(tmp_path)
    (tape,) = queries.tape_paths(tmp_path)
    page = root_page(tape, "ticks")
    garble(tape, page if how == "page" else None)
    damaged = tape.read_bytes()
    store = await opened(tmp_path)
    told: list[SetAside] = []
    store.tape.listen(told.append)
    assert [(one.name, one.kept) for one in told] == [(tape.name, f"{tape.name}.damaged-1")]
    assert tape.with_name(told[0].kept).read_bytes() == damaged
    store.record(a_tick(FRIDAY_US + 5))
    await store.close()
    assert queries.tape_paths(tmp_path) == [tape]
    assert [event.event_us for event in queries.read_tape(tape)] == [FRIDAY_US + 5]


async def test_damage_met_while_writing_puts_the_tape_aside_and_writes_what_waits_on_a_new_one(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    store.record(a_tick(FRIDAY_US))
    await store.flush()
    assert store.tape._tape is not None
    (tape,) = queries.tape_paths(tmp_path)

    def damaged(_: object) -> None:
        raise DamagedError(tape, "database disk image is malformed")

    told: list[SetAside] = []
    store.tape.listen(told.append)
    store.tape._tape._write = lambda raw, events: damaged(raw)  # type: ignore[assignment, method-assign, return-value]
    store.record(a_tick(FRIDAY_US + 10))
    await store.flush()
    assert [one.kept for one in told] == [f"{tape.name}.damaged-1"]
    gap, tick = queries.read_tape(tape)
    assert isinstance(gap, Gap) and gap.event_us == gap.to_us == FRIDAY_US + 9 and gap.from_us < FRIDAY_US
    assert isinstance(tick, Tick) and tick.event_us == FRIDAY_US + 10
    assert [one.event_us for one in queries.read_tape(tape.with_name(told[0].kept))] == [FRIDAY_US]
    await store.close()


async def test_a_tape_that_may_not_be_written_holds_up_nothing_and_goes_on_when_it_may(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    day = tmp_path / "tape-20261120.db"
    day.mkdir()  # nothing can be opened there
    store.record(a_tick(FRIDAY_US))
    with pytest.raises(TransientError, match=r"tape-.*cannot be opened"):
        await store.flush()
    assert "cannot be opened" in store.tape.error and store.tape.buffered == 1
    day.rmdir()
    await store.flush()
    assert store.tape.error == "" and store.tape.buffered == 0
    await store.close()


def test_a_tape_that_is_damaged_again_and_again_is_not_given_name_after_name(tmp_path: Path) -> None:
    tape = tmp_path / "tape-20261120.db"
    error = DamagedError(tape, "malformed")
    for number in range(damage.SET_ASIDE_MAX):
        tape.touch()
        tape.with_name(f"{tape.name}-wal").touch()
        assert set_aside(tape, error) == SetAside(tape.name, f"{tape.name}.damaged-{number + 1}", "malformed")
    assert tape.with_name(f"{tape.name}.damaged-1-wal").exists() and not tape.with_name(f"{tape.name}-wal").exists()
    tape.touch()
    with pytest.raises(TransientError, match="damaged 20 times"):
        set_aside(tape, error)
    assert tape.exists()


async def test_a_lock_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").mkdir()
    with pytest.raises(FatalError, match=r"daemon\.lock cannot be opened"):
        await opened(tmp_path)
