"""Asks the running daemon over its Unix socket; standard library only, so that a command starts quickly."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tradeassistd.base.errors import PermanentError, UnfitError
from tradeassistd.base.paths import ASK_AS_ROOT, is_system_hidden
from tradeassistd.cli.login import login_name
from tradeassistd.cli.not_running import NotRunningError

ANSWER_WITHIN_S = 10.0


class BrokenOffError(PermanentError):
    """The connection to the daemon broke before its answer: it may just be ending."""


class Answer:
    """What the daemon said: its HTTP status, and the document."""

    def __init__(self, status: int, document: Any) -> None:
        self.status = status
        self.document = document


def ask(
    path: Path | None,
    target: str,
    query: Mapping[str, str | int | bool | Sequence[str]] | None = None,
    *,
    method: str = "GET",
    within_s: float = ANSWER_WITHIN_S,
    body: Any = None,
) -> Answer:
    """The answer of the daemon at the socket `path` (None: the settings turn the API off); `body` is sent as JSON.

    Raises NotRunningError when nobody serves it, UnfitError when the daemon cannot make sense of what is
    asked, PermanentError when the answer is none or not there.
    """
    given = {key: str(value).lower() if isinstance(value, bool) else value for key, value in (query or {}).items()}
    connection = _Connection(socket_of(path), within_s)
    try:
        address = f"{target}?{urlencode(given, doseq=True)}" if given else target
        content = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if content else {}
        connection.request(method, address, content, kind | who_asks())
        response = connection.getresponse()
        body = response.read()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise not_running(path) from error
    except TimeoutError as error:
        raise PermanentError(f"the daemon did not answer within {within_s} s", hint="look at its log") from error
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(path, error) from error
    finally:
        connection.close()
    try:
        document = json.loads(body)
    except ValueError as error:
        raise PermanentError(f"{path} is served by something that is no tradeassist daemon") from error
    if isinstance(document, dict) and "detail" in document:
        unfit = response.status == http.HTTPStatus.UNPROCESSABLE_ENTITY
        raise (UnfitError if unfit else PermanentError)(str(document["detail"]))
    return Answer(response.status, document)


def lines_of(path: Path | None, target: str) -> Iterator[bytes]:
    """The lines of an answer as they come, each with its end. Raises like `ask`."""
    connection = _Connection(socket_of(path), ANSWER_WITHIN_S)
    try:
        connection.request("GET", target, headers=who_asks())
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise PermanentError(f"the daemon answered {response.status} to {target}", hint="is it of this version?")
        yield from response
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise not_running(path) from error
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(path, error) from error
    finally:
        connection.close()


def socket_of(path: Path | None) -> Path:
    """The socket to ask at. Raises NotRunningError when the settings have turned the API off."""
    if path is None:
        raise NotRunningError("the settings turn the local API off", hint="take `socket: off` out of api, and restart")
    return path


def not_running(path: Path | None) -> NotRunningError:
    """Nobody is there."""
    hint = ASK_AS_ROOT if is_system_hidden() else "start tradeassistd"
    return NotRunningError(f"the daemon is not running: nobody serves {path}", hint=hint)


def unreachable(path: Path | None, error: Exception) -> BrokenOffError:
    """Somebody is there, and nothing comes of it: the connection is refused to this user, or broke."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    hint = "run this as the user the daemon runs as, or as root"
    return BrokenOffError(f"the daemon at {path} did not answer: {said}", hint=hint)


def who_asks() -> dict[str, str]:
    """Headers that say for the audit who asks, with which command."""
    words = ["tradeassist", *takewhile(str.isalpha, sys.argv[1:3])]
    return {"User-Agent": " ".join(words), "X-Tradeassist-By": login_name()}


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, within_s: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._within_s = within_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._within_s)
        self.sock.connect(str(self._path))
