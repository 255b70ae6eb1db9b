"""The streamer's JSON, out and in: frames as Schwab writes them, requests as clients write them.

Shapes are those of the Streamer Guide and of recorded frames (protocol notes, 3 and 4). Field values are kept as JSON
text throughout the simulator, so a data frame is a join of strings and nothing is encoded twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tradeassistd.base.instant import US_PER_MS


class Request(msgspec.Struct):
    """One request of a client. Guide examples write ids as numbers or as text; answers always carry text."""

    service: str
    command: str
    requestid: str | int
    SchwabClientCustomerId: str = ""
    SchwabClientCorrelId: str = ""
    parameters: dict[str, Any] = {}

    def parameter(self, name: str) -> str:
        """A parameter as text; empty when absent. Raises ValueError when it is neither text nor a number."""
        value = self.parameters.get(name, "")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(f"parameter {name} must be text")
        return str(value)


class _Envelope(msgspec.Struct):
    requests: list[msgspec.Raw]


class Malformed(msgspec.Struct):
    """What can be told of a request that is none: enough to answer it."""

    service: str = "ADMIN"
    command: str = ""
    requestid: str = "0"
    SchwabClientCorrelId: str = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_REQUEST = msgspec.json.Decoder(Request)


def json_text(value: str) -> str:
    """`value` as a JSON string, quotes included."""
    return msgspec.json.encode(value).decode()


def read_requests(text: str | bytes) -> list[Request | Malformed]:
    """The requests of one client frame, in order; one that cannot be used comes out as `Malformed`.

    Schwab also takes a single request without the list around it.
    """
    try:
        parts: list[Any] = list(_ENVELOPE.decode(text).requests)
    except msgspec.DecodeError:
        parts = [text]
    return [_read_request(part) for part in parts] or [Malformed()]


def _read_request(part: str | bytes) -> Request | Malformed:
    try:
        return _REQUEST.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _salvage(part)


def _salvage(part: str | bytes) -> Malformed:
    try:
        loose = msgspec.json.decode(part, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Malformed()
    given = {name: str(loose[name]) for name in Malformed.__struct_fields__ if isinstance(loose.get(name), str | int)}
    return Malformed(**given)


def response(request: Request | Malformed, at_us: int, code: int, message: str) -> str:
    """The answer to one request; `at_us` is market time."""
    return (
        f'{{"response":[{{"service":{json_text(request.service)},"command":{json_text(request.command)},'
        f'"requestid":{json_text(str(request.requestid))},'
        f'"SchwabClientCorrelId":{json_text(request.SchwabClientCorrelId)},"timestamp":{at_us // US_PER_MS},'
        f'"content":{{"code":{code},"msg":{json_text(message)}}}}}]}}'
    )


def heartbeat(at_us: int) -> str:
    """Sent every ten seconds; the milliseconds are text here, unlike everywhere else."""
    return f'{{"notify":[{{"heartbeat":"{at_us // US_PER_MS}"}}]}}'


def notify(at_us: int, code: int, message: str) -> str:
    """A word of the server that answers no request."""
    return (
        f'{{"notify":[{{"service":"ADMIN","timestamp":{at_us // US_PER_MS},'
        f'"content":{{"code":{code},"msg":{json_text(message)}}}}}]}}'
    )


def data(at_us: int, contents: Mapping[str, Iterable[str]]) -> str:
    """A data frame: per service its content items, each already JSON. The command is SUBS, whatever was asked."""
    stamp = at_us // US_PER_MS
    services = [
        f'{{"service":"{service}","timestamp":{stamp},"command":"SUBS","content":[{",".join(items)}]}}'
        for service, items in contents.items()
    ]
    return f'{{"data":[{",".join(services)}]}}'


def item(key: str, fields: Iterable[tuple[int, str]], head: str = "") -> str:
    """One content item: key first, then `head` (an image has one), then the fields, values being JSON text."""
    parts = [f'"key":{json_text(key)}']
    if head:
        parts.append(head)
    parts.extend([f'"{number}":{value}' for number, value in fields])
    return f"{{{','.join(parts)}}}"
