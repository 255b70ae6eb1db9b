"""The token file: read, and replaced atomically with mode 0600; what a token says of itself.

schwab-py's own writer truncates the file in place with mode 0644, so a crash in that window costs a login by hand
(schwab-py issue 231).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tradeassistd.base.errors import ConfigError

REFRESH_TOKEN_S = 7 * 24 * 3600
"""A login lives seven days, however often the access token is refreshed (protocol notes 1)."""
ACCESS_TOKEN_S = 1800
"""The life of an access token that does not say its own."""

TIME_MAX_S = 10_000_000_000
"""Year 2286: what is later are no seconds, but milliseconds or nonsense."""

Signature = tuple[int, int, int]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A login's tokens. Seconds are those of the computer's clock since the epoch."""

    created_s: int
    """When somebody logged in; refreshing does not change it."""
    access_until_s: int
    """When the access token expires; 0 when it does not say."""
    access_life_s: int
    refresh_token: str = field(repr=False)

    def is_same_login(self, other: Token | None) -> bool:
        """Whether both came from one login, however often refreshed since."""
        return other is not None and self.created_s == other.created_s


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
                hint="log in to Schwab first: tradeassist auth login",
            ) from error
        except ValueError as error:
            raise ConfigError(f"{self.path} is not a token file", hint="log in to Schwab again") from error
        if not isinstance(token, dict) or "creation_timestamp" not in token or not _can_refresh(token.get("token")):
            raise ConfigError(f"{self.path} is not a token schwab-py can refresh", hint="log in to Schwab again")
        return token

    def token(self) -> Token:
        """What the token says of itself. Raises ConfigError like `read`."""
        return token_of(self.read(), self.path)

    def signature(self) -> Signature | None:
        """Changes whenever somebody writes the file; None when there is none."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def write(self, token: dict[str, Any], *_: object, **__: object) -> None:
        """Replace the file so that a crash leaves the old token or the new one, never half of one."""
        with _locked(self.path.parent):
            self._replace(token)

    def write_refreshed(self, token: dict[str, Any], *_: object, **__: object) -> None:
        """Replace the file, unless there is another login in it by now: that one ended ours, and must not be lost."""
        with _locked(self.path.parent):
            try:
                there = self.token()
            except ConfigError as error:
                log.warning("token.not_stored", reason=error.message)
                return
            if not there.is_same_login(token_of(token, self.path)):
                log.info("token.not_stored", reason="there is another login")
                return
            self._replace(token)

    def _replace(self, token: dict[str, Any]) -> None:
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                _hand_to_owner(file.fileno(), self.path)
                json.dump(token, file)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.path)
        except BaseException:
            with suppress(OSError):  # what is left of it holds secrets
                scratch.unlink()
            raise


def token_of(content: dict[str, Any], path: Path) -> Token:
    """What the content of a token file says of itself. Raises ConfigError when a time in it is none."""
    inner = content["token"]
    try:
        token = Token(
            created_s=int(content["creation_timestamp"]),
            access_until_s=int(inner.get("expires_at") or 0),
            access_life_s=int(inner.get("expires_in") or ACCESS_TOKEN_S),
            refresh_token=str(inner["refresh_token"]),
        )
    except (TypeError, ValueError, OverflowError, KeyError):
        raise ConfigError(f"{path} is not a token schwab-py can refresh", hint="log in to Schwab again") from None
    if not (0 <= token.created_s < TIME_MAX_S and 0 <= token.access_until_s < TIME_MAX_S):
        raise ConfigError(f"{path} holds times that are no seconds since 1970", hint="log in to Schwab again")
    return token


def _can_refresh(inner: object) -> bool:
    return isinstance(inner, dict) and "refresh_token" in inner


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, a login and the daemon's refresh above all; each holds it for one small file's fsync."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _hand_to_owner(handle: int, path: Path) -> None:
    """Who logs in as root does it for the daemon's user: the file belongs to whom the folder belongs to."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)
