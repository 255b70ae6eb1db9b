"""Where the paths of the settings lead: the state, the socket, and the settings file itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.base.configured import Desk, bare_environment
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.paths import default_path, default_state, socket_path, state_directory


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bare_environment(monkeypatch)


def test_relative_paths_are_relative_to_the_settings_file(desk: Desk, tmp_path: Path) -> None:
    desk.write("rules: {dir: ../rules}\nstore: {path: state}\nschwab: {token_file: secrets/token.json}\n")
    settings = desk.load()
    assert settings.rules.dir == tmp_path.parent / "rules"
    assert settings.store.path == tmp_path / "state"
    assert settings.schwab.token_file == tmp_path / "secrets" / "token.json"


def test_paths_that_are_not_written_lie_beside_the_file_and_in_the_state(desk: Desk, tmp_path: Path) -> None:
    desk.write("store: {path: state}\n")
    settings = desk.load()
    assert settings.rules.dir == tmp_path / "rules.d"
    assert settings.schwab.token_file == tmp_path / "state" / "token.json"


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("clock: wall\n", {}),
        ("store: {path: state}\n", {}),
        ("store: {path: /srv/state}\n", {}),
        ("store: {path: ~/state}\n", {}),
        ("clock: wall\n", {"STATE_DIRECTORY": "/run/state:/run/other"}),
        ("store: {path: state}\n", {"TRADEASSIST_STORE__PATH": "elsewhere"}),
        ("store: {path: state}\n", {"TRADEASSIST_STORE__PATH": "/srv/elsewhere"}),
    ],
)
def test_a_command_that_only_looks_something_up_finds_the_daemon_s_state(
    desk: Desk, text: str, environment: Mapping[str, str]
) -> None:
    desk.write(text)
    desk.environment(**environment)
    assert state_directory(desk.file, os.environ) == desk.load().store.path


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("clock: wall\n", {}),
        ("clock: wall\n", {"XDG_RUNTIME_DIR": "/run/user/1"}),
        ("clock: wall\n", {"RUNTIME_DIRECTORY": "/run/one:/run/two"}),
        ("store: {path: state}\n", {}),
        ("store: {path: state}\n", {"RUNTIME_DIRECTORY": "/run/one"}),
        ("store: {path: state}\n", {"TRADEASSIST_STORE__PATH": "elsewhere"}),
        ("api: {socket: api.sock}\n", {}),
        ("api: {socket: api.sock}\n", {"TRADEASSIST_API__SOCKET": "/run/other.sock"}),
    ],
)
@pytest.mark.parametrize("user", [0, 1000])
def test_a_command_that_asks_the_daemon_finds_its_socket(
    desk: Desk, text: str, environment: Mapping[str, str], user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    desk.write(text)
    desk.environment(**environment)
    found = socket_path(desk.file, os.environ)
    assert found is not None and found.is_absolute()
    assert found == desk.load().api.socket


def test_a_daemon_that_does_not_listen_has_no_socket(desk: Desk) -> None:
    desk.write("api: {socket: off}\n")
    assert socket_path(desk.file, os.environ) is None
    assert desk.load().api.socket == "off"
    desk.file.unlink()
    with pytest.raises(ConfigError, match="no settings file at"):
        socket_path(desk.file, os.environ)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/x"}, "/etc/tradeassist/config.yaml"),
        ({"XDG_CONFIG_HOME": "/home/t/conf", "HOME": "/home/t"}, "/home/t/conf/tradeassist/config.yaml"),
        ({"HOME": "/home/t"}, "/home/t/.config/tradeassist/config.yaml"),
        ({}, "/.config/tradeassist/config.yaml"),
    ],
)
def test_where_the_settings_file_is_looked_for(environment: Mapping[str, str], expected: str) -> None:
    if Path("/etc/tradeassist/config.yaml").exists():
        pytest.skip("this machine has settings of its own")
    assert default_path(environment) == Path(expected)


@pytest.mark.parametrize(
    ("environment", "user", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/tradeassist:/var/lib/other"}, 1000, "/var/lib/tradeassist"),
        ({}, 0, "/var/lib/tradeassist"),
        ({"XDG_STATE_HOME": "/home/t/state", "HOME": "/home/t"}, 1000, "/home/t/state/tradeassist"),
        ({"HOME": "/home/t"}, 1000, "/home/t/.local/state/tradeassist"),
    ],
)
def test_where_state_is_kept(
    environment: Mapping[str, str], user: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert default_state(environment) == Path(expected)


def test_without_a_file_in_the_usual_place_the_defaults_hold(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    settings = load_settings(None, environment)
    assert settings.rules.dir == default_path(environment).parent / "rules.d"
    assert state_directory(None, environment) == settings.store.path
