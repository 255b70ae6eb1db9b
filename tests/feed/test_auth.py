"""The daemon's login: refreshed in time, told when it is dead, not asked for again, taken up when it is new."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import SecretStr

from tests.feed.schwab_server import SchwabServer
from tests.feed.streams import SteppedClock, settle
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.config import SchwabSettings
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.turns import Turns
from tradeassistd.feed.auth import META_KEY, RENEW_AGAIN_AFTER_S, UNREADABLE_AFTER_S, Login
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Unauthorized
from tradeassistd.feed.token import TokenFile

PATIENCE_S = 20.0
EXPIRES_S = 4_000_000_000
"""When the access token expires: far ahead, so that schwab-py itself sees no reason to refresh."""
CREATED_S = EXPIRES_S - 1800
DAY_S = 24 * 3600
DEAD = (400, {"error": "unsupported_token_type", "error_description": "400 Bad Request"})


def content(number: int = 0, *, created_s: int = CREATED_S, expires_s: int = EXPIRES_S) -> dict[str, Any]:
    return {"creation_timestamp": created_s, "token": {
        "access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "token_type": "Bearer",
        "expires_in": 1800, "expires_at": expires_s,
    }}  # fmt: skip


async def come_about(condition: Callable[[], object]) -> None:
    """Let sockets, threads and inotify do their work until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - none of them tells anybody
            await asyncio.sleep(0)


