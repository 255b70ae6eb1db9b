"""`tradeassist simulate`: the built-in Schwab on this machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import typer

from tradeassistd.base.errors import UnfitError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import Problems
from tradeassistd.cli import exit_codes
from tradeassistd.feed.token import TokenFile
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.faults.scenario import read_entry, read_scenario_file
from tradeassistd.sim.faults.schema import schema_text
from tradeassistd.sim.market import Market
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET
from tradeassistd.sim.truth import TruthLog

MONDAY = "2026-11-16T09:30:00"
"""The synthetic market's default: a Monday's opening bell, New York."""
FASTEST = "max"


def run(
    *,
    files: Sequence[Path],
    as_symbol: str,
    seed: int,
    start: str,
    speed: str,
    cuts: Sequence[str],
    port: int,
    token_file: Path | None,
    scenario: Path | None = None,
    faults: Sequence[str] = (),
    truth: Path | None = None,
    futures_history: bool = True,
) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code."""
    planned = scenario_of(scenario, faults)
    market: Market
    if files:
        market = RecordedMarket(list(files), as_symbol or None)
    else:
        market = SyntheticMarket(seed, instant_us(start or MONDAY))
    with contextlib.ExitStack() as stack:
        see = stack.enter_context(TruthLog(truth)).see if truth is not None else None
        simulator = Simulator(
            market, speed=_speed(speed), cuts=[_cut(text) for text in cuts], http_port=port, scenario=planned, see=see,
            futures_history=futures_history,
        )  # fmt: skip
        asyncio.run(_serve(simulator, token_file))
    return exit_codes.YES


def scenario_of(file: Path | None, faults: Sequence[str]) -> Scenario:
    """What is to go wrong: a scenario file, and single faults on top.

    Raises ConfigError for what is wrong in the file, UnfitError for a fault that is none.
    """
    planned = read_scenario_file(file) if file is not None else Scenario()
    try:
        more = tuple(read_entry(text, "--fault") for text in faults)
    except Problems as error:
        raise UnfitError(str(error)) from None
    return replace(planned, entries=planned.entries + more)


def show_schema() -> int:
    """Print the JSON schema of scenario files; gives the exit code."""
    typer.echo(schema_text(), nl=False)
    return exit_codes.YES


def instant_us(text: str) -> int:
    """An ISO time as UTC microseconds; without a zone it is New York's. Raises UnfitError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UnfitError(f"{text!r} is not a time", hint=f"write it like {MONDAY}") from None
    return int((at if at.tzinfo else at.replace(tzinfo=NEW_YORK)).timestamp() * US_PER_S)


async def _serve(simulator: Simulator, token_file: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator:
        if token_file is not None:
            TokenFile(token_file).write(simulator.tokens())
        typer.echo(f"serving {simulator.base_url}")
        typer.echo(f"app key {APP_KEY}, app secret {APP_SECRET}, token {token_file or 'not written (--token-file)'}")
        await stop.wait()


def _speed(text: str) -> float | None:
    if text == FASTEST:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if speed <= 0:
        raise UnfitError(f"{text!r} is not a speed", hint=f"write a number above 0, or {FASTEST}")
    return speed


def _cut(text: str) -> Cut:
    at, _, seconds = text.rpartition("/")
    if not at or not seconds.isdigit():
        raise UnfitError(f"{text!r} is not a cut", hint=f"write {MONDAY}/45 for 45 seconds from then")
    return Cut(instant_us(at), int(seconds))
