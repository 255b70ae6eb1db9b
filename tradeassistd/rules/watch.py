"""Notices that the rules directory changed, and waits until it has settled (rules.md 6.1, 6.2).

inotify says when to look, never what to believe: after every stir, and every ten seconds without one, the bytes are
read and compared. So a lost event, a file system without events or a swapped link costs seconds, not the change.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing, suppress
from pathlib import Path

import structlog
from watchfiles import Change, awatch

from tradeassistd.base.clock import Clock

QUIET_S = 0.3
SETTLE_WITHIN_S = 5.0
RESCAN_EVERY_S = 10.0
STEP_MS = 50

Places = frozenset[tuple[str, int, int]]
"""What is listened to: path, device and inode."""

log = structlog.get_logger(__name__)


class RulesWatch:
    """`stirred()` returns when it is time to read the directory again."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._stir = asyncio.Event()
        self._deaf = ""
        """Why inotify does not work here, said once."""
        self._linked: frozenset[str] = frozenset()
        """Directories that links in the rules directory lead to."""

    def request(self) -> None:
        """Somebody asks for a look now (SIGHUP, `rules reload`)."""
        self._stir.set()

    async def run(self) -> None:
        """Listen for changes until cancelled; a directory that was moved, replaced or linked anew is heard anew."""
        while True:
            places, heard = await self._places(), asyncio.Event()
            listening = self._listen([path for path, _, _ in places], heard)
            listener: asyncio.Task[None] = asyncio.create_task(listening, name="rules.listen")
            try:
                await asyncio.sleep(0)  # it listens from its first step on
                self._stir.set()  # what came before that was not heard
                are_same = await self._places() == places
                while are_same:
                    await self._until(heard)
                    heard.clear()
                    self._stir.set()
                    are_same = not listener.done() and await self._places() == places
                self._stir.set()
            finally:
                listener.cancel()
                await asyncio.wait({listener})  # awaiting it would take a stop that comes now for its own end
            if not listener.cancelled():
                listener.result()

    async def stirred(self) -> None:
        """Return after a change or request, once nothing has moved for a moment and git is not in the middle of it."""
        await self._stir.wait()
        end_s = self._clock.elapsed_s() + SETTLE_WITHIN_S
        while self._stir.is_set() or await asyncio.to_thread(self._git_is_busy):
            self._stir.clear()
            if self._clock.elapsed_s() >= end_s:
                return
            await self._clock.pause(QUIET_S)

    async def _until(self, heard: asyncio.Event) -> None:
        """Until something was heard, or it is time to look anyway."""
        with suppress(TimeoutError):
            async with self._clock.deadline(RESCAN_EVERY_S):
                await heard.wait()

    async def _listen(self, paths: list[str], heard: asyncio.Event) -> None:
        """Say what is heard, until a place that is listened to goes: one made anew may be the same by its inode."""
        if not paths:
            return
        places = frozenset(paths)
        try:
            listening = awatch(
                *paths, watch_filter=self._concerns, step=STEP_MS, recursive=False, ignore_permission_denied=True
            )
            async with aclosing(listening) as heard_of:
                async for changes in heard_of:
                    self._deaf = ""
                    heard.set()
                    if any(path in places for _, path in changes):
                        return
        except (OSError, RuntimeError) as error:
            # No inotify to be had (limits, file system): the look every ten seconds does it alone.
            if str(error) != self._deaf:
                self._deaf = str(error)
                log.warning("rules.watch_deaf", reason=self._deaf, look_every_s=RESCAN_EVERY_S)

    def _concerns(self, _: Change, path: str) -> bool:
        """Of what happens beside the directory only its own coming and going matters."""
        place, parent = Path(path), self._directory.parent
        return place.parent != parent or place == self._directory or str(parent) in self._linked

    async def _places(self) -> Places:
        """The directory, its parent (it may be moved away and back), and where links in it really lead."""
        places, self._linked = await asyncio.to_thread(self._look_around)
        return places

    def _look_around(self) -> tuple[Places, frozenset[str]]:
        linked = self._links()
        paths = {str(self._directory.parent), str(self._directory), os.path.realpath(self._directory)}
        return _there(paths | linked), linked

    def _links(self) -> frozenset[str]:
        """The directories where links in the rules directory end; a link may lead nowhere, or to itself."""
        try:
            with os.scandir(self._directory) as entries:
                links = [entry.path for entry in entries if entry.is_symlink()]
        except OSError as error:
            log.debug("rules.unlisted", directory=str(self._directory), reason=error.strerror)
            return frozenset()
        return frozenset(str(Path(os.path.realpath(link)).parent) for link in links)

    def _git_is_busy(self) -> bool:
        """A checkout in progress holds .git/index.lock; a .git that the daemon may not look into is none of its own."""
        for folder in (self._directory, *self._directory.parents):
            with suppress(OSError):
                if (folder / ".git" / "index.lock").exists():
                    return True
        return False


def _there(paths: set[str]) -> Places:
    """Those of the paths that are there."""
    places = set()
    for path in paths:
        with suppress(OSError):
            found = Path(path).stat()
            places.add((path, found.st_dev, found.st_ino))
    return frozenset(places)
