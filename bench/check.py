"""What `tradeassist rules check` costs: CPU of the whole process for a directory of rules, start of Python included."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from statistics import median

from bench.cli import PROGRAM
from bench.result import Goal, Row, Run, judged
from bench.rules import mixed

PART = "check"
RULES = 500
RULES_PER_FILE = 20
WITHIN_CPU_S = 1.0


def run(run: Run) -> list[Row]:
    """CPU seconds of checking 500 rules in files of 20, against one rule, which is what starting costs."""
    rows: list[Row] = []
    for count in (1, RULES):
        run.say(f"tradeassist rules check, {count} rules")
        folder = run.folder / f"check-{count}"
        _write(folder, count)
        cpu_s = median(_cpu_s(folder, count) for _ in range(2 if run.quick else 7))
        rows.append(judged(PART, f"rules check, CPU for {count} rules", cpu_s, Goal(WITHIN_CPU_S, "s")))
    return rows


def _write(folder: Path, count: int) -> None:
    """A directory of `count` rules."""
    folder.mkdir()
    (text,) = mixed(count).values()
    head, rules = text.splitlines()[:2], text.splitlines()[2:]
    for first in range(0, count, RULES_PER_FILE):
        part = "\n".join([*head, *rules[first : first + RULES_PER_FILE], ""])
        (folder / f"rules-{first:03}.yaml").write_text(part, "utf-8")


def _cpu_s(folder: Path, count: int) -> float:
    """CPU time of one check. Raises RuntimeError when it does not find as many rules, all of them sound."""
    process = subprocess.Popen([PROGRAM, "rules", "check", str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for: Popen need not do it again
    counted = f"{count} rule{'' if count == 1 else 's'} on "
    if process.returncode or not output.splitlines()[-1].startswith(counted):
        raise RuntimeError(f"rules check ended with {process.returncode}: {output[-2000:]}")
    return usage.ru_utime + usage.ru_stime
