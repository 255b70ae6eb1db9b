"""From the wire to a decision, and from a decision to the channel, while the tape is being written.

The server notes CLOCK_MONOTONIC just before it hands each frame to the kernel, the daemon notes it when a tick has gone
through the engine and when the channel is called; one clock serves both processes, and with one tick in each frame the
n-th time belongs to the n-th tick. An alert is handed over after the tape is flushed, its transaction is durable and
its delivery is marked as being sent, which is durable too; beside it stands a bare BEGIN .. COMMIT on the same disk.
"""

from __future__ import annotations

import sqlite3
import time
from array import array
from pathlib import Path

from bench.client import write_settings
from bench.feed_server import FeedServer, feed_server
from bench.measure import child, percentile
from bench.result import Goal, Row, Run, judged, shown
from bench.rules import busy, mixed

PART = "latency"
RATES = (1_000, 10_000)
P99_GOAL_MS = {1_000: 1.0, 10_000: 5.0}
P50_GOAL_MS = {1_000: 0.2}
BUSY_SYMBOLS, BUSY_LEVELS = ("/ES", "/NQ"), 20
BARE_COMMITS = 200


def run(run: Run) -> list[Row]:
    """The rows of both rates."""
    seconds = 3 if run.quick else 20
    rates = {rate: rate * (seconds if rate == RATES[0] else min(seconds, 5)) for rate in RATES}
    run.say("making the frames")
    with feed_server(run.folder, ticks=max(rates.values()), items=[1]) as server:
        return [row for rate, ticks in rates.items() for row in _rate(run, server, rate, ticks)]


def _rate(run: Run, server: FeedServer, rate: int, ticks: int) -> list[Row]:
    run.say(f"{rate:,} ticks/s for {ticks // rate} s")
    folder, times = run.folder / f"latency-{rate}", f"sent-{rate}"
    write_settings(folder, {**mixed(100), "busy.yaml": busy(BUSY_LEVELS, BUSY_SYMBOLS)["bench-000.yaml"]})
    bare_ms = bare_commits(folder, BARE_COMMITS)
    found = child("client", "daemon", server.url(ticks=ticks, rate=rate, times=times), "--ticks", str(ticks),
                  "--warm", str(ticks // 10), "--folder", str(folder), "--times")  # fmt: skip
    bare_ms += bare_commits(folder, BARE_COMMITS)
    sent, decided = server.sent_ns(times), array("q")
    decided.frombytes((folder / "decided").read_bytes())
    if len(sent) != len(decided):
        raise RuntimeError(f"{len(sent)} ticks were sent and {len(decided)} decided")
    first = ticks // 10  # what comes before is warming up
    waits_ms = [(there - here) / 1e6 for here, there in zip(sent[first:], decided[first:], strict=True)]
    handed_ms = [us / 1e3 for us in found["handed_us"]]
    return [*_decided(rate, waits_ms), *_handed(rate, handed_ms, bare_ms)]


def _decided(rate: int, waits_ms: list[float]) -> list[Row]:
    rows = []
    for percent, goals in ((50.0, P50_GOAL_MS), (99.0, P99_GOAL_MS), (99.9, {})):
        what, value = f"{rate:,} ticks/s: sent -> decided, p{percent:g}", percentile(waits_ms, percent)
        goal = goals.get(rate)
        rows.append(judged(PART, what, value, Goal(goal, "ms")) if goal else Row(PART, what, shown(value, "ms")))
    return rows


def _handed(rate: int, handed_ms: list[float], bare_ms: list[float]) -> list[Row]:
    what, count = f"{rate:,} ticks/s: decided -> handed to the channel", len(handed_ms)
    if not handed_ms:
        return [Row(PART, what, "no alert in so short a run")]
    # A percentile takes at least one value beyond it.
    known = [percent for percent in (50, 99, 99.9) if count * (100 - percent) >= 100]
    values = [f"p{percent:g} {shown(percentile(handed_ms, percent), 'ms')}" for percent in known]
    bare, p50 = percentile(bare_ms, 50), percentile(handed_ms, 50)
    return [
        Row(PART, f"{what}, {count:,} alerts", ", ".join([*values, f"longest {shown(max(handed_ms), 'ms')}"])),
        judged(PART, f"{what}, p50 against a bare COMMIT (FULL)", p50 / bare, Goal(2.5, "x"), f"bare {bare:.3g} ms"),
    ]  # fmt: skip


def bare_commits(folder: Path, count: int) -> list[float]:
    """Milliseconds of transactions that store one small row with synchronous=FULL, each durable."""
    waits_ms = []
    raw = sqlite3.connect(folder / "bare.db", isolation_level=None)
    try:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)")
        for _ in range(count):
            begin = time.perf_counter()
            raw.execute("BEGIN IMMEDIATE")
            raw.execute("INSERT INTO rows (text) VALUES ('one')")
            raw.execute("COMMIT")
            waits_ms.append((time.perf_counter() - begin) * 1e3)
    finally:
        raw.close()
    return waits_ms
