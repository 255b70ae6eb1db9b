"""Takes the secrets that are known on this machine out of any text that is to leave it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tradeassistd.base.config import FIELD_NAMES, Settings
from tradeassistd.feed.redaction import MASK

SECRET_LEAST = 6
"""A shorter part of an address is no secret, and masking it would make any text unreadable."""
WORD_LEAST = 8
"""A topic or a token in an address is at least so long."""
_LOCAL = ("sound", "desktop")
_NO_SECRETS = ("localhost", "127.0.0.1", "hooks.slack.com", "services", "webhooks")
_ENVIRONMENT = (
    *FIELD_NAMES.values(),
    "SLACK_BOT_TOKEN",
    "TRADEASSIST_SCHWAB__APP_KEY",
    "TRADEASSIST_SCHWAB__APP_SECRET",
)
_URL_WORDS = re.compile(r"[/:@?&=#]")
# What looks like a secret wherever it stands: HTTP authorization, Slack's tokens and webhooks, a JSON token field.
_LOOKS = re.compile(
    r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|\bxox[a-z]-[A-Za-z0-9-]+|hooks\.slack\.com/services/\S+"
    r"|(?<=[?&]code=)[^&\s\"']+"
)
_FIELDS = re.compile(
    r"(?i)((?:access_|refresh_|id_)?token|authorization|account_?number|account_?id|schwabclient(?:customer|correl)id)"
    r'(["\']?\s*[:=]\s*["\']?)([A-Za-z0-9._~+/=@-]{6,})'
)


class Mask:
    """Knows every secret of the settings, the token file, the credentials and the environment."""

    def __init__(self, settings: Settings | None, environment: Mapping[str, str] = os.environ) -> None:
        secrets = set(_of_environment(environment))
        if settings is not None:
            secrets |= set(_of_settings(settings))
        written = {form for secret in secrets if len(secret) >= SECRET_LEAST for form in _forms(secret)}
        self._known = re.compile("|".join(map(re.escape, sorted(written, key=len, reverse=True)))) if written else None

    def clean(self, text: str) -> str:
        """`text` without them, however they are written."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _FIELDS.sub(rf"\1\2{MASK}", _LOOKS.sub(MASK, text))


def _of_settings(settings: Settings) -> Iterator[str]:
    yield settings.schwab.app_key.get_secret_value()
    yield settings.schwab.app_secret.get_secret_value()
    for channel in settings.channels.values():
        yield from _of_url(channel.url.get_secret_value())
    if settings.schwab.token_file is not None:
        yield from _of_token(settings.schwab.token_file)


def _of_url(url: str) -> Iterator[str]:
    """A channel's address and what it is made of; a channel of this machine has nothing to hide."""
    split = urlsplit(url)
    if split.scheme.lower() in _LOCAL:
        return
    yield url
    yield split.password or ""
    # What follows `#` is the name of a room; a service's own words and this machine's names are no secrets either.
    words = _URL_WORDS.split(url.partition("://")[2].partition("#")[0])
    words += [value for _, value in parse_qsl(split.query)]
    yield from (word for word in words if len(word) >= WORD_LEAST and word not in _NO_SECRETS)


def _of_token(path: Path) -> Iterator[str]:
    """Every text in the token file."""
    try:
        yield from _texts(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError):
        return  # there is none to hide, and the check of the login says why


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value not in ("Bearer", "api"):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    yield from (environment.get(name, "") for name in _ENVIRONMENT)
    for name, value in environment.items():
        if name.startswith("TRADEASSIST_CHANNELS"):
            yield from _of_url(value)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    for file in _files(Path(folder)) if folder else ():
        yield from (file, *_of_url(file))


def _files(folder: Path) -> Iterable[str]:
    try:
        return [file.read_text("utf-8", "replace").strip() for file in sorted(folder.iterdir()) if file.is_file()]
    except OSError:
        return []  # who may not read them cannot have put them anywhere either


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), unquote(secret), json.dumps(secret)[1:-1])
