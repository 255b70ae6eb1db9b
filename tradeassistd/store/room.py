"""Watches the room on the disk: the tape gives way before the disk is full, for alerts need it more.

Below twice `min_free` the tape keeps one tick a second of each symbol, below `min_free` none. What was left out is a
gap on the tape. When there is room again it goes on as before.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.store.density import Density
from tradeassistd.store.tape_writer import TapeWriter

LOOK_EVERY_S = 5.0
MIN_FREE_BYTES = 2**30
MIN_FREE_PART = 20
"""On a small disk a twentieth of it is left free."""
THIN_BELOW = 2.0
"""Times `min_free`."""
RECOVERED_ABOVE = 1.25
"""Times the limit: whoever frees a little must not make the tape begin and end again and again."""

_log = structlog.get_logger(__name__)


def disk_room(path: Path) -> tuple[int, int]:
    """Bytes of the disk below `path`, and how many of them are free for this user. Raises OSError."""
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


def min_free_of(setting: int | None, total: int) -> int:
    """The bytes to leave free on a disk of that size."""
    return min(MIN_FREE_BYTES, total // MIN_FREE_PART) if setting is None else setting


class Room:
    """Thins and stops the tape by what is free, and says so once."""

    def __init__(
        self, tape: TapeWriter, directory: Path, clock: Clock, say: Callable[[str, str], None],
        min_free: int | None = None, measure: Callable[[Path], tuple[int, int]] = disk_room,
    ) -> None:  # fmt: skip
        """`say` sends a title and a text to the default channels; `measure` gives the bytes there are and are free."""
        self._tape = tape
        self._directory = directory
        self._clock = clock
        self._say = say
        self._setting = min_free
        self._measure = measure
        self._level = Density.EVERY
        self._told = Density.EVERY
        self._free: int | None = None
        self._min_free: int | None = min_free
        self._error = ""

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.look()
            await self._clock.pause(LOOK_EVERY_S)

    async def look(self) -> None:
        """Measure, and have the tape keep what there is room for."""
        try:
            total, free = await asyncio.to_thread(self._measure, self._directory)
        except OSError as error:  # a disk that does not answer takes nothing either: the writer holds what it has
            if not self._error:
                _log.warning("disk.unknown", reason=str(error))
            self._free, self._error = None, str(error)
            return
        self._error, self._free, self._min_free = "", free, min_free_of(self._setting, total)
        self._level = self._level_at(free, self._min_free)
        # Called at every look: what has been left out since the last one is noted then.
        self._tape.limit(self._level, f"{_size(free)} free on the disk")
        self._tell(free)

    def status(self) -> dict[str, Any]:
        """For `status`: bytes, None while they are not known."""
        return {"free": self._free, "min_free": self._min_free, "tape_kept": self._level.word, "error": self._error}

    def _level_at(self, free: int, min_free: int) -> Density:
        stop, thin = float(min_free), THIN_BELOW * min_free
        if self._level is Density.BARS:
            stop *= RECOVERED_ABOVE
        if self._level is not Density.EVERY:
            thin *= RECOVERED_ABOVE
        return Density.BARS if free < stop else Density.SECOND if free < thin else Density.EVERY

    def _tell(self, free: int) -> None:
        """Once on the way down at each level, and once when it is over."""
        if self._level > self._told and (self._tape.limited or self._level is Density.BARS):
            self._told = self._level
            _log.error("disk.filling", free=free, min_free=self._min_free, tape_keeps=self._tape.density.word)
            self._say(*_words(self._level, free, self._directory))
        elif self._level is Density.EVERY and self._told is not Density.EVERY:
            self._told = Density.EVERY
            _log.info("disk.has_room", free=free, min_free=self._min_free)
            self._say("There is room on the disk again",
                      f"{_size(free)} are free for {self._directory}. The tape is written as before.")  # fmt: skip


def _words(level: Density, free: int, directory: Path) -> tuple[str, str]:
    left = f"{_size(free)} are free for {directory}."
    todo = "Rules see every tick, and alerts go on. Make room, or keep less: `tradeassist db info` says what takes it."
    if level is Density.SECOND:
        return "The disk is getting full", f"{left} The tape keeps one tick a second of each symbol until then. {todo}"
    return "The disk is nearly full", f"{left} The tape has stopped until there is more room. {todo}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
