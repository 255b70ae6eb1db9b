"""The real daemon when the machine below it fails: nothing is lost, one clear line says what and what to do.

As soon as it can go on it does, by itself.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.hardship import (
    LIVELY,
    Running,
    check_replay,
    check_told,
    fill,
    garble,
    garble_in_use,
    no_room,
    refused,
    root_page,
    small_disk,
    without_root,
)
from tests.e2e.harness import settings_for
from tests.e2e.test_process import AT_ONCE, MONDAY_US, ended, market, start
from tests.e2e.webhook import Webhook, webhook
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Gap, Start, Stop
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

HOOK = "{{hook: {{url: '{0}', ttl: 24h}}}}"


@asynccontextmanager
async def lively(folder: Path) -> AsyncIterator[tuple[Simulator, Webhook]]:
    """A market thirty times as fast as it was, in which something is told every few seconds."""
    async with Simulator(SyntheticMarket(7, MONDAY_US), speed=30.0) as simulator, webhook() as hook:
        settings_for(folder, simulator, LIVELY, HOOK.format(hook.url))
        yield simulator, hook


async def arrived(hook: Webhook, words: str) -> dict[str, str]:
    """The first message with these words in its title; what else is told may come before it."""
    count = 0
    while True:
        for post in hook.posts[count:]:
            if words in post["title"]:
                return post
        count = len(hook.posts)
        await hook.until(count + 1)


# --- a disk without room ----------------------------------------------------------------------------------------------


async def test_a_disk_that_takes_nothing_holds_no_alert_back_and_loses_none(tmp_path: Path) -> None:
    async with lively(tmp_path) as (_, hook):
        running = await Running.start(tmp_path)
        await running.said("delivery.sent", 2)
        with no_room(running.program.pid):
            post = await arrived(hook, "not stored")
            assert post["title"].startswith("The disk takes no alerts: ")
            assert "main.db" in post["message"] and "come again" in post["message"]
            output = ""
            while "alerts ! wait for the disk: main.db" not in output:  # what was stored, while the daemon is too busy
                code, output, _ = await ended(
                    await start("-m", "tradeassistd.cli.main", "status", "--config", str(tmp_path / "config.yaml"))
                )
                assert code == 0
                output = " ".join(output.split())
        await running.said("alert.stored_at_last")
        again = len(hook.posts)
        await hook.until(again + 3)
        await running.stop()
    assert len(running.all_of("alert.not_stored")) == 1, "one line, not one a second"
    assert "disk" in running.all_of("alert.not_stored")[0]["reason"]
    assert not running.all_of("tape.thinning")
    assert any("May be a repeat" in post["message"] for post in hook.posts[1:])
    check_told(hook, tmp_path / "state")
    check_replay(tmp_path / "state")


async def test_a_full_disk_that_is_emptied(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state", 8) as state:
        async with lively(tmp_path) as (_, hook):
            settings = (tmp_path / "config.yaml").read_text("utf-8")
            # So small a disk has never had the room that the tape leaves; here the disk alone says when it is full.
            (tmp_path / "config.yaml").write_text(settings.replace("store: {", "store: {min_free: 0, "), "utf-8")
            running = await Running.start(tmp_path)
            await running.said("delivery.sent", 2)
            filler = fill(state)
            post = await arrived(hook, "not stored")
            assert "main.db: database or disk is full (Free some space" in post["message"]
            filler.unlink()
            await running.said("alert.stored_at_last")
            await running.stop()
        assert len(running.all_of("alert.not_stored")) == 1
        check_told(hook, state)
        check_replay(state)


async def test_a_start_on_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state", 4) as state:
        filler = fill(state)
        async with market() as simulator, webhook() as hook:
            settings_for(tmp_path, simulator, AT_ONCE, HOOK.format(hook.url))
            running = await Running.start(tmp_path)
            line = await running.said("store.waiting")
            assert "full" in line["reason"] or "No space" in line["reason"]
            assert line["hint"].startswith("Free some space")
            filler.unlink()
            await hook.until(1)
            await running.stop()
        assert len(running.all_of("store.waiting")) == 1


# --- a directory that may not be written ------------------------------------------------------------------------------


async def test_a_read_only_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    behind = without_root()
    (tmp_path / "state").mkdir()
    async with market() as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, AT_ONCE, HOOK.format(hook.url))
        (tmp_path / "state").chmod(0o500)
        line = await refused(tmp_path, *behind)
        assert "Permission denied" in line["reason"] and str(tmp_path / "state") in line["reason"]
        assert line["hint"] == "Run the daemon as the user who owns the state directory"
        (tmp_path / "state").chmod(0o700)
        running = await Running.start(tmp_path, *behind)
        await hook.until(1)
        await running.stop()


# --- a damaged main.db ------------------------------------------------------------------------------------------------


async def at_once_and_stopped(folder: Path, simulator: Simulator, hook: Webhook, *, killed: bool) -> Path:
    """A state directory with one alert in it."""
    settings_for(folder, simulator, AT_ONCE, HOOK.format(hook.url))
    running = await Running.start(folder)
    await running.said("delivery.sent")
    await (running.kill() if killed else running.stop())
    return folder / "state"


@pytest.mark.parametrize(("how", "killed"), [("page", True), ("empty", False)])
async def test_a_damaged_database_is_refused_and_kept(how: str, killed: bool, tmp_path: Path) -> None:
    async with market() as simulator, webhook() as hook:
        state = await at_once_and_stopped(tmp_path, simulator, hook, killed=killed)
        main = state / "main.db"
        if how == "page":
            garble(main, root_page(main, "rule_states"))
        else:
            main.write_bytes(b"")
        damaged = main.read_bytes()
        for _ in range(2):
            line = await refused(tmp_path)
            assert line["reason"].startswith("main.db is damaged: ")
            assert "tradeassist db restore" in line["hint"]
            assert main.read_bytes() == damaged
        assert len(hook.posts) == 1


async def test_damage_that_is_met_while_it_runs_is_told_on_the_channels_and_refused_from_then_on(
    tmp_path: Path,
) -> None:
    async with lively(tmp_path) as (_, hook):
        running = await Running.start(tmp_path)
        await running.said("delivery.sent", 2)
        garble_in_use(tmp_path / "state" / "main.db", "deliveries")
        assert await running.ended() == 1
        (line,) = running.all_of("daemon.failed")
        assert "main.db is damaged" in line["reason"] and "tradeassist db restore" in line["hint"]
        assert hook.posts[-1]["title"] == "tradeassist has stopped"
        assert "main.db is damaged" in hook.posts[-1]["message"] and "db restore" in hook.posts[-1]["message"]
        count = len(hook.posts)
        assert "main.db is damaged" in (await refused(tmp_path))["reason"]
        assert len(hook.posts) == count


# --- a damaged tape ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "killed"), [("page", True), ("head", False)])
async def test_a_damaged_tape_is_put_aside_and_told_and_alerts_go_on(how: str, killed: bool, tmp_path: Path) -> None:
    async with lively(tmp_path) as (_, hook):
        running = await Running.start(tmp_path)
        await running.said("delivery.sent", 2)
        await (running.kill() if killed else running.stop())
        (tape,) = queries.tape_paths(tmp_path / "state")
        page = root_page(tape, "events")
        garble(tape, None if how == "head" else page)
        damaged = tape.read_bytes()

        running = await Running.start(tmp_path)
        line = await running.said("tape.damaged")
        assert (line["tape"], line["kept"]) == (tape.name, f"{tape.name}.damaged-1")
        told = await arrived(hook, "A damaged tape was put aside")
        assert line["kept"] in told["message"] and "Alerts go on" in told["message"]
        sent = len(running.all_of("delivery.sent"))
        await running.said("delivery.sent", sent + 2)
        await running.stop()
        assert tape.with_name(line["kept"]).read_bytes() == damaged
        assert len(running.all_of("tape.damaged")) == 1
        assert [post["title"] for post in hook.posts].count("A damaged tape was put aside") == 1
        check_told(hook, tmp_path / "state")
        again = await Running.start(tmp_path)
        await again.said("daemon.ready")
        await again.stop()
        assert not again.all_of("tape.damaged")


async def test_a_tape_that_is_damaged_below_a_running_daemon_is_put_aside_and_the_day_goes_on(tmp_path: Path) -> None:
    async with lively(tmp_path) as (_, hook):
        running = await Running.start(tmp_path)
        await running.said("delivery.sent", 2)
        (tape,) = queries.tape_paths(tmp_path / "state")
        garble_in_use(tape, "ticks")
        line = await running.said("tape.damaged")
        await arrived(hook, "A damaged tape was put aside")
        sent = len(running.all_of("delivery.sent"))
        await running.said("delivery.sent", sent + 2)
        await running.stop()
        assert (line["tape"], line["kept"]) == (tape.name, f"{tape.name}.damaged-1")
        gap, *events = queries.read_tape(tape)
        assert isinstance(gap, Gap) and gap.reason == f"the tape was damaged: {line['kept']}"
        assert events[0].event_us > gap.to_us and isinstance(events[-1], Stop)
        assert [post["title"] for post in hook.posts].count("A damaged tape was put aside") == 1
        check_told(hook, tmp_path / "state")
        again = await Running.start(tmp_path)
        await again.said("daemon.ready")
        await again.stop()


# --- a clock that is set ----------------------------------------------------------------------------------------------

CLOCKED = """version: 1
defaults: {cooldown: 1s}
rules:
  - {id: turns, symbols: [SPY, QQQ, $TICK, /ES, /NQ], when: 'price crosses highest(price, 2s)', cooldown: 2s}
  - {id: long, symbols: [/ES], when: price > 1, for: 30m}
