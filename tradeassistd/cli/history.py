"""`tradeassist history verify`: stored minutes beside Schwab's, through the daemon or, while none runs, from here."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tradeassistd.base.errors import PermanentError
from tradeassistd.base.paths import socket_path, state_directory
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.wording import amount, clock_time, counted
from tradeassistd.store import queries
from tradeassistd.store.bars import select_watched_symbols
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.reading import reading

ANSWER_WITHIN_S = 900.0
"""A question waits its turn behind those of a backfill, and for as long as Schwab wants to be left alone."""
WORDS = {"agrees": "agrees", "differs": "DIFFERS", "nothing": "nothing stored", "empty": "Schwab has none",
         "refused": "REFUSED"}  # fmt: skip
_FINE = ("agrees", "empty")

Verdict = Mapping[str, Any]


def run(
    config: Path | None, symbols: Sequence[str], begin: date | None, end: date | None, *, every_day: bool, as_json: bool
) -> int:
    """Compare, and print what came of it; exit code 1 unless all that Schwab has agrees with what is stored."""
    directory = state_directory(config, os.environ)
    wanted = tuple(dict.fromkeys(symbols)) or _watched(directory)
    if queries.daemon_running(directory):
        found = _through_daemon(socket_path(config, os.environ), wanted, begin, end)
    else:
        found = asyncio.run(_from_here(config, wanted, begin, end))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo("\n".join([*_table(found, every_day=every_day), *_sum(found)]))
    return exit_codes.YES if found and all(one["outcome"] in _FINE for one in found) else exit_codes.NO


def _watched(directory: Path) -> tuple[str, ...]:
    with reading(directory / MAIN_FILE, "main") as raw:
        found = tuple(select_watched_symbols(raw))
    if not found:
        raise PermanentError("no symbol was watched yet", hint="name one")
    return found


def _through_daemon(socket: Path | None, symbols: Sequence[str], begin: date | None, end: date | None) -> list[Verdict]:
    days = {name: day.isoformat() for name, day in (("from_day", begin), ("to_day", end)) if day}
    return [
        one
        for symbol in _progress(symbols)
        for one in ask(socket, "/history/verify", {"symbol": symbol, **days}, within_s=ANSWER_WITHIN_S).document
    ]


async def _from_here(
    config: Path | None, symbols: Sequence[str], begin: date | None, end: date | None
) -> list[Verdict]:
    from tradeassistd.cli.backfill_here import here
    from tradeassistd.history.verify import Verifier

    async with here(config) as parts:
        verifier = Verifier(parts.history, parts.store.directory, parts.clock, parts.instrument_of)
        found: list[Verdict] = []
        for symbol in _progress(symbols):
            found += [one.document() for one in await verifier.verify(symbol, begin, end)]
        return found


def _progress(symbols: Sequence[str]) -> Iterator[str]:
    """The symbols one after the other, with a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("symbols"),
                  console=console, transient=True, disable=not console.is_terminal) as progress:  # fmt: skip
        task = progress.add_task("", total=len(symbols))
        for symbol in symbols:
            progress.update(task, description=symbol)
            yield symbol
            progress.advance(task)


def _table(found: Sequence[Verdict], *, every_day: bool) -> Iterator[str]:
    """A line for each run of days that agree, and one for each day that does not, with what differs below."""
    if not found:
        return
    width = max(len("symbol"), *(len(one["symbol"]) for one in found))
    yield f"{'symbol':<{width}}  {'trading days':<23}  {'':<15} {'minutes':>9} {'compared':>9}"

    def alike(one: Verdict) -> tuple[Any, ...]:
        plain = one["outcome"] != "differs" and not every_day
        return one["symbol"], one["outcome"], one["detail"], "" if plain else one["day"]

    for _, group in groupby(found, alike):
        run_ = list(group)
        first, last = run_[0], run_[-1]
        span = first["day"] if len(run_) == 1 else f"{first['day']} - {last['day']}"
        bars, compared = (sum(one[name] for one in run_) for name in ("bars", "compared"))
        line = f"{first['symbol']:<{width}}  {span:<23}  {WORDS[first['outcome']]:<15} {bars:>9,} {compared:>9,}"
        yield f"{line}  {first['detail']}".rstrip()
        if first["outcome"] == "differs":
            yield from (f"{'':<{width}}    {said}" for said in differences(first))


def differences(one: Verdict) -> Iterator[str]:
    """What differs, in words: of each field in how many minutes, and where by how much at most."""
    for name, field in one["fields"].items():
        most = f"{field['most']:+,.0f}" if name == "volume" else ("+" if field["most"] > 0 else "") + amount(
            field["most"], "price"
        )  # fmt: skip
        yield f"{name} in {counted(field['count'], 'minute')}, at most {most} ({clock_time(field['most_at'])[4:-3]})"
    if one["only_official"]:
        yield f"{counted(one['only_official'], 'minute')} in which we saw no trade, and Schwab has a bar"
    if one["only_ours"]:
        yield f"{counted(one['only_ours'], 'minute')} in which we saw trades, and Schwab has no bar"
    if one.get("restated"):
        yield f"{counted(one['restated'], 'minute')} that Schwab told otherwise before"
    if one.get("not_stored"):
        yield f"{counted(one['not_stored'], 'minute')} not stored: `tradeassist backfill {one['symbol']}`"


def _sum(found: Sequence[Verdict]) -> Iterable[str]:
    if not found:
        return ["no trading day in that span"]
    counts = {word: sum(one["outcome"] == outcome for one in found) for outcome, word in WORDS.items()}
    said = ", ".join(f"{word} {count:,}" for word, count in counts.items() if count)
    return [f"{counted(len(found), 'day')} in all: {said}"]
