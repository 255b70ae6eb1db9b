"""What the bundle asks of the API: raw frames, redacted and paced, and the last lines of the log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.api.service import serving
from tradeassistd.api.http import FRAMES_PER_TURN, _paced
from tradeassistd.base.errors import PermanentError
from tradeassistd.base.log import set_up
from tradeassistd.cli.client import lines_of
from tradeassistd.cli.not_running import NotRunningError


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_frames_come_as_lines_without_what_is_secret(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for number in range(3 * FRAMES_PER_TURN + 1):
            row = {"key": "SPY", "3": 600 + number, "account": "89874630"}
            service.ring.put(json.dumps({"data": [{"service": "LEVELONE_EQUITIES", "content": [row]}]}))
        found = await asyncio.to_thread(lambda: list(lines_of(service.path, "/diagnostics/frames")))
    assert [json.loads(line)["frame"]["data"][0]["content"][0]["3"] for line in found] == [*range(600, 616)]
    assert not any(b"89874630" in line for line in found)


async def test_no_frames_are_no_lines(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert await asyncio.to_thread(lambda: list(lines_of(service.path, "/diagnostics/frames"))) == []


async def test_other_work_has_its_turn_between_a_few_frames() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(other())
    parts = [part async for part in _paced(iter(["{}"] * 10 * FRAMES_PER_TURN))]
    working.cancel()
    assert len(parts) == 10 and turns >= 10


async def test_the_last_lines_of_the_log(tmp_path: Path, _as_it_was: None) -> None:
    set_up("json")
    structlog.get_logger("any").info("feed.state", state="live")
    async with serving(tmp_path) as service:
        answer = (await service.ask("/diagnostics/log")).document
    assert json.loads(answer[-1])["event"] == "feed.state"


async def test_lines_of_something_else_or_nobody_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(PermanentError, match="404"):
            await asyncio.to_thread(lambda: list(lines_of(service.path, "/nothing")))
    with pytest.raises(NotRunningError):
        list(lines_of(service.path, "/diagnostics/frames"))
