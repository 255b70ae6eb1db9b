"""`tradeassist backfill`: have the daemon fetch history, or do it here while none runs; show how far it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import PermanentError
from tradeassistd.base.paths import socket_path, state_directory
from tradeassistd.cli import exit_codes
from tradeassistd.cli.backfill_view import Bar, show_answers
from tradeassistd.cli.client import BrokenOffError, ask
from tradeassistd.cli.login import login_name
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.store import queries

POLL_S = 0.25
ATTEMPTS = 8
DAYS_PER_ANSWER = 1_000


class Watched(Protocol):
    """A backfill under way, in the API's documents."""

    async def now(self) -> dict[str, Any]:
        """How far it is (api.models.Backfill)."""

    async def days(self, after: int) -> list[dict[str, Any]]:
        """Its answers without the first `after` (api.models.BackfilledDay)."""


def given_days(begin: str, end: str) -> tuple[date | None, date | None]:
    """The dates of --from and --to; None for one that is empty. Raises typer.BadParameter."""
    first, last = _given_day(begin, "--from"), _given_day(end, "--to")
    if first and last and last < first:
        raise typer.BadParameter(f"{last} lies before {first}", param_hint="--to")
    return first, last


def _given_day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-20", param_hint=option) from None


def run(
    config: Path | None, symbols: Sequence[str], interval: str, begin: date | None, end: date | None, *, again: bool,
    every_day: bool, as_json: bool,
) -> int:  # fmt: skip
    """Fetch, watching it until its end; exit code 1 when something was refused or is missing.

    Without symbols only watch. Raises TradeAssistError in the daemon's words.
    """
    wanted = tuple(dict.fromkeys(symbols))
    socket, state = socket_path(config, os.environ), state_directory(config, os.environ)
    shown = _Shown(every_day=every_day, as_json=as_json)
    holder = queries.daemon_running(state)
    if not holder:
        if not wanted:
            raise NotRunningError("the daemon is not running, and has no backfill under way", hint="name symbols")
        from tradeassistd.cli.backfill_here import fetching

        typer.echo("the daemon is not running: fetching from here; it cannot start before this has ended", err=True)
        with _interruptible("stopped; the same command goes on here"):
            asyncio.run(fetching(config, wanted, interval, begin, end, again=again, watch=shown.watch))
        return shown.exit_code
    if wanted:
        query: dict[str, str | int | bool | Sequence[str]] = {
            "symbol": wanted, "interval": interval, "again": again, "by": login_name(),
        }  # fmt: skip
        query |= {name: day.isoformat() for name, day in (("from_day", begin), ("to_day", end)) if day}
        try:
            ask(socket, "/backfill", query, method="POST")
        except NotRunningError as error:
            hint = "if that is another backfill, wait for its end; a daemon needs its API for this"
            raise NotRunningError(f"process {holder} has {state}, and {error.message}", hint=hint) from None
    words = "the daemon goes on; `tradeassist backfill` shows how far it is, `tradeassist backfill --stop` ends it"
    with _interruptible(words):
        asyncio.run(shown.watch(_OfDaemon(socket)))
    return shown.exit_code


def stop_it(config: Path | None, *, as_json: bool) -> int:
    """Stop the daemon's backfill; what it stored stays."""
    done = ask(socket_path(config, os.environ), "/backfill", {"by": login_name()}, method="DELETE").document
    show_answers(done, [], every_day=False, as_json=as_json)
    return exit_codes.YES


class _Shown:
    """Shows a backfill until it ends, and remembers with which exit code."""

    def __init__(self, *, every_day: bool, as_json: bool) -> None:
        self.exit_code = exit_codes.NO
        self._every_day = every_day
        self._as_json = as_json

    async def watch(self, watched: Watched) -> None:
        """A bar until the end, then what came of every day. Raises what the daemon cannot answer."""
        clock = WallClock()
        first = at = await watched.now()
        with Bar(first) as bar:
            while at["state"] == "running":
                bar.show(at)
                await clock.pause(POLL_S)
                at = await watched.now()
                if at["since"] != first["since"]:
                    raise PermanentError(
                        "another backfill has begun meanwhile", hint="the audit says what became of it"
                    )
        days = await _all(watched.days)
        self.exit_code = exit_codes.YES if at["state"] == "done" and not at["refused"] else exit_codes.NO
        show_answers(at, days, every_day=self._every_day, as_json=self._as_json)


@contextmanager
def _interruptible(words: str) -> Iterator[None]:
    """Ctrl+C says these words and ends what is inside."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(words, err=True)


class _OfDaemon:
    """The daemon's backfill, asked for over its socket."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket

    async def now(self) -> dict[str, Any]:
        return dict(await self._ask("/backfill"))

    async def days(self, after: int) -> list[dict[str, Any]]:
        return list(await self._ask("/backfill/days", after=after, limit=DAYS_PER_ANSWER))

    async def _ask(self, target: str, **query: int) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return (await asyncio.to_thread(ask, self._socket, target, query)).document
            except NotRunningError:
                hint = "it takes the backfill up again when it is back"
                raise NotRunningError("the daemon went away", hint=hint) from None
            except BrokenOffError:  # one that was killed may seem to be there for an instant
                if attempt == ATTEMPTS:
                    raise
            await WallClock().pause(POLL_S)
        raise AssertionError("the last attempt raises")


async def _all(days: Callable[[int], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while more := await days(len(found)):
        found += more
    return found
