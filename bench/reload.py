"""How long a reload holds up ticks: 1,000 rule files with 10,000 rules, ticks flowing, edits in between.

A child runs the whole daemon and edits its rules directory step by step; for each step it notes when the edit began and
when the reload was over. A tick's delay is from just before the server hands it to the kernel until it has gone through
the engine, as in bench.latency, so whatever holds the engine up is in it.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.client import Times, answer, measured, warmed, write_settings
from bench.feed_server import feed_server
from bench.market import SYMBOLS
from bench.measure import child, percentile, rss_mb
from bench.result import Goal, Row, Run, judged, shown
from bench.rules import rule
from tradeassistd.market.catalogue import entries
from tradeassistd.reload import Reloader, ReloadResult

PART = "reload"
RATE = 200
"""Ticks a second: what the engine does of itself must leave room to see what a reload adds."""
FILES, RULES_PER_FILE = 1_000, 10
QUICK_FILES = 60
SECONDS, QUICK_SECONDS = 100, 45
CHANGED_FILES = 20
AFTER_S = 1.0
"""How much of the time after a reload belongs to it: what it leaves to do must not hold ticks up either."""
TIMES = 5
"""How often one file is changed, and how many stretches without a reload are held against it: now and then the engine's
own work (a second's turn, a minute's close) falls into either."""
NO_RELOAD_S = 0.6
"""About as long as a reload of one file takes."""
ADDED_GOAL_MS = 20.0
STEP_WITHIN_S = 120.0
WARM_TICKS = 2 * RATE
OTHERS = tuple(sorted({entry.symbol for entry in entries()} - set(SYMBOLS)))
"""Symbols that are watched beside those that tick: the whole catalogue, as watchlists bring them into so many rules."""


def run(run: Run) -> list[Row]:
    """A row for each kind of reload."""
    files, seconds = (QUICK_FILES, QUICK_SECONDS) if run.quick else (FILES, SECONDS)
    run.say("making the frames")
    with feed_server(run.folder, ticks=seconds * RATE, items=[1]) as server:
        folder = run.folder / "daemon"
        write_settings(folder, directory(files))
        run.say(f"{files:,} files, {files * RULES_PER_FILE:,} rules")
        found = child("reload", server.url(ticks=seconds * RATE, rate=RATE, times="sent"), "--folder", str(folder),
                      "--files", str(files))  # fmt: skip
        sent, decided = server.sent_ns("sent"), array("q")
    decided.frombytes((folder / "decided").read_bytes())
    if len(decided) > len(sent):
        raise RuntimeError(f"{len(sent)} ticks were sent and {len(decided)} decided")
    if found["steps"][-1]["over_ns"] + AFTER_S * 1e9 > sent[-1]:
        raise RuntimeError("the last reload was not over when the ticks ended")
    rows = _rows(found["steps"], sent, decided)
    memory = f"{found['rss_mb']:.0f} MB, before the reloads {found['rss_before_mb']:.0f} MB"
    return [*rows, Row(PART, "resident memory after them all", memory)]


def directory(files: int, first: int = 0, moved: int = 0) -> dict[str, str]:
    """Rule files by name; `moved` makes their conditions others, `first` their ids."""
    numbers, symbols = iter(range(first, first + files * RULES_PER_FILE)), cycle((*SYMBOLS, *OTHERS))
    return {f"file-{number:04}.yaml": "\n".join(["version: 1", "rules:", *(
                _rule(next(numbers), next(symbols), moved) for _ in range(RULES_PER_FILE)), ""])
            for number in range(files)}  # fmt: skip


def _rule(number: int, symbol: str, moved: int) -> str:
    if symbol not in OTHERS:
        return rule(number + moved, symbol, f"rule-{number}")
    conditions = (
        f"price crosses {100 + number % 400 + moved}.5", f"close(5m) > sma(close, {20 + moved}, 5m)",
        f"rsi(close, 14, 5m) < {25 + number % 10 + moved}", f"pct_change(price, 5m) <= -{1 + number % 3}.{moved}%",
        f"close(5m) > highest(high, {10 + number % 20 + moved}, 5m)[1]",
    )  # fmt: skip
    return f"  - {{id: rule-{number}, symbols: [{symbol}], when: '{conditions[number % len(conditions)]}'}}"


def _rows(steps: list[dict[str, Any]], sent: array[int], decided: array[int]) -> list[Row]:
    """The longest delays by kind of step; and what a change of one file adds to that of no reload."""
    delays_ms: dict[str, list[float]] = {}
    took_s: dict[str, float] = {}
    for step in steps:
        begin, end = (bisect_left(sent, at_ns) for at_ns in (step["begin_ns"], step["over_ns"] + AFTER_S * 1e9))
        if end > len(decided):
            raise RuntimeError(f"{step['name']}: {end - len(decided)} ticks that were sent were not decided in time")
        delays_ms.setdefault(step["name"], []).extend(
            (there - here) / 1e6 for here, there in zip(sent[begin:end], decided[begin:end], strict=True)
        )
        took_s[step["name"]] = max(took_s.get(step["name"], 0.0), (step["over_ns"] - step["begin_ns"]) / 1e9)
    rows = [
        Row(PART, f"{name}: longest delay of a tick",
            f"{shown(max(found), 'ms')} (p99 {shown(percentile(found, 99), 'ms')}, reload {took_s[name]:.2f} s)")
        for name, found in delays_ms.items()
    ]  # fmt: skip
    added_ms = max(0.0, max(delays_ms[ONE_FILE]) - max(delays_ms[NO_RELOAD]))
    note = f"worst of {TIMES} with and of {TIMES} without"
    return [*rows, judged(PART, "what one changed file adds to that", added_ms, Goal(ADDED_GOAL_MS, "ms"), note)]


NO_RELOAD, ONE_FILE = "no reload", "one file of them changed"


@dataclass(frozen=True, slots=True)
class Step:
    """One reload: what is done to the directory, and how many rules that adds, changes and removes."""

    name: str
    edit: Callable[[Path], None]
    counts: tuple[int, int, int] | None
    """None: nothing changes, and a reload is asked for."""


def steps_over(files: int) -> list[Step]:
    """The reloads in order."""
    many, rules = min(CHANGED_FILES, files), files * RULES_PER_FILE
    changed, other = directory(files, moved=1), directory(files, first=rules, moved=2)

    def write(texts: dict[str, str], count: int) -> Callable[[Path], None]:
        def edit(folder: Path) -> None:
            for name in sorted(texts)[-count:]:
                (folder / name).write_text(texts[name], "utf-8")

        return edit

    def replace(folder: Path) -> None:
        new = folder.with_name("new")
        new.mkdir()
        write(other, files)(new)
        shutil.copytree(new, folder, dirs_exist_ok=True)

    def change(number: int) -> Step:
        return Step(ONE_FILE, lambda folder: _write_one(folder, changed, number), (0, RULES_PER_FILE, 0))

    return [
        *(Step(NO_RELOAD, lambda _: None, None) for _ in range(TIMES)),
        Step("a reload of which nothing comes", lambda _: None, None),
        *(change(files * number // (2 * TIMES)) for number in range(TIMES)),
        Step("one more file", _write_more, (1, 0, 0)),
        Step(f"{many * RULES_PER_FILE} rules changed", write(changed, many), (0, many * RULES_PER_FILE, 0)),
        Step("all rules others", replace, (rules, 0, rules)),
    ]  # fmt: skip


def _write_one(folder: Path, texts: dict[str, str], number: int) -> None:
    name = sorted(texts)[number]
    (folder / name).write_text(texts[name], "utf-8")


def _write_more(folder: Path) -> None:
    text = "version: 1\nrules:\n  - {id: more, symbols: [/ES], when: 'price crosses 1'}\n"
    (folder / "more.yaml").write_text(text, "utf-8")


async def measure(url: str, folder: Path, files: int) -> dict[str, Any]:
    """Run the daemon and the steps; the times of the ticks go into the file `decided`."""
    async with measured(url, folder) as running:
        live, reloader = running.live, running.reloader
        assert live is not None and reloader is not None  # it is ready
        times = await warmed(live, WARM_TICKS)
        rss_before_mb, found = rss_mb(), []
        for step in steps_over(files):
            found.append(await _step(step, reloader, folder / "rules.d"))
            await _caught_up(times)
        (folder / "decided").write_bytes(times.ticks.tobytes())
        rss_after_mb = rss_mb()
    return {"steps": found, "rss_before_mb": rss_before_mb, "rss_mb": rss_after_mb}


async def _caught_up(times: Times) -> None:
    """Return when ticks have come at their own pace again for a second: none wait, none are made up for."""
    async with asyncio.timeout(STEP_WITHIN_S):
        decided = 0
        while not 0.9 * RATE <= decided <= 1.1 * RATE:
            before = len(times.ticks)
            await asyncio.sleep(1)
            decided = len(times.ticks) - before
        await asyncio.sleep(AFTER_S)


async def _step(step: Step, reloader: Reloader, rules: Path) -> dict[str, Any]:
    results: asyncio.Queue[ReloadResult] = asyncio.Queue()
    reloader.listeners.append(results.put_nowait)
    begin_ns = time.monotonic_ns()
    if step.counts is None:
        await (asyncio.sleep(NO_RELOAD_S) if step.name == NO_RELOAD else reloader.reload())
    else:
        await asyncio.to_thread(step.edit, rules)
        counts = (0, 0, 0)
        async with asyncio.timeout(STEP_WITHIN_S):
            while counts != step.counts:
                result = await results.get()
                if result.problems:
                    raise RuntimeError(result.problems[0])
                now = (len(result.added), len(result.changed), len(result.removed))
                counts = (counts[0] + now[0], counts[1] + now[1], counts[2] + now[2])
    over_ns = time.monotonic_ns()
    reloader.listeners.remove(results.put_nowait)
    return {"name": step.name, "begin_ns": begin_ns, "over_ns": over_ns}


if __name__ == "__main__":
    answer(measure, "--files")
