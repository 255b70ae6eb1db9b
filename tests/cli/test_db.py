"""`tradeassist db info` and `db prune`: without a daemon, and asked of one that runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.e2e.harness import running, settings_for
from tests.store.aged import DAY_US, a_day_of_tape, ago, check_whole, counts, fill
from tests.store.makers import FRIDAY_US
from tradeassistd.base.clock import WallClock
from tradeassistd.base.config import KeepSettings
from tradeassistd.base.errors import FatalError, TradeAssistError
from tradeassistd.cli.main import app
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries
from tradeassistd.store.directory import tape_paths
from tradeassistd.store.retention import Retention
from tradeassistd.store.writer import Store

PROGRAM = Path(sys.executable).with_name("tradeassist")
RULES = "version: 1\nrules:\n  - {id: es, symbols: [/ES], when: price > 1}\n"


@pytest.fixture
async def desk(tmp_path: Path) -> Path:
    """A settings file beside a filled store whose time is a market's."""
    (tmp_path / "config.yaml").write_text("clock: market\nstore: {path: state, keep: {tape: 10d}}\n", "utf-8")
    store = await Store.open(tmp_path / "state", clock=WallClock())
    await fill(store, [800, 20, 5, 0])
    await store.close()
    return tmp_path


def typed(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command prints; in a thread, for it may have a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_typed, folder, arguments, code).result()


def _typed(folder: Path, arguments: tuple[str, ...], code: int) -> str:
    done = CliRunner().invoke(app, ["db", *arguments, "--config", str(folder / "config.yaml")], terminal_width=200)
    if isinstance(done.exception, TradeAssistError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def document(folder: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed(folder, *arguments, "--json"))
    return found


async def test_info_says_what_there_is_and_for_how_long_it_lasts(desk: Path) -> None:
    text = typed(desk, "info")
    assert "stops below" in text and "4 days" in text and "kept 10d; every tick" in text
    assert "official_bars             12" in text and "2y, daily forever" in text
    assert any(line.split()[:2] == ["20261120", "3"] for line in text.splitlines())
    assert "not within ten years" in text
    found = document(desk, "info")
    assert [tape["day"] for tape in found["tapes"]] == ["20240911", "20261102", "20261116", "20261120"]
    assert found["main"]["size"] == (desk / "state" / "main.db").stat().st_size
    assert (found["keep"]["tape"], found["keep"]["alerts"], found["full"]) == ("10d", "forever", None)
    assert found["disk"]["min_free"] < found["disk"]["free"] <= found["disk"]["total"]
    oldest = {table["name"]: table["oldest"] for table in found["main"]["tables"]}
    assert oldest["bars"].startswith("2024-09-11T14:30:00") and oldest["meta"] is None


def test_info_before_the_first_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("store: {path: state}\n", "utf-8")
    with pytest.raises(FatalError, match="there is no"):
        typed(tmp_path, "info")


async def test_a_dry_run_says_what_goes_and_removes_nothing(desk: Path) -> None:
    before = counts(desk / "state")
    text = typed(desk, "prune", "--dry-run")
    assert "would remove 2 days of tape" in text and "20240911 20261102" in text
    assert "would remove 2 rows of official bars" in text and "would remove 1 row of audit" in text
    assert "not kept: tape before Mon 2026-11-09 18:00:00" in text
    assert (counts(desk / "state"), len(tape_paths(desk / "state"))) == (before, 4)
    other = document(desk, "prune", "--dry-run", "--keep", "tape=forever", "--keep", "audit=1d")
    assert (other["tapes"], other["rows"]["audit"]) == ([], 3)


async def test_prune_without_a_daemon_removes_it(desk: Path) -> None:
    expected = document(desk, "prune", "--dry-run")
    done = document(desk, "prune")
    assert (done["tapes"], done["before"]) == (expected["tapes"], expected["before"])
    assert expected["rows"].items() <= done["rows"].items()
    check_whole(desk / "state")
    ((_, kind, body), *_) = queries.audit(desk / "state", 1)
    assert (kind, body["tapes"]) == ("prune", ["20240911", "20261102"]) and body["by"]
    assert typed(desk, "prune").startswith("nothing to remove")
    assert (desk / "state" / "daemon.lock").stat().st_size == 1  # in good order


@pytest.mark.parametrize("keep", ["tape", "tape=soon", "ticks=10d", "tape=1h"])
def test_a_span_that_says_nothing_is_a_usage_error(tmp_path: Path, keep: str) -> None:
    (tmp_path / "config.yaml").write_text("store: {path: state}\n", "utf-8")
    assert "--keep" in typed(tmp_path, "prune", "--keep", keep, code=2)


async def test_a_running_daemon_is_asked_and_goes_on(tmp_path: Path) -> None:
    async with Simulator(SyntheticMarket(3, FRIDAY_US), speed=30.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES)
        assert settings.store.path is not None
        async with running(settings) as watcher:
            now_us = watcher.daemon.clock.now_us()
            while not now_us:
                await watcher.until(lambda _: True)
                now_us = watcher.daemon.clock.now_us()
            for age in (900, 800):
                await a_day_of_tape(settings.store.path, now_us - age * DAY_US)
            text = await asyncio.to_thread(typed, tmp_path, "prune")
            assert "removed 2 days of tape" in text
            assert "removed 1 day of tape" not in text
            for wrong in ("tape=1h",):
                await asyncio.to_thread(typed, tmp_path, "prune", "--keep", wrong, code=2)
            await watcher.until_clock(watcher.daemon.clock.now_us() + 2_000_000)  # it goes on
            status = json.loads(await asyncio.to_thread(_status, tmp_path))
            assert status["disk"]["tape_kept"] == status["store"]["tape_density"] == "every"
        assert len(tape_paths(settings.store.path)) == 1


def _status(folder: Path) -> str:
    return CliRunner().invoke(app, ["status", "--json", "--config", str(folder / "config.yaml")]).output


def test_as_a_program_an_error_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("store: {path: state}\n", "utf-8")
    command: list[str | Path] = [PROGRAM, "db", "info", "--config", str(tmp_path / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


async def test_a_daemon_without_its_api_says_so(desk: Path) -> None:
    (desk / "config.yaml").write_text("clock: market\nstore: {path: state}\napi: {socket: off}\n", "utf-8")
    store = await Store.open(desk / "state", clock=WallClock())  # holds the lock, as a daemon does
    try:
        with pytest.raises(NotRunningError, match="turn the local API off"):
            await asyncio.to_thread(typed, desk, "prune")
        assert (await Retention(store, KeepSettings(), WallClock()).prune(now_us=ago(0))).tapes
    finally:
        await store.close()
