"""Runs the benchmarks, all or the parts named, and prints one table.

python -m bench [ingest latency engine store memory cli check api reload functions history] [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.result import Row, Run, surroundings, table

PARTS = ("ingest", "latency", "engine", "store", "memory", "cli", "check", "api", "reload", "functions", "history")


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0 when every part ran; a goal that is not met is a line of the table, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the daemon against its goals.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="only see that everything works; judges nothing")
    parser.add_argument("--out", type=Path, help="write the table there as Markdown, too")
    asked = parser.parse_args(arguments)
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}")
    head = surroundings()
    print(head, file=sys.stderr)
    rows: list[Row] = []
    try:
        for part in asked.parts or PARTS:
            rows += _measure(part, quick=asked.quick)
    finally:
        text = table(rows, judge=not asked.quick)
        print(text)
        if asked.out:
            asked.out.write_text(f"{head}\n\n{text}\n", "utf-8")
    return 0


def _measure(part: str, *, quick: bool) -> list[Row]:
    begin_s = time.monotonic()

    def say(what: str) -> None:
        print(f"{part:<8} {time.monotonic() - begin_s:5.1f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="tradeassist-bench-") as folder:
        rows: list[Row] = importlib.import_module(f"bench.{part}").run(Run(quick, Path(folder), say))
    return rows


if __name__ == "__main__":
    sys.exit(main())
