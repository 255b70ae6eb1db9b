"""`tradeassist db prune`: removes now what is kept no longer; by the running daemon, else with the store's lock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from tradeassistd.base.clock import WallClock
from tradeassistd.base.config import KeepSettings, Settings, kept_instead, load_settings
from tradeassistd.base.log import set_up
from tradeassistd.base.paths import OFF
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.cli.login import login_name
from tradeassistd.cli.view.words import size
from tradeassistd.cli.wording import clock_time, counted
from tradeassistd.store.directory import MAIN_FILE, refuse_absent
from tradeassistd.store.queries import daemon_running
from tradeassistd.store.retention import Pruned, Retention, make_anew, outlook
from tradeassistd.store.sizes import newest_event
from tradeassistd.store.writer import Store

WITHIN_S = 3_600.0
"""How long the command waits for the daemon; that goes on by itself."""
DAYS_SHOWN = 8


def prune(config: Path | None, keep: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    """Remove it, or with `dry_run` say what would go. Raises BadParameter for a `keep` that says nothing."""
    settings = load_settings(config)
    directory = settings.store.path
    assert directory is not None  # load_settings completes it
    try:
        kept = kept_instead(settings.store.keep, keep)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--keep") from None
    refuse_absent(directory / MAIN_FILE)
    if dry_run:
        done = msgspec.structs.asdict(outlook(directory, kept, _now_us(settings, directory)))
    elif daemon_running(directory):
        socket = settings.api.socket
        done = ask(None if socket == OFF or socket is None else Path(socket), "/db/prune",
                   {"keep": list(keep), "by": login_name()}, method="POST", within_s=WITHIN_S).document  # fmt: skip
    else:
        done = msgspec.structs.asdict(asyncio.run(_prune_here(settings, directory, kept)))
    typer.echo(json.dumps(done, indent=2) if as_json else "\n".join(_lines(done, dry_run=dry_run)))
    return exit_codes.YES


async def _prune_here(settings: Settings, directory: Path, keep: KeepSettings) -> Pruned:
    """While no daemon runs. Raises FatalError when one has just begun."""
    set_up("console", "warning")
    now_us, clock = _now_us(settings, directory), WallClock()
    store = await Store.open(directory, clock=clock)
    try:
        pruned = await Retention(store, keep, clock).prune(now_us=now_us, by=login_name())
        await store.read(make_anew)
    except BaseException:
        await store.close(clean=False)
        raise
    await store.close()
    return pruned


def _now_us(settings: Settings, directory: Path) -> int:
    """With a market's clock it is as late as its last event."""
    return newest_event(directory) if settings.clock == "market" else WallClock().now_us()


def _lines(done: Mapping[str, Any], *, dry_run: bool) -> list[str]:
    would = "would remove" if dry_run else "removed"
    tapes = list(done["tapes"])
    lines = []
    if tapes:
        shown = " ".join(tapes[:DAYS_SHOWN]) + (
            f" and {len(tapes) - DAYS_SHOWN} more" if len(tapes) > DAYS_SHOWN else ""
        )
        lines.append(f"{would} {counted(len(tapes), 'day')} of tape, {size(done['tape_bytes'])}: {shown}")
    lines += [f"{would} {counted(count, 'row')} of {name.replace('_', ' ')}" for name, count in done["rows"].items()]
    if not lines:
        lines.append("nothing to remove")
    limits = [f"{name} before {clock_time(instant)}" for name, instant in done["before"].items()]
    return [*lines, *(f"   not kept: {limit}" for limit in limits)]
