"""How a backfill looks in a terminal: a bar while it runs, then a line for every run of days with the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tradeassistd.cli.wording import counted

WORDS = {"stored": "stored", "there": "already there", "empty": "empty", "refused": "REFUSED"}
REASON_WIDTH = 60


class Bar:
    """A progress bar on stderr, so that stdout is for the result; nothing where stderr is no terminal."""

    def __init__(self, at: Mapping[str, Any], console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[what]}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"),
            TextColumn("{task.fields[bars]} bars"), TimeRemainingColumn(), TextColumn("{task.fields[waiting]}"),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        symbols = " ".join(at["symbols"][:3]) + (" ..." if len(at["symbols"]) > 3 else "")
        self._task = self._progress.add_task("", total=None, what=f"{symbols} {at['interval']}", bars="0", waiting="")

    def show(self, at: Mapping[str, Any]) -> None:
        """How far it is now."""
        waiting = f"waiting: {at['waiting'][:REASON_WIDTH]}" if at["waiting"] else ""
        self._progress.update(
            self._task, total=at["days"] or None, completed=at["done"], bars=f"{at['bars']:,}", waiting=waiting
        )

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def show_answers(at: Mapping[str, Any], days: Sequence[Mapping[str, Any]], *, every_day: bool, as_json: bool) -> None:
    """Print what came of every day, and of the whole."""
    days = sorted(days, key=lambda one: (at["symbols"].index(one["symbol"]), one["day"]))
    if as_json:
        typer.echo(json.dumps({**at, "answers": days}, indent=2))
    else:
        typer.echo("\n".join([*_table(days, every_day=every_day), *_sum(at)]))


def _table(days: Sequence[Mapping[str, Any]], *, every_day: bool) -> Iterator[str]:
    """A line for each run of days of a symbol with the same answer; or for each day."""
    if not days:
        return
    width = max(len("symbol"), *(len(one["symbol"]) for one in days))
    yield f"{'symbol':<{width}}  {'trading days':<23} {'':>6}  {'':<13} {'bars':>11}"
    for run in [[one] for one in days] if every_day else [list(group) for _, group in groupby(days, _alike)]:
        yield _line(run, width)


def _alike(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return one["symbol"], one["outcome"], one["detail"]


def _line(run: Sequence[Mapping[str, Any]], width: int) -> str:
    """SPY     2026-11-02 - 2026-11-06  5 days  stored             4,800"""
    first, last = run[0], run[-1]
    span = first["day"] if len(run) == 1 else f"{first['day']} - {last['day']}"
    bars = sum(one["bars"] for one in run)
    count = "" if len(run) == 1 else str(len(run))
    line = f"{first['symbol']:<{width}}  {span:<23} {count:>6}  {WORDS[first['outcome']]:<13} {bars:>11,}"
    return f"{line}  {first['detail']}".rstrip()


def _sum(at: Mapping[str, Any]) -> Iterator[str]:
    parts = [
        f"{at['stored']:,} stored ({counted(at['bars'], 'bar')})", f"{at['there']:,} already there",
        f"{at['empty']:,} empty", f"{at['refused']:,} refused",
    ]  # fmt: skip
    left = at["days"] - at["done"]
    asked = counted(at["asked"], "question")
    yield f"{at['done']:,} of {counted(at['days'], 'day')}: {', '.join(parts)}; {asked} answered by Schwab"
    if at["state"] == "failed":
        yield f"FAILED: {at['error']}"
    elif at["state"] == "stopped":
        yield f"stopped, {counted(left, 'day')} left; the same command goes on there"
