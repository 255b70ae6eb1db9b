"""`tradeassist top` as a program: on a pipe, on a terminal with keys, without a daemon."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.cli.test_view_sources import RULES, status
from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.cli.view.keys import keys
from tradeassistd.rules.load import load_texts
from tradeassistd.store.writer import Store

PATIENCE_S = 60.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=ManualClock(FRIDAY_US))
    rule_set = load_texts({"rules.yaml": RULES}).rule_set
    await opened.save_rules(rule_set, "", event_us=FRIDAY_US)
    await opened.commit(a_decision(FRIDAY_US, "slack"), [])
    opened.record(a_tick(FRIDAY_US + 5))
    await opened.flush()
    await opened.save_status(status(rule_set.hash))
    yield opened
    await opened.close()


def environment(directory: Path, **changes: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "TERM")}
    return kept | {"TRADEASSIST_STORE__PATH": str(directory), "PYTHONUTF8": "1", "TERM": "xterm-256color"} | changes


async def piped(directory: Path, *arguments: str, **changes: str) -> tuple[int, str, str]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tradeassistd.cli.main", "top", *arguments, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(directory, **changes),
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await program.communicate()
    assert program.returncode is not None
    return program.returncode, output.decode(), errors.decode()


@pytest.mark.parametrize("arguments", [(), ("--once",)])
async def test_on_a_pipe_it_prints_one_picture(store: Store, arguments: tuple[str, ...]) -> None:
    code, output, errors = await piped(store.directory, *arguments, COLUMNS="100")
    assert (code, errors) == (0, "")
    assert "\x1b" not in output
    assert "Fri 20 Nov 2026 09:30:00 New York" in output
    assert "5,200.25" in output and "es-levels" in output and "slack …" in output
    assert max(map(len, output.splitlines())) <= 100


async def test_a_terminal_without_unicode_gets_ascii(store: Store) -> None:
    code, output, _ = await piped(store.directory, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert code == 0
    assert output.isascii() and "slack ." in output


async def test_without_a_daemon_the_exit_code_says_so(store: Store, tmp_path: Path) -> None:
    await store.close()
    code, output, _ = await piped(store.directory, "--once")
    assert code == 69
    assert "daemon stopped" in output and "es-levels" in output
    code, output, errors = await piped(tmp_path / "nothing here")
    assert (code, output) == (69, "")
    assert "Start tradeassistd once" in errors


class Terminal:
    """The other end of a pseudo-terminal that a program runs on."""

    def __init__(self, master: int, program: asyncio.subprocess.Process) -> None:
        self.program = program
        self.seen = ""
        self._master = master
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self._master, 65_536).decode("utf-8", "replace")
        except OSError:  # the program has ended and closed its end
            asyncio.get_running_loop().remove_reader(self._master)
        self._more.set()

    async def until(self, text: str) -> None:
        """Return once the terminal has got `text` since the last call."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.seen:
                self._more.clear()
                await self._more.wait()
        self.seen = self.seen.split(text, 1)[1]

    def type(self, keys_typed: str) -> None:
        os.write(self._master, keys_typed.encode())

    def resize(self, columns: int, lines: int) -> None:
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.program.wait()


@asynccontextmanager
async def terminal(directory: Path) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tradeassistd.cli.main", "top", stdin=slave, stdout=slave, stderr=slave,
        env=environment(directory), start_new_session=True, preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    made = Terminal(master, program)
    try:
        yield made
        assert termios.tcgetattr(slave)[3] & termios.ICANON  # left as it was found
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(slave)
        os.close(master)


async def test_on_a_terminal_it_lives_until_q(store: Store) -> None:
    async with terminal(store.directory) as screen:
        await screen.until("\x1b[?1049h")  # the alternate screen: what was there comes back
        await screen.until("es-levels")
        await store.commit(a_decision(FRIDAY_US + 1, "pager"), [])
        await screen.until("pager")
        screen.type("p")
        await screen.until("paused")
        screen.type("p")
        await screen.until("live")
        screen.resize(40, 10)
        await screen.until("none firing")  # the small form says it in one line
        screen.type("q")
        await screen.until("\x1b[?1049l")
        assert await screen.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(store: Store, number: signal.Signals) -> None:
    async with terminal(store.directory) as screen:
        await screen.until("es-levels")
        if number is signal.SIGINT:
            screen.type("\x03")
        else:
            screen.program.send_signal(number)
        await screen.until("\x1b[?1049l")
        assert await screen.ended() == 0


async def test_keys_come_one_by_one_and_the_terminal_is_given_back() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    pressed: list[str] = []
    came = asyncio.Event()

    def press(key: str) -> None:
        pressed.append(key)
        if len(pressed) == 2:
            came.set()

    with keys(slave, press):
        assert not termios.tcgetattr(slave)[3] & termios.ICANON
        os.write(master, b"pq")
        async with asyncio.timeout(PATIENCE_S):
            await came.wait()
    assert pressed == ["p", "q"]
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


async def test_what_is_no_terminal_has_no_keys() -> None:
    read, write = os.pipe()
    with keys(read, lambda _: pytest.fail("a pipe has no keys")):
        os.write(write, b"q")
        await asyncio.sleep(0)
    assert os.read(read, 1) == b"q"  # nothing took it
    os.close(read)
    os.close(write)
