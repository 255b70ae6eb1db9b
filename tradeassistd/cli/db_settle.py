"""Before a copy of the state is made: the daemon puts on the disk what it holds, and the audit says who copies."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.paths import socket_path
from tradeassistd.cli.client import ask
from tradeassistd.cli.login import login_name
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.offline import note_offline
from tradeassistd.store.queries import daemon_running

WITHIN_S = 10.0


def settle(config: Path | None, directory: Path, what: str, file: str) -> None:
    """Ask the daemon where one runs. Without its answer a copy is what a crash would leave: whole, a second older.

    Raises FatalError when this user may not look into the directory."""
    by, running = login_name(), daemon_running(directory)
    try:
        if running:
            query = {"what": what, "file": file, "by": by}
            ask(socket_path(config, os.environ), "/db/settle", query, method="POST", within_s=WITHIN_S)
        elif (directory / MAIN_FILE).exists():
            note_offline(directory, f"db.{what}", {"file": file, "by": by})
    except TradeAssistError as error:
        typer.echo(f"tradeassist: it may lack the last second, and the audit does not have it: {error}", err=True)
