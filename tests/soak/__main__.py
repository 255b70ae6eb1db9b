"""`make soak`: python -m tests.soak [--days N] [--seed N] [--week NAME].

Exit code 1 when anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import structlog

from tests.scenarios.stage import instant_us
from tests.scenarios.world import WorldLoop
from tests.soak.checks import PROBLEMS_SHOWN_MAX, check_all
from tests.soak.memory import slope_kb, warm_up_h
from tests.soak.oracle import Verdict
from tests.soak.truth import Truth
from tests.soak.week import Run, live_through

COUNTS_SHOWN_MAX = 30
WEEKS = {
    "thanksgiving": "2026-11-22T17:30:00-05:00",  # the Sunday; Thursday is a holiday, Friday a half day
    "dst": "2026-10-30T17:30:00-04:00",  # a Friday; on Sunday the clocks go back
}


def main() -> int:
    """Run, check, print."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="a new folder for what the daemon and the market leave")
    parser.add_argument("--week", choices=[*WEEKS, "all"], help="both for whole weeks, else the first")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)  # what a web server says of connections that a fault breaks
    warnings.simplefilter("ignore")
    week = given.week or ("all" if given.days >= 7 else next(iter(WEEKS)))
    weeks = list(WEEKS) if week == "all" else [week]
    return max(_soak(week, given.days, given.seed, given.keep) for week in weeks)


def _soak(week: str, days: int, seed: int, keep: Path | None) -> int:
    print(f"soak: {week}, {days} days from {WEEKS[week]}, seed {seed}, commit {_commit()}", flush=True)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = (keep or Path(scratch)) / week
        folder.mkdir(parents=True)
        with Truth(folder / "truth") as truth:
            with asyncio.Runner(loop_factory=WorldLoop) as runner:
                run = runner.run(live_through(folder / "daemon", truth, instant_us(WEEKS[week]), days, seed))
            (folder / "memory.csv").write_text(
                "".join(f"{one.hours},{one.rss_kb},{one.starts}\n" for one in run.samples)
            )
            lived_s = time.monotonic() - began_s
            verdict = check_all(run, truth)
    _report(run, verdict, lived_s, time.monotonic() - began_s)
    return 1 if verdict.problems else 0


def _report(run: Run, verdict: Verdict, lived_s: float, took_s: float) -> None:
    used_s = resource.getrusage(resource.RUSAGE_SELF)
    rss = [sample.rss_kb for sample in run.samples]
    print(f"  took {took_s:.0f} s, of them {lived_s:.0f} s simulated; {used_s.ru_utime + used_s.ru_stime:.0f} s of CPU")
    print(f"  {sum(run.faults.values())} faults: {_counts(run.faults)}")
    print(f"  connection: {_counts(run.states)}; {run.starts} starts, killed {_counts(run.kills)}; {run.logins} logins")
    print(f"  events: {_counts(run.events)}")
    print(f"  said: {_counts(run.said)}")
    print(
        f"  {verdict.rows:,} true prices; soak rules: {verdict.live} live and {verdict.missed} missed crossings, "
        f"{verdict.told} told, {verdict.suppressed} in cooldown; {run.posts} messages, {run.repeats} twice"
    )
    print(f"  memory {min(rss) / 1024:.1f} to {max(rss) / 1024:.1f} MB, {_slope(run)}; "
          f"at most {max(sample.queued for sample in run.samples)} entries waited at rest")  # fmt: skip
    for problem in verdict.problems[:PROBLEMS_SHOWN_MAX]:
        print(f"  PROBLEM {problem}")
    print(f"  {len(verdict.problems)} problems" if verdict.problems else "  no problems", flush=True)


def _slope(run: Run) -> str:
    slope = slope_kb(run)
    return "too short for a slope" if slope is None else f"{slope:+.0f} KB a day from hour {warm_up_h(run.start_us)} on"


def _counts(counter: dict[str, int]) -> str:
    most = sorted(counter.items(), key=lambda one: -one[1])
    shown = [f"{name} {count:,}" for name, count in most[:COUNTS_SHOWN_MAX]]
    if left := sum(count for _, count in most[COUNTS_SHOWN_MAX:]):
        shown.append(f"others {left:,}")
    return ", ".join(shown) or "none"


def _commit() -> str:
    """The commit, with a + when the tree differs from it."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
