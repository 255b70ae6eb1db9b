"""Where settings and state live; quick to import, for the commands that only look something up."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import compose, plain

SYSTEM_SETTINGS = Path("/etc/tradeassist/config.yaml")
SOCKET_FILE = "api.sock"
OFF = "off"
ASK_AS_ROOT = "start tradeassistd, or ask the system's as root"


def default_path(environment: Mapping[str, str]) -> Path:
    """Where the settings file is looked for: /etc for root and for a system service, else the user's own."""
    if "STATE_DIRECTORY" in environment or (os.geteuid() == 0 and SYSTEM_SETTINGS.exists()):
        return SYSTEM_SETTINGS
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/")) / ".config")
    return Path(home) / "tradeassist" / "config.yaml"


def is_system_hidden() -> bool:
    """Whether this machine has settings of the system's daemon, and this user is not root: they look for their own."""
    return os.geteuid() != 0 and SYSTEM_SETTINGS.exists()


def default_state(environment: Mapping[str, str]) -> Path:
    """Where state is kept when the settings do not say."""
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/tradeassist")
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "/")) / ".local" / "state")
    return Path(home) / "tradeassist"


def state_directory(path: Path | None, environment: Mapping[str, str]) -> Path:
    """Where the daemon with this settings file keeps its state, without validating the rest of the settings.

    Raises ConfigError when the file cannot be read.
    """
    file = path or default_path(environment)
    if path is not None and not path.exists():
        raise ConfigError(f"no settings file at {path}", hint="name an existing file with --config")
    named = environment.get("TRADEASSIST_STORE__PATH")
    return state_of({} if named else read_settings_file(file), file, environment)


def state_of(values: dict[str, Any], file: Path, environment: Mapping[str, str]) -> Path:
    """Where state is kept by a map of settings that stands, or is to stand, in `file`."""
    named = _given(values, "store", "path", environment)
    return absolute(Path(named), file) or default_state(environment) if named else default_state(environment)


def rules_of(values: dict[str, Any], file: Path, environment: Mapping[str, str]) -> Path:
    """Where the rules are by a map of settings that stands, or is to stand, in `file`."""
    named = _given(values, "rules", "dir", environment)
    return (absolute(Path(named), file) if named else None) or file.parent / "rules.d"


def _given(values: dict[str, Any], part: str, key: str, environment: Mapping[str, str]) -> str:
    """What the environment or the map says of one key; empty when neither does."""
    section = values.get(part)
    in_file = section.get(key) if isinstance(section, dict) else None
    return environment.get(f"TRADEASSIST_{part}__{key}".upper()) or str(in_file or "")


def default_socket(given_state: Path | None, environment: Mapping[str, str]) -> Path:
    """Where the local API listens when the settings do not say.

    systemd's runtime directory; beside a state directory that was given, so that two daemons do not meet; else
    /run/tradeassist for root, the user's runtime directory, or the state directory.
    """
    if environment.get("RUNTIME_DIRECTORY"):
        return Path(environment["RUNTIME_DIRECTORY"].split(":")[0]) / SOCKET_FILE
    if given_state is not None:
        return given_state / SOCKET_FILE
    if os.geteuid() == 0:
        return Path("/run/tradeassist") / SOCKET_FILE
    if environment.get("XDG_RUNTIME_DIR"):
        return Path(environment["XDG_RUNTIME_DIR"]) / "tradeassist" / SOCKET_FILE
    return default_state(environment) / SOCKET_FILE


def socket_path(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Where the daemon with this settings file listens (None: it does not), without validating all the settings.

    Raises ConfigError when the file cannot be read.
    """
    file = path or default_path(environment)
    if path is not None and not path.exists():
        raise ConfigError(f"no settings file at {path}", hint="name an existing file with --config")
    values = read_settings_file(file)
    socket, store = _given(values, "api", "socket", environment), _given(values, "store", "path", environment)
    if socket:
        return None if socket == OFF else absolute(Path(socket), file)
    return default_socket(absolute(Path(store), file) if store else None, environment)


def read_settings_file(file: Path) -> dict[str, Any]:
    """The map in a settings file, empty when there is none. Raises ConfigError or yaml12.Problems."""
    if not file.exists():
        return {}
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}", hint="make it a readable UTF-8 file") from error
    values = plain(compose(text, str(file)))
    if not isinstance(values, dict):
        raise ConfigError(f"{file} is not a map of settings", hint="see the README's settings")
    return values


def absolute(path: Path | None, file: Path) -> Path | None:
    """`path` against the settings file's folder; None stays None."""
    return None if path is None else (file.parent / path.expanduser()).resolve()
