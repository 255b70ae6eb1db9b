"""Takes the browser's redirect at the end of a login: one HTTPS answer on this machine, with a certificate of its own.

Schwab sends the browser to the app's callback URL, https://127.0.0.1:PORT, with the code in the query. The certificate
is made for this one login and signed by nobody, so the browser warns once; key and certificate are gone afterwards.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S

HEAD_BYTES_MAX = 16_384
HEAD_WITHIN_S = 10.0
_PAGE = "<!doctype html><meta charset=utf-8><title>tradeassist</title><p>{}</p>"
_DONE = "Schwab sent you back. Look at the terminal; this page can be closed."
_OTHER = "This is not what the login waits for."


class Callback:
    """Waits for the redirect whose `state` is that of the login; anything else is answered 404 and forgotten."""

    def __init__(self, callback_url: str, state: str, clock: Clock) -> None:
        parts = urlsplit(callback_url)
        self._origin, self._path, self._state, self._clock = f"https://{parts.netloc}", parts.path or "/", state, clock
        self._received: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._open: WeakSet[asyncio.WriteTransport] = WeakSet()

    async def received_url(self) -> str:
        """The whole address the browser was sent to."""
        return await self._received

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a browser."""
        self._open.add(writer.transport)
        try:
            async with self._clock.deadline(HEAD_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
            target = _target_of(head)
            ours = target is not None and self._is_ours(target)
            page = _PAGE.format(_DONE if ours else _OTHER).encode()
            status = "200 OK" if ours else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
                "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n".encode()
                + page
            )
            await writer.drain()
            if ours and not self._received.done():
                self._received.set_result(f"{self._origin}{target}")
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a browser that only looked, or did not trust the certificate yet: it comes again
        finally:
            writer.close()

    def leave(self) -> None:
        """End every connection: a browser that keeps its own, or is slow to close it, is not waited for."""
        for transport in list(self._open):
            transport.abort()

    def _is_ours(self, target: str) -> bool:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        return (parts.path or "/") == self._path and query.get("state") == [self._state] and (
            "code" in query or "error" in query
        )  # fmt: skip


@asynccontextmanager
async def listening(callback_url: str, state: str, clock: Clock) -> AsyncIterator[Callback]:
    """A callback that listens. Raises ConfigError when the URL is not of this machine or its port is taken."""
    host, port = callback_address(callback_url)
    callback = Callback(callback_url, state, clock)
    context = _self_signed(host, clock)
    try:
        server = await asyncio.start_server(callback.answer, host, port, ssl=context, limit=HEAD_BYTES_MAX)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}",
                          hint="log in without a browser on this machine: --no-browser") from error  # fmt: skip
    async with server:
        try:
            yield callback
        finally:
            callback.leave()
            await asyncio.sleep(0)  # the loop closes them at its next turn


def callback_address(callback_url: str) -> tuple[str, int]:
    """Host and port. Raises ConfigError for anything but https://127.0.0.1:PORT."""
    try:
        parts = urlsplit(callback_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme != "https" or host != "127.0.0.1" or not port:
        raise ConfigError(f"nothing on this machine can answer {callback_url}",
                          hint="paste the address (--no-browser), or use https://127.0.0.1:8182 in the portal and as "
                               "schwab.callback_url")  # fmt: skip
    return host, port


def _target_of(head: bytes) -> str | None:
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return parts[1] if len(parts) == 3 and parts[0] == "GET" else None


def _self_signed(host: str, clock: Clock) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.fromtimestamp(clock.now_us() // US_PER_S, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="tradeassist-") as folder:  # for its owner only
        file = Path(folder) / "callback.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(file)
    return context
