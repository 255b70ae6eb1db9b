"""Apprise channels against real local servers: outcomes, secrets, isolation, Slack byte for byte."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.servers import SlackStandIn, slack_behind_proxy, web_server
from tests.store.waiting import until
from tradeassistd.alerts.channels import Channel, UnsureError, apprise, open_channel
from tradeassistd.alerts.channels.rate import TokenBucket
from tradeassistd.alerts.channels.secrets import SecretMask
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

MESSAGE = Message("/ES 5,200.25 - es-levels", "price crossed above 5200 (now 5,200.25)\nid 1a2b", "critical", "1a2b")
SECRETS = ("trader", "hunter2", "T0PS3CRETPATH", "headertoken", "querytoken")
SLACK_TOKENS = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")


@asynccontextmanager
async def channel_for(url: str, name: str = "desk") -> AsyncIterator[Channel]:
    channel = open_channel(name, url, clock=WallClock())
    try:
        yield channel
    finally:
        await channel.close()


def secret_url(port: int) -> str:
    user, password, path, header, query = SECRETS
    return f"json://{user}:{password}@127.0.0.1:{port}/{path}/?+X-Token={header}&-key={query}"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of these tests may take long to answer, on a busy machine."""
    monkeypatch.setattr(apprise, "CONNECT_TIMEOUT_S", 60.0)
    monkeypatch.setattr(apprise, "READ_TIMEOUT_S", 60.0)


async def test_a_message_arrives_as_json() -> None:
    with web_server() as server:
        async with channel_for(f"json://127.0.0.1:{server.port}/alerts") as channel:
            await channel.send(MESSAGE)
    (received,) = server.received
    assert received.path == "/alerts"
    sent = received.json
    assert (sent["title"], sent["message"], sent["type"]) == (MESSAGE.title, MESSAGE.body, "failure")


@pytest.mark.parametrize(
    ("status", "error", "retry_after_s"),
    [
        (500, TransientError, None), (503, TransientError, None), (429, TransientError, apprise.RATE_LIMITED_PAUSE_S),
        (502, UnsureError, None), (504, UnsureError, None),
        (400, PermanentError, None), (401, PermanentError, None), (404, PermanentError, None),
        (408, TransientError, None),
    ],
)  # fmt: skip
async def test_an_answer_is_sorted_by_what_helps(
    status: int, error: type[Exception], retry_after_s: float | None
) -> None:
    with web_server(status) as server:
        async with channel_for(f"json://127.0.0.1:{server.port}/") as channel:
            with pytest.raises((TransientError, PermanentError), match=f"error={status}") as caught:
                await channel.send(MESSAGE)
            assert type(caught.value) is error
            assert getattr(caught.value, "retry_after_s", None) == retry_after_s
            await channel.send(MESSAGE)  # the channel goes on


async def test_no_answer_leaves_us_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "READ_TIMEOUT_S", 0.1)
    with web_server() as server:
        server.held.clear()
        async with channel_for(f"json://127.0.0.1:{server.port}/") as channel:
            with pytest.raises(UnsureError):
                await channel.send(MESSAGE)
        server.held.set()
    with socket.socket() as taken:  # nobody listens there, and nobody else can
        taken.bind(("127.0.0.1", 0))
        async with channel_for(f"json://127.0.0.1:{taken.getsockname()[1]}/") as channel:
            with pytest.raises(UnsureError, match="onnection error"):
                await channel.send(MESSAGE)


