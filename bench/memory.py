"""Resident memory: what each component adds, the real daemon at rest, and a rule among ten thousand."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.client import RULES
from bench.components import STEPS
from bench.market import SYMBOLS
from bench.measure import child, rss_mb
from bench.result import Goal, Row, Run, judged, shown
from bench.rules import mixed
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET

PART = "memory"
IDLE_GOAL_MB, RULE_GOAL_BYTES = 100.0, 1_000.0
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0


def run(run: Run) -> list[Row]:
    """The rows."""
    run.say("component by component")
    grown = child("components")
    count = 1_000 if run.quick else 10_000
    run.say(f"{count:,} rules")
    each = child("components", str(count))["bytes_per_rule"]
    seconds = 2 if run.quick else 10
    run.say(f"the real daemon at rest for {seconds} s")
    idle_mb = _idle_mb(run.folder, seconds)
    return [
        *(Row(PART, f"+ {name}", shown(grown["grown_mb"][name], "MB")) for name in ("Python", *STEPS)),
        Row(PART, "all of these in one process", shown(grown["all_mb"], "MB")),
        judged(PART, f"the daemon at rest with {len(SYMBOLS)} instruments and {RULES} rules, RSS after {seconds} s",
               idle_mb, Goal(IDLE_GOAL_MB, "MB")),
        judged(PART, f"each of {count:,} rules", each, Goal(RULE_GOAL_BYTES, "bytes")),
    ]  # fmt: skip


def _idle_mb(folder: Path, seconds: float) -> float:
    """The daemon as its unit starts it, on the simulator's feed in real time."""
    token = folder / "token.json"
    simulate = ["tradeassistd.cli.main", "simulate", "--port", "0", "--token-file", str(token)]
    with _program(simulate, folder / "simulator.log", subprocess.PIPE) as simulator:
        assert simulator.stdout is not None  # a pipe
        base_url = simulator.stdout.readline().split()[1]
        simulator.stdout.readline()  # comes once the token is written
        (folder / "rules.d").mkdir()
        for name, text in mixed(RULES).items():
            (folder / "rules.d" / name).write_text(text, "utf-8")
        (folder / "config.yaml").write_text(
            f"clock: market\nstore: {{path: '{folder / 'state'}'}}\nrules: {{dir: '{folder / 'rules.d'}'}}\n"
            f"schwab: {{base_url: '{base_url}', app_key: '{APP_KEY}', app_secret: '{APP_SECRET}',"
            f" token_file: '{token}'}}\n"
            "channels: {nowhere: {url: 'json://127.0.0.1:9'}}\nlog: {format: json}\n",
            "utf-8",
        )
        log = folder / "daemon.log"
        with _program(["tradeassistd.cli.daemon", "--config", str(folder / "config.yaml")], log) as daemon:
            _wait_for(log, '"state": "live"', daemon)
            time.sleep(seconds)  # being at rest is what is measured
            if daemon.poll() is not None:
                raise RuntimeError(f"the daemon ended: {log.read_text('utf-8')[-2000:]}")
            return rss_mb(daemon.pid)


@contextmanager
def _program(arguments: list[str], log: Path, output: int | None = None) -> Iterator[subprocess.Popen[str]]:
    file: IO[str]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen([sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL,
                                   stdout=file if output is None else output, stderr=file, text=True)  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait_for(log: Path, text: str, process: subprocess.Popen[str]) -> None:
    """Until the log says so; a log has no event to wait for. Raises RuntimeError when it does not come."""
    until_s = time.monotonic() + READY_WITHIN_S
    while text not in log.read_text("utf-8"):
        if process.poll() is not None or time.monotonic() > until_s:
            raise RuntimeError(f"{text} never came: {log.read_text('utf-8')[-2000:]}")
        time.sleep(0.05)
