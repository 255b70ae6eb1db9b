"""A stream of schwab-py: what it subscribes, what its tap lets through, and one error for each way it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.feed.connected import LONG_AGO_S, connected
from tests.feed.schwab_server import STAMP_MS, SchwabServer
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, Frame
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Refused, Replaced, Unauthorized
from tradeassistd.feed.schwab import KEYS_PER_REQUEST, Tap

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


async def test_a_peer_that_is_gone_before_the_goodbye_is_nothing_that_nobody_knows(tmp_path: Path) -> None:
    class Gone:
        async def close(self) -> None:
            raise ConnectionClosedError(None, None)

    async with connected(SchwabServer(), tmp_path) as (stream, _):
        await stream.login()
        socket, stream._stream._socket = stream._stream._socket, Gone()
        with pytest.raises(TransientError, match="no close frame"):
            await stream.close()
        assert stream._client.session.is_closed, "the HTTP session goes all the same"
        stream._stream._socket = socket


@pytest.mark.parametrize(
    ("preference", "reason"),
    [
        ((500, {"fault": {"faultstring": "Body buffer overflow"}}), "the stream broke: Schwab answered HTTP 500$"),
        ((200, {"streamerInfo": []}), "Schwab names no streamer"),
        ((200, {}), "Schwab names no streamer"),
    ],
)
async def test_an_outage_at_schwab_is_something_to_try_again(
    tmp_path: Path, preference: tuple[int, Any], reason: str
) -> None:
    server = SchwabServer()
    server.preference = preference
    async with connected(server, tmp_path) as (stream, _):
        with pytest.raises(TransientError, match=reason):
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
