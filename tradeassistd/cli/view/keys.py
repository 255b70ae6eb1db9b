"""Single keys from the terminal, without Enter, and the terminal as it was afterwards."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BYTES_AT_ONCE_MAX = 64


@contextmanager
def keys(descriptor: int, pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` with each key typed at the terminal; does nothing where `descriptor` is no terminal.

    Needs a running event loop. Ctrl+C stays a signal.
    """
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        typed = os.read(descriptor, BYTES_AT_ONCE_MAX)
        if not typed:
            loop.remove_reader(descriptor)  # the terminal went away: there will be no more keys
        for key in typed.decode("utf-8", "replace"):
            pressed(key)

    tty.setcbreak(descriptor, termios.TCSADRAIN)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
