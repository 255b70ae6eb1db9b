"""Batches, day roll, thinning and trouble of the tape's writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.store.makers import FRIDAY_US, a_tick
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.errors import TransientError
from tradeassistd.engine.events import ClockTurn, Event, Gap, Stop
from tradeassistd.market.session import trading_day
from tradeassistd.store import tape_writer
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.tape_writer import FLUSH_EVENTS, FLUSH_EVENTS_MAX, TapeWriter


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else holds the file's write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def impatient(writer: TapeWriter) -> Path:
    """A writer with its tape open that gives up on a lock at once; returns the tape's path."""
    writer.record(ClockTurn(FRIDAY_US))
    await writer.flush()
    assert writer._tape is not None
    await writer._tape._database.read(lambda raw: raw.execute("PRAGMA busy_timeout = 0").fetchone())
    return writer._tape.path


@asynccontextmanager
async def running(writer: TapeWriter) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await writer.close()


async def test_a_full_batch_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_writer, "FLUSH_EVERY_S", 3_600)  # so that only the full batch can be the reason
    writer = TapeWriter(tmp_path, clock=WallClock())
    sent = [a_tick(FRIDAY_US + number) for number in range(FLUSH_EVENTS)]
    async with running(writer):
        for tick in sent:
            writer.record(tick)
        await until(lambda: writer.written == len(sent))
        assert writer.path is not None
        assert list(read_tape(writer.path)) == sent


async def test_a_single_event_does_not_wait_for_a_batch(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=WallClock())
    async with running(writer):
        writer.record(a_tick(FRIDAY_US))
        await until(lambda: writer.written == 1)
        assert writer.path is not None
        assert list(read_tape(writer.path)) == [a_tick(FRIDAY_US)]


async def test_recording_never_waits_and_close_writes_the_rest(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock())
    sent = [a_tick(FRIDAY_US + number) for number in range(FLUSH_EVENTS_MAX * 2 + 5)]
    for tick in sent:
        writer.record(tick)
    assert (writer.written, writer.buffered) == (0, len(sent))
    await writer.close()
    assert list(read_tape(tmp_path / "tape-20261120.db")) == sent


async def test_the_day_roll_opens_the_next_file(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock())
    monday_us = trading_day(FRIDAY_US + 86_400_000_000)[1]
    friday: list[Event] = [a_tick(monday_us - 2), ClockTurn(monday_us - 1)]
    monday: list[Event] = [ClockTurn(monday_us), a_tick(monday_us + 1)]
    for event in (*friday, *monday):
        writer.record(event)
    await writer.close()
    assert list(read_tape(tmp_path / "tape-20261120.db")) == friday
    assert list(read_tape(tmp_path / "tape-20261123.db")) == monday


async def test_a_disk_that_does_not_take_it_thins_ticks_only_and_leaves_a_gap(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock(), buffered_max=10)
    path = await impatient(writer)
    kept: list[Event] = [a_tick(FRIDAY_US + number) for number in range(1, 11)]
    with locked(path):
        for event in kept:
            writer.record(event)
        with pytest.raises(TransientError):
            await writer.flush()
        assert "locked" in writer.error
        for number in range(11, 20):
            writer.record(a_tick(FRIDAY_US + number))
        writer.record(ClockTurn(FRIDAY_US + 20))
        writer.record(a_tick(FRIDAY_US + 21))
    assert (writer.thinned, writer.buffered) == (10, 11)
    await writer.flush()
    assert writer.error == ""
    writer.record(a_tick(FRIDAY_US + 22))
    await writer.close()

    gap = Gap(FRIDAY_US + 21, FRIDAY_US + 11, FRIDAY_US + 21, "the tape was thinned: disk too slow")
    expected = [ClockTurn(FRIDAY_US), *kept, ClockTurn(FRIDAY_US + 20), gap, a_tick(FRIDAY_US + 22)]
    assert list(read_tape(path)) == expected


async def test_a_gap_still_open_at_the_end_is_written_too(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock(), buffered_max=1)
    writer.record(Stop(FRIDAY_US))
    writer.record(a_tick(FRIDAY_US + 1))
    await writer.close()
    reason = "the tape was thinned: disk too slow"
    gap = Gap(FRIDAY_US + 1, FRIDAY_US + 1, FRIDAY_US + 1, reason)
    assert list(read_tape(tmp_path / "tape-20261120.db")) == [Stop(FRIDAY_US), gap]


async def test_the_loop_goes_on_once_the_disk_takes_it_again(tmp_path: Path) -> None:
    clock = ManualClock()
    writer = TapeWriter(tmp_path, clock=clock)
    path = await impatient(writer)
    async with running(writer):
        with locked(path):
            writer.record(a_tick(FRIDAY_US + 1))
            await until(lambda: clock.pauses_s)
            assert writer.error
        clock.pass_time(1.0)
        await until(lambda: writer.written == 2)
        assert writer.error == ""


async def test_an_event_of_the_thinned_day_finds_its_own_file_after_the_roll(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock(), buffered_max=1)
    monday_us = trading_day(FRIDAY_US + 86_400_000_000)[1]
    writer.record(a_tick(monday_us - 3))
    writer.record(a_tick(monday_us - 2))  # dropped
    writer.record(ClockTurn(monday_us))
    await writer.flush()
    writer.record(a_tick(monday_us + 1))
    await writer.close()
    friday, monday = (list(read_tape(tmp_path / f"tape-202611{day}.db")) for day in (20, 23))
    assert [event.event_us - monday_us for event in friday] == [-3, -2]
    assert [event.event_us - monday_us for event in monday] == [0, 1]


async def test_a_cancelled_flush_loses_nothing(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock())
    sent = [a_tick(FRIDAY_US + number) for number in range(3_000)]
    for tick in sent:
        writer.record(tick)
    for steps in range(6):
        task = asyncio.create_task(writer.flush())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await writer.close()
    assert list(read_tape(tmp_path / "tape-20261120.db")) == sent
