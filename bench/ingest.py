"""CPU per tick and ticks a second, end to end: the whole daemon and our feed alone against stock schwab-py.

All clients get the same frames from one server process, each in a process of its own, in turn, round after round.
Stock is schwab-py 1.5 as its documentation has it, with handlers that do nothing. `saturated` sends as fast as frames
are taken; `paced` sends one frame a millisecond, and then waking up costs more than the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.client import RULES, write_settings
from bench.feed_server import FeedServer, feed_server
from bench.market import SYMBOLS
from bench.measure import alternating, child, ratio
from bench.result import Goal, Row, Run, judged, shown

PART = "ingest"
NAMES = {
    "stock": "stock schwab-py, no-op handlers",
    "feed": "our feed (stream, decoder, intake), no-op consumer",
    "daemon": f"whole daemon ({RULES} rules on {len(SYMBOLS)} symbols, tape, store, no-op channel)",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to feed the clients."""

    name: str
    items: int
    rate: float
    ticks: int
    rounds: int
    goal: float
    ticks_per_s_goal: float = 0.0

    @property
    def warm(self) -> int:
        return self.ticks // 10


FULL = (
    Mode("saturated, 1 tick per message", 1, 0, 50_000, 3, 0.5, 80_000),
    Mode("saturated, 5 ticks per message", 5, 0, 50_000, 3, 0.35, 230_000),
    Mode("paced, 1,000 ticks/s", 1, 1_000, 3_000, 5, 0.65),
)
QUICK = (
    Mode("saturated, 1 tick per message", 1, 0, 5_000, 1, 0.5, 80_000),
    Mode("saturated, 5 ticks per message", 5, 0, 5_000, 1, 0.35, 230_000),
    Mode("paced, 1,000 ticks/s", 1, 1_000, 1_000, 1, 0.65),
)


def run(run: Run) -> list[Row]:
    """The rows of all modes."""
    modes = QUICK if run.quick else FULL
    run.say("making the frames")
    with feed_server(run.folder, ticks=max(mode.ticks for mode in modes), items=[1, 5]) as server:
        rows = [row for mode in modes for row in _mode(run, server, mode)]
        facts = server.facts
    fields, (one, five) = facts["1"]["fields_per_tick"], (facts[items]["bytes_per_tick"] for items in ("1", "5"))
    return [
        Row(PART, "fields per tick, bytes per tick at 1 and at 5 per message", f"{fields:.1f}, {one:.0f}, {five:.0f}"),
        *rows,
    ]


def _mode(run: Run, server: FeedServer, mode: Mode) -> list[Row]:
    found = alternating(mode.rounds, {kind: lambda kind=kind: _client(run, server, mode, kind) for kind in NAMES})  # type: ignore[misc]
    rows = []
    cpu = {kind: [one["cpu_us"] for one in results] for kind, results in found.items()}
    for kind, name in NAMES.items():
        speed = median(one["ticks_per_s"] for one in found[kind])
        absolute = f"{median(cpu[kind]):.1f} us CPU per tick, {speed:,.0f} ticks/s"
        if kind != "stock" and mode.rounds > 1:
            each = [one / base for one, base in zip(cpu[kind], cpu["stock"], strict=True)]
            absolute += f"; rounds {min(each):.2f} to {max(each):.2f}x"
        what = f"{mode.name}: {name}"
        if kind == "stock":
            rows.append(Row(PART, what, f"1x ({absolute})"))
        elif kind == "feed":
            rows.append(Row(PART, what, f"{shown(ratio(cpu[kind], cpu['stock']), 'x')} ({absolute})"))
        else:
            rows.append(judged(PART, what, ratio(cpu[kind], cpu["stock"]), Goal(mode.goal, "x"), absolute))
            if mode.ticks_per_s_goal:
                goal = Goal(mode.ticks_per_s_goal, "ticks/s", at_least=True)
                rows.append(judged(PART, f"{mode.name}: sustained by the whole daemon", speed, goal))
    return rows


def _client(run: Run, server: FeedServer, mode: Mode, kind: str) -> dict[str, Any]:
    run.say(f"{mode.name}: {kind}")
    folder = run.folder / f"client-{len(list(run.folder.iterdir()))}"
    write_settings(folder)
    url = server.url(ticks=mode.ticks, items=mode.items, rate=mode.rate)
    return child("client", kind, url, "--ticks", str(mode.ticks), "--warm", str(mode.warm), "--items", str(mode.items),
                 "--folder", str(folder))  # fmt: skip
