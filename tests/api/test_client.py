"""The commands' client of the socket: a daemon that is not there, does not answer, or is something else."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tradeassistd.base.errors import PermanentError
from tradeassistd.cli.client import ask
from tradeassistd.cli.not_running import NotRunningError


def test_without_a_daemon_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="nobody serves"):
        ask(tmp_path / "api.sock", "/health")
    with pytest.raises(NotRunningError, match="turn the local API off"):
        ask(None, "/health")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "api.sock"))
    with pytest.raises(NotRunningError, match="nobody serves"):
        ask(tmp_path / "api.sock", "/health")


def test_a_daemon_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "api.sock"))
        mute.listen()
        with pytest.raises(PermanentError, match=r"did not answer within 0\.05 s"):
            ask(tmp_path / "api.sock", "/health", within_s=0.05)


@pytest.mark.parametrize(
    "said", [b"", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
)
def test_something_else_on_the_socket_is_named(said: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "api.sock"))
        other.listen()

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(PermanentError, match=r"did not answer|no tradeassist daemon"):
            ask(tmp_path / "api.sock", "/health")
        thread.join()
