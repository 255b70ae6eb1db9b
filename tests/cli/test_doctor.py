"""`tradeassist doctor`: each check against a real file, socket or database that is well, and one that is not."""

from __future__ import annotations

import json
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.api.service import a_status
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.config import load_settings
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.doctor import configuration, daemon, login, machine, network
from tradeassistd.cli.doctor.finding import Finding, lines, summary
from tradeassistd.cli.main import app
from tradeassistd.feed.token import TokenFile
from tradeassistd.store.writer import Store

NOW_S = 1_795_185_000
NOW = ManualClock(NOW_S * US_PER_S)
DAY_S = 86_400
RULES = "version: 1\nrules:\n  - {id: up, symbols: [SPY], when: price > 700}\n"
APP_SECRET, REFRESH, TOPIC = "AppSecret4711xyzXYZ", "RefreshTokenABC0123456789", "alerts-topic-9f8e7d"


def states(found: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.state) for one in found]


@contextmanager
def a_server(status: int = 404, *, offset_s: float = 0.0, dated: bool = True) -> Iterator[str]:
    """Something at the end of base_url, with a clock of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            if dated:
                at = datetime.fromtimestamp(NOW_S + offset_s, UTC)
                self.send_header("Date", format_datetime(at, usegmt=True))
            self.send_header("Location", "http://example.invalid/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def a_token(folder: Path, *, age_s: int = 0) -> Path:
    token = {"refresh_token": REFRESH, "access_token": "AccessTokenDEF0123456789", "expires_in": 1800}
    content = {"creation_timestamp": NOW_S - age_s, "token": token}
    TokenFile(folder / "token.json").write(content)
    return folder / "token.json"


# --- Schwab and the clock --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "offset_s", "found"),
    [(404, 0.0, ["ok", "ok"]), (302, 0.9, ["ok", "ok"]), (401, 5.0, ["ok", "warning"]), (200, -5.0, ["ok", "warning"]),
     (200, 90.0, ["ok", "problem"]), (503, 0.0, ["problem", "ok"])],
)  # fmt: skip
def test_any_answer_is_reached_and_its_time_is_compared(status: int, offset_s: float, found: list[str]) -> None:
    with a_server(status, offset_s=offset_s) as url:
        seen = list(network.reach(url, NOW))
    assert [one.state for one in seen] == found
    if offset_s <= -2 or offset_s >= 2:
        assert ("ahead" if offset_s < 0 else "behind") in seen[1].text


def test_an_answer_without_a_time_is_not_taken_for_a_right_clock() -> None:
    with a_server(dated=False) as url:
        assert states(network.reach(url, NOW)) == [("schwab", "ok"), ("clock", "warning")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense", "http://"])
def test_a_place_that_does_not_answer_is_a_problem_with_its_reason(url: str) -> None:
    with socket.socket() as taken:  # nobody listens there, and nobody else can
        taken.bind(("127.0.0.1", 0))
        (found,) = network.reach(url.format(port=taken.getsockname()[1]), NOW)
    assert found.state == "problem" and found.hint


# --- the login -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "state", "says"),
    [(0, "ok", "in 7 days"), (6 * DAY_S + 3600, "warning", "in 23 hours"), (7 * DAY_S, "problem", "ended"),
     (-3600, "warning", "future")],
)  # fmt: skip
def test_the_login_ends_after_seven_days(tmp_path: Path, age_s: int, state: str, says: str) -> None:
    (found,) = login.login(a_token(tmp_path, age_s=age_s), NOW, {})
    assert (found.state, says in found.text) == (state, True)


def test_a_token_that_is_missing_broken_readable_by_all_or_refused(tmp_path: Path) -> None:
    assert states(login.login(tmp_path / "none.json", NOW, {})) == [("login", "problem")]
    (tmp_path / "bad.json").write_text("{}", "utf-8")
    assert states(login.login(tmp_path / "bad.json", NOW, {})) == [("login", "problem")]
    token = a_token(tmp_path)
    token.chmod(0o644)
    assert states(login.login(token, NOW, {})) == [("login", "problem"), ("login", "ok")]
    token.chmod(0o600)
    (found,) = login.login(token, NOW, {"needed": "the refresh token is dead"})
    assert found.state == "problem" and "auth login" in found.hint


# --- the machine -----------------------------------------------------------------------------------------------------


async def test_a_database_is_read_through_beside_its_writer_and_damage_is_found(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=NOW)
    await store.save_status(a_status())
    assert states(machine.databases(tmp_path)) == [("database", "ok")]
    await store.close()
    assert states(machine.databases(tmp_path)) == [("database", "ok")]
    with (tmp_path / "main.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(60_000))
    (found,) = machine.databases(tmp_path)
    assert found.state == "problem" and "main.db" in found.text


def test_before_the_first_start_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    assert states(machine.directory(tmp_path / "state")) == [("state", "ok"), ("disk", "ok")]
    assert states(machine.databases(tmp_path / "state")) == [("database", "ok")]


def test_rules_that_need_bars_for_longer_than_they_are_kept_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nrules: [{id: a, symbols: [SPY], when: 'highest(high, 5, 1d) > 1'}]\n")
    for kept_s, state in ((4 * DAY_S, "warning"), (7 * DAY_S, "ok"), (None, "ok")):
        assert states(configuration.rules(tmp_path, frozenset(), NOW, kept_s)) == [("rules", state)]


def test_a_directory_in_the_place_of_a_database_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "main.db").mkdir()
    (found,) = machine.databases(tmp_path)
    assert found.state == "problem" and "main.db is a directory" in found.text


def test_a_state_directory_open_to_everybody_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert ("state", "warning") in states(machine.directory(tmp_path))


# --- the daemon ------------------------------------------------------------------------------------------------------


def of_daemon(**feed: Any) -> dict[str, str]:
    status = a_status() | {"symbols": feed.pop("symbols", {})}
    status["feed"] |= {"frame_age_s": 1.0} | feed
    return dict(states(daemon.daemon(status, 7, answers=True)))


@pytest.mark.parametrize(
    ("feed", "state"),
    [({}, "ok"), ({"frame_age_s": 40.0}, "problem"), ({"state": "degraded"}, "warning"),
     ({"state": "connecting", "in_state_s": 3.0}, "warning"), ({"state": "connecting", "in_state_s": 90.0}, "problem"),
     ({"state": "backoff"}, "problem"), ({"state": "replaced"}, "problem"), ({"state": "auth_needed"}, "problem"),
     ({"frame_age_s": None}, "ok")],
)  # fmt: skip
def test_the_feed_is_judged_by_state_and_age(feed: dict[str, Any], state: str) -> None:
    assert of_daemon(**feed)["feed"] == state


def test_each_symbol_with_something_to_say_has_a_line() -> None:
    documents = {"$TRIN": {"mute_since": "2026-11-20T15:02:11Z"}, "$ADD": {"delayed": True}, "SPY": {"bad_prints": 1},
                 "/ES": {"last_row_age_s": 0.3}, "QQQ": {"last_row_age_s": None}}  # fmt: skip
    found = of_daemon(symbols={"quality": documents}, refused={"NOPE": "code 19"})
    assert found == {"daemon": "ok", "feed": "ok", "data NOPE": "problem", "data $TRIN": "problem",
                     "data $ADD": "warning", "data SPY": "ok", "data": "ok"}  # fmt: skip


def test_a_daemon_that_is_not_there_or_does_not_answer_is_a_warning() -> None:
    assert states(daemon.daemon(a_status(), None, answers=False)) == [("daemon", "warning")]
    assert next(iter(daemon.daemon(a_status(), 7, answers=False))).state == "warning"


# --- the command -----------------------------------------------------------------------------------------------------


def installed(folder: Path, base_url: str, channels: str = "{}", rules: str = RULES) -> list[str]:
    """Options for a daemon's settings in `folder`."""
    (folder / "rules.d").mkdir()
    (folder / "rules.d" / "a.yaml").write_text(rules, "utf-8")
    (folder / "state").mkdir(mode=0o700)
    TokenFile(folder / "state" / "token.json").write(
        {"creation_timestamp": int(datetime.now(UTC).timestamp()), "token": {"refresh_token": REFRESH}}
    )
    (folder / "config.yaml").write_text(
        f"store: {{path: state}}\nschwab: {{base_url: '{base_url}', app_key: AppKey0123456789, "
        f"app_secret: {APP_SECRET}}}\nchannels: {channels}\n", "utf-8"
    )  # fmt: skip
    (folder / "config.yaml").chmod(0o600)
    return ["--config", str(folder / "config.yaml")]


