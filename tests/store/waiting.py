"""Waiting for what another task does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LIMIT_S = 60.0


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition()` is true; a test that never gets there fails."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is a counter, which has no event
            await asyncio.sleep(0.001)
