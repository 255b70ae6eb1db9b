"""How long the command line takes to answer."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.measure import alternating
from bench.result import Goal, Row, Run, judged

PART = "cli"
WITHIN_S = 0.2
NOT_RUNNING = 69
PROGRAM = Path(sys.executable).with_name("tradeassist")


def run(run: Run) -> list[Row]:
    """Wall time of `--help` and of `status`, against a bare interpreter in the same rounds."""
    run.say("tradeassist --help and status")
    state = run.folder / "cli-state"
    _make_state(state)
    settings = run.folder / "cli.yaml"
    settings.write_text(f"store: {{path: '{state}'}}\n", "utf-8")
    program = [str(PROGRAM)] if PROGRAM.exists() else [sys.executable, "-m", "tradeassistd.cli.main"]
    commands: dict[str, tuple[list[str], int, str]] = {
        "python -c pass": ([sys.executable, "-c", "pass"], 0, ""),
        "tradeassist --help": ([*program, "--help"], 0, "status"),
        "tradeassist status": ([*program, "status", "--config", str(settings)], NOT_RUNNING, "daemon"),
    }
    found = alternating(2 if run.quick else 10, {
        name: lambda command=command: _seconds(*command) for name, command in commands.items()  # type: ignore[misc]
    })  # fmt: skip
    bare, *rest = ((name, median(values)) for name, values in found.items())
    return [
        Row(PART, f"{bare[0]}, median", f"{bare[1]:.3f} s"),
        *(judged(PART, f"{name}, median of {len(found[name])}", each, Goal(WITHIN_S, "s")) for name, each in rest),
    ]  # fmt: skip


def _make_state(folder: Path) -> None:
    """A store as a daemon that has stopped leaves it."""
    script = (
        "import asyncio, sys, pathlib\n"
        "from tradeassistd.base.clock import WallClock\n"
        "from tradeassistd.store.writer import Store\n"
        "async def main():\n"
        "    store = await Store.open(pathlib.Path(sys.argv[1]), clock=WallClock())\n"
        "    await store.save_status({'state': 'stopped'})\n"
        "    await store.close()\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)


def _seconds(command: list[str], code: int, word: str) -> float:
    """How long it took. Raises RuntimeError when it did not do what it should."""
    begin_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin_s
    if done.returncode != code or word not in done.stdout:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return seconds
