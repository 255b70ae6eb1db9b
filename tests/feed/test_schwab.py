"""The door to schwab-py: redirect, tap, subscriptions, and one error for each way a connection ends."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest

from tests.feed.schwab_server import STAMP_MS, SchwabServer
from tradeassistd.base.errors import ConfigError, TransientError
from tradeassistd.feed.client import SCHWAB_URL, open_client
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, Frame
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Refused, Replaced, Unauthorized
from tradeassistd.feed.schwab import KEYS_PER_REQUEST, Stream, Tap
from tradeassistd.feed.token import TokenFile

FAR_AHEAD_S = 4_000_000_000
LONG_AGO_S = 1_000_000_000


def token_file(folder: Path, *, expires_at_s: int = FAR_AHEAD_S) -> TokenFile:
    file = TokenFile(folder / "token.json")
    file.write({"creation_timestamp": LONG_AGO_S, "token": {
        "access_token": "access", "refresh_token": "refresh", "token_type": "Bearer", "expires_at": expires_at_s,
    }})  # fmt: skip
    return file


@asynccontextmanager
async def connected(server: SchwabServer, folder: Path, **token: int) -> AsyncIterator[tuple[Stream, list[Frame]]]:
    """A stream to the server, not logged in yet, and the frames that came through its tap."""
    frames: list[Frame] = []
    async with server.running():
        client = open_client("key", "secret", token_file(folder, **token), server.base_url)
        stream = Stream(client, frames.append)
        try:
            yield stream, frames
        finally:
            await stream.close()


# --- the client ------------------------------------------------------------------------------------------------------


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


# --- a stream --------------------------------------------------------------------------------------------------------


async def test_each_symbol_is_asked_of_its_service_with_the_fields_that_are_read(tmp_path: Path) -> None:
    server = SchwabServer()
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        await stream.subscribe(("/ES", "SPY", "$VIX", "/NQ"))
        await stream.add(("QQQ", "/CL"))
        await stream.drop(("SPY", "/NQ"))
    assert server.asked("SUBS") == [(EQUITIES, ["SPY", "$VIX"]), (FUTURES, ["/ES", "/NQ"])]
    assert server.asked("ADD") == [(EQUITIES, ["QQQ"]), (FUTURES, ["/CL"])]
    assert server.asked("UNSUBS") == [(EQUITIES, ["SPY"]), (FUTURES, ["/NQ"])]
    for request in server.requests:
        if request["command"] in ("SUBS", "ADD"):
            assert set(request["parameters"]["fields"].split(",")) == {"0", *FIELDS[request["service"]].values()}


async def test_many_symbols_are_asked_for_in_steps_the_first_of_which_replaces_what_was(tmp_path: Path) -> None:
    server = SchwabServer()
    symbols = tuple(f"A{number}" for number in range(2 * KEYS_PER_REQUEST + 1))
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        await stream.subscribe(symbols)
    (first,), added = server.asked("SUBS"), server.asked("ADD")
    assert [len(keys) for _, keys in (first, *added)] == [KEYS_PER_REQUEST, KEYS_PER_REQUEST, 1]
    assert tuple(key for _, keys in (first, *added) for key in keys) == symbols


async def test_data_and_heartbeats_come_through_the_tap_in_order(tmp_path: Path) -> None:
    server = SchwabServer()
    async with connected(server, tmp_path) as (stream, frames):
        await stream.login()
        await stream.subscribe(("SPY",))
        before = len(frames)
        for message in (
            {"data": [{"service": EQUITIES, "timestamp": STAMP_MS + 1, "command": "SUBS",
                       "content": [{"key": "SPY", "3": 520.5}]}]},
            {"notify": [{"heartbeat": str(STAMP_MS + 2)}]},
            '{"data":[{"service":"LEVELONE_FUTURES","content":[{"key":"/GOOG","1":\ufffd}]}]}',
            {"data": [{"service": EQUITIES, "timestamp": STAMP_MS + 3, "command": "SUBS",
                       "content": [{"key": "SPY", "3": 520.75}]}]},
        ):  # fmt: skip
            await server.say(message)
            await stream.receive()
    assert [(frame.header_ms - STAMP_MS, [one.last for one in frame.changes]) for frame in frames[before:]] == [
        (1, [520.5]), (2, []), (3, [520.75]),
    ]  # fmt: skip
    assert stream.tap.odd_items == 1


@pytest.mark.parametrize(
    ("command", "code", "kind", "message"),
    [
        ("LOGIN", 3, LoginDenied, "Schwab denied the login: about LOGIN"),
        ("LOGIN", 12, Replaced, "another program took the stream: about LOGIN"),
        ("LOGIN", 9, Refused, "Schwab answered code 9: about LOGIN"),
        ("SUBS", 12, Replaced, "another program took the stream: about SUBS"),
    ],
)
async def test_an_answer_that_says_no_is_the_error_that_says_who_must_act(
    tmp_path: Path, command: str, code: int, kind: type[Exception], message: str
) -> None:
    server = SchwabServer(**{command: code})
    async with connected(server, tmp_path) as (stream, _):
        with pytest.raises((LoginNeeded, TransientError)) as refused:
            await stream.login()
            await stream.subscribe(("SPY",))
    assert type(refused.value) is kind
    assert refused.value.message == message


@pytest.mark.parametrize(("command", "code"), [("SUBS", 19), ("SUBS", 11), ("SUBS", 22), ("ADD", 24), ("ADD", 9)])
async def test_symbols_that_are_refused_are_named_and_cost_no_connection(
    tmp_path: Path, command: str, code: int
) -> None:
    server = SchwabServer(**{command: code})
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        refused = await stream.subscribe(("SPY", "/ES")) | await stream.add(("QQQ",))
    why = f"Schwab answered code {code}: about {command}"
    assert refused == dict.fromkeys(("SPY", "/ES") if command == "SUBS" else ("QQQ",), why)


@pytest.mark.parametrize("code", [26, 27, 28, 29])
async def test_a_code_that_says_done_is_no_refusal(tmp_path: Path, code: int) -> None:
    server = SchwabServer(SUBS=code, ADD=code)
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        assert await stream.subscribe(("SPY", "/ES")) | await stream.add(("QQQ",)) == {}


async def test_a_drop_that_is_refused_does_no_harm(tmp_path: Path) -> None:
    server = SchwabServer(UNSUBS=23)
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        await stream.drop(("QQQ",))
        assert server.asked("UNSUBS") == [(EQUITIES, ["QQQ"])]


@pytest.mark.parametrize("limit", [1, 7, 100, 163, 250])
async def test_as_many_symbols_as_schwab_takes_are_watched(tmp_path: Path, limit: int) -> None:
    server = SchwabServer()
    server.keys_max = limit
    symbols = tuple(f"A{chr(65 + one // 26)}{chr(65 + one % 26)}" for one in range(250))
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        refused = await stream.subscribe(symbols)
    assert server.keys == set(symbols[:limit])
    assert tuple(refused) == symbols[limit:]


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ({"response": [{"service": "ADMIN", "command": "LOGIN", "requestid": "0", "timestamp": 1,
                        "content": {"code": 12, "msg": "CLOSE_CONNECTION"}}]},
         Replaced, "another program took the stream: CLOSE_CONNECTION"),
        ({"response": [{"service": "ADMIN", "command": "LOGIN", "requestid": "0", "content": "no"}]},
         TransientError, "the stream broke: TypeError"),
        ({"response": []}, TransientError, "the stream broke: IndexError"),
    ],
)  # fmt: skip
async def test_what_comes_out_of_turn_ends_the_connection_with_its_reason(
    tmp_path: Path, said: object, kind: type[Exception], message: str
) -> None:
    server = SchwabServer()
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        await server.say(said)
        with pytest.raises(TransientError) as ended:
            await stream.receive()
    assert type(ended.value) is kind
    assert ended.value.message.startswith(message)


async def test_a_broken_line_says_what_schwab_said_before_it_broke(tmp_path: Path) -> None:
    server = SchwabServer()
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        why = {"code": 30, "msg": "Stop streaming due to empty subscription"}
        await server.say({"notify": [{"service": "ADMIN", "timestamp": STAMP_MS, "content": why}]})
        await stream.receive()
        await server.cut()
        with pytest.raises(TransientError, match="code 30: Stop streaming due to empty subscription"):
            await stream.receive()


async def test_a_line_that_breaks_without_a_word_says_how(tmp_path: Path) -> None:
    server = SchwabServer()
    async with connected(server, tmp_path) as (stream, _):
        await stream.login()
        await server.cut()
        with pytest.raises(TransientError, match="the stream broke: ConnectionClosed"):
            await stream.receive()


@pytest.mark.parametrize(
    ("preference", "reason"),
    [
        ((500, {"fault": {"faultstring": "Body buffer overflow"}}), "HTTPStatusError"),
        ((200, {"streamerInfo": []}), "IndexError"),
        ((200, {}), "KeyError"),
    ],
)
async def test_an_outage_at_schwab_is_something_to_try_again(
    tmp_path: Path, preference: tuple[int, Any], reason: str
) -> None:
    server = SchwabServer()
    server.preference = preference
    async with connected(server, tmp_path) as (stream, _):
        with pytest.raises(TransientError, match=f"the stream broke: {reason}"):
            await stream.login()


async def test_a_token_that_is_not_taken_is_an_error_of_its_own(tmp_path: Path) -> None:
    server = SchwabServer()
    server.preference = (401, {"errors": [{"title": "Unauthorized"}]})
    async with connected(server, tmp_path) as (stream, _):
        with pytest.raises(Unauthorized, match="does not take the access token") as refused:
            await stream.login()
    assert "both products" in refused.value.hint


async def test_a_dead_refresh_token_needs_a_human(tmp_path: Path) -> None:
    server = SchwabServer()
    server.token = (400, {"error": "unsupported_token_type", "error_description": "400 Bad Request"})
    async with connected(server, tmp_path, expires_at_s=LONG_AGO_S) as (stream, _):
        with pytest.raises(LoginNeeded, match="Schwab refused the token: unsupported_token_type") as refused:
            await stream.login()
    assert refused.value.hint == "log in to Schwab again: tradeassist auth login"
    assert server.requests == []


# --- the tap ---------------------------------------------------------------------------------------------------------


def test_data_is_kept_from_schwab_py_and_replies_are_passed_on() -> None:
    frames: list[Frame] = []
    tap = Tap(frames.append)
    reply = {"response": [{"requestid": "0", "timestamp": STAMP_MS, "content": {"code": 0}}]}
    data = {"data": [{"service": EQUITIES, "timestamp": STAMP_MS, "content": [{"key": "SPY", "1": 1, "2": "odd"}]}]}
    assert tap.decode_json_string(json.dumps(reply)) == reply
    assert tap.decode_json_string(json.dumps(data)) == {}
    assert (len(frames), tap.frames, tap.odd_items) == (2, 2, 2)


@pytest.mark.parametrize("raw", ["", "{", "no", '{"data": [', "[" * 100_000, '{"data": ' + "9" * 5_000 + "}"])
def test_a_frame_that_cannot_be_read_is_counted_and_never_raised(raw: str) -> None:
    frames: list[Frame] = []
    tap = Tap(frames.append)
    assert tap.decode_json_string(raw) == {}
    assert (tap.frames, tap.odd_items, frames) == (1, 1, [])


@pytest.mark.parametrize(
    "message",
    [{"notify": None}, {"notify": 5}, {"notify": ["x"]}, {"notify": [{"content": []}]}, {"notify": [{"content": 1}]}],
)
def test_a_notify_of_an_unknown_shape_is_passed_on_and_says_nothing(message: dict[str, object]) -> None:
    tap = Tap(lambda frame: None)
    assert tap.decode_json_string(json.dumps(message)) == message
    assert tap.notice == ""
