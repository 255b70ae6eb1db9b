"""A login from nothing to dead and back, with the real command, daemon and simulator; and no secret leaves them."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
import structlog

from tests.e2e.harness import running, settings_for
from tests.e2e.test_process import AT_ONCE, MONDAY_US
from tradeassistd.base.errors import FatalError, PermanentError
from tradeassistd.base.log import set_up
from tradeassistd.cli import auth, exit_codes
from tradeassistd.cli.client import _Connection
from tradeassistd.cli.queries import show_alerts
from tradeassistd.cli.status import show_status
from tradeassistd.engine.events import Start
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET, Grant, Tokens
from tradeassistd.store import queries

PATIENCE_S = 60.0


class NotedTokens(Tokens):
    """Keeps every secret it gives out."""

    def __init__(self, access_token_s: int = 1800) -> None:
        super().__init__(access_token_s)
        self.secrets = {APP_KEY, APP_SECRET, b64encode(f"{APP_KEY}:{APP_SECRET}".encode()).decode()}

    def new_code(self) -> str:
        code = super().new_code()
        self.secrets |= {code, code.removesuffix("@")}
        return code

    def _grant(self, now_s: float, refresh_token: str | None) -> Grant:
        grant = super()._grant(now_s, refresh_token)
        self.secrets |= {grant.access_token, refresh_token or grant.access_token}
        return grant


class Stay(urllib.request.HTTPRedirectHandler):
    """A browser that stops at the callback URL, where nothing listens."""

    def redirect_request(self, *_: object) -> None:
        return None


class Human:
    """Opens the printed address and pastes where it leads to; `slips` are pasted before."""

    def __init__(self, output: io.StringIO, *slips: str) -> None:
        self._output, self._slips = output, list(slips)

    def isatty(self) -> bool:
        return False

    def readline(self) -> str:
        if self._slips:
            return self._slips.pop(0)
        found = re.search(r"http://\S+/v1/oauth/authorize\S+", self._output.getvalue())
        assert found is not None
        try:
            urllib.request.build_opener(Stay).open(found.group())
        except urllib.error.HTTPError as error:
            with error:
                return f" {error.headers['location']}\n"
        raise AssertionError("the login page did not send the browser back")


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Everything anybody logs, at the lowest level there is."""
    stream = io.StringIO()
    stderr, root = sys.stderr, logging.getLogger()
    before, level = root.handlers[:], root.level
    sys.stderr = stream
    set_up("json", "debug")
    root.setLevel(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.INFO)  # the simulator's, another program in real life
    try:
        yield stream
    finally:
        sys.stderr, root.handlers[:] = stderr, before
        root.setLevel(level)
        structlog.reset_defaults()


