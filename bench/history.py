"""A store of many days: queries over a hundred million ticks, dropping a day, backup and removal while ticks flow.

A day of ten million ticks is made once, copied for every other day, and the copies get their own date. The files are in
the page cache: what is measured is the work, not the disk. What goes on beside the ticks runs as a user runs it, as a
command in a process of its own, and a tick's delay is measured as in bench.latency.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bench.client import answer, measured, warmed, write_settings
from bench.feed_server import feed_server
from bench.market import START_US, SYMBOLS
from bench.measure import child, percentile, ratio
from bench.result import Goal, Row, Run, judged, shown
from bench.store import DAY_BEGIN_US, TICKS_PER_S, made_ticks
from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.clock import MarketClock, WallClock
from tradeassistd.base.config import KeepSettings, kept_instead
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import Bar
from tradeassistd.market.session import ALWAYS, trading_day
from tradeassistd.store import queries
from tradeassistd.store.directory import make_directory, tape_path
from tradeassistd.store.retention import Retention
from tradeassistd.store.tape import Tape
from tradeassistd.store.tape_files import tape_files, unlink
from tradeassistd.store.writer import Store

PART = "history"
PROGRAM = Path(sys.executable).with_name("tradeassist")
WRITTEN = 1_000_000
"""Ticks that are written as the daemon does; a larger day repeats them at later times, in their order."""
DAYS, QUICK_DAYS = 10, 3
TIMES_A_DAY, QUICK_TIMES = 10, 2
ROUNDS, ASKED = 20, 100
QUICK_WRITTEN = 50_000
QUERY_GROWTH_GOAL, DROP_GOAL, DELAY_GOAL_MS = 1.4, 2.0, 20.0
RATE = 1_000
SECONDS, QUICK_SECONDS = 60, 20
WARM_TICKS = 2 * RATE
AFTER_S, QUIET_S = 0.5, 8.0
KEPT_DAYS = 3
OLD_BARS, QUICK_OLD_BARS = 200_000, 5_000
COMMAND_WITHIN_S = 240.0
SEED = 7


def run(run: Run) -> list[Row]:
    """The rows."""
    written, times, days = (QUICK_WRITTEN, QUICK_TIMES, QUICK_DAYS) if run.quick else (WRITTEN, TIMES_A_DAY, DAYS)
    small, large = run.folder / "small", run.folder / "large"
    run.say(f"a day of {written:,} ticks")
    path = asyncio.run(_written(small, written))
    run.say(f"{days} days of {written * times:,} ticks")
    _many_days(path, large, written, times, days)
    rows = _queries(run, small, large, written, times, days)
    rows += asyncio.run(_dropping(run, large, written * times))
    return [*rows, *_beside_ticks(run, path, written)]


async def _written(folder: Path, count: int) -> Path:
    make_directory(folder)
    tape = await Tape.open(folder, DAY_BEGIN_US, clock=MarketClock(DAY_BEGIN_US))
    batch = []
    for tick in made_ticks(count):
        batch.append(tick)
        if len(batch) == 5_000:
            await tape.write(batch)
            batch = []
    await tape.write(batch)
    await tape.close()
    return tape.path


def _many_days(small: Path, folder: Path, written: int, times: int, days: int) -> None:
    """Days of `times` as many ticks, one after another back from the day that was written."""
    make_directory(folder)
    first = shutil.copyfile(small, folder / small.name)
    raw = sqlite3.connect(first, isolation_level=None)
    raw.execute("PRAGMA synchronous = OFF")
    columns = [row[1] for row in raw.execute("PRAGMA table_info(ticks)")][1:]
    span_us = written * US_PER_S // TICKS_PER_S
    for number in range(1, times):
        (last,) = raw.execute("SELECT max(key & ((1 << 40) - 1)) FROM ticks").fetchone()
        raw.execute(
            f"""INSERT INTO ticks SELECT key + ?, {", ".join(columns)} FROM ticks
                WHERE key & ((1 << 40) - 1) < ? ORDER BY key & ((1 << 40) - 1)""",
            (number * span_us, span_us),
        )
        assert last < number * span_us
    raw.execute("UPDATE meta SET value = ? WHERE key = 'ticks'", (written * times,))
    raw.close()
    begin_us = DAY_BEGIN_US
    for _ in range(days - 1):
        name, begin_us = trading_day(begin_us - US_PER_S)
        copy = shutil.copyfile(first, tape_path(folder, name))
        raw = sqlite3.connect(copy, isolation_level=None)
        raw.execute("UPDATE meta SET value = ? WHERE key = 'begin_us'", (begin_us,))
        raw.close()


def _queries(run: Run, small: Path, large: Path, written: int, times: int, days: int) -> list[Row]:
    """The same question to both, in turn; each opens the files anew, as a command of the CLI does."""
    total = written * times * days
    run.say(f"queries at {written:,} and at {total:,} ticks")
    begins = {small: [DAY_BEGIN_US], large: [_begin_us(one.paths[0]) for one in tape_files(large)]}
    spans = {small: written * US_PER_S // TICKS_PER_S, large: written * times * US_PER_S // TICKS_PER_S}
    chance, found = Random(SEED), dict[Path, list[float]]()
    for number in range(ROUNDS // (5 if run.quick else 1) + 1):
        for folder in (small, large):
            waits_ms = [_last_hundred(folder, begins[folder], spans[folder], chance) for _ in range(ASKED)]
            if number:  # the first round warms up
                found.setdefault(folder, []).extend(waits_ms)
    p50 = {folder: percentile(waits_ms, 50) for folder, waits_ms in found.items()}
    p99 = {folder: percentile(waits_ms, 99) for folder, waits_ms in found.items()}
    what = f"last 100 ticks of a symbol before a time, {total:,} against {written:,} ticks"
    middle = f"{p50[large]:.2f} against {p50[small]:.2f} ms"
    return [
        judged(PART, f"{what}, p99", p99[large] / p99[small], Goal(QUERY_GROWTH_GOAL, "x"),
               f"{p99[large]:.2f} against {p99[small]:.2f} ms"),
        Row(PART, f"{what}, p50", f"{shown(p50[large] / p50[small], 'x')} ({middle})"),
    ]  # fmt: skip


def _last_hundred(folder: Path, begins: list[int], span_us: int, chance: Random) -> float:
    before_us = chance.choice(begins) + chance.randrange(span_us // 10, span_us)
    symbol = chance.choice(SYMBOLS)
    begin_s = time.perf_counter()
    ticks = queries.last_ticks(folder, symbol, before_us=before_us, limit=100)
    took_ms = (time.perf_counter() - begin_s) * 1e3
    assert len(ticks) == 100
    return took_ms


def _begin_us(path: Path) -> int:
    raw = sqlite3.connect(path)
    (begin_us,) = raw.execute("SELECT value FROM meta WHERE key = 'begin_us'").fetchone()
    raw.close()
    return int(begin_us)


async def _dropping(run: Run, folder: Path, ticks: int) -> list[Row]:
    """All days but two by hand, then one through the daemon's own pass while the event loop is watched.

    How long a file system takes to free so many blocks is its own affair: each day is held against a plain copy of it.
    """
    run.say("dropping days")
    waits_ms: list[float] = []
    plain_ms: list[float] = []
    size = 0
    for day in tape_files(folder)[:-2]:
        size = day.size
        plain = shutil.copyfile(day.paths[0], folder / "plain")
        os.sync()  # both have their blocks on the disk, as a day that is old enough to go has
        plain_ms.append(_took_ms(plain.unlink))
        waits_ms.append(_took_ms(partial(unlink, day)))
    (newest_us,) = (_begin_us(one.paths[0]) for one in tape_files(folder)[-1:])
    store = await Store.open(folder, clock=WallClock())
    try:
        gaps_ms: list[float] = []
        watching = asyncio.create_task(_watch_loop(gaps_ms))
        await asyncio.sleep(0.1)
        gaps_ms.clear()
        keep = kept_instead(KeepSettings(), ["tape=1d"])
        pruned = await Retention(store, keep, WallClock()).prune(now_us=newest_us + 40 * 3_600 * US_PER_S)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    finally:
        await store.close()
    if not pruned.tapes:
        raise RuntimeError("no day was dropped")
    return [
        judged(PART, f"dropping a day of {ticks:,} ticks, against a plain file of {size / 1e6:,.0f} MB",
               ratio(waits_ms, plain_ms), Goal(DROP_GOAL, "x"),
               f"{percentile(waits_ms, 50):.1f} against {percentile(plain_ms, 50):.1f} ms"),
        Row(PART, f"longest of {len(waits_ms)}", f"{max(waits_ms):.1f} ms"),
        Row(PART, "event loop held up while the daemon drops one", f"at most {max(gaps_ms):.1f} ms"),
    ]  # fmt: skip


def _took_ms(work: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    work()
    return (time.perf_counter() - begin_s) * 1e3


async def _watch_loop(gaps_ms: list[float]) -> None:
    """How long the loop takes from one turn to the next."""
    before_s = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now_s = time.perf_counter()
        gaps_ms.append((now_s - before_s) * 1e3 - 1.0)
        before_s = now_s


def _beside_ticks(run: Run, tape: Path, ticks: int) -> list[Row]:
    """A removal and a backup while ticks flow, against none of both in the same run; some days of tape are there."""
    run.say(f"backup and removal at {RATE:,} ticks/s, beside {KEPT_DAYS} days of {ticks:,} ticks")
    folder, seconds = run.folder / "daemon", QUICK_SECONDS if run.quick else SECONDS
    write_settings(folder)
    make_directory(folder / "state")
    begin_us = DAY_BEGIN_US
    for _ in range(KEPT_DAYS):
        name, begin_us = trading_day(begin_us - US_PER_S)
        shutil.copyfile(tape, tape_path(folder / "state", name))
    with feed_server(run.folder, ticks=seconds * RATE, items=[1]) as server:
        found = child("history", server.url(ticks=seconds * RATE, rate=RATE, times="sent"), "--folder", str(folder),
                      "--bars", str(QUICK_OLD_BARS if run.quick else OLD_BARS))  # fmt: skip
        sent, decided = server.sent_ns("sent"), array("q")
    decided.frombytes((folder / "decided").read_bytes())
    base_ms: list[float] = []
    rows = []
    for step in found["steps"]:
        delays_ms = _delays_ms(step, sent, decided)
        base_ms = base_ms or delays_ms
        took_s, p99 = (step["over_ns"] - step["begin_ns"]) / 1e9, percentile(delays_ms, 99)
        more = shown(p99 / percentile(base_ms, 99), "x")
        note = f"p99 {shown(p99, 'ms')}, {more} that without; {step['note']}in {took_s:.1f} s"
        what = f"{step['name']}, {RATE:,} ticks/s: longest delay of a tick"
        rows.append(
            Row(PART, what, f"{shown(max(delays_ms), 'ms')} (p99 {shown(p99, 'ms')})")
            if delays_ms is base_ms
            else judged(PART, what, max(delays_ms), Goal(DELAY_GOAL_MS, "ms"), note)
        )
    return rows


def _delays_ms(step: dict[str, Any], sent: array[int], decided: array[int]) -> list[float]:
    begin, end = (bisect_left(sent, at_ns) for at_ns in (step["begin_ns"], step["over_ns"] + AFTER_S * 1e9))
    end = min(end, len(decided))  # a slow machine is still busy with the last step when the ticks end
    if end - begin < RATE:
        raise RuntimeError(f"{step['name']}: the ticks had ended before")
    return [(there - here) / 1e6 for here, there in zip(sent[begin:end], decided[begin:end], strict=True)]


async def measure(url: str, folder: Path, bars: int) -> dict[str, Any]:
    """Run the daemon and the steps; the times of the ticks go into the file `decided`."""
    await _old_bars(folder / "state", bars)
    target = folder / "backup.tar.gz"
    steps: list[tuple[str, tuple[str, ...], Callable[[], str]]] = [
        ("neither", (), lambda: ""),
        ("removal", ("prune", "--keep", "tape=forever"), lambda: f"{bars:,} bars "),
        ("backup", ("backup", str(target)), lambda: f"{target.stat().st_size / 1e6:,.0f} MB "),
    ]
    found = []
    async with measured(url, folder) as running:
        assert running.live is not None  # it is ready
        times = await warmed(running.live, WARM_TICKS)
        for name, command, note in steps:
            begin_ns = time.monotonic_ns()
            await (_command(folder, *command) if command else asyncio.sleep(QUIET_S))
            found.append({"name": name, "begin_ns": begin_ns, "over_ns": time.monotonic_ns(), "note": note()})
            await asyncio.sleep(2 * AFTER_S)
        (folder / "decided").write_bytes(times.ticks.tobytes())
    return {"steps": found}


async def _old_bars(state: Path, count: int) -> None:
    """Bars of five years ago, which `store.keep` does not keep."""
    store = await Store.open(state, clock=WallClock())
    minute_us = 60 * US_PER_S
    first_us = (START_US - 5 * 365 * DAY_S * US_PER_S) // minute_us * minute_us
    for begin in range(0, count, 10_000):
        starts = (first_us + number * minute_us for number in range(begin, min(begin + 10_000, count)))
        await store.save_bars([Bar("SPY", "1m", ALWAYS, at, at + minute_us, 1, 2, 1, 2, 3, 4) for at in starts])
    await store.close()


async def _command(folder: Path, *arguments: str) -> None:
    """A command of `tradeassist db`, run as a user does. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "db", *arguments, "--config", str(folder / "config.yaml"), env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(COMMAND_WITHIN_S):
        output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"db {arguments[0]} ended with {process.returncode}: {(output + errors).decode()[-2000:]}")


if __name__ == "__main__":
    answer(measure, "--bars")
