"""The real programs: kill -9 between commit and send, SIGTERM, exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE_S, settings_for
from tests.e2e.webhook import webhook
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

MONDAY_US = 1_794_839_400 * US_PER_S  # 2026-11-16 09:30 New York
STOP_WITHIN_S = 20.0
"""Before the unit's TimeoutStopSec, and before a channel that hangs is given up by itself (30 s both)."""
# Fires as soon as the first known value is there, once: an alert without waiting for the market to do anything.
AT_ONCE = """version: 1
rules:
  - {id: at-once, symbols: [/ES], when: price > 1, at_load: fire, cooldown: 1h}
"""


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def ended(program: asyncio.subprocess.Process, within_s: float = PATIENCE_S) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) once it has ended."""
    async with asyncio.timeout(within_s):
        output, errors = await program.communicate()
    assert program.returncode is not None
    return program.returncode, output.decode(), errors.decode()


async def said(program: asyncio.subprocess.Process, event: str) -> dict[str, object]:
    """The daemon's first log line with that event."""
    assert program.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := await program.stderr.readline():
            if line.startswith(b"{") and (entry := json.loads(line)).get("event") == event:
                return dict(entry)
    raise AssertionError(f"the daemon ended without {event}")


@asynccontextmanager
async def market() -> AsyncIterator[Simulator]:
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0) as simulator:
        yield simulator


def daemon(folder: Path) -> tuple[str, ...]:
    return ("-m", "tradeassistd.cli.daemon", "--config", str(folder / "config.yaml"))


@pytest.mark.parametrize(("moment", "posts"), [("before", 1), ("after", 2)])
async def test_an_alert_survives_kill_9_around_its_sending(moment: str, posts: int, tmp_path: Path) -> None:
    async with market() as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, AT_ONCE, f"{{hook: {{url: '{hook.url}'}}}}")
        killed = await start(
            str(Path(__file__).with_name("killed_while_sending.py")), str(tmp_path / "config.yaml"), moment
        )
        code, _, errors = await ended(killed)
        assert code == -signal.SIGKILL, errors
        stored = queries.alerts(tmp_path / "state")
        assert [alert.alert.transition.rule_id for alert in stored] == ["at-once"]
        assert [delivery.state.value for delivery in stored[0].deliveries] == ["sending"]
        assert len(hook.posts) == posts - 1

        second = await start(*daemon(tmp_path))
        await said(second, "delivery.sent")
        second.terminate()
        code, _, errors = await ended(second)
        assert code == 0, errors
        assert len(hook.posts) == posts  # one more, and once only
        # Killed in the middle of sending, nobody knows whether it arrived, and the message says so.
        assert "May be a repeat" in hook.posts[-1]["message"]
        assert stored[0].alert.id[:8] in json.dumps(hook.posts[-1])
        assert len(queries.alerts(tmp_path / "state")) == 1  # firing and true after the restart: nothing new


async def test_sigterm_ends_the_daemon_in_time_with_everything_stored(tmp_path: Path) -> None:
    async with market() as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, AT_ONCE, f"{{hook: {{url: '{hook.url}'}}}}")
        program = await start(*daemon(tmp_path))
        await hook.until(1)
        running = await ended(
            await start("-m", "tradeassistd.cli.main", "status", "--json", "--config", str(tmp_path / "config.yaml"))
        )
        assert running[0] == 0, running
        program.send_signal(signal.SIGTERM)
        code, _, errors = await ended(program, STOP_WITHIN_S)
        assert code == 0, errors
        assert "daemon.stopped" in errors
    stopped = await ended(
        await start("-m", "tradeassistd.cli.main", "status", "--json", "--config", str(tmp_path / "config.yaml"))
    )
    assert stopped[0] == 69
    assert json.loads(stopped[1])["state"] == "stopped"
    assert queries.last_quotes(tmp_path / "state")["/ES"].last
    quotes = await ended(
        await start("-m", "tradeassistd.cli.main", "quotes", "/ES", "--config", str(tmp_path / "config.yaml"))
    )
    assert quotes[0] == 0 and "/ES" in quotes[1]
    alerts = await ended(
        await start("-m", "tradeassistd.cli.main", "alerts", "--json", "--config", str(tmp_path / "config.yaml"))
    )
    assert [alert["rule"] for alert in json.loads(alerts[1])] == ["at-once"]


async def test_sigterm_ends_it_in_time_also_while_a_channel_hangs(tmp_path: Path) -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read(-1)
        writer.close()

    reached = asyncio.Event()
    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with market() as simulator, server:
        settings_for(tmp_path, simulator, AT_ONCE, f"{{hook: {{url: 'json://127.0.0.1:{port}/?rto=60'}}}}")
        program = await start(*daemon(tmp_path))
        async with asyncio.timeout(PATIENCE_S):
            await reached.wait()
        program.send_signal(signal.SIGTERM)
        code, _, errors = await ended(program, STOP_WITHIN_S)
        assert code == 0, errors


async def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    async with market() as simulator:
        settings_for(tmp_path, simulator, AT_ONCE)
        first = await start(*daemon(tmp_path))
        await said(first, "daemon.ready")
        code, _, errors = await ended(await start(*daemon(tmp_path)))
        first.terminate()
        await ended(first)
    assert code == 1
    assert str(first.pid) in errors


async def test_settings_and_rules_that_cannot_be_used_are_exit_code_78(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("clock: sundial\n", "utf-8")
    code, _, errors = await ended(await start(*daemon(tmp_path)))
    assert code == 78
    assert f"{tmp_path / 'config.yaml'}:1:8: clock" in errors
    (tmp_path / "config.yaml").write_text(f"store: {{path: '{tmp_path / 'state'}'}}\n", "utf-8")
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "bad.yaml").write_text(
        "version: 1\nrules:\n  - {id: a, symbols: [SPY], when: smaa > 1}\n", "utf-8"
    )
    code, _, errors = await ended(await start(*daemon(tmp_path)))
    assert code == 78
    assert "bad.yaml:3:" in errors
    check = await ended(await start("-m", "tradeassistd.cli.main", "rules", "check", str(tmp_path / "rules.d")))
    assert check[0] == 1 and "bad.yaml:3:" in check[1]


async def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    script = (
        "import sys; from tradeassistd.cli import main, queries\n"
        "heavy = {'schwab', 'apprise', 'fastapi', 'uvicorn', 'aiosqlite', 'httpx', 'websockets', 'lark'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    code, output, errors = await ended(await start("-c", script))
    assert (code, output.strip()) == (0, "[]"), errors
