"""What a benchmark gives: rows of one table, each with its goal where there is one."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HEAD = ("part", "what", "measured", "goal", "met")


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a value must keep."""

    limit: float
    unit: str
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None where there is no goal."""

    part: str
    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What every part is given: how thorough to be, where to put files, and a way to say how far it is."""

    quick: bool
    folder: Path
    say: Callable[[str], None]


def judged(part: str, what: str, value: float, goal: Goal, beside: str = "") -> Row:
    """A row with a goal; `beside` shows absolute numbers next to a ratio."""
    measured = shown(value, goal.unit) + (f" ({beside})" if beside else "")
    return Row(part, what, measured, str(goal), goal.met_by(value))


def shown(value: float, unit: str) -> str:
    """A number with three significant digits and its unit; `x` is a ratio."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}x" if unit == "x" else f"{text} {unit}"


def surroundings() -> str:
    """One line that says what the numbers were measured on."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {load}; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, schwab-py {version('schwab-py')}"
    )


def table(rows: Sequence[Row], *, judge: bool) -> str:
    """The rows as a Markdown table that also reads well in a terminal; without `judge` no goal counts as met or not."""
    lines = [HEAD, *(_cells(row, judge) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in lines]  # fmt: skip
    return "\n".join([texts[0], rule, *texts[1:]])


def _cells(row: Row, judge: bool) -> tuple[str, str, str, str, str]:
    met = "" if row.met is None else "not judged" if not judge else "yes" if row.met else "no"
    return row.part, row.what, row.measured, row.goal, met


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
