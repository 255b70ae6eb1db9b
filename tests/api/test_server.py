"""Where the API listens: who may open its socket, what is replaced, what is left alone."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.service import serving
from tradeassistd.api.server import listen
from tradeassistd.base.config import load_settings, loopback_address
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.paths import socket_path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def plain_umask() -> Iterator[None]:
    """The most careless umask there is: what is private must be so by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


# --- the socket ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain_umask")
def test_the_socket_is_its_owners_only_and_so_is_a_directory_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "tradeassist" / "api.sock"
    with listen(path):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
        assert list(path.parent.iterdir()) == [path]


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with listen(tmp_path / "api.sock"):
        assert mode_of(tmp_path) == 0o750


def test_what_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    listen(path).close()
    assert path.exists()
    (tmp_path / f".api.sock.{os.getpid()}").touch()  # one that died between bind and rename, with our process id
    with listen(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_daemon_that_lives_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listen(path) as first:
        with pytest.raises(ConfigError, match="another daemon serves"):
            listen(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            first.accept()[0].close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is not a socket"):
        listen(path)
    assert path.read_text() == "mine"


def test_a_path_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"too long.*api\.socket"):
        listen(tmp_path / ("x" * 120) / "api.sock")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen(tmp_path / "file" / "api.sock")


async def test_the_socket_is_gone_after_the_stop_but_not_anothers(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert mode_of(service.path) == 0o600
    assert not service.path.exists()
    async with serving(tmp_path) as service:
        service.path.unlink()
        successor = listen(service.path)
    assert service.path.exists()
    successor.close()


async def test_nothing_listens_on_tcp_unless_asked(tmp_path: Path) -> None:
    async with serving(tmp_path / "quiet") as service:
        assert service.server.addresses == []
    async with serving(tmp_path / "asked", address=("127.0.0.1", 0)) as service:
        ((host, port),) = service.server.addresses
        assert host == "127.0.0.1"
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            service.server.open(None, ("127.0.0.1", port))


# --- the settings ----------------------------------------------------------------------------------------------------

EMPTY = {"HOME": "/home/trader"}
USER = {**EMPTY, "XDG_RUNTIME_DIR": "/run/user/1000"}


@pytest.mark.parametrize(
    ("text", "environment", "root", "expected"),
    [
        ("clock: wall", EMPTY, False, "/home/trader/.local/state/tradeassist/api.sock"),
        ("clock: wall", USER, False, "/run/user/1000/tradeassist/api.sock"),
        ("clock: wall", USER, True, "/run/tradeassist/api.sock"),
        ("clock: wall", {**USER, "RUNTIME_DIRECTORY": "/run/ta:/run/other"}, True, "/run/ta/api.sock"),
        ("store: {path: state}", USER, True, "{here}/state/api.sock"),
        ("store: {path: /srv/state}", USER, False, "/srv/state/api.sock"),
        ("clock: wall", {**USER, "TRADEASSIST_STORE__PATH": "/srv/other"}, False, "/srv/other/api.sock"),
        ("api: {socket: my.sock}", {**USER, "RUNTIME_DIRECTORY": "/run/ta"}, False, "{here}/my.sock"),
        ("api: {socket: /tmp/a.sock}", {**USER, "TRADEASSIST_API__SOCKET": "/tmp/b.sock"}, False, "/tmp/b.sock"),
        ("api: {socket: off}", USER, False, None),
        ("clock: wall", {**USER, "TRADEASSIST_API__SOCKET": "off"}, False, None),
    ],
)
def test_daemon_and_command_line_agree_where_the_socket_is(
    text: str, environment: dict[str, str], root: bool, expected: str | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    for name in [*os.environ]:
        if name.startswith("TRADEASSIST_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "config.yaml"
    file.write_text(f"{text}\n", "utf-8")
    path = None if expected is None else Path(expected.format(here=tmp_path))
    assert socket_path(file, environment) == path
    assert load_settings(file, environment).api.socket == (path or "off")


def test_without_a_settings_file_the_command_line_still_knows(tmp_path: Path) -> None:
    assert socket_path(None, {**USER, "XDG_CONFIG_HOME": str(tmp_path), "STATE_DIRECTORY": "/srv/s"}) is not None
    with pytest.raises(ConfigError, match="no settings file at"):
        socket_path(tmp_path / "nothing.yaml", USER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8200", ("127.0.0.1", 8200)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:8200", ("::1", 8200)),
        ("127.1.2.3:65535", ("127.1.2.3", 65535)),
    ],
)
def test_an_address_of_this_machine_is_taken(text: str, expected: tuple[str, int]) -> None:
    assert loopback_address(text) == expected


@pytest.mark.parametrize(
    "text", ["0.0.0.0:8200", "192.168.1.5:8200", "example.com:8200", "8200", "127.0.0.1", "127.0.0.1:65536", "[::]:80"]
)
def test_any_other_address_is_refused_at_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"clock: wall\napi: {{listen: '{text}'}}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml:2:15: api\.listen: .* is not an address of this machine"):
        load_settings(file, EMPTY)
