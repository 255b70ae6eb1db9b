"""Runs the real daemon on a computer whose clock can be set: SIGUSR1 sets it an hour forth, SIGUSR2 an hour back.

Not a test: test_hardship.py starts it as a program of its own. Arguments: the settings, and what the clock says when
the program starts (UTC microseconds).
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tradeassistd.base import clock
from tradeassistd.base.config import load_settings
from tradeassistd.base.log import set_up
from tradeassistd.cli.daemon import run

HOUR_US = 3_600_000_000


class Computer:
    """The clock of this computer, as far as the daemon can see."""

    def __init__(self, says_us: int) -> None:
        self._ahead_us = says_us - clock.machine_us()

    def now_us(self) -> int:
        return clock.machine_us() + self._ahead_us

    def set(self, number: int, _: object) -> None:
        self._ahead_us += HOUR_US if number == signal.SIGUSR1 else -HOUR_US


if __name__ == "__main__":
    computer = Computer(int(sys.argv[2]))
    clock.computer_us = computer.now_us
    from tradeassistd.base import steady

    steady.computer_us = computer.now_us  # type: ignore[attr-defined]
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, computer.set)
    set_up("json", "info")
    sys.exit(run(load_settings(Path(sys.argv[1]))))
