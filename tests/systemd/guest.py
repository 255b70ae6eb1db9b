"""A booted systemd to run the unit in (run_in_systemd.sh), and what a test asks of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.apt import needs

SCRIPT = Path(__file__).with_name("run_in_systemd.sh")
ROOT = SCRIPT.parents[2]
CHECKOUT = "/mnt/tradeassist"
"""Where the guest sees this checkout, read-only."""
PATIENCE_S = 120.0
"""A test that waits longer than this for the guest has failed."""
INSTALL_WITHIN_S = 600.0
"""What fetches packages goes by the network's pace, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command in the guest gave."""

    code: int
    output: str
    errors: str

    def ok(self) -> str:
        """Its output; fails the test when the command failed."""
        assert self.code == 0, self
        return self.output


class Guest:
    """`run` gives every command's answer; `sh` runs a line as a root shell would, and it has to succeed."""

    def __init__(self, leader: int) -> None:
        self._enter = ("nsenter", "--target", str(leader), "--all", "--")
        # The tests' own virtual environment and systemd's view of the host stay outside.
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self._environment = {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}

    async def run(self, *command: str, stdin: str = "", within_s: float = PATIENCE_S) -> Answer:
        program = await self._start(command)
        async with asyncio.timeout(within_s):
            output, errors = await program.communicate(stdin.encode())
        assert program.returncode is not None
        return Answer(program.returncode, output.decode(), errors.decode())

    async def sh(self, line: str, *, stdin: str = "", folder: str = "/root", within_s: float = PATIENCE_S) -> str:
        return (await self.run("bash", "-ec", f"cd {folder}\n{line}", stdin=stdin, within_s=within_s)).ok()

    async def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Put a file there in one step: whoever looks for it finds it whole and with its mode, or not at all."""
        await self.sh(f"install -D -m {mode} /dev/stdin {path}.new\nmv -T {path}.new {path}", stdin=text)

    async def properties(self, unit: str = "tradeassist") -> dict[str, str]:
        """systemd's own view of the unit."""
        lines = (await self.sh(f"systemctl show {unit}")).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @asynccontextmanager
    async def journal(self, *options: str) -> AsyncIterator[Journal]:
        """What the unit and systemd say about it, from now on, or of a user's unit with other `options`."""
        options = options or ("--unit", "tradeassist")
        cursor = (await self.sh("journalctl --lines 1 --show-cursor | tail -n 1")).removeprefix("-- cursor: ").strip()
        command = ("journalctl", "--follow", "--no-tail", "--after-cursor", cursor, "--output", "json", *options)
        # Ends with its stdin. A signal from here would end nsenter alone, and the guest waits for what that leaves.
        until_stdin_ends = ("bash", "-c", '"$@" & cat >/dev/null; kill $!; wait', "follow")
        program = await self._start((*until_stdin_ends, *command))
        try:
            yield Journal(program)
        finally:
            await program.communicate(b"")

    async def _start(self, command: tuple[str, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._enter, *command, env=self._environment, cwd="/", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20,
        )  # fmt: skip


class Journal:
    """The unit's entries, read as far as they were waited for; `lines` are their messages."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        self.lines: list[str] = []
        self._entries: list[dict[str, Any]] = []
        self._program = program

    async def until(self, text: str, after: dict[str, Any] | None = None) -> dict[str, Any]:
        """The first journal entry whose message holds `text`, or the first behind `after`, an entry of before.

        What is waited for in turn may have come in another order: name `after` where the order is meant.
        """
        at = 0 if after is None else self._entries.index(after) + 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                while at < len(self._entries) or await self._read():
                    if text in self.lines[at]:
                        return self._entries[at]
                    at += 1
        except TimeoutError:
            pass  # said below, with what there was instead
        raise AssertionError(f"nothing said {text!r}:\n" + "\n".join(self.lines))

    async def _read(self) -> bool:
        assert self._program.stdout is not None
        if not (line := await self._program.stdout.readline()):
            return False
        self._entries.append(json.loads(line))
        self.lines.append(str(self._entries[-1]["MESSAGE"]))
        return True


@contextmanager
def booted() -> Iterator[Guest]:
    """A guest with this checkout at CHECKOUT. Skips, saying why, where none can be had."""
    needs("systemd-nspawn", "systemd-container")
    if os.geteuid() != 0:
        pytest.skip("a systemd guest needs root")
    command = [str(SCRIPT), "--bind-ro", f"{ROOT}:{CHECKOUT}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdin is not None and script.stdout is not None
        word, _, leader = script.stdout.readline().strip().partition(" ")
        assert word == "leader", f"the guest did not come up (exit code {script.wait()})"
        try:
            yield Guest(int(leader))
        finally:
            script.stdin.close()
            assert script.wait(PATIENCE_S) == 0
