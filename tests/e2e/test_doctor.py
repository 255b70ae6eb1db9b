"""The doctor beside a running daemon: what it finds, and a bundle with the frames of the session in it."""

from __future__ import annotations

import asyncio
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.e2e.harness import running, settings_for
from tradeassistd.cli.doctor import network
from tradeassistd.cli.main import app
from tradeassistd.engine.events import Connection, Event
from tradeassistd.sim.preference import CORREL_ID, CUSTOMER_ID
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET

RULES = "version: 1\nrules:\n  - {id: up, symbols: [SPY, /ES], when: price > 9000}\n"
OPEN_US = 1_794_839_400_000_000
"""Monday 2026-11-16 09:30 New York."""
TOPIC = "secret-topic-4711"


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*arguments], env={"COLUMNS": "80"}))


async def test_a_bundle_of_a_running_daemon_holds_its_frames_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How quick a busy machine answers itself is not asked here, nor how old the time in a busy server's answer is.
    monkeypatch.setattr(network, "SLOW_S", network.ANSWER_WITHIN_S)
    monkeypatch.setattr(network, "OFFSET_WARNING_S", network.OFFSET_PROBLEM_S)
    bundle = tmp_path / "bundle.tar.gz"
    async with Simulator(SyntheticMarket(1, OPEN_US), speed=60.0) as simulator:
        settings = settings_for(tmp_path, simulator, RULES, f"{{hook: {{url: 'json://127.0.0.1:9/{TOPIC}'}}}}")
        config = ("--config", str(tmp_path / "config.yaml"))
        async with running(settings) as watcher:

            def is_up(_: Event) -> bool:  # images may come before the feed is live, or after
                states = [event.state for event in watcher.events if isinstance(event, Connection)]
                return "live" in states and {"SPY", "/ES"} <= {tick.symbol for tick in watcher.ticks}

            await watcher.until(is_up)
            done = await command("doctor", "--json", *config)
            packed = await command("doctor", "--bundle", str(bundle), *config)
            secrets = [APP_KEY, APP_SECRET, CUSTOMER_ID, CORREL_ID, TOPIC, *tokens_of(tmp_path / "token.json")]
    found = {one["check"]: one["state"] for one in json.loads(done.output)}
    assert (found["daemon"], found["feed"], found["schwab"], found["clock"]) == ("ok", "ok", "ok", "ok")
    assert (found["database"], found["login"], found["channel hook"]) == ("ok", "ok", "ok")
    with tarfile.open(bundle) as archive:
        files = {entry.name.partition("/")[2]: (archive.extractfile(entry) or exit()).read().decode()
                 for entry in archive}  # fmt: skip
    frames = [json.loads(line)["frame"] for line in files["frames.ndjson"].splitlines()]
    assert frames[0]["response"][0]["command"] == "LOGIN"
    keys = {item["key"] for frame in frames for part in frame.get("data", ()) for item in part["content"]}
    assert keys == {"SPY", "/ES"}
    assert json.loads(files["status.json"])["status"]["feed"]["frames"] > 0
    assert json.loads(files["database.json"])["version"] > 0
    for secret in secrets:
        assert not [name for name, text in files.items() if secret in text]
        assert secret not in packed.output and secret not in done.output


def tokens_of(path: Path) -> list[str]:
    token = json.loads(path.read_text("utf-8"))["token"]
    return [token["access_token"], token["refresh_token"]]
