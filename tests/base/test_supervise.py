"""Loops have names, and one that ends unasked ends the daemon."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from tradeassistd.base.errors import FatalError, PermanentError
from tradeassistd.base.supervise import Supervisor


class Loop:
    """A loop that goes on until it is told how to end."""

    def __init__(self) -> None:
        self.ended = False
        self._end = asyncio.Event()
        self._error: Exception | None = None

    async def run(self) -> None:
        try:
            await self._end.wait()
            if self._error:
                raise self._error
        finally:
            self.ended = True

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._end.set()


async def test_the_stop_ends_the_wait_and_leaves_the_loops_running() -> None:
    supervisor, loop, stop = Supervisor(), Loop(), asyncio.Event()
    supervisor.start({"engine": loop.run()})
    waiting = asyncio.create_task(supervisor.until(stop))
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.set()
    await waiting
    assert not loop.ended
    await supervisor.cancel("engine")
    assert loop.ended


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (None, "engine ended unasked: cancelled", "see the log above; the state is kept"),
        (OSError("disk on fire"), "engine ended unasked: disk on fire", "see the log above; the state is kept"),
        (PermanentError("no room", hint="make room"), "engine ended unasked: no room (make room)", "make room"),
    ],
)
async def test_a_loop_that_ends_or_raises_is_fatal_by_its_name(
    error: Exception | None, message: str, hint: str
) -> None:
    supervisor, loop, other = Supervisor(), Loop(), Loop()
    supervisor.start({"feed": other.run()})
    supervisor.start({"engine": loop.run()})
    waiting = asyncio.create_task(supervisor.until(asyncio.Event()))
    await asyncio.sleep(0)
    loop.end(error)
    with pytest.raises(FatalError) as fatal:
        await waiting
    assert (fatal.value.message, fatal.value.hint) == (message, hint)
    assert fatal.value.__cause__ is error
    assert not other.ended
    await supervisor.cancel("feed")


async def test_a_loop_that_was_cancelled_by_somebody_else_is_fatal_too() -> None:
    supervisor = Supervisor()

    async def cancelled() -> NoReturn:
        raise asyncio.CancelledError

    supervisor.start({"clock": cancelled()})
    with pytest.raises(FatalError, match="clock ended unasked: cancelled"):
        await supervisor.until(asyncio.Event())


async def test_a_loop_that_was_asked_to_end_is_no_news_whatever_it_raises_on_its_way_out() -> None:
    supervisor = Supervisor()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("could not say goodbye")

    supervisor.start({"engine": stubborn(), "feed": Loop().run()})
    await asyncio.sleep(0)
    await supervisor.cancel("engine")
    await supervisor.cancel("nobody")
    stop = asyncio.Event()
    stop.set()
    await supervisor.until(stop)
    await supervisor.cancel("feed")


async def test_leaving_the_wait_leaves_no_task_behind() -> None:
    supervisor, loop = Supervisor(), Loop()
    supervisor.start({"engine": loop.run()})
    waiting = asyncio.create_task(supervisor.until(asyncio.Event()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await supervisor.cancel("engine")
    await asyncio.sleep(0)
    assert not {"engine", "stop"} & {task.get_name() for task in asyncio.all_tasks()}
