"""A token that Schwab takes no more: told once, not asked for again, and a new login is taken up at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.feed.login import CREATED_S, DEAD, EXPIRES_S, a_desk, come_about, content
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.auth import RENEW_AGAIN_AFTER_S
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Unauthorized


@pytest.mark.parametrize("error", ["unsupported_token_type", "invalid_client"])
async def test_a_dead_token_is_told_once_and_not_asked_for_again(tmp_path: Path, error: str) -> None:
    async with a_desk(tmp_path) as desk:
        desk.login.entered("live", "")
        desk.server.token = (400, {"error": error})
        await desk.pass_s(1500)
        await come_about(lambda: desk.told)
        await desk.pass_s(60, steps=400)
        ((title, text, severity),) = desk.told
        assert (title, severity) == ("Schwab login needed, or the feed ends", "critical")
        assert error in text and "Prices still come" in text and "tradeassist auth login" in text
        with pytest.raises(LoginNeeded, match=error):
            desk.login.open_stream(lambda frame: None)
        assert desk.posts == 1
        # The line drops: now nothing is watched, which is another thing.
        desk.login.entered("auth_needed", "dead")
        desk.login.entered("connecting", "")
        desk.login.entered("auth_needed", "dead")
        assert desk.titles[1:] == ["Schwab login needed: nothing is watched"]
        assert sorted(desk.memory.said) == ["dead", "down"]
        assert error in desk.login.needed


async def test_after_a_restart_a_dead_token_is_tried_once_and_not_told_again(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as first:
        first.server.token = DEAD
        await first.pass_s(1500)
        await come_about(lambda: first.told)
    async with a_desk(tmp_path, memory=first.memory) as second:
        second.server.token = DEAD
        await second.pass_s(1500)
        await come_about(lambda: second.login.needed)
        assert (second.told, second.posts) == ([], 1)


async def test_a_file_that_is_written_anew_is_one_more_try(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        good, desk.server.token = desk.server.token, DEAD
        await desk.pass_s(1500)
        await come_about(lambda: desk.told)
        desk.login.entered("auth_needed", "dead")
        os.utime(desk.file.path)
        await come_about(lambda: desk.posts == 2 and desk.login.status()["last_error"])
        desk.server.token = good
        os.utime(desk.file.path)
        await come_about(lambda: desk.login.status()["refreshed"])
        assert len(desk.told) == 1


async def test_a_new_login_is_taken_up_at_once(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.server.token = DEAD
        await desk.pass_s(1500)
        await come_about(lambda: desk.told)
        with pytest.raises(LoginNeeded):
            desk.login.open_stream(lambda frame: None)
        desk.login.entered("auth_needed", "dead")
        assert desk.woken == 0
        desk.file.write(content(1, created_s=CREATED_S + 1500, expires_s=EXPIRES_S + 1500))  # inotify says so
        await come_about(lambda: desk.woken)
        assert desk.login.token is not None and desk.login.token.refresh_token == "refresh-1"
        stream = desk.login.open_stream(lambda frame: None)
        await stream.login()
        await stream.close()
        desk.login.entered("live", "")
        assert desk.login.needed == ""
        assert desk.server.requests[0]["parameters"]["Authorization"] == "access-1"
        # It may die too, and that is news.
        await desk.pass_s(1500)
        await come_about(lambda: len(desk.told) == 2)


async def test_a_wake_that_came_too_early_is_given_again(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.login.open_stream(lambda frame: None)
        desk.file.write(content(1, created_s=CREATED_S + 5))
        await come_about(lambda: desk.login.token and desk.login.token.refresh_token == "refresh-1")
        assert desk.woken == 0
        desk.login.entered("auth_needed", "code 3")  # of the connection that had the old token
        await desk.pass_s(10)
        assert desk.woken


async def test_a_login_that_comes_while_the_old_one_is_refused_is_not_taken_for_dead(tmp_path: Path) -> None:
    async with a_desk(tmp_path, running=False) as desk:
        desk.server.token = DEAD
        desk.file.write(content(0, expires_s=0))
        old = desk.login.token
        desk.file.write(content(1, created_s=CREATED_S + 5))
        with pytest.raises(TransientError, match="logged in to Schwab meanwhile"):
            desk.login.refused("dead", old)
        assert (desk.told, desk.login.needed) == ([], "")


async def test_one_that_is_not_taken_is_refreshed_once_and_the_app_is_blamed_after_that(tmp_path: Path) -> None:
    async with a_desk(tmp_path, running=False) as desk:
        desk.server.preference = (401, {"errors": []})
        for expected in (1, 1, 2):
            stream = desk.login.open_stream(lambda frame: None)
            with pytest.raises(Unauthorized, match="401"):
                await stream.login()
            await stream.close()
            assert desk.posts == expected
            await desk.pass_s(RENEW_AGAIN_AFTER_S / 2 + 1)
    assert desk.told == []


async def test_a_login_that_is_denied_is_tried_once_more_with_a_fresh_token(tmp_path: Path) -> None:
    async with a_desk(tmp_path, running=False, LOGIN=3) as desk:
        stream = desk.login.open_stream(lambda frame: None)
        with pytest.raises(LoginDenied, match="denied the login"):
            await stream.login()
        await stream.close()
        tokens = [request["parameters"]["Authorization"] for request in desk.server.requests]
        assert tokens == ["access-0", "access-1"]
        stream = desk.login.open_stream(lambda frame: None)
        with pytest.raises(LoginDenied):
            await stream.login()
        await stream.close()
        assert desk.posts == 1


@pytest.mark.parametrize("code", [0, 3])
async def test_a_token_that_cannot_be_refreshed_for_now_needs_nobody(tmp_path: Path, code: int) -> None:
    async with a_desk(tmp_path, running=False, LOGIN=code) as desk:
        desk.server.token = (503, {})
        desk.server.preference = None if code else (401, {"errors": []})
        stream = desk.login.open_stream(lambda frame: None)
        with pytest.raises(TransientError, match="was not refreshed: HTTPStatusError") as refused:
            await stream.login()
        await stream.close()
        assert not isinstance(refused.value, LoginNeeded)
        assert (desk.posts, desk.told, desk.login.needed) == (1, [], "")


async def test_a_dead_token_found_by_the_connection_is_not_asked_for_again(tmp_path: Path) -> None:
    async with a_desk(tmp_path, running=False) as desk:
        desk.server.token = DEAD
        desk.server.preference = (401, {"errors": []})
        stream = desk.login.open_stream(lambda frame: None)
        with pytest.raises(LoginNeeded, match="unsupported_token_type"):
            await stream.login()
        await stream.close()
        with pytest.raises(LoginNeeded):
            desk.login.open_stream(lambda frame: None)
        assert (desk.posts, desk.titles) == (1, ["Schwab login needed: nothing is watched"])
