"""Slack by bot token and by webhook, over real TLS, and its refusals in words a user can act on."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.alerts.servers import SlackStandIn, slack_behind_proxy
from tradeassistd.alerts.channels import Channel, UnsureError, open_channel
from tradeassistd.alerts.channels.slack import with_bot_token
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

TOKEN = "xoxb-111111111111-222222222222-abcdefABCDEF0123456789ab"
WEBHOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
MESSAGE = Message("/ES 5,200.25 - es-levels", "price crossed above 5200 (now 5,200.25)\nid a1", "critical", "a1")


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStandIn]:
    """Slack, as this process reaches it: its bot API and its webhooks."""
    with slack_behind_proxy(tmp_path, monkeypatch, "slack.com", "hooks.slack.com") as stand_in:
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        yield stand_in


def opened(url: str) -> Channel:
    return open_channel("slack", url, clock=WallClock())


def answer(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


async def refusal(channel: Channel, slack: SlackStandIn, status: int, body: str) -> TransientError | PermanentError:
    before = len(slack.received)
    slack.answer = answer(status, body)
    try:
        await channel.send(MESSAGE)
    except (TransientError, PermanentError) as error:
        assert len(slack.received) == before + 1
        assert TOKEN not in f"{error} {error!r}"
        return error
    pytest.fail("it was taken")


@pytest.fixture
async def bot(slack: SlackStandIn) -> AsyncIterator[Channel]:
    channel = opened("slack://bot/#alerts")
    yield channel
    await channel.close()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("slack://bot/#alerts", "#alerts"),
        ("slack://bot/alerts", "#alerts"),
        ("Slack://BOT/+C0123ABCD", "C0123ABCD"),
        (f"slack://{TOKEN}/#alerts", "#alerts"),
    ],
)
async def test_a_bot_posts_every_message_to_its_channel(slack: SlackStandIn, url: str, target: str) -> None:
    slack.answer = answer(200, json.dumps({"ok": True, "channel": "C0123ABCD", "ts": "1.2"}))
    channel = opened(url)
    await channel.send(MESSAGE)
    await channel.send(MESSAGE)
    await channel.close()
    assert [line.split()[1] for line in slack.connects] == ["slack.com:443"] * 2
    assert len(slack.received) == 2
    for received in slack.received:
        assert received.path == "/api/chat.postMessage"
        assert received.headers["Authorization"] == f"Bearer {TOKEN}"
        assert received.json["channel"] == target
        (attachment,) = received.json["attachments"]
        assert attachment["title"] == MESSAGE.title
        assert "price crossed above 5200 (now 5,200.25)" in attachment["text"]


async def test_a_webhook_needs_no_token(slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    channel = opened(WEBHOOK)
    await channel.send(MESSAGE)
    await channel.close()
    assert [received.path for received in slack.received] == [WEBHOOK.partition(".com")[2]]


@pytest.mark.parametrize(
    ("word", "what_to_do"),
    [
        ("invalid_auth", "Bot User OAuth Token"),
        ("token_revoked", "Bot User OAuth Token"),
        ("channel_not_found", "Check the channel's name"),
        ("not_in_channel", "/invite"),
        ("missing_scope", "chat:write"),
        ("is_archived", "Unarchive"),
    ],
)
async def test_what_the_user_must_mend_is_not_tried_again(
    bot: Channel, slack: SlackStandIn, word: str, what_to_do: str
) -> None:
    error = await refusal(bot, slack, 200, json.dumps({"ok": False, "error": word, "needed": "x"}))
    assert isinstance(error, PermanentError)
    assert error.message == f"Slack says {word}"
    assert what_to_do in error.hint


async def test_what_passes_is_tried_again(bot: Channel, slack: SlackStandIn) -> None:
    limited = await refusal(bot, slack, 429, '{"ok": false, "error": "ratelimited"}')
    assert type(limited) is TransientError
    assert (str(limited), limited.retry_after_s) == ("Slack says ratelimited", 30)
    assert isinstance(await refusal(bot, slack, 200, '{"ok": false, "error": "fatal_error"}'), UnsureError)
    unknown = await refusal(bot, slack, 200, '{"ok":false,"error":"new_word_of_theirs"}')
    assert type(unknown) is TransientError
    assert "Slack says new_word_of_theirs" in str(unknown)


async def test_a_removed_webhook_says_so(slack: SlackStandIn) -> None:
    channel = opened(WEBHOOK)
    error = await refusal(channel, slack, 404, "no_service")
    await channel.close()
    assert isinstance(error, PermanentError)
    assert str(error).startswith("Slack says no_service (Make a new webhook")


async def test_a_refusal_without_a_word_is_told_by_its_status(bot: Channel, slack: SlackStandIn) -> None:
    await refusal(bot, slack, 200, '{"ok": false, "error": "not_in_channel"}')
    error = await refusal(bot, slack, 503, "<html>It's down: error</html>")
    assert type(error) is TransientError
    assert "503" in str(error)
    assert "Slack says" not in str(error), "the word of the attempt before"


async def test_no_log_ever_holds_the_token(
    bot: Channel, slack: SlackStandIn, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("apprise").addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.DEBUG):
            await refusal(bot, slack, 200, '{"ok": false, "error": "invalid_auth"}')
    finally:
        logging.getLogger("apprise").removeHandler(caplog.handler)
    written = capfd.readouterr()
    assert TOKEN not in caplog.text + written.out + written.err
    assert "Slack Payload" not in caplog.text


async def test_a_stranger_in_the_middle_is_not_told(
    bot: Channel, slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(UnsureError, match="this machine reaches the service"):
        await bot.send(MESSAGE)
    assert (len(slack.connects), slack.received) == (1, [])


@pytest.mark.parametrize(
    ("url", "token", "problem"),
    [
        ("slack://bot/#alerts", "", "SLACK_BOT_TOKEN is not set"),
        ("slack://bot/#alerts", "T0/B0/secret", "SLACK_BOT_TOKEN holds no Slack token"),
        ("slack://bot", TOKEN, "names no channel"),
        ("slack://bot/", TOKEN, "names no channel"),
    ],
)
def test_a_bot_without_token_or_channel_is_refused(url: str, token: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        with_bot_token("slack", url, {"SLACK_BOT_TOKEN": token})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", [WEBHOOK, f"slack://{TOKEN}/#bot", "slack://bottle/b/c", "json://bot/x"])
def test_other_urls_stay_as_they_are(url: str) -> None:
    assert with_bot_token("slack", url, {"SLACK_BOT_TOKEN": TOKEN}) == url
