"""Notices that the rules directory changed, and waits until it has settled (rules.md 6.1, 6.2).

inotify says when to look, never what to believe: after every stir, and every ten seconds without one, the bytes are
read and compared. So a lost event, a file system without events or a swapped link costs seconds, not the change.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog
from watchfiles import Change, awatch

from tradeassistd.base.clock import Clock

QUIET_S = 0.3
SETTLE_WITHIN_S = 5.0
RESCAN_EVERY_S = 10.0
STEP_MS = 50

log = structlog.get_logger(__name__)


class RulesWatch:
    """`stirred()` returns when it is time to read the directory again."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._stir = asyncio.Event()
        self._deaf = ""
        """Why inotify does not work here, said once."""

    def request(self) -> None:
        """Somebody asks for a look now (SIGHUP, `rules reload`)."""
        self._stir.set()

    async def run(self) -> None:
        """Listen for changes until cancelled; a directory that was moved, replaced or linked anew is heard anew."""
        while True:
            places, heard = self._places(), asyncio.Event()
            listening = self._listen([path for path, _ in places], heard)
            listener: asyncio.Task[None] = asyncio.create_task(listening, name="rules.listen")
            try:
                while self._places() == places:
                    await self._until(heard)
                    heard.clear()
                    self._stir.set()
                self._stir.set()
            finally:
                listener.cancel()
                with suppress(asyncio.CancelledError):
                    await listener

    async def stirred(self) -> None:
        """Return after a change or request, once nothing has moved for a moment and git is not in the middle of it."""
        await self._stir.wait()
        end_s = self._clock.elapsed_s() + SETTLE_WITHIN_S
        while self._stir.is_set() or self._git_is_busy():
            self._stir.clear()
            if self._clock.elapsed_s() >= end_s:
                return
            await self._clock.pause(QUIET_S)

    async def _until(self, heard: asyncio.Event) -> None:
        """Until something was heard, or it is time to look anyway."""
        with suppress(TimeoutError):
            async with self._clock.deadline(RESCAN_EVERY_S):
                await heard.wait()

    async def _listen(self, paths: list[Path], heard: asyncio.Event) -> None:
        if not paths:
            return
        try:
            async for _ in awatch(*paths, watch_filter=self._concerns, step=STEP_MS, recursive=False):
                heard.set()
        except (OSError, RuntimeError) as error:
            # No inotify to be had (limits, file system): the look every ten seconds does it alone.
            if str(error) != self._deaf:
                self._deaf = str(error)
                log.warning("rules.watch_deaf", reason=self._deaf, look_every_s=RESCAN_EVERY_S)

    def _concerns(self, _: Change, path: str) -> bool:
        """Of what happens beside the directory only its own coming and going matters."""
        place = Path(path)
        return place.parent != self._directory.parent or place == self._directory

    def _places(self) -> frozenset[tuple[Path, int]]:
        """The directory, its parent (it may be moved away and back), and where links in it really lead; with inodes."""
        paths = {self._directory.parent, self._directory, self._directory.resolve()}
        try:
            paths |= {entry.resolve().parent for entry in self._directory.iterdir() if entry.is_symlink()}
        except OSError as error:
            log.debug("rules.unlisted", directory=str(self._directory), reason=error.strerror)
        places = set()
        for path in paths:
            with suppress(OSError):  # one that is not there is not listened to
                places.add((path, path.stat().st_ino))
        return frozenset(places)

    def _git_is_busy(self) -> bool:
        """A checkout in progress holds .git/index.lock."""
        return any((folder / ".git" / "index.lock").exists() for folder in (self._directory, *self._directory.parents))
