"""Importing rules and settings: they are files of the trader's, so nothing is written over without being told to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.base.paths import default_path, read_settings_file, rules_of
from tradeassistd.base.secret_keys import as_yaml, secret_paths
from tradeassistd.cli import exit_codes
from tradeassistd.cli.wording import counted
from tradeassistd.rules.load import load_texts
from tradeassistd.store.transfer.files import Row

RULE_MODE, SETTINGS_MODE = 0o644, 0o600
BEFORE = ".before-import"
"""Behind the name of a file that was replaced."""


def import_rules(config: Path | None, rows: Sequence[Row], *, replace: bool, as_json: bool) -> int:
    """Write the rule files, if they are right; a running daemon takes them up by itself.

    Of several accepted versions the last one counts. Raises PermanentError when a rule is wrong or a file is
    there with another text.
    """
    settings = (config or default_path(os.environ)).absolute()
    directory = rules_of(read_settings_file(settings), settings, os.environ)
    newest = max(rows, key=lambda row: row[4] or 0, default=("", "", "", "", 0))
    texts = {str(row[0]): str(row[1]) for row in rows if row[2] == newest[2]}
    for name in texts:
        if Path(name).name != name or name.startswith(".") or not name.endswith(".yaml"):
            raise PermanentError(f"{name!r} is no name of a rule file", hint="It is a plain name that ends in .yaml")
    if problems := load_texts(texts, prefix="").problems:
        raise PermanentError(f"nothing was imported: {problems[0]}", hint=f"{len(problems)} problems in all")
    others = [name for name in texts if (directory / name).exists()
              and (directory / name).read_text("utf-8", "replace") != texts[name]]  # fmt: skip
    if others and not replace:
        raise PermanentError(
            f"{directory / others[0]} has another text", hint=f"--replace keeps it as {others[0]}{BEFORE}"
        )
    new = [name for name in texts if name in others or not (directory / name).exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for name in new:
        _write(directory / name, texts[name], RULE_MODE)
    said = {"what": "rules", "directory": str(directory), "new": new, "there": len(texts) - len(new)}
    text = f"{counted(len(new), 'rule file')} written to {directory}, {len(texts) - len(new)} were there already"
    typer.echo(json.dumps(said, indent=2) if as_json else text)
    return exit_codes.YES


def import_settings(config: Path | None, rows: Sequence[Row], *, replace: bool, as_json: bool) -> int:
    """Write the settings file, if it is right; secrets of a file that is there stay in it.

    Raises ConfigError or Problems when the settings are wrong, PermanentError when others are there.
    """
    settings = (config or default_path(os.environ)).absolute()
    values: dict[str, Any] = {}
    for key, value in rows:
        _put(values, str(key).split("."), value)
    present = read_settings_file(settings)
    for path in secret_paths(present):
        if not _get(values, path):
            _put(values, list(path), _get(present, path))
    if settings.exists() and present != values and not replace:
        raise PermanentError(f"{settings} is there and says something else", hint=f"--replace keeps it as {BEFORE[1:]}")
    changed = present != values
    if changed:
        text = as_yaml(values)
        _check(text, settings)
        _write(settings, text, SETTINGS_MODE)
    said = {"what": "settings", "file": str(settings), "new": changed}
    text = f"settings written to {settings}: start the daemon anew" if changed else "the settings are these already"
    typer.echo(json.dumps(said, indent=2) if as_json else text)
    return exit_codes.YES


def _check(text: str, settings: Path) -> None:
    """Read them as the daemon would, beside their place, for relative paths. Raises what that raises."""
    settings.parent.mkdir(parents=True, exist_ok=True)
    trial = settings.with_name(f".{settings.name}.{os.getpid()}.yaml")
    try:
        trial.touch(SETTINGS_MODE)
        trial.write_text(text, "utf-8")
        load_settings(trial)
    except ConfigError as error:
        raise ConfigError(f"nothing was imported: {error.message}", hint=error.hint) from None
    finally:
        trial.unlink(missing_ok=True)


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all; what was there keeps its content under another name."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.touch(mode)
        scratch.write_text(text, "utf-8", newline="")
        if path.exists():
            path.with_name(path.name + BEFORE).unlink(missing_ok=True)
            path.with_name(path.name + BEFORE).hardlink_to(path)
        scratch.replace(path)
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror}", hint="Run it as its owner") from error
    finally:
        scratch.unlink(missing_ok=True)


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    here = values
    for key in keys[:-1]:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            raise PermanentError(f"{'.'.join(keys)} lies below a key that has a value", hint="Leave one of them out")
    here[keys[-1]] = value


def _get(values: Any, path: Sequence[str]) -> Any:
    """What stands there, or None."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values
