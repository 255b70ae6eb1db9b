"""sd_notify against a real datagram socket, as systemd-python says it and as the daemon does without it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.apt import needs
from tradeassistd.base.sdnotify import STATUS_MAX_CHARACTERS, Notifier, built_in

STEPS = """
import sys
sys.path[:0] = sys.argv[1:]
from tradeassistd.base import sdnotify
assert sdnotify.libsystemd() is not None
notifier = sdnotify.Notifier()
notifier.status("two  lines\\nof text")
notifier.ready()
notifier.watchdog()
notifier.reloading()
notifier.ready()
notifier.stopping()
print(notifier.watchdog_interval_s())
"""


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(60.0)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.environment = {"NOTIFY_SOCKET": address}

    def heard(self) -> str:
        return self._socket.recv(4_096).decode()

    def nothing_more(self) -> bool:
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(4_096)
        except BlockingIOError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    one = Manager(str(tmp_path / "notify") if request.param == "file" else f"@tradeassist-test-{os.getpid()}")
    yield one
    one.close()


def check_the_steps(manager: Manager) -> None:
    """What STEPS says, in order."""
    assert manager.heard() == "STATUS=two lines of text"
    assert manager.heard() == "READY=1"
    assert manager.heard() == "WATCHDOG=1"
    first, second = manager.heard().split("\n")
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert 0 <= time.monotonic_ns() // 1_000 - int(value) < 60_000_000  # of this machine's CLOCK_MONOTONIC
    assert manager.heard() == "READY=1"
    assert manager.heard() == "STOPPING=1"
    assert manager.nothing_more()


def test_the_built_in_way(manager: Manager) -> None:
    notifier = Notifier(manager.environment, built_in(manager.environment["NOTIFY_SOCKET"]))
    notifier.status("two  lines\nof text")
    notifier.ready()
    notifier.watchdog()
    notifier.reloading()
    notifier.ready()
    notifier.stopping()
    check_the_steps(manager)


@pytest.fixture(scope="module")
def systemd_python(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders to import systemd-python from; it is built for this Python when it is not installed."""
    if find_spec("systemd") is not None:
        return []
    needs("gcc", "gcc")
    libsystemd = [needs("pkg-config", "pkg-config"), "--exists", "libsystemd"]
    if subprocess.run(libsystemd, check=False).returncode:
        needs("the header of libsystemd", "libsystemd-dev")
    folder = tmp_path_factory.mktemp("systemd-python")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    built = subprocess.run([*pip, "systemd-python>=235"], capture_output=True, text=True, check=False)
    if built.returncode and not os.environ.get("CI"):
        pytest.skip(f"systemd-python cannot be built here: {built.stderr[-300:]}")
    assert built.returncode == 0, built.stderr
    return [str(folder)]


def test_systemd_pythons_way(manager: Manager, systemd_python: list[str]) -> None:
    environment = {**os.environ, **manager.environment, "WATCHDOG_USEC": "30000000"}
    environment.pop("WATCHDOG_PID", None)
    said = subprocess.run(
        [sys.executable, "-c", STEPS, *systemd_python],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == 30.0
    check_the_steps(manager)


def test_a_status_is_sent_when_it_changes_and_not_too_long() -> None:
    sent: list[str] = []
    notifier = Notifier({"NOTIFY_SOCKET": "@somewhere"}, sent.append)
    for text in ("live", "live", "backoff", "x" * 1_000):
        notifier.status(text)
    assert sent == ["STATUS=live", "STATUS=backoff", "STATUS=" + "x" * STATUS_MAX_CHARACTERS]


def test_without_a_service_manager_nothing_is_sent() -> None:
    sent: list[str] = []
    notifier = Notifier({"WATCHDOG_USEC": "30000000"}, sent.append)
    notifier.ready()
    notifier.reloading()
    notifier.status("live")
    notifier.watchdog()
    notifier.stopping()
    assert (sent, notifier.listening, notifier.watchdog_interval_s()) == ([], False, None)


def test_a_send_that_fails_is_logged_once_and_never_raised(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address}, built_in(address))
    with capture_logs() as logs:
        notifier.ready()
        notifier.watchdog()
        notifier.status("live")
    assert [entry["event"] for entry in logs] == ["service_manager.unreachable"]
    manager = Manager(address)
    notifier.status("live")  # was not heard before, so it is said again
    assert manager.heard() == "STATUS=live"
    manager.close()


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notifier = Notifier(manager.environment, built_in(manager.environment["NOTIFY_SOCKET"]))
    with capture_logs() as logs:
        for _ in range(2_000):  # far more than the socket's queue holds
            if logs:
                break
            notifier.watchdog()
    assert [entry["event"] for entry in logs] == ["service_manager.unreachable"]
    manager.close()


@pytest.mark.parametrize(
    ("microseconds", "process", "interval_s"),
    [
        ("30000000", "", 30.0),
        ("1500000", "own", 1.5),
        ("30000000", "other", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdogs_interval_is_this_processs_own(microseconds: str, process: str, interval_s: float | None) -> None:
    process_id = {"own": str(os.getpid()), "other": str(os.getpid() + 1)}.get(process, process)
    environment = {"NOTIFY_SOCKET": "@somewhere", "WATCHDOG_USEC": microseconds, "WATCHDOG_PID": process_id}
    assert Notifier(environment, lambda _: None).watchdog_interval_s() == interval_s


def test_the_library_is_not_needed() -> None:
    script = (
        "import sys; sys.modules['systemd'] = None\n"
        "from tradeassistd.base.sdnotify import Notifier, libsystemd\n"
        "assert libsystemd() is None; Notifier().ready()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
