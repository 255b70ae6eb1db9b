"""`tradeassist db backup` and `db restore`: everything in one file, and back on another machine in one command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import typer

from tradeassistd import __version__
from tradeassistd.base.clock import WallClock
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.paths import default_path, read_settings_file, rules_of, state_directory, state_of
from tradeassistd.base.secret_keys import as_yaml, without_secrets
from tradeassistd.base.yaml12 import compose, plain
from tradeassistd.cli import exit_codes
from tradeassistd.cli.db_settle import settle
from tradeassistd.cli.doctor.mask import Mask
from tradeassistd.cli.login import login_name
from tradeassistd.cli.view.words import size
from tradeassistd.cli.wording import LABEL_WIDTH, clock_time, counted, wrapped
from tradeassistd.store.archive import RULES, SETTINGS, Manifest, is_rule
from tradeassistd.store.backup import size_of, write_backup
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.queries import daemon_running
from tradeassistd.store.restoring import (
    SQLITE_HEAD,
    Places,
    Restored,
    read_whole,
    restore,
    restore_copy,
)
from tradeassistd.store.snapshot import Progress

WIDTH = 100
NICE = 10
"""How far a backup steps back for the daemon beside it, which has ticks to judge."""


def backup(config: Path | None, target: Path, *, days: int | None, as_json: bool) -> int:
    """Write a backup. Raises TradeAssistError when that is not possible; a former one then stays as it is."""
    settings = _settings_file(config)
    directory = state_directory(config, os.environ)
    settle(config, directory, "backup", target.name)
    if daemon_running(directory):
        os.nice(NICE)
    texts, blanked, left_out = _texts(settings)
    with _bar("backing up", size_of(directory, days)) as progress:
        manifest = write_backup(
            directory, target.absolute(), texts=texts, blanked=blanked, program=__version__,
            made_us=WallClock().now_us(), days=days, progress=progress,
        )  # fmt: skip
    for what in (*left_out, *manifest.left_out):
        typer.echo(f"tradeassist: left out: {what}", err=True)
    if as_json:
        typer.echo(_json(manifest, file=str(target), bytes=target.stat().st_size))
    else:
        typer.echo(f"backed up to {target}, {size(target.stat().st_size)}")
        typer.echo("\n".join(_contents(manifest)))
        typer.echo(_line("not in it", "the login to Schwab and the secrets; keep these two elsewhere"))
    return exit_codes.NO if manifest.left_out else exit_codes.YES


def restore_from(
    config: Path | None, source: Path, *, replace: bool, keep_rules: bool, dry_run: bool, as_json: bool
) -> int:
    """Put a backup in place, or a copy of main.db; with `dry_run` only see that it is whole."""
    if _is_database(source):
        return _restore_copy(config, source, replace=replace, dry_run=dry_run, as_json=as_json)
    total = source.stat().st_size if source.exists() else 0
    if dry_run:
        with _bar("reading", total) as progress:
            manifest = read_whole(source, progress)
        lines = [f"{source} is whole: the state of {_new_york(manifest.made)}", *_contents(manifest)]
        typer.echo(_json(manifest, file=str(source)) if as_json else "\n".join(lines))
        return exit_codes.YES
    with _bar("restoring", total) as progress:
        done = restore(
            source, lambda text: _places(config, text), replace=replace, rules=not keep_rules,
            now_us=WallClock().now_us(), by=login_name(), progress=progress,
        )  # fmt: skip
    typer.echo(json.dumps(msgspec.to_builtins(done), indent=2) if as_json else "\n".join(_done(done)))
    return exit_codes.YES


def _restore_copy(config: Path | None, source: Path, *, replace: bool, dry_run: bool, as_json: bool) -> int:
    state = state_directory(config, os.environ)
    aside = ""
    if not dry_run:
        aside = restore_copy(source, state, replace=replace, now_us=WallClock().now_us(), by=login_name())
    said = {"state": str(state), "from": str(source), "aside": aside}
    text = f"{state / MAIN_FILE} is that of {source} now" + (f"; the one before is in {aside}" if aside else "")
    typer.echo(json.dumps(said, indent=2) if as_json else f"{source} is a main.db" if dry_run else text)
    return exit_codes.YES


def _settings_file(config: Path | None) -> Path:
    return (config or default_path(os.environ)).absolute()


def _texts(settings: Path) -> tuple[dict[str, bytes], tuple[str, ...], list[str]]:
    """Settings without secrets and the rule files, by their names in the backup; which keys; what was left out."""
    texts: dict[str, bytes] = {}
    blanked: tuple[str, ...] = ()
    left_out: list[str] = []
    values: dict[str, Any] = {}
    try:
        values = read_settings_file(settings)
        if settings.exists():
            text, blanked = without_secrets(settings.read_text("utf-8"), str(settings))
            texts[SETTINGS] = _without_comments_that_tell(text, settings).encode()
    except TradeAssistError as error:
        left_out.append(f"the settings: {error}")
    rules = rules_of(values, settings, os.environ)
    for path in _rule_files(rules):
        name = f"{RULES}{path.relative_to(rules)}"
        try:
            if is_rule(name):
                texts[name] = path.read_bytes()
            else:
                left_out.append(f"{path}: its name cannot be kept")
        except OSError as error:
            left_out.append(f"{path}: {error.strerror}")
    return texts, blanked, left_out


def _rule_files(rules: Path) -> Iterable[Path]:
    hidden = (one for one in sorted(rules.rglob("*")) if one.suffix in (".yaml", ".yml") and one.is_file())
    return [one for one in hidden if not any(part.startswith(".") for part in one.relative_to(rules).parts)]


def _without_comments_that_tell(text: str, settings: Path) -> str:
    """The text with every secret that is known masked wherever it stands; without its comments where that says else."""
    try:
        mask = Mask(load_settings(settings))
    except TradeAssistError:
        mask = Mask(None)  # the values of its keys are empty by now; a comment may still look like a secret
    cleaned, values = mask.clean(text), plain(compose(text, str(settings)))
    try:
        return cleaned if plain(compose(cleaned, str(settings))) == values else as_yaml(values)
    except TradeAssistError:
        return as_yaml(values)


def _places(config: Path | None, text: str | None) -> Places:
    """Where things go: by the settings that are there, else by those of the backup."""
    file = _settings_file(config)
    if file.exists():
        values = read_settings_file(file)
    else:
        found = plain(compose(text, SETTINGS)) if text else {}
        values = found if isinstance(found, dict) else {}
    return Places(state_of(values, file, os.environ), rules_of(values, file, os.environ), file, file.exists())


def _is_database(source: Path) -> bool:
    try:
        with source.open("rb") as file:
            return file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
    except OSError:
        return False  # opening it as a backup says why


def _contents(manifest: Manifest) -> list[str]:
    count = manifest.counts.get
    pending = count("open deliveries", 0)
    tapes = sorted(note.name[5:13] for note in manifest.files if note.name.startswith("tape-"))
    state = (
        f"{counted(count('alerts', 0), 'alert')}, {pending:,} deliver{'y' if pending == 1 else 'ies'} pending, "
        f"{counted(count('rule states', 0), 'rule state')} ({count('firing', 0)} firing), "
        f"{counted(count('bars', 0) + count('official bars', 0), 'bar')}"
    )
    days = f"{counted(len(tapes), 'day')}, {tapes[0]} to {tapes[-1]}" if tapes else "none"
    rules = counted(count("rule files", 0), "rule file")
    if any(note.name == SETTINGS for note in manifest.files):
        rules += ", the settings" + (f" without {', '.join(manifest.blanked)}" if manifest.blanked else "")
    return [*wrapped("state", state, WIDTH), _line("tape", days), *wrapped("rules", rules, WIDTH)]


def _done(done: Restored) -> Iterator[str]:
    manifest = done.manifest
    yield f"restored the state of {_new_york(manifest.made)}, made by tradeassist {manifest.program}"
    yield from _contents(manifest)
    yield _line("state in", done.state)
    yield _line("rules in", done.rules or "left as they were")
    yield _line("settings", done.settings or "left as they were")
    if done.aside:
        yield _line("aside", f"what was there before: {done.aside}")
    if pending := manifest.counts.get("open deliveries"):
        yield _line("pending", f"{pending} to be sent when the daemon starts; one that is too late by then expires")
    missing = [*manifest.blanked] if done.settings else []
    yield _line("next", (f"put {', '.join(missing)} into the settings, " if missing else "")
                + "`tradeassist auth login`, and start the daemon")  # fmt: skip


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"


def _new_york(made: str) -> str:
    return clock_time(made)


def _json(manifest: Manifest, **more: Any) -> str:
    return json.dumps({**more, **msgspec.to_builtins(manifest)}, indent=2)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Progress]:
    """A progress bar on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Shown

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Shown(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.advance(task, done)
