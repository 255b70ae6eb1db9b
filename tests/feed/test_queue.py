"""The queue between the connection and the engine: in order, never waited for, and a limit that slows the reader."""

from __future__ import annotations

import asyncio

from tests.feed.line import Line
from tests.feed.streams import settle, until
from tradeassistd.feed.connection import FRAME_WITHIN_S
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import FRAMES_QUEUED_MAX, FrameQueue


async def test_the_reader_stops_reading_while_the_engine_is_far_behind() -> None:
    line = Line({"frames": 3 * FRAMES_QUEUED_MAX})
    async with line.running():
        await until(lambda: line.queue.held_back == 1)
        full = len(line.queue)
        assert full == FRAMES_QUEUED_MAX
        await line.clock.step(10 * FRAME_WITHIN_S)
        assert len(line.queue) == full, "held back is not mute"
        assert line.loop.state == "live"
        line.queue.take(FRAMES_QUEUED_MAX // 2)
        await settle()
        assert len(line.queue) == full - FRAMES_QUEUED_MAX // 2, "still too much to read on"
        line.queue.take(1)
        await until(lambda: line.queue.held_back == 2)
        assert len(line.queue) == FRAMES_QUEUED_MAX


async def test_a_queue_gives_in_order_and_says_when_there_is_something() -> None:
    queue = FrameQueue()
    waiting = asyncio.create_task(queue.filled())
    await settle()
    assert not waiting.done()
    for number in range(5):
        queue.put(Frame(number))
    await waiting
    assert [entry.header_ms for entry in queue.take(3) if isinstance(entry, Frame)] == [0, 1, 2]
    await queue.filled()
    assert len(queue.take(99)) == 2
    assert queue.take(99) == []
    again = asyncio.create_task(queue.filled())
    await settle()
    assert not again.done()
    queue.put(Frame(9))
    await again


async def test_putting_never_waits_even_when_there_is_no_room() -> None:
    queue = FrameQueue()
    for number in range(FRAMES_QUEUED_MAX + 10):
        queue.put(Frame(number))
    assert len(queue) == FRAMES_QUEUED_MAX + 10
    room = asyncio.create_task(queue.room())
    await settle()
    assert not room.done() and queue.held_back == 1
    queue.take(FRAMES_QUEUED_MAX)
    await room
    await queue.room()
    assert queue.held_back == 1


async def test_a_line_that_is_given_up_while_the_queue_is_full_goes_before_the_next_frame() -> None:
    line = Line({}, {})
    async with line.running():
        for number in range(FRAMES_QUEUED_MAX):
            line.queue.put(Frame(number + 1))
        line.streams[0].send(Frame(1))
        await settle()
        line.loop.give_up("mute")
        line.story()
        await settle()
        assert (line.loop.state, line.loop.reason) == ("backoff", "mute")