async def come_about(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what happens in the store tells nobody here
            await asyncio.sleep(0)


def titles(state: Path) -> list[tuple[str, str]]:
    """(title, severity) of the daemon's own messages, as stored, oldest first."""
    found = queries.alerts(state, limit=100, rule="!tradeassist")
    return [(stored.alert.title, stored.alert.severity) for stored in reversed(found)]


async def told(state: Path, count: int) -> list[tuple[str, str]]:
    """The daemon's own messages, once there are so many."""
    async with asyncio.timeout(PATIENCE_S):
        while len(there := await asyncio.to_thread(titles, state)) < count:
            pass
    return there


async def log_in(folder: Path, monkeypatch: pytest.MonkeyPatch, *slips: str) -> str:
    """`tradeassist auth login` with a human at it; what it printed."""
    output = io.StringIO()
    with monkeypatch.context() as desk:
        desk.setattr(sys, "stdout", output)
        desk.setattr(sys, "stdin", Human(output, *slips))
        code = await asyncio.to_thread(auth.login, folder / "config.yaml", browser=False)
    assert code == exit_codes.YES
    return output.getvalue()


def served(api: Path) -> str:
    """All that the API says of the daemon's inside."""
    answers = []
    for target in ("/health/detailed", "/diagnostics/frames", "/diagnostics/log", "/alerts", "/health"):
        connection = _Connection(api, PATIENCE_S)
        connection.request("GET", target)
        answers.append(connection.getresponse().read().decode())
        connection.close()
    return "\n".join(answers)


def seen(config: Path, code: int) -> None:
    """`auth status` comes to say so: the daemon saves its own status every second."""
    end_s = monotonic() + PATIENCE_S
    while auth.show_status(config, as_json=code == exit_codes.NO) != code:
        assert monotonic() < end_s


def leaked(secrets: set[str], said: str, state: Path) -> list[str]:
    """The secrets that are in what was said, or in a file of the state directory."""
    stored = [file.read_bytes().decode("latin-1") for file in sorted(state.rglob("*"))]
    # The key alone is in the address of the login page, by OAuth's own rule; there it is meant to be.
    everything = re.sub(r"http://\S+/v1/oauth/authorize\S+", "", "\n".join((said, *stored)))
    return [secret for secret in secrets if secret in everything]


async def test_from_nothing_to_dead_and_back_without_a_restart_and_without_a_leak(
    tmp_path: Path, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Simulator(SyntheticMarket(3, MONDAY_US), speed=20.0) as simulator:
        noted = simulator.oauth = NotedTokens()
        settings = settings_for(tmp_path, simulator, AT_ONCE)
        token_file, state, config = tmp_path / "token.json", tmp_path / "state", tmp_path / "config.yaml"
        token_file.unlink()
        assert auth.show_status(config, as_json=False) == exit_codes.NO
        async with running(settings) as watcher:
            live = watcher.daemon.live
            assert live is not None and isinstance(settings.api.socket, Path)
            printed = await log_in(tmp_path, monkeypatch, "https://127.0.0.1:8182/?session=x\n",
                                   "https://127.0.0.1:8182/?code=a&state=b\n")  # fmt: skip
            assert "the running daemon takes it up by itself" in printed
            assert oct(token_file.stat().st_mode & 0o777) == "0o600"
            await watcher.until(lambda event: bool(watcher.ticks))
            needed_and_back = [("Schwab login needed: nothing is watched", "critical"), ("The feed is back", "warning")]
            assert await told(state, 2) == needed_and_back
            told_before = live.counters.told

            # It streams on when the access token is void, and over a new connection too.
            simulator.inject("access_token_expires")
            await simulator.drop_connections()
            await come_about(lambda: simulator.counters.logins == 2)

            # Another login while it streams: the stream goes on, the rules keep their states.
            ticks = len(watcher.ticks)
            await log_in(tmp_path, monkeypatch)
            await watcher.until(lambda event: len(watcher.ticks) > ticks + 20)
            assert simulator.counters.logins == 2
            assert live.counters.told == told_before
            assert sum(isinstance(event, Start) for event in watcher.events) <= 1

            # Dead: said once, nobody asked again, and a login mends it.
            simulator.inject("refresh_token_dies")
            simulator.inject("access_token_expires")
            await simulator.drop_connections()
            await told(state, 3)
            await asyncio.to_thread(seen, config, exit_codes.NO)
            refreshes = noted.refreshes
            show_status(state, as_json=True)
            show_status(state, as_json=False)
            documents = [await asyncio.to_thread(served, settings.api.socket)]
            printed += await log_in(tmp_path, monkeypatch)
            await come_about(lambda: simulator.counters.logins == 3)
            assert noted.refreshes == refreshes
            await asyncio.to_thread(seen, config, exit_codes.YES)
            assert await told(state, 4) == needed_and_back * 2
            show_alerts(state, limit=100, rule="", symbol="", suppressed=True, as_json=True)
            documents.append(await asyncio.to_thread(served, settings.api.socket))

    said = "\n".join((logs.getvalue(), capsys.readouterr().out, printed, *documents, repr(settings)))
    for name in ("login.new", "login.needed", "token.refreshed", "stream.state"):
        assert name in said  # the log was really taken
    assert len(noted.secrets) >= 10
    assert leaked(noted.secrets, said, state) == []


@pytest.mark.parametrize("slips", [("nothing\n",) * 3, ("https://[127.0.0.1/?code=x&state=y\n",) * 3, ("",)])
async def test_an_address_without_a_code_asks_schwab_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slips: tuple[str, ...]
) -> None:
    async with Simulator(SyntheticMarket(3, MONDAY_US)) as simulator:
        settings_for(tmp_path, simulator, AT_ONCE)
        before = (tmp_path / "token.json").read_text()
        with pytest.raises(PermanentError, match=r"no code=|no address"):
            await log_in(tmp_path, monkeypatch, *slips)
        assert (tmp_path / "token.json").read_text() == before


@pytest.mark.parametrize(
    ("fault", "message"),
    [("token_refused, how: dead", "refused the code"), ("token_refused, how: blocked", "gave no token"),
     ("token_refused, how: unavailable", "gave no token")],
)  # fmt: skip
async def test_a_login_that_fails_leaves_the_old_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    async with Simulator(SyntheticMarket(3, MONDAY_US)) as simulator:
        settings_for(tmp_path, simulator, AT_ONCE)
        before = (tmp_path / "token.json").read_text()
        simulator.inject(fault)
        with pytest.raises(Exception, match=message):
            await log_in(tmp_path, monkeypatch)
        assert (tmp_path / "token.json").read_text() == before


async def test_an_app_that_lacks_a_product_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Simulator(SyntheticMarket(3, MONDAY_US)) as simulator:
        settings_for(tmp_path, simulator, AT_ONCE)
        simulator.inject("user_preference, answer: unauthorized")
        await log_in(tmp_path, monkeypatch)
    assert "both products" in capsys.readouterr().err


async def test_a_token_is_stored_also_by_who_may_not_look_at_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hidden(directory: Path) -> None:
        raise FatalError(f"{directory} cannot be read: Permission denied", hint="Run this as another user")

    async with Simulator(SyntheticMarket(3, MONDAY_US)) as simulator:
        settings_for(tmp_path, simulator, AT_ONCE)
        before = (tmp_path / "token.json").read_text()
        monkeypatch.setattr("tradeassistd.cli.auth.queries.daemon_running", hidden)
        await log_in(tmp_path, monkeypatch)
        assert (tmp_path / "token.json").read_text() != before
    assert "whether a daemon runs, and may read it, is not known" in capsys.readouterr().err


def test_a_browser_is_not_opened_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    human = Human(io.StringIO())
    monkeypatch.setattr(sys, "stdin", human)
    assert not auth._has_browser({"DISPLAY": ":0"})
    monkeypatch.setattr(human, "isatty", lambda: True)
    assert auth._has_browser({"DISPLAY": ":0"}) and auth._has_browser({"WAYLAND_DISPLAY": "wayland-0"})
    assert not auth._has_browser({"DISPLAY": ":10", "SSH_CONNECTION": "a b"})
    assert not auth._has_browser({})
