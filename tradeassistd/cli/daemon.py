"""`tradeassistd`: the daemon's program. Signals are caught here and nowhere else."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import structlog

from tradeassistd import __version__
from tradeassistd.base.config import Settings, load_settings
from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.base.log import set_up
from tradeassistd.cli import exit_codes


def main() -> None:
    """Run until SIGTERM or SIGINT; the exit code says how it ended (0 clean, 1 failed, 78 configuration)."""
    parser = argparse.ArgumentParser(prog="tradeassistd", description="Evaluate alert rules on every tick.")
    parser.add_argument("--config", type=Path, help="settings file")
    parser.add_argument("--version", action="version", version=f"tradeassistd {__version__}")
    arguments = parser.parse_args()
    try:
        settings = load_settings(arguments.config)
    except ConfigError as error:
        print(f"tradeassistd: {error}", file=sys.stderr)
        sys.exit(exit_codes.CONFIGURATION)
    set_up(settings.log.format, settings.log.level)
    code = run(settings)
    # A notification library may still sit in a socket call on a thread of its own; everything that
    # must be kept is on disk by now, so do not let the interpreter wait for it.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def run(settings: Settings) -> int:
    """Run the daemon to its end; gives the exit code."""
    log = structlog.get_logger(__name__)
    try:
        asyncio.run(_live(settings))
    except ConfigError as error:
        log.error("daemon.configuration", reason=error.message, hint=error.hint)
        return exit_codes.CONFIGURATION
    except TradeAssistError as error:
        log.error("daemon.failed", reason=error.message, hint=error.hint)
        return exit_codes.NO
    log.info("daemon.stopped")
    return exit_codes.YES


async def _live(settings: Settings) -> None:
    from tradeassistd.app import Daemon  # after logging is set up, and out of the way of --help

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    daemon = Daemon(settings)
    loop.add_signal_handler(signal.SIGHUP, daemon.request_reload)
    await daemon.run(stop)


def _stop(stop: asyncio.Event) -> None:
    """The first signal asks for a clean stop; a second one hurries."""
    if stop.is_set():
        os._exit(exit_codes.NO)
    stop.set()


if __name__ == "__main__":
    main()
