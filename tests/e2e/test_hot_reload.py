"""The rules directory is edited in every way people and programs edit, while a thousand ticks a second flow."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import Watcher, running, settings_for
from tests.e2e.test_process import MONDAY_US
from tradeassistd.engine.events import ClockTurn, Gap, RulesSwap
from tradeassistd.engine.transition import Kind
from tradeassistd.history.replay import replay
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.catalogue import THE_TWELVE
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

# `stays` fires once and must never fire again; `busy` is judged on every tick of every symbol.
RULES = """version: 1
rules:
  - {id: stays, symbols: [/ES], when: price > 1, at_load: fire}
  - {id: busy, symbols: [/ES, /NQ, /YM, /CL, /GC, $SPX, $NDX, $RUT, $VIX, $TICK, $ADD, $TRIN], when: price crosses 1}
"""
MORE = "version: 1\nrules:\n  - {id: more, symbols: [/ES], when: price > 2, at_load: fire}\n"
BROKEN = "version: 1\nrules:\n  - {id: more, symbols: [/ES], when: price >>> 2}\n"


def git(folder: Path, *arguments: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@t",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@t",
    }
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env={**os.environ, **identity})


def made_up_market() -> SyntheticMarket:
    """About a thousand changes a second; the same ones every time."""
    return SyntheticMarket(3, MONDAY_US, (*THE_TWELVE, "NVDA"), ticks_per_s=90)


@asynccontextmanager
async def busy_daemon(folder: Path) -> AsyncIterator[tuple[Simulator, Watcher, Path]]:
    async with (
        Simulator(made_up_market(), speed=1.0) as simulator,
        running(settings_for(folder, simulator, RULES)) as watcher,
    ):
        await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "/ES")
        yield simulator, watcher, folder / "rules.d"


async def check_nothing_was_lost(watcher: Watcher) -> None:
    """Each change the market made became one tick; nothing was cut; what had fired did not fire again."""
    for _ in range(2):
        await watcher.until(lambda event: isinstance(event, ClockTurn))
    images = [tick.event_us for tick in watcher.ticks if tick.changed & Field.IMAGE and tick.symbol in THE_TWELVE]
    seconds = [event.event_us for event in watcher.events if isinstance(event, ClockTurn)]
    first_us, last_us = min(us for us in seconds if us > max(images[:12])), seconds[-1]
    seen = Counter(tick.symbol for tick in watcher.ticks if first_us < tick.event_us <= last_us)
    again, made = made_up_market(), Counter[str]()
    while (at_us := again.next_us()) is not None and at_us <= last_us:
        for change in again.step(last_us + 1).changes:
            made[instrument_of(change.level_one.listing.symbol).root] += first_us < at_us
    assert sum(seen.values()) > 500
    assert {symbol: seen[symbol] for symbol in THE_TWELVE} == {symbol: made[symbol] for symbol in THE_TWELVE}
    assert not [event for event in watcher.events if isinstance(event, Gap)]
    told = [
        one for one in watcher.transitions if one.rule_id == "stays" and one.kind is Kind.FIRED and not one.suppressed
    ]
    assert len(told) == 1


async def test_every_way_of_editing_reaches_the_daemon_and_loses_nothing(tmp_path: Path) -> None:
    async with busy_daemon(tmp_path) as (_, watcher, rules):
        # vim writes a new file and renames it over the old one
        for swap in ("one", "two", "three"):
            (rules / ".more.yaml.swp").write_text("litter", "utf-8")
            (rules / "4913").write_text("", "utf-8")
            (rules / "4913").unlink()
            (rules / "more.yaml~").write_text(MORE.replace("more", swap), "utf-8")
            (rules / "more.yaml~").rename(rules / "more.yaml")
            result = await watcher.reloaded()
            assert result.accepted and result.added == (swap,)
        await asyncio.to_thread(subprocess.run, ["sed", "-i", "s/three/more/", "more.yaml"], cwd=rules, check=True)
        result = await watcher.reloaded()
        assert (result.added, result.removed) == (("more",), ("three",))
        # a broken file keeps its last good version, and says where it is broken
        (rules / "more.yaml").write_text(BROKEN, "utf-8")
        result = await watcher.reloaded()
        assert not result.accepted and not result.removed
        assert result.problems[0].startswith("rules.d/more.yaml:3:")
        assert "more" in watcher.daemon.reloader.loaded.rule_set.by_id  # type: ignore[union-attr]
        # so does an empty one
        (rules / "more.yaml").write_text("", "utf-8")
        result = await watcher.reloaded()
        assert not result.accepted and not result.removed
        # mended
        (rules / "more.yaml").write_text(MORE, "utf-8")
        assert (await watcher.reloaded()).accepted
        # the directory is moved away and back: refused while it is gone
        rules.rename(tmp_path / "elsewhere")
        result = await watcher.reloaded()
        assert not result.accepted and not result.removed
        (tmp_path / "elsewhere").rename(rules)
        assert (await watcher.reloaded()).accepted
        # a change after that is still noticed
        (rules / "late.yaml").write_text(MORE.replace("more", "late"), "utf-8")
        assert (await watcher.reloaded()).added == ("late",)
        (rules / "late.yaml").unlink()
        assert (await watcher.reloaded()).removed == ("late",)
        # three hundred files at once are one reload
        for number in range(300):
            (rules / f"f{number:03}.yaml").write_text(MORE.replace("more", f"rule-{number}"), "utf-8")
        added: set[str] = set()
        while len(added) < 300:
            added |= set((await watcher.reloaded()).added)
        for number in range(300):
            (rules / f"f{number:03}.yaml").unlink()
        while added:
            added -= set((await watcher.reloaded()).removed)
        await check_nothing_was_lost(watcher)
    again = [event for tape in sorted(queries.tape_paths(tmp_path / "state")) for event in queries.read_tape(tape)]
    assert sum(isinstance(event, RulesSwap) for event in again) >= 8
    rule_sets = {digest: load_texts(dict(queries.rule_texts(tmp_path / "state", digest))).rule_set
                 for digest in {event.rules_hash for event in again if hasattr(event, "rules_hash")}}  # fmt: skip
    replayed = list(replay(again, rule_sets.__getitem__))
    stored = [one for one in queries.transitions(tmp_path / "state") if not one.rule_id.startswith("!")]
    assert replayed == stored  # also over reloads
    kinds = [kind for _, kind, _ in queries.audit(tmp_path / "state", 100)]
    assert kinds.count("rules.reload") > 8


async def test_git_checkout_of_another_branch_and_back_fires_nothing_twice(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed (apt package git)")
    async with busy_daemon(tmp_path) as (_, watcher, rules):
        git(rules, "init", "--quiet", "--initial-branch=main")
        git(rules, "add", ".")
        git(rules, "commit", "--quiet", "--message", "rules")
        git(rules, "checkout", "--quiet", "-b", "other")
        (rules / "rules.yaml").write_text(
            RULES.replace("id: stays", "id: other").replace("crosses 1", "crosses 2"), "utf-8"
        )
        git(rules, "commit", "--quiet", "--all", "--message", "other")
        result = await watcher.reloaded()
        assert (result.added, result.changed, result.removed) == (("other",), ("busy",), ("stays",))
        git(rules, "checkout", "--quiet", "main")
        result = await watcher.reloaded()
        assert (result.added, result.removed) == (("stays",), ("other",))
        await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "/ES")
        await check_nothing_was_lost(watcher)
    bodies = [body for _, kind, body in queries.audit(tmp_path / "state", 100) if kind == "rules.reload"]
    assert all(len(body["commit"]) == 40 for body in bodies)


async def test_a_swapped_symlink_is_a_reload(tmp_path: Path) -> None:
    for name, rule in (("v1", "first"), ("v2", "second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text(MORE.replace("more", rule), "utf-8")
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0) as simulator:
        settings = settings_for(tmp_path / "daemon", simulator, RULES)
        rules = tmp_path / "daemon" / "rules.d"
        shutil.rmtree(rules)
        rules.symlink_to(tmp_path / "v1")
        async with running(settings) as watcher:
            await watcher.until(lambda event: isinstance(event, Tick))
            (tmp_path / "daemon" / "next").symlink_to(tmp_path / "v2")
            (tmp_path / "daemon" / "next").rename(rules)
            result = await watcher.reloaded()
            assert (result.added, result.removed) == (("second",), ("first",))
            (tmp_path / "v2" / "rules.yaml").write_text(MORE.replace("more", "third"), "utf-8")
            assert (await watcher.reloaded()).added == ("third",)


async def test_new_symbols_are_subscribed_and_old_ones_dropped_without_a_gap(tmp_path: Path) -> None:
    async with busy_daemon(tmp_path) as (simulator, watcher, rules):
        (rules / "more.yaml").write_text(MORE.replace("/ES", "NVDA"), "utf-8")
        await watcher.reloaded()
        await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "NVDA")
        (rules / "more.yaml").unlink()
        await watcher.reloaded()
        while ("LEVELONE_EQUITIES", "UNSUBS", ("NVDA",)) not in simulator.counters.requests:
            await watcher.until(lambda event: isinstance(event, ClockTurn))
        seen = len(watcher.events)
        await watcher.until(lambda event: isinstance(event, ClockTurn))
        await watcher.until(lambda event: isinstance(event, ClockTurn))
        late = [event for event in watcher.events[seen:] if isinstance(event, Tick) and event.symbol == "NVDA"]
        assert not late[5:]  # what was on its way when it was dropped
        await check_nothing_was_lost(watcher)


async def test_a_restart_with_a_broken_file_arms_the_last_good_version(tmp_path: Path) -> None:
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES)
        async with running(settings) as watcher:
            await watcher.until(lambda event: isinstance(event, Tick))
        (tmp_path / "rules.d" / "rules.yaml").write_text(BROKEN, "utf-8")
        async with running(settings) as watcher:
            assert watcher.daemon.reloader is not None
            loaded = watcher.daemon.reloader.loaded
            assert set(loaded.rule_set.by_id) == {"stays", "busy"}
            assert str(loaded.problems[0]).startswith("rules.d/rules.yaml:3:")
            await watcher.until(lambda event: isinstance(event, Tick))
