"""`tradeassist doctor --bundle`: one archive with what helps to find out why something went wrong, without secrets."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from tradeassistd import __version__
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import Settings
from tradeassistd.base.errors import PermanentError, TradeAssistError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.base.paths import socket_path
from tradeassistd.cli.client import ask, lines_of
from tradeassistd.cli.doctor.finding import Finding, lines, summary
from tradeassistd.cli.doctor.mask import Mask
from tradeassistd.cli.doctor.told import Told
from tradeassistd.store import queries
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.faults import schema_version
from tradeassistd.store.reading import reading

MODE = 0o600
RULE_FILES_MAX, RULE_FILE_BYTES_MAX = 2_000, 2**20
FRAMES_BYTES_MAX = 64 * 2**20
ALERTS_MAX, AUDIT_MAX = 100, 200
LOG_LINES_MAX, JOURNAL_WITHIN_S = 500, 10.0
UNITS = ("tradeassist.service",)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FOLDER = "tradeassist-bundle"
README = """\
What is in here, for whoever looks for the cause of a trouble:

doctor.txt, doctor.json  what `tradeassist doctor` found
status.json              what the daemon said of itself
settings.json            the settings, secrets masked
rules/                   the rule files as they are on disk
versions.json            Python, packages, operating system
log.txt                  the last lines of the daemon's log
frames.ndjson            what Schwab sent in the last ten minutes; age_s: seconds before the bundle was made
database.json            size, rows and schema of the database; last alerts, audit and gaps

Tokens, keys, channel addresses, account numbers and customer ids are taken out. Rules and prices are not: look through
it before you send it to anybody.
"""


def write_bundle(
    target: Path, config: Path | None, settings: Settings | None, told: Told, found: list[Finding], clock: Clock
) -> None:
    """Write the archive, readable by its owner only. Raises PermanentError when it cannot be written."""
    mask = Mask(settings)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, text in _files(config, settings, told, found, clock):
                    _add(archive, f"{_FOLDER}/{name}", mask.clean(text), clock)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error.strerror}", hint="Name another place") from error


def _add(archive: tarfile.TarFile, name: str, text: str, clock: Clock) -> None:
    content = text.encode("utf-8", "replace")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), MODE, clock.now_us() // US_PER_S
    archive.addfile(entry, io.BytesIO(content))


def _files(
    config: Path | None, settings: Settings | None, told: Told, found: list[Finding], clock: Clock
) -> Iterator[tuple[str, str]]:
    """Name and text of each; a part that cannot be had says so in its own file."""
    yield "README.txt", f"{README}\nMade at {iso(clock.now_us())} by tradeassist {__version__}.\n"
    yield "doctor.txt", "\n".join([*(line for one in found for line in lines(one, 100)), summary(found)]) + "\n"
    yield "doctor.json", _json(msgspec.to_builtins(found))
    yield "status.json", _json({"running": told.running, "answers": told.answers, "status": told.status})
    yield "versions.json", _json(_versions())
    if settings is None:
        return  # without settings nobody knows where the rest is
    assert settings.rules.dir and settings.store.path  # load_settings completes them
    yield "settings.json", settings.model_dump_json(indent=2)
    yield from _rules(settings.rules.dir)
    yield "database.json", _json(_database(settings.store.path))
    socket = socket_path(config, os.environ) if told.answers else None
    yield "log.txt", "\n".join(_log(socket)) + "\n"
    yield "frames.ndjson", _frames(socket)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"


def _versions() -> dict[str, Any]:
    return {
        "tradeassist": __version__, "python": sys.version, "executable": sys.executable,
        "platform": platform.platform(), "sqlite": sqlite3.sqlite_version,
        "packages": dict(sorted((one.name, one.version) for one in distributions())),
    }  # fmt: skip


def _rules(directory: Path) -> Iterator[tuple[str, str]]:
    """The rule files and their unit tests, as far as they are text of a sensible size."""
    files = sorted(one for one in directory.rglob("*") if one.suffix in (".yaml", ".yml") and one.is_file())
    for file in files[:RULE_FILES_MAX]:
        name = f"rules/{file.relative_to(directory)}"
        try:
            text = file.read_bytes()[:RULE_FILE_BYTES_MAX].decode("utf-8", "replace")
        except OSError as error:
            text = f"# cannot be read: {error.strerror}\n"
        yield name, text


def _database(directory: Path) -> dict[str, Any]:
    """Sizes, schema and row counts, and what happened last."""
    files = {one.name: one.stat().st_size for one in _present(directory)}
    try:
        with reading(directory / MAIN_FILE, "main") as raw:
            version = schema_version(raw)
            tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            rows = {name: raw.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
        alerts = [_alert(one) for one in queries.alerts(directory, limit=ALERTS_MAX)]
        gaps = [msgspec.to_builtins(one) for one in queries.gaps(directory)][-AUDIT_MAX:]
        audit = [{"event_us": at_us, "kind": kind, **body} for at_us, kind, body in queries.audit(directory, AUDIT_MAX)]
    except (TradeAssistError, sqlite3.DatabaseError) as error:
        return {"files_bytes": files, "not_read": str(error)}
    return {"files_bytes": files, "version": version, "rows": rows, "alerts": alerts, "gaps": gaps, "audit": audit}


def _present(directory: Path) -> Iterable[Path]:
    return sorted(one for one in directory.glob("*") if one.is_file()) if directory.is_dir() else ()


def _alert(stored: queries.StoredAlert) -> Mapping[str, Any]:
    from tradeassistd.api.documents import alert_document

    return alert_document(stored.alert, stored.deliveries)


def _log(socket: Path | None) -> list[str]:
    """The daemon's own last lines while it answers, else what the journal has of its unit."""
    if socket is not None:
        try:
            return [_COLOURS.sub("", line) for line in ask(socket, "/diagnostics/log").document]
        except TradeAssistError as error:
            return [f"not had: {error}"]
    for scope in ("--user", "--system"):
        command = ["journalctl", scope, "--no-pager", "--quiet", "--output=cat", f"--lines={LOG_LINES_MAX}"]
        command += [f"--unit={unit}" for unit in UNITS]
        try:
            said = subprocess.run(command, capture_output=True, timeout=JOURNAL_WITHIN_S, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue  # no journal here, or one that hangs
        if said.strip():
            return _COLOURS.sub("", said.decode("utf-8", "replace")).splitlines()
    return ["the daemon does not answer, and the journal has nothing of tradeassist.service"]


def _frames(socket: Path | None) -> str:
    """The daemon's ring; it lives in its memory only."""
    if socket is None:
        return _line({"not_had": "the daemon does not answer, and the frames were in its memory"})
    kept: list[bytes] = []
    room = FRAMES_BYTES_MAX
    try:
        for line in lines_of(socket, "/diagnostics/frames"):
            room -= len(line)
            if room < 0:
                kept.append(_line({"left_out": "the newer ones: this is all that fits"}).encode())
                break
            kept.append(line)
    except TradeAssistError as error:
        kept.append(_line({"broken_off": str(error)}).encode())
    return b"".join(kept).decode("utf-8", "replace")


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"
