"""The parts of the demo as processes of their own: the simulator, and the daemon with the starter rules."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import FatalError
from tradeassistd.base.paths import SOCKET_FILE
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET

START_WITHIN_S = 30.0
STOP_WITHIN_S = 6.0
CHANNELS = ("slack", "sound", "desktop")
"""Where a real installation would send; here each goes to a receiver inside the demo."""


class Programs:
    """The processes under way."""

    def __init__(self, log: Path) -> None:
        self.processes: list[Process] = []
        self._log = log

    def check(self) -> None:
        """Raises FatalError when one of them has ended."""
        if any(process.returncode is not None for process in self.processes):
            raise FatalError(f"a part of the demo ended: {_tail(self._log)}")


@asynccontextmanager
async def programs(folder: Path, receiver_url: str, speed: float, seed: int) -> AsyncIterator[Programs]:
    """The simulator and the daemon as processes of their own, ended in reverse order."""
    running = Programs(folder / "daemon.log")
    with (folder / "simulator.log").open("wb") as sim_log, (folder / "daemon.log").open("wb") as daemon_log:
        try:
            simulator = await _start(
                ["tradeassistd.cli.main", "simulate", "--port", "0", "--speed", str(speed), "--seed", str(seed),
                 "--token-file", str(folder / "token.json")],
                sim_log, asyncio.subprocess.PIPE,
            )  # fmt: skip
            running.processes.append(simulator)
            base_url = await _base_url(simulator, folder / "simulator.log")
            settings = folder / "config.yaml"
            settings.write_text(_settings(folder, base_url, receiver_url), "utf-8")
            settings.chmod(0o600)
            running.processes.append(
                await _start(["tradeassistd.cli.daemon", "--config", str(settings)], daemon_log, daemon_log.fileno())
            )
            yield running
        finally:
            for program in reversed(running.processes):
                await _end(program)


async def _start(arguments: Sequence[str], errors: object, output: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors  # type: ignore[arg-type]
    )  # fmt: skip


async def _base_url(simulator: Process, log: Path) -> str:
    """The address the simulator prints when it is ready."""
    assert simulator.stdout is not None  # it is a pipe
    try:
        async with WallClock().deadline(START_WITHIN_S):
            line = (await simulator.stdout.readline()).decode()
            await simulator.stdout.readline()  # the second line comes after the token file is written
    except TimeoutError:
        line = ""
    if not line.startswith("serving "):
        raise FatalError(f"the simulator did not start: {_tail(log)}")
    return line.split()[1]


def _settings(folder: Path, base_url: str, receiver_url: str) -> str:
    channels = "\n".join(f"  {name}: {{url: '{receiver_url}/{name}'}}" for name in CHANNELS)
    return (
        "clock: market\n"
        f"rules: {{dir: '{starter_rules()}'}}\n"
        f"store: {{path: '{folder / 'state'}'}}\n"
        f"api: {{socket: '{folder / SOCKET_FILE}'}}\n"
        f"schwab: {{base_url: '{base_url}', app_key: '{APP_KEY}', app_secret: '{APP_SECRET}',"
        f" token_file: '{folder / 'token.json'}'}}\n"
        f"channels:\n{channels}\n"
        "log: {format: json}\n"
    )


def starter_rules() -> Path:
    """The shipped rules: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "starter_rules", package.parent / "rules.d"):
        if place.is_dir():
            return place
    raise FatalError("the starter rules are missing from this installation", hint="install tradeassistd again")


async def _end(program: Process) -> None:
    if program.returncode is None:
        program.terminate()
    try:
        async with WallClock().deadline(STOP_WITHIN_S):
            await program.wait()
    except TimeoutError:
        program.kill()
        await program.wait()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return lines[-1][:500] if lines else "it said nothing"