class Memory:
    """A store that remembers, or is busy."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.busy = False

    async def recall(self, key: str) -> str:
        return self.kept.get(key, "")

    async def remember(self, key: str, value: str) -> None:
        if self.busy:
            raise TransientError("the disk is busy")
        self.kept[key] = value

    @property
    def said(self) -> list[str]:
        return list(json.loads(self.kept[META_KEY])["said"]) if META_KEY in self.kept else []


class Desk:
    """A login with its clocks, and somebody who is told."""

    def __init__(
        self, folder: Path, server: SchwabServer, memory: Memory | None = None, *, market: bool = False
    ) -> None:
        self.clock, self.wall = SteppedClock(), ManualClock()
        self.wall.advance(CREATED_S * US_PER_S)
        self.clock.advance(0 if market else CREATED_S * US_PER_S)
        self.server, self.memory = server, memory or Memory()
        self.told: list[tuple[str, str, str]] = []
        self.woken = 0
        self.file = TokenFile(folder / "token.json")
        settings = SchwabSettings(base_url=server.base_url, app_key=SecretStr("key"), app_secret=SecretStr("secret"),
                                  token_file=self.file.path)  # fmt: skip
        self.login = Login(settings, self._say, self.memory, self.clock, Turns(self.clock), market_time=market,
                           wall=self.wall)  # fmt: skip
        self.login.wake = self._wake

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.login.begin()
        loops = [asyncio.create_task(loop) for loop in (self.login.run(), self.login.count_down())]
        await settle()
        try:
            yield
            assert not [loop for loop in loops if loop.done()], loops
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    @property
    def titles(self) -> list[str]:
        return [title for title, _, _ in self.told]

    @property
    def posts(self) -> int:
        return sum(call.startswith("POST /v1/oauth/token") for call in self.server.calls)

    async def pass_s(self, seconds: float, steps: int = 1) -> None:
        """Both clocks go on; the login looks about at each step."""
        for _ in range(steps):
            self.wall.advance(self.wall.now_us() + round(seconds * US_PER_S))
            self.clock.advance(self.clock.now_us() + round(seconds * US_PER_S))
            await self.clock.step(seconds)

    async def go_to(self, at_s: float) -> None:
        """Market time alone."""
        self.clock.advance(round(at_s * US_PER_S))
        await settle()

    def _say(self, title: str, text: str, severity: str = "", memory: Mapping[str, str] = MappingProxyType({})) -> None:
        self.told.append((title, text, severity))
        self.memory.kept.update(memory)

    def _wake(self) -> None:
        self.woken += 1


@asynccontextmanager
async def a_desk(folder: Path, *, running: bool = True, memory: Memory | None = None, market: bool = False,
                 **codes: int) -> AsyncIterator[Desk]:  # fmt: skip
    server = SchwabServer(**codes)
    server.token = (200, content(0)["token"] | {"access_token": "access-1", "expires_at": EXPIRES_S + 1500})
    async with server.running():
        desk = Desk(folder, server, memory, market=market)
        desk.file.write(content())
        if not running:
            await desk.login.begin()
            yield desk
            return
        async with desk.running():
            yield desk


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
        await desk.pass_s(1500)
        await come_about(lambda: desk.login.status()["last_error"])
        waits = []
        for tries in range(2, 8):
            before_s = desk.clock.elapsed_s()
            while desk.posts < tries:
                await desk.pass_s(10)
                for _ in range(100):
                    await asyncio.sleep(0)
            waits.append(desk.clock.elapsed_s() - before_s)
        assert waits == sorted(waits) and waits[0] <= 20 and 290 <= waits[-1] <= 310
        assert desk.told == []
        desk.server.token = good
        await desk.pass_s(10, steps=31)
        await come_about(lambda: desk.login.status()["refreshed"])
        assert desk.login.status()["last_error"] == ""


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


# --- dead ------------------------------------------------------------------------------------------------------------


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


# --- a token that Schwab does not take -------------------------------------------------------------------------------


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


# --- the countdown ---------------------------------------------------------------------------------------------------


async def test_the_end_is_said_in_time_each_time_once_also_over_restarts(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as first:
        for day in range(6):
            await first.go_to(CREATED_S + day * DAY_S)
        await come_about(lambda: first.titles)
        assert first.titles == ["The Schwab login ends in 2 days"]
    async with a_desk(tmp_path, memory=first.memory) as second:
        await second.go_to(CREATED_S + 5 * DAY_S + 7200)
        await second.go_to(CREATED_S + 6 * DAY_S)
        await second.go_to(CREATED_S + 7 * DAY_S - 3600)
        await second.go_to(CREATED_S + 8 * DAY_S)
        assert second.titles == ["The Schwab login ends in 1 day", "The Schwab login ends in 1 hour"]
        assert [severity for _, _, severity in second.told] == ["warning", "critical"]


async def test_a_new_login_counts_anew(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.go_to(CREATED_S + 6.5 * DAY_S)
        assert len(desk.told) == 1
        desk.file.write(content(1, created_s=round(CREATED_S + 6.5 * DAY_S), expires_s=EXPIRES_S + 7 * DAY_S))
        await come_about(lambda: desk.login.status()["ends_in_s"] == 7 * DAY_S)
        await desk.go_to(CREATED_S + 7 * DAY_S)
        assert len(desk.told) == 1
        await desk.go_to(CREATED_S + 11.5 * DAY_S)
        assert len(desk.told) == 2


async def test_in_market_time_the_seven_days_begin_when_the_login_is_first_seen(tmp_path: Path) -> None:
    monday_s = 1_381_147_200
    async with a_desk(tmp_path, market=True) as first:
        assert first.login.status()["ends"] == ""
        await first.go_to(monday_s)
        assert first.login.status()["ends_in_s"] == 7 * DAY_S
        await come_about(lambda: first.memory.kept)
    async with a_desk(tmp_path, market=True, memory=first.memory) as second:
        await second.go_to(monday_s + 5 * DAY_S)
        assert second.titles == ["The Schwab login ends in 2 days"]


async def test_a_dead_login_is_not_counted_down(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.server.token = DEAD
        await desk.pass_s(1500)
        await come_about(lambda: desk.told)
        await desk.go_to(CREATED_S + 6.5 * DAY_S)
        assert desk.titles == ["Schwab login needed: nothing is watched"]


async def test_a_busy_disk_is_tried_again(tmp_path: Path) -> None:
    memory = Memory()
    memory.busy = True
    async with a_desk(tmp_path, memory=memory) as desk:
        await desk.pass_s(10, steps=3)
        assert memory.kept == {}
        memory.busy = False
        await desk.pass_s(10)
        await come_about(lambda: memory.kept)


async def test_the_status_has_no_secrets(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.pass_s(1500)
        await come_about(lambda: desk.login.status()["refreshed"])
        said = json.dumps(desk.login.status()) + repr(desk.login.token) + desk.memory.kept[META_KEY]
    for secret in ("access-0", "access-1", "refresh-0", '"key"', '"secret"'):
        assert secret not in said
