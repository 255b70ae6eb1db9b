"""Checks what the user wrote: settings, credentials, rule files."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tradeassistd.base.clock import Clock
from tradeassistd.base.config import Settings
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.paths import SYSTEM_SETTINGS
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning
from tradeassistd.cli.wording import counted

CREDENTIALS = "/etc/tradeassist/credentials"
SHOWN_MAX = 3
"""How many rejected files are named; `tradeassist rules check` names all."""


def settings(found: Settings, file: Path) -> Iterator[Finding]:
    """The settings that were read; `file` is where they would stand."""
    where = str(file) if file.exists() else f"no {file}: defaults and environment"
    yield ok("settings", f"{where}; {counted(len(found.channels), 'channel')}")
    if not found.channels:
        yield warning("settings", "no channels: alerts are stored and shown, and sent nowhere",
                      "Add one: channels: {desk: {url: 'desktop://'}}")  # fmt: skip
    secrets = [found.schwab.app_secret, *(one.url for one in found.channels.values())]
    words = [one.get_secret_value() for one in secrets]
    if file.exists() and any(word and word in file.read_text("utf-8") for word in words):
        yield from _private("settings", file, "the app secret and channel URLs are secrets")


def credentials(found: Settings) -> Iterator[Finding]:
    """The app key and secret; only whether they are there."""
    missing = [name for name in ("app_key", "app_secret") if not getattr(found.schwab, name).get_secret_value()]
    if missing:
        yield problem("credentials", f"schwab.{' and schwab.'.join(missing)} not set",
                      "Put it in the settings, a credential, or SCHWAB_CLIENT_ID and _SECRET")  # fmt: skip
        return
    odd = [name for name in ("app_key", "app_secret") if _is_odd(getattr(found.schwab, name).get_secret_value())]
    if odd:
        yield warning("credentials", f"schwab.{' and schwab.'.join(odd)} holds spaces or quotes",
                      "Copy it again from developer.schwab.com, without quotes")  # fmt: skip
    else:
        yield ok("credentials", "app key and app secret are set")


def rules(directory: Path, channels: frozenset[str], clock: Clock, bars_kept_s: int | None = None) -> Iterator[Finding]:
    """Rule files as `tradeassist rules check` reads them. `bars_kept_s`: how long bars are kept; None: for ever."""
    from tradeassistd.rules.lint import severity_of
    from tradeassistd.rules.lint_kept import kept_problems
    from tradeassistd.rules.load import load_directory

    try:
        loaded = load_directory(directory, now_us=clock.now_us(), lint=True, channels=channels)
    except TradeAssistError as error:
        yield problem("rules", error.message, error.hint)
        return
    except OSError as error:
        yield problem(
            "rules", f"{directory} cannot be read: {error.strerror}", "Make it readable for the daemon's user"
        )
        return
    for one in loaded.problems[:SHOWN_MAX]:
        yield problem("rules", str(one), "The file's last good version stays in force")
    if (more := len(loaded.problems) - SHOWN_MAX) > 0:
        yield problem("rules", f"and {more} more", "Run `tradeassist rules check`")
    symbols = {symbol for rule in loaded.rule_set.rules for symbol in rule.symbols}
    said = f"{counted(len(loaded.rule_set.rules), 'rule')} on {counted(len(symbols), 'symbol')} in {directory}"
    warnings = [*loaded.warnings, *kept_problems(loaded.rule_set, bars_kept_s, "")]
    warned = Counter(severity_of(one.code) for one in warnings)["warning"]
    if not loaded.rule_set.rules:
        yield problem("rules", f"{directory} holds no rules that can be used", "The daemon does not start without one")
    elif warned:
        yield warning("rules", f"{said}; {counted(warned, 'warning')}", "Run `tradeassist rules check`")
    elif not loaded.problems:
        yield ok("rules", said)


def _is_odd(secret: str) -> bool:
    return any(one.isspace() or one in "\"'" for one in secret)


def _private(check: str, file: Path, why: str) -> Iterator[Finding]:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        # The system unit's user is no owner of anything in /etc: with mode 0600 the daemon could not read it either.
        to_do = f"Move them to {CREDENTIALS}, a file each" if file == SYSTEM_SETTINGS else f"chmod 600 {file}"
        yield warning(check, f"{file} can be read by others (mode {mode:04o}), and {why}", to_do)
