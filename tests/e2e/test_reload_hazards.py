"""What goes wrong around a rules directory while ticks flow: half-written files, floods, links, no inotify, no package.

The table in tests/e2e/test_hot_reload.py says which point of the contract each of these holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Watcher, put, running, settings_for
from tests.e2e.test_hot_reload import MORE, RULES, busy_daemon, check_nothing_was_lost
from tests.e2e.test_process import MONDAY_US, said
from tests.e2e.webhook import webhook
from tradeassistd.engine.events import ClockTurn
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.transition import Kind
from tradeassistd.functions import UserFunction
from tradeassistd.market.tick import Tick
from tradeassistd.reload import ReloadResult
from tradeassistd.rules.own_functions import use_installed
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket

FLOOD_S = 4.0
FLOOD_EVERY_S = 0.02
RELOADS_IN_A_FLOOD_MAX = 3
SHARED = {
    "_defaults.yaml": ("severity: info\n", "severity: loud\n"),
    "_watchlists.yaml": ("core: [/ES, /NQ]\n", "core: [ES!]\n"),
    "_instruments.yaml": ("/ES: {name: mini}\n", "/ES: {name: mini, tick_size: -1}\n"),
    "_routes.yaml": ("version: 1\ndefault: {channels: [hook]}\n", "version: 1\nroutes: [{match: {}}]\n"),
    "_silences.yaml": (
        "- {match: {rule: nobody}, until: '2027-01-01T00:00:00Z', reason: holidays}\n", "- {match: {rule: nobody}}\n",
    ),
}  # fmt: skip
"""By shared file a text that is right and one that is not."""


def rules_in_force(watcher: Watcher) -> set[str]:
    assert watcher.daemon.reloader is not None
    return set(watcher.daemon.reloader.loaded.rule_set.by_id)


async def until_in_force(watcher: Watcher, rule_id: str) -> list[ReloadResult]:
    """The reloads up to the one that brings a rule."""
    results = [await watcher.reloaded()]
    while rule_id not in rules_in_force(watcher):
        results.append(await watcher.reloaded())
    return results


async def test_slow_writers_and_floods_are_few_reloads_and_never_half_a_file(tmp_path: Path) -> None:
    async with busy_daemon(tmp_path) as (_, watcher, rules):
        # truncated, then written in pieces of which each would be a sound file with fewer rules
        pieces = [MORE, *(MORE.splitlines(keepends=True)[-1].replace("more", f"piece-{one}") for one in range(5))]
        with (rules / "more.yaml").open("w", encoding="utf-8") as file:
            for piece in pieces:
                file.write(piece)
                file.flush()
                await asyncio.sleep(0.1)
        results = await until_in_force(watcher, "piece-4")
        assert [(one.accepted, one.changed, one.removed) for one in results] == [(True, (), ())] * len(results)
        assert len(results) <= 2
        # an editor that deletes and writes anew
        (rules / "more.yaml").unlink()
        await asyncio.sleep(0.05)
        (rules / "more.yaml").write_text("".join(pieces), "utf-8")
        os.utime(rules / "more.yaml", (1, 1))  # other times, the same bytes
        # a flood: never quiet, so it is cut off, and then the last text counts
        loop = asyncio.get_running_loop()
        begin_s, number = loop.time(), 0
        while loop.time() < begin_s + FLOOD_S:
            (rules / "flood.yaml").write_text(MORE.replace("more", f"flood-{number}"), "utf-8")
            number += 1
            await asyncio.sleep(FLOOD_EVERY_S)
        (rules / "flood.yaml").write_text(MORE.replace("more", "flood-last"), "utf-8")
        results = await until_in_force(watcher, "flood-last")
        assert len(results) <= RELOADS_IN_A_FLOOD_MAX
        assert not [one for one in results if not one.accepted or "more" in one.removed]
        await check_nothing_was_lost(watcher)


async def test_links_lost_directories_and_clashing_ids_keep_what_is_right(tmp_path: Path) -> None:
    async with busy_daemon(tmp_path) as (_, watcher, rules):
        # a mounted configuration: every name a link through ..data, which is swapped as a whole
        for version in ("one", "two"):
            (rules / f"..{version}").mkdir()
            (rules / f"..{version}" / "mounted.yaml").write_text(MORE.replace("more", f"mounted-{version}"), "utf-8")
        (rules / "..data").symlink_to("..one")
        (rules / "mounted.yaml").symlink_to("..data/mounted.yaml")
        await until_in_force(watcher, "mounted-one")
        (rules / "..next").symlink_to("..two")
        (rules / "..next").rename(rules / "..data")
        (result,) = await until_in_force(watcher, "mounted-two")
        assert (result.added, result.removed) == (("mounted-two",), ("mounted-one",))
        # a link that leads to itself, and one to nowhere as emacs makes it
        (rules / ".#rules.yaml").symlink_to("trader@host.1234:5678")
        (rules / "mounted.yaml").unlink()
        (rules / "mounted.yaml").symlink_to("mounted.yaml")
        result = await watcher.reloaded()
        assert (result.rejected, result.removed) == (("mounted.yaml",), ())
        assert "mounted-two" in rules_in_force(watcher)
        (rules / "mounted.yaml").unlink()
        assert (await watcher.reloaded()).removed == ("mounted-two",)
        # an id that is there already, in a file whose name comes first
        (rules / "a.yaml").write_text(MORE.replace("more", "stays"), "utf-8")
        result = await watcher.reloaded()
        assert (result.rejected, result.added, result.changed, result.removed) == (("a.yaml",), (), (), ())
        assert "id 'stays' is used in two files" in result.problems[0]
        # the directory is deleted and made anew, with one file less
        shutil.rmtree(rules)
        rules.mkdir()
        (rules / "rules.yaml").write_text(RULES, "utf-8")
        assert (await watcher.reloaded()).accepted
        assert rules_in_force(watcher) == {"stays", "busy"}
        (rules / "more.yaml").write_text(MORE, "utf-8")
        assert (await watcher.reloaded()).added == ("more",)
        await check_nothing_was_lost(watcher)


async def test_an_id_that_changes_and_a_raised_rev(tmp_path: Path) -> None:
    once = MORE.replace("at_load: fire", "at_load: fire, fire: once")
    async with busy_daemon(tmp_path) as (_, watcher, rules):

        def told(rule_id: str) -> int:
            return sum(one.rule_id == rule_id and one.kind is Kind.FIRED for one in watcher.transitions)

        (rules / "more.yaml").write_text(once, "utf-8")
        await until_in_force(watcher, "more")
        await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "/ES")
        assert told("more") == 1
        (rules / "more.yaml").write_text(once.replace("id: more", "id: renamed, was: more"), "utf-8")
        (result,) = await until_in_force(watcher, "renamed")
        assert (result.added, result.removed) == (("renamed",), ("more",))
        for _ in range(2):
            await watcher.until(lambda event: isinstance(event, ClockTurn))
        assert told("renamed") == 0  # it has fired, under its old id
        # spent; with another rev it is armed anew, and what still fires goes on without another alert
        for rev in ("2", "3"):
            (rules / "more.yaml").write_text(once.replace("id: more", f"id: renamed, rev: {rev}"), "utf-8")
            assert (await watcher.reloaded()).changed == ("renamed",)
            for _ in range(2):
                await watcher.until(lambda event: isinstance(event, ClockTurn))
            assert told("renamed") == 0
        assert not [one for one in watcher.transitions if one.rule_id == "renamed" and one.kind is Kind.CLOSED]
        # below its price it ends; with a new rev a rise is an alert again
        low = once.replace("price > 2", "price < 2")
        for text in (low.replace("id: more", "id: renamed, rev: 4"), once.replace("id: more", "id: renamed, rev: 5")):
            (rules / "more.yaml").write_text(text, "utf-8")
            assert (await watcher.reloaded()).changed == ("renamed",)
            await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "/ES")
        assert told("renamed") == 1
        await check_nothing_was_lost(watcher)


async def test_every_shared_file_breaks_and_is_mended_while_it_runs(tmp_path: Path) -> None:
    async with webhook() as hook, busy_daemon(tmp_path, f"{{hook: {{url: '{hook.url}'}}}}") as (_, watcher, rules):
        for name, (text, _) in SHARED.items():
            (rules / name).write_text(text, "utf-8")
        (rules / "listed.yaml").write_text(MORE.replace("more", "listed").replace("/ES", '"@core"'), "utf-8")
        for result in await until_in_force(watcher, "listed"):
            assert result.accepted, result.problems
        assert watcher.daemon.reloader is not None
        for name, (text, broken) in SHARED.items():
            before = watcher.daemon.reloader.loaded
            (rules / name).write_text(broken, "utf-8")
            (rules / "beside.yaml").write_text(MORE.replace("more", f"beside-{name[1:4]}"), "utf-8")
            await until_in_force(watcher, f"beside-{name[1:4]}")  # whatever else is right goes on
            loaded = watcher.daemon.reloader.loaded
            assert loaded.rejected == (name,)
            assert str(loaded.problems[0]).startswith(f"rules.d/{name}:1:") or name == "_routes.yaml"
            assert dict(loaded.rule_set.texts)[name] == text
            assert loaded.routes == before.routes and loaded.rule_set.silences == before.rule_set.silences
            assert loaded.rule_set.by_id["listed"] is before.rule_set.by_id["listed"]
            (rules / name).write_text(text, "utf-8")
            assert (await watcher.reloaded()).accepted
        # sound by themselves, but rules in force could not do with them
        (rules / "_watchlists.yaml").write_text("other: [/ES]\n", "utf-8")
        result = await watcher.reloaded()
        assert result.rejected == ("_watchlists.yaml",)
        assert any("makes listed.yaml invalid" in problem for problem in result.problems)
        (rules / "_watchlists.yaml").unlink()
        result = await watcher.reloaded()
        assert any("is gone, which makes listed.yaml invalid" in problem for problem in result.problems)
        assert "listed" in rules_in_force(watcher)
        (rules / "_watchlists.yaml").write_text(SHARED["_watchlists.yaml"][0], "utf-8")
        assert (await watcher.reloaded()).accepted
        await check_nothing_was_lost(watcher)


async def test_a_file_that_may_not_be_read_keeps_its_rules(tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.touch(0)
    if os.access(sealed, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    async with busy_daemon(tmp_path) as (_, watcher, rules):
        (rules / "rules.yaml").chmod(0)
        result = await watcher.reloaded()
        assert (result.rejected, result.removed) == (("rules.yaml",), ())
        assert "cannot be read: Permission denied" in result.problems[0]
        (rules / "rules.yaml").chmod(0o600)
        assert (await watcher.reloaded()).accepted
        rules.chmod(0)  # so does a whole directory
        result = await watcher.reloaded()
        assert not result.accepted and not result.removed
        rules.chmod(0o700)
        assert (await watcher.reloaded()).accepted
        assert rules_in_force(watcher) == {"stays", "busy"}
        await check_nothing_was_lost(watcher)


@pytest.fixture
def table() -> Iterator[None]:
    use_installed()
    yield
    put_in_table(())


@pytest.mark.usefixtures("table")
async def test_a_rule_whose_package_is_missing_for_a_while_goes_on_where_it_was(tmp_path: Path) -> None:
    twice = UserFunction(name="twice", args={"price": "price"}, gives="price", compute=lambda price: 2 * price,
                         version="1", doc="Two of it.")  # fmt: skip
    rule = "  - {id: twice, symbols: [/ES], when: twice(price) > 2, at_load: fire}\n"
    fired: list[list[str]] = []
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES)
        (tmp_path / "rules.d" / "own.yaml").write_text(f"version: 1\nrules:\n{rule}", "utf-8")
        for installed in ((twice,), (), (twice,)):
            put_in_table(installed)  # as the start of a daemon finds it
            async with running(settings) as watcher:
                await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "/ES")
                for _ in range(2):
                    await watcher.until(lambda event: isinstance(event, ClockTurn))
                assert ("twice" in rules_in_force(watcher)) == bool(installed)
                assert watcher.daemon.reloader is not None
                problems = [str(problem) for problem in watcher.daemon.reloader.loaded.problems]
                assert ["unknown function 'twice'" in problem for problem in problems] == [True] * (not installed)
                # an edit meanwhile is an edit of what is there
                (tmp_path / "rules.d" / "beside.yaml").write_text(MORE.replace("more", f"beside-{len(fired)}"))
                await until_in_force(watcher, f"beside-{len(fired)}")
                fired.append([one.kind for one in watcher.transitions if one.rule_id == "twice"])
                if installed:
                    assert watcher.daemon.live is not None
                    (state,) = [one.state for one in watcher.daemon.live._engine.machines if one.rule.id == "twice"]
                    assert (state.state.value, state.was_told, state.told_count) == ("firing", True, 1)
    assert fired == [[Kind.FIRED], [], []]


def _without_inotify() -> list[str]:
    """A command that runs another one where there is no inotify to be had; skips where that cannot be arranged."""
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a user namespace")
    return command


async def test_without_inotify_the_real_program_follows_by_looking_and_by_sighup(tmp_path: Path) -> None:
    command = await asyncio.to_thread(_without_inotify)
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0) as simulator:
        settings_for(tmp_path, simulator, RULES)
        program = await asyncio.create_subprocess_exec(
            *command, sys.executable, "-m", "tradeassistd.cli.daemon", "--config", str(tmp_path / "config.yaml"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert "os error 24" in str((await said(program, "rules.watch_deaf"))["reason"])
            put(tmp_path / "rules.d" / "more.yaml", MORE)
            program.send_signal(signal.SIGHUP)
            assert (await said(program, "rules.reloaded"))["added"] == 1
            put(tmp_path / "rules.d" / "more.yaml", MORE.replace("more", "late"))
            found = await said(program, "rules.reloaded")  # ten seconds later at most
            assert (found["added"], found["removed"]) == (1, 1)
        finally:
            program.terminate()
            _, rest = await program.communicate()
    assert program.returncode == 0
    events = [json.loads(line)["event"] for line in rest.decode().splitlines() if line.startswith("{")]
    assert "rules.watch_deaf" not in events  # once
