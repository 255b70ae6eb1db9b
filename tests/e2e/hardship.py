"""What the tests of hardship share: ways to break the machine below a daemon, and what its log says of it."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import PATIENCE_S
from tests.e2e.test_process import daemon, start
from tests.e2e.webhook import Webhook
from tradeassistd.history.replay import replay
from tradeassistd.rules.load import load_texts
from tradeassistd.store import queries

LIVELY = """version: 1
defaults: {cooldown: 1s}
rules:
  - {id: spy-turns, symbols: [SPY, QQQ], when: 'price crosses sma(close, 2, 1m)'}
  - {id: tick-turns, symbols: [$TICK], when: price crosses 0}
  - {id: move, symbols: [/CL, /GC], when: 'abs(pct_change(price, 20s)) > 0.02%'}
"""
"""Fires every few seconds of a synthetic market that goes thirty times as fast."""


class Running:
    """A daemon as a program of its own, whose log is read as it comes."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        self.program = program
        self.lines: list[dict[str, Any]] = []
        self.other: list[str] = []
        """What is no line of the log, a traceback for example."""
        self._said = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, folder: Path, *before: str) -> Running:
        """`before`: a program and its arguments that become the daemon."""
        return cls(await start(*daemon(folder)) if not before else await _start_behind(before, daemon(folder)))

    @classmethod
    async def of(cls, *arguments: str) -> Running:
        """A Python program that becomes a daemon."""
        return cls(await start(*arguments))

    async def said(self, event: str, count: int = 1) -> dict[str, Any]:
        """The line of the `count`-th such event; fails when the daemon ends without it."""
        async with asyncio.timeout(PATIENCE_S), self._said:
            await self._said.wait_for(lambda: len(self.all_of(event)) >= count or self._reading.done())
        assert len(self.all_of(event)) >= count, f"no {event} among {self.lines} {self.other}"
        return self.all_of(event)[count - 1]

    def all_of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    async def ended(self) -> int:
        """The exit code; nothing but lines of the log came."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reading
            code = await self.program.wait()
        assert not self.other, self.other
        return code

    async def stop(self) -> None:
        """End it in good order."""
        self.program.terminate()
        assert await self.ended() == 0, self.lines

    async def kill(self) -> None:
        self.program.kill()
        assert await self.ended() == -signal.SIGKILL

    async def _read(self) -> None:
        assert self.program.stderr is not None
        while line := await self.program.stderr.readline():
            async with self._said:
                if line.startswith(b"{"):
                    self.lines.append(json.loads(line))
                else:
                    self.other.append(line.decode())
                self._said.notify_all()
        async with self._said:
            self._said.notify_all()


async def _start_behind(before: tuple[str, ...], command: tuple[str, ...]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *before, sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def refused(folder: Path, *before: str) -> dict[str, Any]:
    """Start a daemon that does not come up; gives the one line that says why."""
    running = await Running.start(folder, *before)
    assert await running.ended() == 1
    assert not running.all_of("daemon.ready")
    (line,) = running.all_of("daemon.failed")
    assert not [one for one in running.lines if one is not line and one["level"] in ("error", "critical")]
    return line


@contextmanager
def no_room(pid: int) -> Iterator[None]:
    """Every write of that process to a file fails, as on a full disk: no file may be longer than nothing."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size; skips where this user may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until the disk takes no more."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError:
                    break
    return filler


def without_root() -> tuple[str, ...]:
    """What to start a program behind so that rights count for it, also when this user is root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write everywhere, and there is no setpriv here")
    return (setpriv, "--bounding-set", "-dac_override,-dac_read_search,-fowner")


def garble(path: Path, page: int | None = None) -> None:
    """Overwrite the head of a file, or (counted from 1) one page of a database, with what nobody wrote."""
    with path.open("r+b") as file:
        file.seek(16)
        size = int.from_bytes(file.read(2), "big")
        file.seek(0 if page is None else (page - 1) * size)
        file.write(bytes(range(1, 252)) * (size // 251))


def root_page(path: Path, table: str) -> int:
    """Where a table begins; the file holds everything then, and its log nothing."""
    raw = sqlite3.connect(path)
    try:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()
    return int(page)


def garble_in_use(path: Path, table: str) -> None:
    """Damage a table below the program that has the file open, and have it read the file anew."""
    raw = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_S)
    log = path.with_name(f"{path.name}-wal")
    try:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        while True:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.execute("BEGIN IMMEDIATE")  # nobody writes the page into the log again, which would hide the damage
            if not log.stat().st_size:
                break
            raw.execute("ROLLBACK")
        garble(path, int(page))
        raw.execute("INSERT INTO meta VALUES ('somebody else', 'was here')")  # so that what is in memory counts no more
        raw.execute("COMMIT")
    finally:
        raw.close()


def check_told(hook: Webhook, state: Path) -> None:
    """Every alert that somebody is to hear of came, and came again only when that was said."""
    stored = queries.alerts(state, limit=100_000, include_suppressed=False)
    seen: Counter[str] = Counter()
    for post in hook.posts:
        if "not stored" in post["title"]:
            continue
        for one in stored:
            if f"id {one.alert.id}" in post["message"]:
                assert not seen[one.alert.id] or "May be a repeat" in post["message"], post
                seen[one.alert.id] += 1
    waiting = {one.alert.id for one in stored for delivery in one.deliveries if delivery.state.value != "sent"}
    assert {one.alert.id for one in stored} - seen.keys() <= waiting


def check_replay(state: Path) -> None:
    """The tape is whole: it gives the stored transitions again."""
    events = [event for tape in sorted(queries.tape_paths(state)) for event in queries.read_tape(tape)]
    again = list(replay(events, lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set))
    stored = [one for one in queries.transitions(state) if not one.rule_id.startswith("!")]
    assert again == stored and stored
