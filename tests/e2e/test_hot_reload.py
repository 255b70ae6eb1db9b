"""The rules directory is edited in every way people and programs edit, while a thousand ticks a second flow.

Where each point of the contract of a reload is held (`hazards` is tests/e2e/test_reload_hazards.py, `reload`
tests/test_reload.py, `watch` tests/rules/test_watch.py, `readings` tests/rules/test_readings.py, `laws`
tests/engine/laws/test_reload_laws.py, `roster` tests/engine/test_roster.py, `engine` tests/engine/test_reload.py,
`store` tests/store/test_store.py; `here` this file):

What starts one
    inotify                        here: every way of editing; watch
    the look every ten seconds     hazards: without inotify; watch: without inotify a look comes
    SIGHUP                         hazards: without inotify, the real program
    `tradeassist rules reload`     tests/api/test_http.py, tests/api/test_daemon.py
    one task, requests folded      reload: requests during a run are one more run
When it has settled
    300 ms of quiet, git's lock    watch: it waits until nothing moves and git is done, but not for ever
    a slow writer                  reload: half a file does not count; hazards: slow writers
    a flood of 4 s                 hazards: floods; reload: a file that is written for ever
    editor litter                  here: every way of editing (swap file, backup, 4913); hazards: links (emacs)
    saves by renaming, sed -i      here: every way of editing
    swapped links                  here: a swapped symlink; hazards: a mounted configuration; watch: behind a link
    links to nowhere, to itself    hazards: links; reload: a link that leads to itself; watch: links
    a directory moved, made anew   here: every way of editing; hazards: lost directories; watch: made anew
    gone when a second look agrees reload: a file counts as gone; hazards: slow writers (deleted and written anew)
    a .git that is sealed          watch: links that lead nowhere, and a sealed git
What is read
    the same bytes: nothing        reload: bytes that were looked at before; the first look; hazards (other times)
    no rules: refused, or meant    reload: no rules where there were some; here: moved away
How it is built
    a hundred rules: a process     reload: more than a hundred; readings: a process of its own, fails, hangs
    only what changed is read      reload: only what changed; readings
    a bad or empty file            here: every way of editing; reload: told once, then daily
    chmod 000                      hazards: a file that may not be read; tests/rules/test_load.py
    stored, so a restart has it    here: a restart with a broken file; store: the rules accepted last
    shared files, each             hazards: every shared file breaks and is mended
    a shared file spoils others    hazards: every shared file; tests/rules/test_watchlists.py, test_instruments.py
    one id in two files            reload: of two files with one id; hazards: clashing ids
    a package that is missing      hazards: a rule whose package is missing for a while
How it comes into force
    windows are warm before        here: what new rules read is known; engine: what a reload asks for
    between two events             here: replayed equals stored, every tick is there; hazards: nothing was lost
    ADD before, UNSUBS after       here: new symbols are subscribed; tests/feed/test_connection.py
    busy store: nothing changes    reload: what the store cannot take
What is kept
    each field: kept or armed      laws: every field of a rule; a change beside the condition; of the condition
    equal rules: nothing           laws: a reload with equal rules; engine; roster: the same objects
    firing, condition changed      laws: a firing is judged once; engine: a changed condition
    removed, off, and back         laws: taken up where it was; here: git checkout of another branch and back
    90 days                        roster: a state that waited; reload forgets; store: not judged for ninety days
    `was`, `rev`                   hazards: an id that changes and a raised rev; laws; roster: its old id
What is said
    log, audit row, status         reload: every change is in the audit; cannot take and once; here: commits
    one message, daily, mended     reload: told once, then daily and when it is mended
"""

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
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Bars, ClockTurn, Event, Gap, RulesSwap
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
        "GIT_CONFIG_GLOBAL": os.devnull,  # whoever runs this may have hooks, or sign what they commit
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env={**os.environ, **identity})


def made_up_market() -> SyntheticMarket:
    """About a thousand changes a second; the same ones every time."""
    return SyntheticMarket(3, MONDAY_US, (*THE_TWELVE, "NVDA"), ticks_per_s=90)


@asynccontextmanager
async def busy_daemon(folder: Path, channels: str = "{}") -> AsyncIterator[tuple[Simulator, Watcher, Path]]:
    """A daemon that takes about a thousand ticks a second, and its rules directory."""
    async with (
        Simulator(made_up_market(), speed=1.0) as simulator,
        running(settings_for(folder, simulator, RULES, channels)) as watcher,
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
        dropped_us = simulator.now_us  # what is still on its way, perhaps a whole queue, was made before
        await watcher.until_clock(dropped_us + 2 * US_PER_S)
        assert max(tick.event_us for tick in watcher.ticks if tick.symbol == "NVDA") < dropped_us + US_PER_S // 10
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


async def test_what_new_rules_read_is_known_when_they_come_into_force(tmp_path: Path) -> None:
    average = "version: 1\nrules:\n  - {id: average, symbols: [/ES], when: 'price > sma(close, 4, 1m)'}\n"
    async with (
        Simulator(SyntheticMarket(3, MONDAY_US), speed=60.0) as simulator,
        running(settings_for(tmp_path, simulator, RULES)) as watcher,
    ):
        assert watcher.daemon.live is not None
        live, at_once = watcher.daemon.live, list[object]()

        def see(event: Event, _: object) -> None:
            if isinstance(event, RulesSwap):
                machines = [one for one in live._engine.machines if one.rule.id == "average"]
                at_once.extend(track.value() for one in machines for track in one.tracks)

        live.listeners.append(see)
        await watcher.until_clock(MONDAY_US + 310 * US_PER_S)
        while len(queries.bars(tmp_path / "state", "/ES", "1m", "always", before_us=2**62)) < 4:
            await watcher.until(lambda event: isinstance(event, ClockTurn))  # the house is kept once a second
        (tmp_path / "rules.d" / "average.yaml").write_text(average, "utf-8")
        assert (await watcher.reloaded()).added == ("average",)
    (value,) = at_once
    swap_at, swap = next((at, one) for at, one in enumerate(watcher.events) if isinstance(one, RulesSwap))
    warm = watcher.events[swap_at - 1]
    assert isinstance(warm, Bars) and (warm.symbol, warm.interval) == ("/ES", "1m")
    bars = queries.bars(tmp_path / "state", "/ES", "1m", "always", before_us=swap.event_us)
    closes = [bar.close for bar in bars][-5:]
    assert value in [sum(closes[at : at + 4]) / 4 for at in range(2)]  # the newest bar closes only after its grace