def doctor(*options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *options], env={"COLUMNS": "80"})


def test_without_a_daemon_it_checks_what_there_is_and_says_yes(tmp_path: Path) -> None:
    with a_server() as url:
        done = doctor("--json", *installed(tmp_path, url))
    found = {one["check"]: one["state"] for one in json.loads(done.output)}
    assert found.pop("clock") in ("ok", "problem")  # the server of these tests has another time
    assert found == {"settings": "warning", "rules": "ok", "credentials": "ok", "login": "ok", "schwab": "ok",
                     "state": "ok", "disk": "ok", "database": "ok", "daemon": "warning"}  # fmt: skip


def test_settings_with_secrets_are_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "http://127.0.0.1:9")
    file = tmp_path / "config.yaml"
    settings = load_settings(file)
    assert states(configuration.settings(settings, file)) == [("settings", "ok"), ("settings", "warning")]
    file.chmod(0o644)
    *_, found = configuration.settings(settings, file)
    assert (found.state, found.hint) == ("warning", f"chmod 600 {file}")
    # The hardened unit's user could not read it then.
    monkeypatch.setattr(configuration, "SYSTEM_SETTINGS", file)
    *_, found = configuration.settings(settings, file)
    assert "/etc/tradeassist/credentials" in found.hint


def test_a_problem_is_exit_code_1_and_lines_fit_80_columns(tmp_path: Path) -> None:
    with a_server() as url:
        options = installed(tmp_path, url, "{slack: {url: 'nonsense://x'}}", RULES.replace("price >", "prce >"))
        done = doctor(*options)
    assert done.exit_code == 1
    assert "problem  rules" in done.output and "a.yaml:3:" in done.output and "problem  channel slack" in done.output
    long = [line for line in done.output.splitlines() if len(line) > 80 and str(tmp_path) not in line]
    assert not long


