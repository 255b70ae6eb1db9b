"""Options that many commands share, and where they lead: the daemon's socket, the state directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", help="Settings file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def socket_of(config: Path | None) -> Path | None:
    """Where the daemon serves its API, found without loading all settings; None when they turn it off."""
    import os

    from tradeassistd.base.paths import socket_path

    return socket_path(config, os.environ)


def state_directory_of(config: Path | None) -> Path:
    """Where the daemon keeps its state, found without loading all settings."""
    import os

    from tradeassistd.base.paths import state_directory

    return state_directory(config, os.environ)
