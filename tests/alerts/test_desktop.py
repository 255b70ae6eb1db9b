"""The desktop channel on a private bus: what a notification daemon gets, how it fails, and a real dunst."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.alerts.fakes import HeldClock
from tests.alerts.session_bus import FakeNotifications, Popup, session_bus
from tests.apt import START_WITHIN_S, first_line, needs, running
from tests.store.waiting import until
from tradeassistd.alerts.channels import Channel, UnsureError, open_channel
from tradeassistd.alerts.channels.channel import LocalChannel
from tradeassistd.alerts.channels.desktop import ANSWER_LIMIT_S
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

MESSAGE = Message("/ES <5,200> - a & b", "price > 5200 & <b>bold</b>\nid a1", "critical", "a1")


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with session_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def daemon(bus: str) -> AsyncIterator[FakeNotifications]:
    fake = FakeNotifications()
    await fake.start(bus)
    yield fake
    await fake.stop()


@pytest.fixture
async def desk() -> AsyncIterator[Channel]:
    channel = open_channel("desk", "desktop://", clock=WallClock())
    yield channel
    await channel.close()


async def test_a_popup_has_title_escaped_body_and_urgency(daemon: FakeNotifications, desk: Channel) -> None:
    await desk.send(MESSAGE)
    assert daemon.popups == [
        Popup("tradeassist", MESSAGE.title, "price &gt; 5200 &amp; &lt;b&gt;bold&lt;/b&gt;\nid a1", 2)
    ]


async def test_urgency_follows_severity_on_one_connection(daemon: FakeNotifications, desk: Channel) -> None:
    for severity in ("info", "notice", "warning", "critical", "unheard-of"):
        await desk.send(Message("t", "b", severity, "k"))
    assert [popup.urgency for popup in daemon.popups] == [0, 1, 1, 2, 1]
    assert len(set(daemon.senders)) == 1


async def test_a_connection_that_broke_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: Channel
) -> None:
    for _ in range(2):  # the user logs out and in again
        async with session_bus(tmp_path) as address:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
            fake = FakeNotifications()
            await fake.start(address)
            await desk.send(MESSAGE)
            assert len(fake.popups) == 1
        await fake.stop()
    with pytest.raises(TransientError, match="cannot reach the session bus") as caught:
        await desk.send(MESSAGE)
    assert "user unit" in caught.value.hint
    assert not isinstance(caught.value, UnsureError)
    gc.collect()  # an error of the lost connections that nobody took would come up here, and fail the test


async def test_a_bus_that_goes_away_before_the_answer_leaves_us_unsure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: Channel
) -> None:
    async with session_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        fake = FakeNotifications()
        fake.silent = True
        await fake.start(address)
        sending = asyncio.create_task(desk.send(MESSAGE))
        await until(lambda: fake.popups)
    with pytest.raises(UnsureError, match="went away"):
        await sending
    await fake.stop()


async def test_a_daemon_that_hangs_is_not_waited_for(daemon: FakeNotifications) -> None:
    daemon.silent = True
    clock = HeldClock()
    desk = open_channel("desk", "desktop://", clock=clock)
    sending = asyncio.create_task(desk.send(MESSAGE))
    await until(lambda: daemon.popups)
    clock.expire()
    with pytest.raises(UnsureError, match="no answer within 2 s"):
        await sending
    assert clock.limits_s == [ANSWER_LIMIT_S]
    daemon.silent = False
    await desk.send(MESSAGE)
    assert len(set(daemon.senders)) == 2, "the connection on which the answer is missing is left"
    await desk.close()


async def test_a_refusal_is_told(daemon: FakeNotifications, desk: Channel) -> None:
    daemon.refusal = "org.freedesktop.Notifications.Error.ExcessNotificationGeneration"
    with pytest.raises(TransientError, match="ExcessNotificationGeneration: I would rather not"):
        await desk.send(MESSAGE)
    daemon.refusal = ""
    await desk.send(MESSAGE)
    assert len(set(daemon.senders)) == 1


async def test_a_bus_without_a_notification_daemon_says_what_to_start(bus: str, desk: Channel) -> None:
    with pytest.raises(TransientError, match="no notification daemon runs") as caught:
        await desk.send(MESSAGE)
    assert "dunst" in caught.value.hint


async def test_without_a_session_there_is_no_hope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: Channel
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(PermanentError, match="no session bus") as caught:
        await desk.send(MESSAGE)
    assert "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/UID/bus" in caught.value.hint


async def test_the_bus_of_the_runtime_directory_is_the_session_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: FakeNotifications, desk: Channel
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    await desk.send(MESSAGE)
    assert len(daemon.popups) == 1


async def test_an_address_with_a_mistake_is_told(monkeypatch: pytest.MonkeyPatch, desk: Channel) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "carrier-pigeon")
    with pytest.raises(TransientError, match="cannot reach the session bus"):
        await desk.send(MESSAGE)


@pytest.mark.parametrize("url", ["desktop://host", "desktop://?urgency=2"])
def test_a_url_with_a_mistake_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="does not know"):
        open_channel("desk", url, clock=WallClock())


@pytest.fixture
async def dunst(bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A real notification daemon on a screen of its own; gives the path of dunstctl."""
    needs("Xvfb", "xvfb")
    dunst, control = needs("dunst", "dunst"), needs("dunstctl", "dunst")
    (tmp_path / "dunstrc").write_text("[urgency_critical]\n    timeout = 77\n")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    async with AsyncExitStack() as stack:
        screen = await stack.enter_async_context(
            running("Xvfb", "-displayfd", "1", "-screen", "0", "800x300x24", "-nolisten", "tcp")
        )
        monkeypatch.setenv("DISPLAY", f":{await first_line(screen)}")
        daemon = await stack.enter_async_context(running(dunst, "-conf", str(tmp_path / "dunstrc")))
        async with asyncio.timeout(START_WITHIN_S):
            while await _output(control, "is-paused") == "":  # until it owns its name
                assert daemon.returncode is None
        yield control


async def test_a_real_notification_daemon_shows_it(dunst: str, desk: Channel) -> None:
    await desk.send(MESSAGE)
    async with asyncio.timeout(START_WITHIN_S):
        while await _output(dunst, "count", "displayed") == "0":
            pass  # it answers before it draws
    assert await _output(dunst, "count", "displayed") == "1"
    await _output(dunst, "close-all")
    ((shown,),) = json.loads(await _output(dunst, "history"))["data"]
    assert shown["appname"]["data"] == "tradeassist"
    assert shown["summary"]["data"] == MESSAGE.title
    assert shown["body"]["data"] == "price &gt; 5200 &amp; &lt;b&gt;bold&lt;/b&gt;\nid a1"
    assert shown["timeout"]["data"] == 77_000_000, "that of the critical ones"


async def _output(*command: str) -> str:
    async with running(*command) as process:
        assert process.stdout is not None
        output = await process.stdout.read()
        await process.wait()
    return output.decode().strip()


async def test_who_would_show_it_is_asked_without_a_popup(daemon: FakeNotifications, desk: Channel) -> None:
    assert isinstance(desk, LocalChannel)
    assert await desk.ready() == "fake notifier"
    assert daemon.popups == []


async def test_nobody_would_show_it(bus: str, desk: Channel) -> None:
    assert isinstance(desk, LocalChannel)
    with pytest.raises(TransientError, match="no notification daemon runs"):
        await desk.ready()