def test_settings_that_cannot_be_read_are_one_problem_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"schwab: {{app_secret: [{APP_SECRET}]}}\n", "utf-8")
    done = doctor("--config", str(file), "--bundle", str(tmp_path / "b.tar.gz"))
    assert done.exit_code == 1 and "problem  settings" in done.output
    assert APP_SECRET not in done.output and APP_SECRET.encode() not in unpacked(tmp_path / "b.tar.gz")


def unpacked(path: Path) -> bytes:
    """Everything in an archive, names and contents."""
    with tarfile.open(path) as archive:
        files = [archive.extractfile(entry) for entry in archive]
        return b"\n".join([*(name.encode() for name in archive.getnames()), *(file.read() for file in files if file)])


def test_a_bundle_holds_what_helps_and_no_secret(tmp_path: Path) -> None:
    told = f"https://user:hunter2pass@127.0.0.1:9/{TOPIC}"
    with a_server() as url:
        options = installed(tmp_path, url, f"{{hook: {{url: '{told.replace('https', 'jsons')}'}}}}")
        rules = tmp_path / "rules.d" / "a.yaml"
        rules.write_text(f"{RULES}# token: xoxb-1234-abcd, {REFRESH}, {told}\n", "utf-8")
        done = doctor("--bundle", str(tmp_path / "b.tar.gz"), *options)
    assert "Written:" in done.output
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    content = unpacked(tmp_path / "b.tar.gz").decode()
    for name in ("doctor.txt", "doctor.json", "status.json", "settings.json", "rules/a.yaml", "versions.json",
                 "log.txt", "frames.ndjson", "database.json"):  # fmt: skip
        assert f"tradeassist-bundle/{name}\n" in content
    for secret in (APP_SECRET, "AppKey0123456789", REFRESH, TOPIC, "hunter2pass", "xoxb-1234"):
        assert secret not in content
    assert "price > 700" in content
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".b")] == []


def test_a_bundle_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with a_server() as url:
        done = doctor("--bundle", str(tmp_path / "none" / "b.tar.gz"), *installed(tmp_path, url))
    assert done.exit_code == 1 and done.exception is not None and "cannot be written" in str(done.exception)


def test_a_finding_is_wrapped_below_itself_with_what_to_do() -> None:
    found = Finding("feed", "problem", "word " * 20, "do this")
    made = lines(found, 80)
    assert made[0].startswith("problem  feed            word") and made[-1].strip() == "-> do this"
    assert summary([found, found, Finding("disk", "ok", "")]) == "2 problems, 1 ok"
