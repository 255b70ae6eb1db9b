"""Local stand-ins for the services alerts go to: a web server, and a proxy that is hooks.slack.com."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message as Headers
from http.client import parse_headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import pytest
import trustme


@dataclass
class Received:
    """One request as it came in."""

    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))


@dataclass
class WebServer:
    """Answers with the next status of `script`, then with 200; holds every answer back while `held` is unset."""

    script: deque[int] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    port: int = 0


@contextmanager
def web_server(*script: int) -> Iterator[WebServer]:
    """A web server on 127.0.0.1."""
    state = WebServer(deque(script))
    state.held.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.received.append(Received(self.path, self.headers, body))
            state.held.wait(60)
            self.send_response(state.script.popleft() if state.script else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with _serving(_quiet(ThreadingHTTPServer)(("127.0.0.1", 0), Handler)) as server:
        state.port = server.server_address[1]
        yield state
        state.held.set()


@dataclass
class SlackStandIn:
    """Ends the TLS of whoever connects through it, as hooks.slack.com; takes what is posted there."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    connects: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    port: int = 0


@contextmanager
def slack_stand_in(context: ssl.SSLContext) -> Iterator[SlackStandIn]:
    """A CONNECT proxy on 127.0.0.1 that holds a certificate for the name asked for."""
    state = SlackStandIn()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            state.connects.append(self.rfile.readline().decode().strip())
            parse_headers(cast(BufferedReader, self.rfile))
            self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                secure = context.wrap_socket(self.connection, server_side=True)
            except (ssl.SSLError, ConnectionError):
                return  # the other side did not trust the certificate
            with secure, secure.makefile("rb") as lines:
                path = lines.readline().split()[1].decode()
                headers = parse_headers(lines)
                state.received.append(Received(path, headers, lines.read(int(headers["Content-Length"]))))
                secure.sendall(state.answer)

    with _serving(_quiet(socketserver.ThreadingTCPServer)(("127.0.0.1", 0), Handler)) as server:
        state.port = server.server_address[1]
        yield state


@contextmanager
def slack_behind_proxy(folder: Path, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> Iterator[SlackStandIn]:
    """These hosts of Slack as this process reaches them: by way of the stand-in, whose certificate it trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    for name in ("https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with slack_stand_in(context) as stand_in:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{stand_in.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))
        yield stand_in


def _quiet(kind: type[Any]) -> type[Any]:
    """That kind of server, not printing a traceback when a client gives up on an answer."""
    return type("Quiet", (kind,), {"daemon_threads": False, "handle_error": lambda *_: None})


@contextmanager
def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
