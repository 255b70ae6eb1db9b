"""The command line for somebody who may not look into the daemon's state: one line says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_doctor import a_server
from tradeassistd.base import paths
from tradeassistd.base.errors import FatalError
from tradeassistd.cli.client import ask
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.store.directory import refuse_absent

SETPRIV = shutil.which("setpriv")
pytestmark = pytest.mark.skipif(os.geteuid() == 0 and SETPRIV is None, reason="root needs setpriv to be without rights")
SOMEBODY = 65_534
Run = Callable[..., subprocess.CompletedProcess[str]]

LOOKING = [
    "status", "top --once", "quotes", "alerts", "audit", "bars /ES", "instruments gold", "auth status",
    "history verify SPY", "backfill SPY", "db info", "db prune", "db prune --dry-run", "db copies", "db backup b.tar",
    "db export bars b.csv", "watch", "rules list", "silences", "ack up", "reconnect",
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command line with a state directory that is somebody else's."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "up.yaml").write_text("version: 1\nrules: [{id: up, symbols: [SPY], when: price > 1}]\n")
    (tmp_path / "config.yaml").write_text("store: {path: state}\nschwab: {app_key: key, app_secret: secret}\n")
    if os.geteuid() == 0:
        assert SETPRIV is not None
        os.chown(state, SOMEBODY, SOMEBODY)
        as_anybody = [SETPRIV, "--bounding-set=-all", "--inh-caps=-all"]
    else:
        state.chmod(0)
        as_anybody = []

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*as_anybody, sys.executable, "-m", "tradeassistd.cli.main", *words, "--config", "config.yaml"]
        with_path = {**os.environ, "PYTHONPATH": str(Path.cwd()), **environment}
        return subprocess.run(command, cwd=tmp_path, env=with_path, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("words", LOOKING)
def test_who_may_not_look_is_told_as_whom_to_run_it(run: Run, words: str) -> None:
    done = run(*words.split())
    said = done.stderr.splitlines()
    assert len(said) == 1
    assert "Permission denied" in said[0]
    assert "un this as the user the daemon runs as" in said[0]
    assert done.returncode == 1, "whether it runs is not known"
    assert done.stdout == ""


def test_the_doctor_goes_on_to_the_end(run: Run) -> None:
    with a_server() as url:
        done = run("doctor", TRADEASSIST_SCHWAB__BASE_URL=url)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "problem  state" in done.stdout
    assert "not known whether it runs" in done.stdout


def test_whose_daemon_is_the_systems_is_sent_to_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SYSTEM_SETTINGS", tmp_path / "config.yaml")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotRunningError, match="start tradeassistd"):
        ask(tmp_path / "none.sock", "/rules")
    (tmp_path / "config.yaml").write_text("", "utf-8")
    with pytest.raises(NotRunningError, match="as root"):
        ask(tmp_path / "none.sock", "/rules")
    with pytest.raises(FatalError, match="as root"):
        refuse_absent(tmp_path / "main.db")
