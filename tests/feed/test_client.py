"""schwab-py's client: every call goes to the server that is meant, with its certificates and its token."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
from pathlib import Path

import certifi
import httpx
import pytest

from tests.feed.connected import LONG_AGO_S, connected, token_file
from tests.feed.schwab_server import SchwabServer
from tradeassistd.base.errors import ConfigError
from tradeassistd.feed.client import SCHWAB_URL, open_client
from tradeassistd.feed.token import TokenFile


async def test_every_call_goes_to_the_base_url_token_refresh_included(tmp_path: Path) -> None:
    server = SchwabServer()
    server.token = (200, {"access_token": "new", "refresh_token": "refresh", "token_type": "Bearer",
                          "expires_in": 1800})  # fmt: skip
    async with connected(server, tmp_path, expires_at_s=LONG_AGO_S) as (stream, _):
        await stream.login()
    assert server.calls == [
        "POST /v1/oauth/token grant_type=refresh_token&refresh_token=refresh",
        "GET /trader/v1/userPreference",
    ]
    stored = TokenFile(tmp_path / "token.json").read()
    assert (stored["creation_timestamp"], stored["token"]["access_token"]) == (LONG_AGO_S, "new")
    (login,) = server.requests
    assert login["parameters"]["Authorization"] == "new"


async def test_only_schwab_s_own_address_is_sent_elsewhere(tmp_path: Path) -> None:
    client = open_client("key", "secret", token_file(tmp_path), "http://127.0.0.1:4711/")
    (redirect,) = client.session.event_hooks["request"]
    for url, expected in (
        (f"{SCHWAB_URL}/v1/oauth/token?a=b", "http://127.0.0.1:4711/v1/oauth/token?a=b"),
        ("https://elsewhere.example/v1", "https://elsewhere.example/v1"),
    ):
        request = httpx.Request("GET", url)
        await redirect(request)
        assert str(request.url) == expected
    await client.close_async_session()


@pytest.mark.parametrize("base_url", [SCHWAB_URL, SCHWAB_URL + "/"])
async def test_the_real_schwab_needs_no_redirect(tmp_path: Path, base_url: str) -> None:
    client = open_client("key", "secret", token_file(tmp_path), base_url)
    assert not client.session.event_hooks["request"]
    await client.close_async_session()


def test_a_client_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Schwab token at"):
        open_client("key", "secret", TokenFile(tmp_path / "token.json"), SCHWAB_URL)


async def test_certificates_are_read_once_and_again_when_they_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "trusted.pem"
    shutil.copy(certifi.where(), bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    read, real = list[str](), httpx.create_ssl_context

    def counting() -> ssl.SSLContext:
        read.append(os.environ["SSL_CERT_FILE"])
        return real()

    monkeypatch.setattr(httpx, "create_ssl_context", counting)

    async def open_and_close() -> None:
        await open_client("key", "secret", token_file(tmp_path), SCHWAB_URL).close_async_session()

    for _ in range(3):
        await open_and_close()
    assert read == [str(bundle)]
    os.utime(bundle, ns=(1, 1))
    await open_and_close()
    assert len(read) == 2
    bundle.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        await open_and_close()
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(httpx, "create_ssl_context", real)
    await open_and_close()


async def test_nothing_is_kept_of_a_token_once_its_client_is_closed(tmp_path: Path) -> None:
    for number in range(3):
        file = token_file(tmp_path)
        content = file.read()
        content["token"]["access_token"] = f"access-{number}"
        file.write(content)
        await open_client("key", "secret", file, SCHWAB_URL).close_async_session()
    kept = sys.modules["schwab"].LOG_REDACTOR.redacted_strings
    assert not [secret for secret in kept if secret.startswith("access-")]