@pytest.mark.parametrize("status", [500, 404, 0])
async def test_secrets_reach_neither_errors_nor_logs(
    status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    with web_server(status) as server:
        port = server.port if status else 1
        async with channel_for(secret_url(port)) as channel:
            with pytest.raises((TransientError, PermanentError)) as caught:
                await channel.send(MESSAGE)
    told = "\n".join((repr(caught.value), str(caught.value), caplog.text, *capfd.readouterr()))
    assert "error" in str(caught.value).lower()
    for secret in SECRETS:
        assert secret not in told
    if status:
        (received,) = server.received  # and yet they did go where they belong
        assert received.headers["X-Token"] == "headertoken"
        assert received.path == "/T0PS3CRETPATH/?key=querytoken"


@pytest.mark.parametrize("url", ["nonsense", "slack://T0PS3CRET", "nowhere://T0PS3CRET/x", "", "json://"])
def test_a_url_that_cannot_be_used_is_refused_by_its_channels_name(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match="channel desk") as caught:
        open_channel("desk", url, clock=WallClock())
    assert "T0PS3CRET" not in f"{caught.value!r} {caught.value} {caplog.text}"


async def test_a_slow_channel_does_not_delay_another() -> None:
    with web_server() as slow_server, web_server() as quick_server:
        slow_server.held.clear()
        async with (
            channel_for(f"json://127.0.0.1:{slow_server.port}/", "slow") as slow,
            channel_for(f"json://127.0.0.1:{quick_server.port}/", "quick") as quick,
        ):
            waiting = asyncio.create_task(slow.send(MESSAGE))
            await until(lambda: slow_server.received)
            for _ in range(10):
                await quick.send(MESSAGE)
            assert not waiting.done()
            with pytest.raises(TransientError, match="on its way"):
                await slow.send(MESSAGE)
            slow_server.held.set()
            await waiting
    assert (len(slow_server.received), len(quick_server.received)) == (1, 10)


async def test_after_a_cut_off_send_the_channel_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second message must not queue behind a stuck one: it would go out later, after its retry."""
    with web_server() as server:
        server.held.clear()
        async with channel_for(f"json://127.0.0.1:{server.port}/") as channel:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await channel.send(MESSAGE)
            with pytest.raises(TransientError, match="on its way"):
                await channel.send(MESSAGE)
            server.held.set()

            async def accepted() -> bool:
                try:
                    await channel.send(MESSAGE)
                except TransientError:
                    await asyncio.sleep(0.001)
                    return False
                return True

            async with asyncio.timeout(60):
                while not await accepted():
                    pass
    assert len(server.received) == 2


# Slack, with unmodified Apprise: a proxy ends the TLS as hooks.slack.com.


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStandIn]:
    with slack_behind_proxy(tmp_path, monkeypatch, "hooks.slack.com") as stand_in:
        yield stand_in


@pytest.mark.parametrize(
    "url", [f"slack://{'/'.join(SLACK_TOKENS)}", f"https://hooks.slack.com/services/{'/'.join(SLACK_TOKENS)}"]
)
async def test_slack_gets_the_message_as_it_is_meant_to_look(slack: SlackStandIn, url: str) -> None:
    body = "volume(1m) > 4x * avg(volume, 20, 1m)[1] (now 1,234,567 against 300,000)\nA & B < C, crosses_above\nid 1a2b"
    async with channel_for(url, "slack") as channel:
        await channel.send(Message("/ES 5,200.25 - es & nq", body, "warning", "1a2b"))
    assert [line.rpartition(" ")[0] for line in slack.connects] == ["CONNECT hooks.slack.com:443"]
    (received,) = slack.received
    assert received.path == f"/services/{'/'.join(SLACK_TOKENS)}"
    payload = received.json
    (attachment,) = payload["attachments"]
    assert payload["mrkdwn"] is True
    assert attachment["title"] == "/ES 5,200.25 - es &amp; nq"
    assert attachment["text"] == body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert not {"footer", "footer_icon", "ts"} & attachment.keys()
    assert "icon_url" not in payload


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", TransientError),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nno_service", PermanentError),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", TransientError),
        (b"", UnsureError),
    ],
)
async def test_what_slack_answers_is_sorted_without_its_tokens(
    slack: SlackStandIn, answer: bytes, error: type[Exception]
) -> None:
    slack.answer = answer
    async with channel_for(f"slack://{'/'.join(SLACK_TOKENS)}", "slack") as channel:
        with pytest.raises((TransientError, PermanentError)) as caught:
            await channel.send(MESSAGE)
    assert type(caught.value) is error
    assert not any(token in str(caught.value) for token in SLACK_TOKENS)


async def test_a_certificate_of_nobody_we_know_is_refused(slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    async with channel_for(f"slack://{'/'.join(SLACK_TOKENS)}", "slack") as channel:
        with pytest.raises(UnsureError):
            await channel.send(MESSAGE)
    assert slack.connects
    assert slack.received == []


def run_python(script: str) -> list[str]:
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


def test_apprise_is_imported_when_a_channel_is_made_and_only_the_plugin_it_needs() -> None:
    before, after = run_python(
        "import sys; from tradeassistd.alerts import compose, dispatcher;"
        "from tradeassistd.alerts.channels import open_channel;"
        "print('apprise' in sys.modules);"
        "from tradeassistd.base.clock import WallClock;"
        "open_channel('a', 'json://127.0.0.1/', clock=WallClock()); open_channel('b', 'slack://T1JJ3T3L2/A1BRTD4JD/"
        "TIiajkdnlazkcOXrIdevi7FQ', clock=WallClock());"
        "print(sum(name.startswith('apprise.plugins.') for name in sys.modules))"
    )
    assert before == "False"
    assert int(after) <= 6


def test_a_schema_we_do_not_list_loads_every_plugin_and_works_beside_the_others() -> None:
    (names,) = run_python(
        "from tradeassistd.alerts.channels import open_channel; from tradeassistd.base.clock import WallClock;"
        "urls = ['json://127.0.0.1/', 'syslog://', 'json://127.0.0.1/', 'ntfys://ntfy.example/topic'];"
        "print(','.join(open_channel(str(n), url, clock=WallClock()).name for n, url in enumerate(urls)))"
    )
    assert names == "0,1,2,3"


async def test_the_bucket_lets_a_burst_through_and_then_one_per_interval() -> None:
    clock = ManualClock()
    bucket = TokenBucket(1.2, 3, clock)
    passed = 0

    async def take(count: int) -> None:
        nonlocal passed
        for _ in range(count):
            await bucket.take()
            passed += 1

    task = asyncio.create_task(take(6))
    for seconds, expected in ((0, 3), (1.19, 3), (0.01, 4), (1.2, 5), (1.2, 6)):
        clock.pass_time(seconds)
        for _ in range(5):
            await asyncio.sleep(0)
        assert passed == expected
    await task
    clock.pass_time(100)
    await take(3)  # a long silence fills it up again, to its brim and no further
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bucket.take()


async def test_a_bucket_without_an_interval_never_waits() -> None:
    clock = ManualClock()
    bucket = TokenBucket(0.0, 1, clock)
    for _ in range(100):
        await bucket.take()
    assert clock.pauses_s == []


words = st.text("abcdefXYZ0123456789-_", min_size=3, max_size=20)


@given(st.lists(words, min_size=1, max_size=4), words, words, words)
def test_no_part_of_a_url_survives_the_mask(path: list[str], user: str, password: str, value: str) -> None:
    url = f"json://{user}:{password}@host.example:8443/{'/'.join(path)}/?token={value}"
    text = SecretMask(url).clean(f"Failed: {url} and {' then '.join([*path, user.upper(), password, value])}.")
    for secret in (*path, user, password, value):
        assert secret.lower() not in text.lower().replace("json://", "").replace("failed", "").replace("then", "")


def test_the_mask_knows_decoded_and_encoded_forms_and_keeps_errors_short() -> None:
    mask = SecretMask("json://user:p%40ss%2Fword@host/")
    assert mask.clean("p@ss/word p%40ss%2Fword") == "*** ***"
    assert mask.clean("see https://elsewhere.example/token now") == "see https://*** now"
    assert len(mask.clean("x " * 1_000)) <= 303
