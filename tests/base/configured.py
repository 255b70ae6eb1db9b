"""A settings file, an environment of its own and a credentials directory."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from tradeassistd.base.config import Settings, load_settings
from tradeassistd.base.errors import ConfigError

SECRET = "hunter2-very-secret"


def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that settings are read from, whatever is set where the tests run."""
    for name in os.environ:
        if name.startswith(("TRADEASSIST_", "SCHWAB_")) or name in ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"):
            monkeypatch.delenv(name)


class Desk:
    """A settings file, an environment and a credentials directory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "config.yaml"
        self._monkeypatch = monkeypatch

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    def credential(self, name: str, content: bytes) -> None:
        credentials = self.folder / "credentials"
        credentials.mkdir(exist_ok=True)
        (credentials / name).write_bytes(content)
        self._monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    def environment(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def load(self) -> Settings:
        return load_settings(self.file)

    def refusal(self) -> ConfigError:
        with pytest.raises(ConfigError) as refused:
            self.load()
        shown = "".join(traceback.format_exception(refused.value))
        assert SECRET not in shown, "an error shows a secret"
        return refused.value
