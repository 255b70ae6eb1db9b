"""Runs the daemon's loops: each has a name, and one that ends unasked ends the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from tradeassistd.base.errors import FatalError, TradeAssistError

_log = structlog.get_logger(__name__)


class Supervisor:
    """Named tasks that are meant to run until told to stop."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, loops: Mapping[str, Coroutine[Any, Any, Any]]) -> None:
        """Start every loop under its name."""
        self._tasks += [asyncio.create_task(loop, name=name) for name, loop in loops.items()]

    async def until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises FatalError, naming the loop, when one ends before that."""
        waiter = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({waiter, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        for task in done - {waiter}:
            error = task.exception() if not task.cancelled() else None
            hint = error.hint if isinstance(error, TradeAssistError) else "see the log above; the state is kept"
            if error is not None and not isinstance(error, TradeAssistError):
                _log.error("loop.raised", loop=task.get_name(), exc_info=error)  # a mistake of the program: all of it
            raise FatalError(f"{task.get_name()} ended unasked: {error or 'cancelled'}", hint=hint) from error

    async def cancel(self, name: str) -> None:
        """Cancel one loop and wait until it has gone; what it raises on the way out is not news any more."""
        for task in [task for task in self._tasks if task.get_name() == name]:
            self._tasks.remove(task)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
