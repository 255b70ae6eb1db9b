"""The tape gives way before the disk is full, says so once, and comes back by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.store.makers import FRIDAY_US, a_tick
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.events import Gap
from tradeassistd.market.tick import Tick
from tradeassistd.store.density import Density
from tradeassistd.store.room import LOOK_EVERY_S, MIN_FREE_BYTES, Room, disk_room, min_free_of
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.tape_writer import TapeWriter

GB = 2**30


class Disk:
    """A disk whose room a test decides, and that can be gone."""

    def __init__(self, free: float) -> None:
        self.free = free
        self.gone = False

    def __call__(self, path: Path) -> tuple[int, int]:
        if self.gone:
            raise OSError("stale file handle")
        return 100 * GB, round(self.free * GB)


class Stage:
    """A tape, a disk, and what was said."""

    def __init__(self, folder: Path, *, density: Density = Density.EVERY, min_free: int | None = None) -> None:
        self.disk = Disk(50)
        self.clock = ManualClock(FRIDAY_US)
        self.tape = TapeWriter(folder, clock=self.clock, density=density)
        self.said: list[tuple[str, str]] = []
        self.room = Room(self.tape, folder, self.clock, lambda *words: self.said.append(words), min_free, self.disk)

    async def at(self, free: float) -> Density:
        """What the tape keeps once so many GB are free."""
        self.disk.free = free
        await self.room.look()
        return self.tape.density

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.said]


async def test_it_thins_then_stops_and_comes_back_each_said_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert await stage.at(2.0) is Density.EVERY
    assert stage.said == []
    for free, kept in (
        (1.9, 1), (1.99, 1), (1.0, 1), (0.99, 2), (0.5, 2), (1.2, 2), (1.3, 1), (0.9, 2), (2.4, 1), (1.9, 1), (2.5, 0),
    ):  # fmt: skip
        assert await stage.at(free) == kept, free
        assert stage.room.status()["tape_kept"] == Density(kept).word
    full, nearly = "The disk is getting full", "The disk is nearly full"
    assert stage.titles == [full, nearly, "There is room on the disk again"]
    assert "1.9 GB are free" in stage.said[0][1] and str(tmp_path) in stage.said[0][1]
    assert "tape has stopped" in stage.said[1][1] and "alerts go on" in stage.said[1][1]
    assert await stage.at(0.1) is Density.BARS  # the next time is told again
    assert stage.titles[3:] == [nearly]


async def test_the_tape_has_what_there_was_room_for_and_gaps_where_there_was_none(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    for number, free in enumerate((50.0, 0.5, 0.5, 50.0)):
        await stage.at(free)
        for tick in range(3):
            stage.tape.record(a_tick(FRIDAY_US + number * 10 + tick))
    await stage.tape.close()
    events = list(read_tape(tmp_path / "tape-20261120.db"))
    assert [event.event_us - FRIDAY_US for event in events if isinstance(event, Tick)] == [0, 1, 2, 30, 31, 32]
    gaps = [(gap.from_us - FRIDAY_US, gap.to_us - FRIDAY_US) for gap in events if isinstance(gap, Gap)]
    assert gaps == [(10, 12), (20, 22)]


async def test_a_tape_that_keeps_little_anyway_is_not_said_to_be_thinned(tmp_path: Path) -> None:
    stage = Stage(tmp_path, density=Density.SECOND)
    assert await stage.at(1.5) is Density.SECOND
    assert stage.said == []
    assert await stage.at(0.5) is Density.BARS
    assert await stage.at(50) is Density.SECOND
    assert stage.titles == ["The disk is nearly full", "There is room on the disk again"]


async def test_no_limit_at_all(tmp_path: Path) -> None:
    stage = Stage(tmp_path, min_free=0)
    assert await stage.at(0.0) is Density.EVERY
    assert stage.said == []


async def test_a_disk_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert await stage.at(1.5) is Density.SECOND
    stage.disk.gone = True
    with capture_logs() as logs:
        for _ in range(3):
            assert await stage.at(50) is Density.SECOND
    assert stage.room.status() == {
        "free": None, "min_free": GB, "tape_kept": "1s", "error": "stale file handle",
    }  # fmt: skip
    assert [line["event"] for line in logs].count("disk.unknown") == 1
    stage.disk.gone = False
    assert await stage.at(50) is Density.EVERY
    assert stage.room.status()["error"] == ""


async def test_it_looks_at_once_and_then_every_few_seconds(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.disk.free = 0.5
    task = asyncio.create_task(stage.room.run())
    await until(lambda: stage.tape.density is Density.BARS and stage.clock.pauses_s)
    stage.disk.free = 50
    assert stage.tape.density is Density.BARS
    stage.clock.pass_time(LOOK_EVERY_S)
    await until(lambda: stage.tape.density is Density.EVERY)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("setting", "total", "left"),
    [(None, 252 * GB, MIN_FREE_BYTES), (None, 20 * GB, GB), (None, 16_000_000, 800_000), (0, GB, 0), (5, GB, 5)],
)
def test_on_a_small_disk_less_is_left_free(setting: int | None, total: int, left: int) -> None:
    assert min_free_of(setting, total) == left


def test_the_real_disk_answers(tmp_path: Path) -> None:
    total, free = disk_room(tmp_path)
    assert total >= free > 0
