"""`tradeassist notify test`: a real message to each channel, and what became of it in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.alerts.servers import web_server
from tests.apt import needs
from tradeassistd import parts as daemon
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError
from tradeassistd.cli import exit_codes, main, notify

LOST = "channels: {desk: {url: 'desktop://'}}"


@pytest.fixture(autouse=True)
def without_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "SLACK_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def settings(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text)
    return file


def notify_test(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["notify", "test", "--config", str(file), *arguments])


def test_each_channel_says_what_became_of_its_message(tmp_path: Path) -> None:
    with web_server(200, 404) as server:
        port = server.port
        file = settings(tmp_path, f"""
channels:
  phone: {{url: "json://127.0.0.1:{port}/phone"}}
  old-phone: {{url: "json://127.0.0.1:{port}/gone"}}
  slack: {{url: "slack://bot/#alerts"}}
  desk: {{url: "desktop://"}}
""")  # fmt: skip
        result = notify_test(file)
    phone, old_phone, slack, desk = result.output.splitlines()
    assert result.exit_code == exit_codes.NO
    assert phone.startswith("phone      ok, taken in ")
    assert phone.endswith(" ms")
    assert old_phone.startswith("old-phone  failed: ")
    assert "404" in old_phone
    assert slack.startswith("slack      failed: SLACK_BOT_TOKEN is not set (Copy the Bot User OAuth Token")
    assert desk.startswith("desk       failed: no session bus: DBUS_SESSION_BUS_ADDRESS is not set (Use the user unit")
    sent = server.received[0].json
    assert sent["title"] == "TEST - tradeassist"
    assert "test of the channel phone" in sent["message"]
    assert "No rule fired" in sent["message"]


def test_one_channel_alone_and_a_yes(tmp_path: Path) -> None:
    with web_server() as server:
        text = f"channels: {{phone: {{url: 'json://127.0.0.1:{server.port}/'}}, desk: {{url: 'desktop://'}}}}"
        result = notify_test(settings(tmp_path, text), "phone", "--json")
    (outcome,) = json.loads(result.output)
    assert result.exit_code == exit_codes.YES
    assert (outcome["channel"], outcome["ok"], outcome["error"]) == ("phone", True, "")
    assert 0 <= outcome["took_ms"] < 10_000
    assert len(server.received) == 1


def test_a_sound_that_fails_is_told_as_json(tmp_path: Path) -> None:
    program = needs("false", "coreutils")
    result = notify_test(settings(tmp_path, f"channels: {{bell: {{url: 'sound://?command={program}'}}}}"), "--json")
    assert result.exit_code == exit_codes.NO
    (outcome,) = json.loads(result.output)
    assert (outcome["ok"], outcome["error"]) == (False, "false: exit code 1")
    assert "pactl info" in outcome["hint"]


def test_a_channel_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = needs("sleep", "coreutils")
    monkeypatch.setattr(notify, "LIMIT_S", 0.2)
    (tmp_path / "hangs").write_text(f"#!/bin/sh\nexec {program} 600\n")
    (tmp_path / "hangs").chmod(0o755)
    file = settings(tmp_path, f"channels: {{bell: {{url: 'sound://?command={tmp_path / 'hangs'}'}}}}")
    result = notify_test(file)
    assert result.exit_code == exit_codes.NO
    assert "bell  failed: no answer within" in result.output


def test_an_unknown_channel_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    result = notify_test(settings(tmp_path, LOST), "dekstop")
    assert result.exit_code == exit_codes.USAGE
    assert "no channel is called dekstop; there is desk" in result.output


def test_settings_without_channels_say_how_to_add_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="have no channels"):
        notify.send_tests(settings(tmp_path, "{}"), "", as_json=False)


@pytest.mark.parametrize(("ttl", "expected_s"), [("", 30), (", ttl: 5m", 300)])
def test_the_daemon_takes_the_channel_s_own_time_to_live(tmp_path: Path, ttl: str, expected_s: int) -> None:
    text = f"channels: {{bell: {{url: 'sound://'{ttl}}}, phone: {{url: 'json://127.0.0.1/'}}}}"
    channels = load_settings(settings(tmp_path, text)).channels
    assert daemon._ttl_s(channels["bell"]) == expected_s
    assert daemon._ttl_s(channels["phone"]) == 900


def test_a_program_that_is_absent_skips_here_and_fails_where_ci_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install gong-utils"):
        needs("gong-of-nowhere", "gong-utils")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install gong-utils"):
        needs("gong-of-nowhere", "gong-utils")
