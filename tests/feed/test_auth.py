"""The daemon's login: refreshed in time, taken from its file whatever happens to that, and no secret in its status."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.feed.login import CREATED_S, a_desk, come_about, content
from tradeassistd.feed.auth import UNREADABLE_AFTER_S
from tradeassistd.feed.login_told import META_KEY
from tradeassistd.feed.refusals import LoginNeeded

# --- fresh in the background -----------------------------------------------------------------------------------------


async def test_the_access_token_is_refreshed_five_minutes_before_it_expires_though_nobody_calls(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.pass_s(10, steps=149)
        assert desk.posts == 0
        await desk.pass_s(10)
        await come_about(lambda: desk.login.status()["refreshed"])
        assert desk.server.calls == ["POST /v1/oauth/token grant_type=refresh_token&refresh_token=refresh-0"]
        stored = desk.file.read()
        assert (stored["creation_timestamp"], stored["token"]["access_token"]) == (CREATED_S, "access-1")
        await desk.pass_s(10, steps=149)
        assert desk.posts == 1
        await desk.pass_s(10)
        await come_about(lambda: desk.posts == 2)
    assert desk.told == []
    assert desk.login.needed == ""


@pytest.mark.parametrize("answer", [(503, {}), (403, "<TITLE>Access Denied</TITLE>"), (429, {}), (200, "no token")])
async def test_an_outage_is_tried_again_ever_more_slowly_and_needs_nobody(
    tmp_path: Path, answer: tuple[int, Any]
) -> None:
    async with a_desk(tmp_path) as desk:
        good, desk.server.token = desk.server.token, answer
        with capture_logs() as said:
            await desk.pass_s(1500)
            for tries, wait_s in enumerate((10, 20, 40, 80, 160, 300, 300), start=1):
                # Time stands while an answer is on its way, or it would come too late.
                await come_about(lambda tries=tries: len(waits_s(said)) == tries)  # type: ignore[misc]
                assert waits_s(said)[-1] == wait_s
                await desk.pass_s(10, steps=wait_s // 10 - 1)
                for _ in range(100):
                    await asyncio.sleep(0)
                assert desk.posts == tries, "nobody asks before the wait is over"
                if tries == 7:
                    desk.server.token = good
                await desk.pass_s(10)
        await come_about(lambda: desk.login.status()["refreshed"])
        assert desk.told == []
        assert desk.login.status()["last_error"] == ""


def waits_s(said: list[EventDict]) -> list[float]:
    """How long each refresh that failed is to be waited for until the next."""
    return [one["next_try_s"] for one in said if one["event"] == "token.not_refreshed"]


async def test_a_token_that_does_not_say_when_it_expires_is_refreshed_at_once_and_then_in_time(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.server.token = (200, {"access_token": "access-1", "refresh_token": "refresh-0", "token_type": "Bearer"})
        desk.file.write({"creation_timestamp": CREATED_S, "token": {"access_token": "a", "refresh_token": "refresh-0"}})
        await come_about(lambda: desk.posts == 1)
        await come_about(lambda: desk.login.status()["refreshed"])
        await desk.pass_s(10, steps=149)
        assert desk.posts == 1
        await desk.pass_s(20)
        await come_about(lambda: desk.posts == 2)


# --- the file --------------------------------------------------------------------------------------------------------


async def test_a_file_that_is_written_in_place_is_no_trouble(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.file.path.write_text('{"creation_timestamp": 17')
        await come_about(lambda: desk.login.status()["last_error"])
        await desk.pass_s(UNREADABLE_AFTER_S - 10)
        desk.file.path.write_text(json.dumps(content(1, created_s=CREATED_S + 5)))
        await come_about(lambda: not desk.login.status()["last_error"])
        await desk.pass_s(10, steps=10)
        assert desk.told == []


async def test_a_file_that_stays_away_is_told(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.login.entered("live", "")
        desk.file.path.unlink()
        await come_about(lambda: desk.login.status()["last_error"])
        await desk.pass_s(10, steps=10)
        ((title, text, _),) = desk.told
        assert title == "Schwab login needed, or the feed ends"
        assert "no Schwab token at" in text


async def test_without_a_token_a_stream_needs_a_login(tmp_path: Path) -> None:
    async with a_desk(tmp_path, running=False) as desk:
        desk.file.path.unlink()
        with pytest.raises(LoginNeeded, match="no Schwab token at"):
            desk.login.open_stream(lambda frame: None)
        assert desk.login.status()["ends"] == ""


async def test_the_status_has_no_secrets(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.pass_s(1500)
        await come_about(lambda: desk.login.status()["refreshed"])
        said = json.dumps(desk.login.status()) + repr(desk.login.token) + desk.memory.kept[META_KEY]
    for secret in ("access-0", "access-1", "refresh-0", '"key"', '"secret"'):
        assert secret not in said
