"""The README's commands as a new user types them: own rules, the simulator in one terminal, the daemon in another."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from tests.e2e.test_process import STOP_WITHIN_S, ended, said
from tests.test_readme import ROOT, blocks

COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


async def typed(command: str, folder: Path, **changes: str) -> asyncio.subprocess.Process:
    """The command of the README, in `folder`; `changes` puts values in the place of the README's."""
    assert command in COMMANDS
    for written, used in changes.items():
        command = command.replace(written, used)
    program, *arguments = command.split()
    path = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert path is not None
    environment = {**os.environ, "TRADEASSIST_STORE__PATH": str(folder / "state")}
    return await asyncio.create_subprocess_exec(
        path, *arguments, cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_own_rules_on_the_simulator_as_the_readme_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rules.d", tmp_path / "rules.d")
    code, output, errors = await ended(await typed("tradeassist rules check rules.d", tmp_path))
    assert code == 0, output + errors
    # Another port than the README's, so that a simulator of the user's own is not in the way.
    simulator = await typed("tradeassist simulate --token-file token.json", tmp_path, simulate="simulate --port 0")
    assert simulator.stdout is not None
    base_url = (await simulator.stdout.readline()).decode().split()[1]
    assert b"token" in await simulator.stdout.readline()
    settings = next(block for block in blocks("yaml") if block.startswith("clock: market"))
    (tmp_path / "simulated.yaml").write_text(settings.replace("http://127.0.0.1:8182", base_url), "utf-8")
    daemon = await typed("tradeassistd --config simulated.yaml", tmp_path)
    live: dict[str, object] = {}
    while live.get("state") != "live":
        live = await said(daemon, "stream.state")
    quotes = ""
    while "/ES" not in quotes:  # until the first flush of the tape, within a quarter of a second
        _, quotes, _ = await ended(await typed("tradeassist quotes", tmp_path))
    _, status, _ = await ended(await typed("tradeassist status", tmp_path))
    assert "running" in status
    code, _, errors = await ended(await typed("tradeassist alerts --limit 5", tmp_path))
    assert code == 0, errors
    code, output, errors = await ended(await typed("tradeassist rules list", tmp_path))
    assert code == 0 and "es-levels" in output, errors
    code, output, errors = await ended(await typed("tradeassist rules show es-levels", tmp_path))
    assert code == 0 and "/ES" in output, errors
    for command, shown in (
        ("tradeassist snooze es-levels /ES --for 30m", "es-levels"),
        ("tradeassist silences", "es-levels"),
        ("tradeassist instruments gold", "/GC"),
        ("tradeassist rules functions pct_change", "pct_change("),
    ):
        code, output, errors = await ended(await typed(command, tmp_path))
        assert code == 0 and shown in output, output + errors
    code, output, errors = await ended(
        await typed("tradeassist doctor", tmp_path, doctor="doctor --config simulated.yaml")
    )
    assert code in (0, 1) and "database" in output, output + errors
    code, output, errors = await ended(await typed("tradeassist rules reload --wait", tmp_path))
    assert code == 0, output + errors
    (tmp_path / "rules.d" / "bad.yaml").write_text(
        "version: 1\nrules: [{id: a, symbols: [SPY], when: smaa}]\n", "utf-8"
    )
    code, output, errors = await ended(await typed("tradeassist rules reload --wait", tmp_path))
    assert code == 1 and "bad.yaml:2:" in output + errors
    _, status, _ = await ended(await typed("tradeassist status", tmp_path))
    while "bad.yaml:2:" not in status:  # the status is saved once a second
        _, status, _ = await ended(await typed("tradeassist status", tmp_path))
    daemon.terminate()
    assert (await ended(daemon, STOP_WITHIN_S))[0] == 0
    simulator.terminate()
    assert (await ended(simulator, STOP_WITHIN_S))[0] == 0
