"""Tells the service manager how the daemon is: ready, reloading, alive, stopping (sd_notify(3)).

The optional package systemd-python says it through libsystemd. Without it the same datagram is sent from here: lines of
`KEY=value` to the Unix socket in $NOTIFY_SOCKET, where a leading @ stands for the NUL of an abstract name. Without that
variable nobody listens, and every call does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

import structlog

from tradeassistd.base.clock import monotonic_us
from tradeassistd.base.instant import US_PER_S

STATUS_MAX_CHARACTERS = 200
SEND_WITHIN_S = 0.2
"""A service manager that does not read for that long is not waited for."""

log = structlog.get_logger(__name__)

Send = Callable[[str], None]
"""Sends the lines of one message. Raises OSError."""


class Notifier:
    """The daemon's side of sd_notify. A message that cannot be sent is logged once, and never raised."""

    def __init__(self, environment: Mapping[str, str] | None = None, send: Send | None = None) -> None:
        """`environment` holds what the service manager set (default: the process's); `send` is for tests."""
        self._environment = os.environ if environment is None else environment
        address = self._environment.get("NOTIFY_SOCKET", "")
        self.listening = bool(address)
        """Whether a service manager listens."""
        self._send = send or libsystemd() or built_in(address)
        self._status = ""
        self._failed = False

    def ready(self) -> None:
        """Everything runs: the start, or the reload, is over."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` must follow, whatever became of it. systemd wants the time it began at."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us()}")

    def stopping(self) -> None:
        """The daemon winds down."""
        self._tell("STOPPING=1")

    def watchdog(self) -> None:
        """The daemon is alive."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent only when it is another than before."""
        line = " ".join(text.split())[:STATUS_MAX_CHARACTERS]
        if line != self._status and self._tell(f"STATUS={line}"):
            self._status = line

    def watchdog_interval_s(self) -> float | None:
        """Seconds after which a silent daemon is killed ($WATCHDOG_USEC); None when nobody watches this process."""
        microseconds = self._environment.get("WATCHDOG_USEC", "")
        watched = self._environment.get("WATCHDOG_PID", "") or str(os.getpid())
        if not self.listening or not microseconds.isdigit() or watched != str(os.getpid()):
            return None
        return int(microseconds) / US_PER_S or None

    def _tell(self, lines: str) -> bool:
        """Whether it was sent."""
        if not self.listening:
            return False
        try:
            self._send(lines)
        except OSError as error:
            if not self._failed:
                log.error("service_manager.unreachable", error=str(error), lines=lines)
            self._failed = True
            return False
        self._failed = False
        return True


def libsystemd() -> Send | None:
    """systemd-python's way, which reads $NOTIFY_SOCKET of the process itself; None when it is not installed."""
    try:
        from systemd import daemon
    except ImportError:
        return None

    def send(lines: str) -> None:
        daemon.notify(lines)

    return send


def built_in(address: str) -> Send:
    """The same without a library."""
    if address.startswith("@"):
        address = "\0" + address[1:]

    def send(lines: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            one.settimeout(SEND_WITHIN_S)
            one.connect(address)
            one.sendall(lines.encode())

    return send
