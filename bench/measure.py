"""Taking measurements: repetitions that alternate, percentiles, memory of a process, children that answer in JSON."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

CHILD_WITHIN_S = 300.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
T = TypeVar("T")


def alternating(rounds: int, candidates: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Run all candidates in turn, again and again: what disturbs the machine then disturbs all of them alike."""
    found: dict[str, list[T]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, measure in candidates.items():
            found[name].append(measure())
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios round by round."""
    return median(one / other for one, other in zip(values, base, strict=True))


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed. Raises ValueError without values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def rss_mb(pid: int | str = "self") -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * PAGE_BYTES / 1e6


class Child:
    """A module of this package at work in a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._name = f"bench.{module}"
        self.process = subprocess.Popen([sys.executable, "-m", self._name, *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def answer(self, within_s: float = CHILD_WITHIN_S) -> dict[str, Any]:
        """The JSON document it prints last. Raises RuntimeError with what it wrote to stderr when it fails."""
        try:
            output, errors = self.process.communicate(timeout=within_s)
        finally:
            self.end()
        if self.process.returncode:
            raise RuntimeError(f"{self._name} ended with {self.process.returncode}:\n{errors[-4000:]}")
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        return answer

    def end(self) -> None:
        """See that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of this package in a process of its own; gives the JSON document it prints last."""
    return Child(module, *arguments).answer()
