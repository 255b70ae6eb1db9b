"""What wakes a reload: inotify wherever it works, a look every ten seconds where it does not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from watchfiles import Change
from watchfiles._rust_notify import WatchfilesRustInternalError

from tradeassistd.base.clock import WallClock
from tradeassistd.rules import watch
from tradeassistd.rules.watch import QUIET_S, RESCAN_EVERY_S, SETTLE_WITHIN_S, RulesWatch

PATIENCE_S = 60.0
TEXT = "version: 1\n"


class Clock(WallClock):
    """The look every so often never comes, or (`looks`) comes at once; other pauses take no time."""

    def __init__(self, *, looks: bool = False) -> None:
        self.looks = looks
        self.paused_s: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def deadline(self, seconds: float) -> asyncio.Timeout:
        assert seconds == RESCAN_EVERY_S
        return asyncio.timeout(0.01 if self.looks else None)

    def elapsed_s(self) -> float:
        return sum(self.paused_s)

    async def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)
        self.during()
        await asyncio.sleep(0)


@asynccontextmanager
async def watched(directory: Path, clock: Clock) -> AsyncIterator[RulesWatch]:
    one = RulesWatch(directory, clock)
    task = asyncio.create_task(one.run())
    try:
        await begins(one)
        clock.paused_s.clear()
        yield one
        assert not task.done(), "the watch ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def begins(one: RulesWatch) -> None:
    """It listens, and asks for a look: an edit from before that was not heard."""
    async with asyncio.timeout(PATIENCE_S):
        await one.stirred()


async def is_heard(one: RulesWatch, edit: Callable[[], Any]) -> bool:
    """Whether an edit is noticed within PATIENCE_S; made again and again, until a place that moved is heard anew."""
    async with asyncio.timeout(PATIENCE_S):  # raises: a watch that is deaf
        stirred = asyncio.create_task(one.stirred())
        while not stirred.done():
            edit()
            await asyncio.wait({stirred}, timeout=0.1)
        return stirred.done()


def make_anew(directory: Path) -> None:
    """Another directory, with the inode of the one before where the file system gives it away again."""
    inode = directory.stat().st_ino if directory.exists() else 0
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for number in range(5):
        if inode in (0, directory.stat().st_ino):
            return
        directory.rename(directory.with_name(f"filler-{number}-{inode}"))
        directory.mkdir()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules.d"
    directory.mkdir()
    (directory / "a.yaml").write_text(TEXT, "utf-8")
    return directory


async def test_a_directory_that_is_deleted_and_made_anew_is_heard_at_once(rules: Path) -> None:
    async with watched(rules, Clock()) as one:
        assert await is_heard(one, lambda: (rules / "a.yaml").write_text(TEXT, "utf-8"))
        for _ in range(3):  # at once, so mostly with the inode that it had
            make_anew(rules)
            for _ in range(4):  # more often than there is something to hear of the old one
                assert await is_heard(one, lambda: (rules / "a.yaml").write_text(TEXT, "utf-8"))
        shutil.rmtree(rules)
        assert await is_heard(one, lambda: None)
        make_anew(rules)
        assert await is_heard(one, lambda: (rules / "a.yaml").write_text(TEXT, "utf-8"))


@pytest.mark.parametrize("place", ["elsewhere", "."])
async def test_the_file_behind_a_link_is_heard_also_beside_the_directory(rules: Path, place: str) -> None:
    target = rules.parent / place / "shared.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text(TEXT, "utf-8")
    (rules / "b.yaml").symlink_to(target)
    async with watched(rules, Clock()) as one:
        assert await is_heard(one, lambda: target.write_text(TEXT, "utf-8"))
        moved = rules.parent / "further"
        moved.mkdir()
        (moved / "shared.txt").write_text(TEXT, "utf-8")
        (rules / "next").symlink_to(moved / "shared.txt")
        (rules / "next").rename(rules / "b.yaml")
        assert await is_heard(one, lambda: (moved / "shared.txt").write_text(TEXT, "utf-8"))


async def test_what_happens_beside_the_directory_concerns_nobody_unless_a_link_leads_there(rules: Path) -> None:
    one, parent = RulesWatch(rules, Clock()), rules.parent
    heard = dict.fromkeys((rules, rules / "a.yaml", parent / "elsewhere" / "shared.txt"), True)
    for links, beside in ((False, False), (True, True)):
        if links:
            (rules / "b.yaml").symlink_to(parent / "shared.txt")
        await one._places()
        for path, concerns in (heard | {parent / "shared.txt": beside}).items():
            assert one._concerns(Change.modified, str(path)) is concerns


async def test_links_that_lead_nowhere_or_to_themselves_and_a_sealed_git_do_not_end_it(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rules / ".#a.yaml").symlink_to("trader@host.1234:5678")  # so emacs says that it is editing a.yaml
    (rules / "loop.yaml").symlink_to("loop.yaml")
    exists = Path.exists

    def sealed(path: Path) -> bool:
        if path.name == "index.lock":
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", sealed)
    async with watched(rules, Clock()) as one:
        assert await is_heard(one, lambda: (rules / "a.yaml").write_text(TEXT, "utf-8"))


async def test_without_inotify_a_look_comes_all_the_same_and_is_said_once(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def exhausted(*_: object, **__: object) -> AsyncIterator[set[object]]:
        asked.append(1)
        raise WatchfilesRustInternalError("error setting up recommended watcher: Too many open files (os error 24)")
        yield set()

    clock = Clock(looks=True)
    with monkeypatch.context() as patched, capture_logs() as said:
        patched.setattr(watch, "awatch", exhausted)
        async with watched(rules, clock) as one:
            async with asyncio.timeout(PATIENCE_S):
                while len(asked) < 5:  # it is tried again at every look
                    await one.stirred()
            patched.undo()
            for _ in range(2):
                await one.stirred()
            clock.looks = False
            assert await is_heard(
                one, lambda: (rules / "a.yaml").write_text(TEXT, "utf-8")
            )  # there is one to be had again
    (warning,) = [one for one in said if one["event"] == "rules.watch_deaf"]
    assert "Too many open files" in warning["reason"] and warning["look_every_s"] == RESCAN_EVERY_S


async def test_it_waits_until_nothing_moves_and_git_is_done_but_not_for_ever(rules: Path) -> None:
    clock = Clock()
    one = RulesWatch(rules, clock)
    moves = [one.request, one.request]
    clock.during = lambda: moves.pop()() if moves else None
    one.request()
    await one.stirred()
    assert clock.paused_s == [QUIET_S] * 3
    lock = rules.parent / ".git" / "index.lock"  # the work tree may begin above
    lock.parent.mkdir()
    lock.touch()
    clock.paused_s.clear()
    clock.during = lambda: lock.unlink() if len(clock.paused_s) == 4 else None
    one.request()
    await one.stirred()
    assert clock.paused_s == [QUIET_S] * 4
    lock.touch()  # a git that was killed leaves it there
    clock.paused_s.clear()
    clock.during = lambda: None
    one.request()
    await one.stirred()
    assert sum(clock.paused_s) == pytest.approx(SETTLE_WITHIN_S, abs=QUIET_S)
