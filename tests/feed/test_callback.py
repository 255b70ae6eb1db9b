"""The small HTTPS server that takes a browser's redirect."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from contextlib import suppress

import pytest

from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import ConfigError
from tradeassistd.feed.callback import callback_address, listening


def free_port() -> int:
    """One that is free, and below those that the kernel gives to whoever connects or asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def browse(port: int, line: str) -> str:
    """What the browser shows, once its user has gone past the warning."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_only_the_redirect_of_this_login_ends_the_wait() -> None:
    port = free_port()
    async with listening(f"https://127.0.0.1:{port}/back", "mine", WallClock()) as callback:
        waiting = asyncio.create_task(callback.received_url())
        for line in (
            "GET /favicon.ico HTTP/1.1", "GET /back?code=a HTTP/1.1", "GET /back?code=a&state=other HTTP/1.1",
            "GET /back?state=mine HTTP/1.1", "GET /?code=a&state=mine HTTP/1.1",
            "POST /back?code=a&state=mine HTTP/1.1", "rubbish",
        ):  # fmt: skip
            assert "404 Not Found" in await browse(port, line)
        assert not waiting.done()
        page = await browse(port, "GET /back?code=C0.x%40&session=s&state=mine HTTP/1.1")
        assert page.startswith("HTTP/1.1 200 OK") and "Look at the terminal" in page and "C0.x" not in page
        async with asyncio.timeout(60):
            assert await waiting == f"https://127.0.0.1:{port}/back?code=C0.x%40&session=s&state=mine"


async def test_a_browser_that_does_not_trust_the_certificate_may_come_again() -> None:
    port = free_port()
    async with listening(f"https://127.0.0.1:{port}", "mine", WallClock()) as callback:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        _, cut = await asyncio.open_connection("127.0.0.1", port)
        cut.close()
        await cut.wait_closed()
        await browse(port, "GET /?code=a&state=mine HTTP/1.1")
        assert "code=a" in await callback.received_url()


async def test_a_port_that_is_taken_is_said() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(ConfigError, match="cannot listen on") as refused:
            async with listening(f"https://127.0.0.1:{port}", "mine", WallClock()):
                raise AssertionError("it listens")
    assert "--no-browser" in refused.value.hint


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8182", "https://127.0.0.1", "https://example.com:8182", "https://0.0.0.0:8182",
            "nonsense", "https://127.0.0.1:port", ""],
)  # fmt: skip
def test_an_address_that_nothing_here_can_answer_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="nothing on this machine can answer"):
        callback_address(url)