"""


async def on_another_clock(folder: Path, says_us: int) -> Running:
    settings = (folder / "config.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(settings.replace("clock: market", "clock: wall"), "utf-8")
    program = Path(__file__).with_name("another_clock.py")
    return await Running.of(str(program), str(folder / "config.yaml"), str(says_us))


@pytest.mark.parametrize("first", ["forth", "back"])
async def test_a_clock_that_is_set_an_hour_wrong_and_right_again_changes_no_alert(first: str, tmp_path: Path) -> None:
    ways = [signal.SIGUSR1, signal.SIGUSR2] if first == "forth" else [signal.SIGUSR2, signal.SIGUSR1]
    async with Simulator(SyntheticMarket(7, MONDAY_US), speed=1.0) as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, CLOCKED, HOOK.format(hook.url))
        running = await on_another_clock(tmp_path, simulator.now_us)
        await running.said("delivery.sent")
        said = (("clock.set", f"The computer's clock was set 1 hour {first}, wrongly"),
                ("clock.right", "The computer's clock is right again"))  # fmt: skip
        for way, (kind, title) in zip(ways, said, strict=True):
            running.program.send_signal(way)
            await running.said(kind)
            await arrived(hook, title)
            sent = len(running.all_of("delivery.sent"))
            await running.said("delivery.sent", sent + 2)
        lasted_us = simulator.now_us - MONDAY_US
        await running.stop()
    (line,) = running.all_of("clock.set")
    assert abs(abs(line["by_s"]) - 3600) < 1 and not line["believed"] and "timedatectl" in line["hint"]
    titles = [post["title"] for post in hook.posts]
    assert [titles.count(title) for _, title in said] == [1, 1]
    assert not [title for title in titles if title.startswith("long")], "an hour that never was"
    (tape,) = queries.tape_paths(tmp_path / "state")
    times_us = [event.event_us for event in queries.read_tape(tape)]
    assert 0 <= times_us[-1] - times_us[0] < lasted_us + 60 * US_PER_S
    seconds = [event for event in queries.read_tape(tape) if isinstance(event, ClockTurn)]
    assert len(seconds) >= (times_us[-1] - times_us[0]) // US_PER_S - 1, "every second was told"
    check_replay(tmp_path / "state")


async def test_a_daemon_whose_clock_was_an_hour_ahead_goes_on_and_one_of_another_year_is_refused(
    tmp_path: Path,
) -> None:
    async with Simulator(SyntheticMarket(7, MONDAY_US), speed=1.0) as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, CLOCKED, HOOK.format(hook.url))
        running = await on_another_clock(tmp_path, simulator.now_us + 3_600 * US_PER_S)
        await running.said("delivery.sent", 2)
        await running.stop()
        running = await on_another_clock(tmp_path, simulator.now_us)
        await running.said("delivery.sent", 2)
        await running.stop()
        (tape,) = queries.tape_paths(tmp_path / "state")
        events = list(queries.read_tape(tape))
        begun = max(index for index, event in enumerate(events) if isinstance(event, Start))
        assert any(isinstance(event, ClockTurn) for event in events[begun:]), "time goes on"
        check_replay(tmp_path / "state")
        early = await on_another_clock(tmp_path, simulator.now_us - 365 * 86_400 * US_PER_S)
        assert await early.ended() == 1
        (line,) = early.all_of("daemon.failed")
        assert "the store has events up to 2026-11-16" in line["reason"] and "Set the clock right" in line["hint"]
