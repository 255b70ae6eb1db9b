"""Programs that tests need and pip does not bring; `.ci/apt` lists their packages."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

END_WITHIN_S = 60.0
START_WITHIN_S = 60.0


def needs(program: str, package: str) -> str:
    """The path of a program. Without it the test is skipped, naming the package; where CI is set, it fails."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed: apt-get install {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that runs as long as the block, its output piped; ended by its id."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=null, stdout=pipe, stderr=null)
    try:
        yield process
    finally:
        try:
            _tell(process, signal.SIGTERM)
            async with asyncio.timeout(END_WITHIN_S):
                await process.communicate()
        finally:
            _tell(process, signal.SIGKILL)


async def first_line(process: asyncio.subprocess.Process) -> str:
    """What a program says once it is ready; a test whose program never is fails."""
    assert process.stdout is not None
    async with asyncio.timeout(START_WITHIN_S):
        return (await process.stdout.readline()).decode().strip()


def _tell(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Not with asyncio's own way, which may take the exit code from under asyncio's feet."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
