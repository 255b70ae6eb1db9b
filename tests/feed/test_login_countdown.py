"""The end of the login is said in time, each time once, also over restarts and on a busy disk."""

from __future__ import annotations

from pathlib import Path

from tests.feed.login import CREATED_S, DAY_S, DEAD, EXPIRES_S, Memory, a_desk, come_about, content


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
