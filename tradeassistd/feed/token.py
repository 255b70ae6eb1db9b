"""The token file: read, and replaced atomically with mode 0600.

schwab-py's own writer truncates the file in place with mode 0644, so a crash in that window costs a login by hand
(schwab-py issue 231).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tradeassistd.base.errors import ConfigError


class TokenFile:
    """schwab-py's token format: {"creation_timestamp": epoch seconds, "token": {...}}."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """The token. Raises ConfigError when there is none, or it is not a token."""
        try:
            token = json.loads(self.path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(
                f"no Schwab token at {self.path}: {error.strerror}",
                hint="log in to Schwab first and set schwab.token_file",
            ) from error
        except ValueError as error:
            raise ConfigError(f"{self.path} is not a token file", hint="log in to Schwab again") from error
        if not isinstance(token, dict) or "creation_timestamp" not in token or not _can_refresh(token.get("token")):
            raise ConfigError(f"{self.path} is not a token schwab-py can refresh", hint="log in to Schwab again")
        return token

    def write(self, token: dict[str, Any], *_: object, **__: object) -> None:
        """Replace the file so that a crash leaves the old token or the new one, never half of one."""
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(token, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path)


def _can_refresh(inner: object) -> bool:
    return isinstance(inner, dict) and "refresh_token" in inner
