"""The shipped units in a real systemd: installed as the README says, started, reloaded, hung, cut off and stopped.

TRADEASSIST_OUTAGE_S=600 makes the outage the full ten minutes, with the watchdog interval the unit ships.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.test_process import AT_ONCE, MONDAY_US
from tests.e2e.webhook import Webhook, webhook
from tests.systemd.guest import CHECKOUT, INSTALL_WITHIN_S, PATIENCE_S, Guest, Journal, booted
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET

READY_WITHIN_S = 2.0
READY_WITHIN_IMPORTS = 2.0
"""Where everything takes longer: so many times what loading the daemon's modules takes there."""
STARTS_MAX = 3
EXPOSURE_MAX = 1.5
WATCHDOG_S = 8
"""The watchdog interval of the tests that wait for it: longer than a busy machine lets a healthy daemon stand."""
OUTAGE_S = float(os.environ.get("TRADEASSIST_OUTAGE_S", "20"))

# As the README has them, typed by root in the checkout.
INSTALL = """\
python3 -m venv /opt/tradeassist
/opt/tradeassist/bin/pip install .
"""
SERVER = """\
install -d /etc/tradeassist/rules.d /etc/tradeassist/credentials
install -m 0644 rules.d/*.yaml /etc/tradeassist/rules.d
install -m 0644 config.yaml /etc/tradeassist/config.yaml
install -m 0600 schwab.app_key schwab.app_secret channels.slack.url /etc/tradeassist/credentials
install -D -m 0600 token.json /var/lib/tradeassist/token.json
install -m 0644 tradeassist.service /etc/systemd/system
systemctl enable --now tradeassist
"""
USER = """\
install -D -m 0644 packaging/tradeassist.user.service ~/.config/systemd/user/tradeassist.service
systemctl --user enable --now tradeassist
"""
COPY = "/root/tradeassist"
"""The guest's own copy of the checkout, which a build may write to."""
RELOADED = """version: 1
rules:
  - {id: at-once, symbols: [/ES], when: price > 1, at_load: fire, cooldown: 1h}
  - {id: second, symbols: [/NQ], when: price < 1}
"""


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """A machine on which the first part of the README's installation was done."""
    with booted() as one:
        kept = "pyproject.toml README.md LICENSE tradeassistd rules.d tradeassist.service packaging"
        asyncio.run(one.sh(f"mkdir -p {COPY}\ncd {CHECKOUT} && cp -r {kept} {COPY}"))
        asyncio.run(one.sh(INSTALL, folder=COPY, within_s=INSTALL_WITHIN_S))
        yield one


@dataclass(frozen=True, slots=True)
class Outside:
    """The world outside the daemon; each part of it can die."""

    schwab: Simulator
    slack: Webhook
    schwab_dies: Callable[[], Awaitable[None]]
    slack_dies: Callable[[], Awaitable[None]]


@asynccontextmanager
async def outside(guest: Guest) -> AsyncIterator[Outside]:
    """A Schwab and a Slack, and beside the checkout's files the settings to reach them; afterwards nothing of it."""
    async with AsyncExitStack() as one, AsyncExitStack() as other:
        schwab = await one.enter_async_context(Simulator(SyntheticMarket(3, MONDAY_US), speed=1.0))
        slack = await other.enter_async_context(webhook())
        await guest.sh("rm -rf rules.d/*", folder=COPY)
        await guest.write(f"{COPY}/rules.d/rules.yaml", AT_ONCE)
        await guest.write(f"{COPY}/config.yaml", f"clock: market\nschwab: {{base_url: '{schwab.base_url}'}}\n")
        await guest.write(f"{COPY}/token.json", json.dumps(schwab.tokens()), "0600")
        secrets = {"schwab.app_key": APP_KEY, "schwab.app_secret": APP_SECRET, "channels.slack.url": slack.url}
        for name, secret in secrets.items():
            await guest.write(f"{COPY}/{name}", f"{secret}\n", "0600")
        try:
            yield Outside(schwab, slack, one.aclose, other.aclose)
        finally:
            await guest.run("systemctl", "disable", "--now", "tradeassist")
            await guest.run("systemctl", "reset-failed", "tradeassist")
            await guest.sh("rm -rf /etc/tradeassist /etc/systemd/system/tradeassist.* /var/lib/{private/,}tradeassist")
            await guest.sh("systemctl daemon-reload")


async def watchdog_of(guest: Guest, lines: str) -> None:
    """A drop-in, as an operator would write one."""
    await guest.write("/etc/systemd/system/tradeassist.service.d/test.conf", f"[Service]\n{lines}\n")


async def status_line(guest: Guest, text: str) -> None:
    """Return once `systemctl status` shows that text; systemd tells nobody when the line changes, so ask."""
    async with asyncio.timeout(PATIENCE_S):
        while (shown := (await guest.properties()).get("StatusText", "")) != text:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert shown == text


async def alerts(guest: Guest) -> list[tuple[str, list[str]]]:
    """Each alert's rule, and what became of its deliveries."""
    found = json.loads(await guest.sh("/opt/tradeassist/bin/tradeassist alerts --json"))
    return [(alert["rule"], [one["state"] for one in alert["deliveries"]]) for alert in found]


async def told_at_once(guest: Guest) -> None:
    """Return once it is stored that the one alert was sent; that comes after `delivery.sent` in the journal."""
    async with asyncio.timeout(PATIENCE_S):
        while await alerts(guest) != [("at-once", ["sent"])]:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.1)


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    """Between two journal entries, by the machine's monotonic clock."""
    return (int(later["__MONOTONIC_TIMESTAMP"]) - int(earlier["__MONOTONIC_TIMESTAMP"])) / 1e6


async def is_ready_in_time(guest: Guest, journal: Journal) -> dict[str, Any]:
    """The entry of the first start that was quick enough: what else the machine does makes one longer, not shorter."""
    ready, took = None, []
    for _ in range(STARTS_MAX):
        starting = await journal.until("Starting tradeassist.service", ready)
        ready = await journal.until("Started tradeassist.service", starting)
        took.append(f"{(took_s := seconds_between(starting, ready)):.2f} s")
        print(f"\nstart to READY: {took[-1]}")
        if took_s <= READY_WITHIN_S or took_s <= READY_WITHIN_IMPORTS * await imports_s(guest):
            return ready
        await guest.sh("systemctl restart tradeassist")
    raise AssertionError(f"from start to READY it took {', '.join(took)}")


async def imports_s(guest: Guest) -> float:
    """How long loading the daemon's modules takes at the moment."""
    script = "from time import monotonic as now; began = now(); import tradeassistd.app, tradeassistd.api.server"
    return float(await guest.sh(f"/opt/tradeassist/bin/python -c '{script}; print(now() - began)'"))


async def test_both_units_pass_systemds_own_judgement(guest: Guest) -> None:
    for unit, options in (("tradeassist.service", ()), ("packaging/tradeassist.user.service", ("--user",))):
        # A typo in a directive is only a line on stderr, with exit code 0.
        command = f"XDG_RUNTIME_DIR=/run systemd-analyze {' '.join(options)} verify {unit} 2>&1"
        assert await guest.sh(command, folder=COPY) == ""
    judged = await guest.sh("systemd-analyze security --offline=yes ./tradeassist.service", folder=COPY)
    exposure = re.search(r"Overall exposure level for tradeassist.service: ([\d.]+)", judged)
    assert exposure and float(exposure[1]) <= EXPOSURE_MAX, judged


async def test_installed_as_the_readme_says_it_is_ready_tells_and_stops(guest: Guest) -> None:
    async with outside(guest) as world, guest.journal() as journal:
        await guest.sh(SERVER, folder=COPY)
        started = await guest.properties()
        assert (started["ActiveState"], started["UnitFileState"]) == ("active", "enabled")
        await world.slack.until(1)  # the URL came as a credential
        assert "at-once" in json.dumps(world.slack.posts[0])
        # sent, and with it the secrets, in no line of the journal
        await journal.until("delivery.sent")
        assert not [line for line in journal.lines if APP_SECRET in line or world.slack.url in line]
        assert (await guest.sh("stat -Lc '%U %a' /var/lib/tradeassist")).split() == ["tradeassist", "700"]
        assert (await guest.sh("stat -c %a /var/lib/tradeassist/main.db")).strip() == "600"
        await status_line(guest, "live, 1 symbol, 1 rule, 1 alert since the start")
        # A new token, as an operator brings one: the file stays the daemon's own.
        await guest.sh("cp token.json /var/lib/tradeassist/token.json", folder=COPY)
        assert (await guest.sh("stat -c '%U %a' /var/lib/tradeassist/token.json")).split() == ["tradeassist", "600"]
        ready = await is_ready_in_time(guest, journal)
        await guest.sh("systemctl stop tradeassist")
        stopped = await guest.properties()
        assert (stopped["ActiveState"], stopped["Result"], stopped["ExecMainStatus"]) == ("inactive", "success", "0")
        await journal.until("daemon.stopped", ready)


async def test_settings_that_cannot_be_used_end_it_without_a_restart(guest: Guest) -> None:
    async with outside(guest), guest.journal() as journal:
        await guest.write(f"{COPY}/config.yaml", "clock: sundial\n")
        answer = await guest.run("bash", "-ec", f"cd {COPY}\n{SERVER}")
        assert answer.code == 1
        await journal.until("/etc/tradeassist/config.yaml:1:8: clock")
        await journal.until("Failed to start tradeassist.service")
        unit = await guest.properties()
        assert (unit["ActiveState"], unit["ExecMainStatus"], unit["NRestarts"]) == ("failed", "78", "0")


async def test_reload_waits_for_the_judgement_and_says_no_to_bad_rules(guest: Guest) -> None:
    if (await guest.run("/opt/tradeassist/bin/tradeassist", "rules", "reload", "--help")).code:
        pytest.skip("`tradeassist rules reload` is not there yet")
    async with outside(guest):
        await guest.sh(SERVER, folder=COPY)
        await status_line(guest, "live, 1 symbol, 1 rule, 1 alert since the start")
        await guest.write("/etc/tradeassist/rules.d/rules.yaml", RELOADED)
        await guest.sh("systemctl reload tradeassist")
        await status_line(guest, "live, 2 symbols, 2 rules, 1 alert since the start")
        await guest.write("/etc/tradeassist/rules.d/rules.yaml", RELOADED.replace("price <", "prise <"))
        answer = await guest.run("systemctl", "reload", "tradeassist")
        assert answer.code == 1, answer
        unit = await guest.properties()
        assert (unit["ActiveState"], unit["SubState"], unit["NRestarts"]) == ("active", "running", "0")
        await status_line(guest, "live, 2 symbols, 2 rules, 1 alert since the start")


@pytest.mark.parametrize("how", ["block", "wait"])
async def test_a_hung_loop_is_killed_and_comes_back_with_its_state(how: str, guest: Guest) -> None:
    async with outside(guest) as world, guest.journal() as journal:
        await guest.sh(f"install -m 0644 {CHECKOUT}/tests/systemd/hanging_daemon.py /opt/hanging_daemon.py")
        await watchdog_of(
            guest, f"WatchdogSec={WATCHDOG_S}\nExecStart=\nExecStart=/opt/tradeassist/bin/python /opt/hanging_daemon.py"
        )
        await guest.sh(SERVER, folder=COPY)
        before = await journal.until("delivery.sent")
        await told_at_once(guest)  # what was not known to be sent would be sent again
        await guest.write("/run/tradeassist/hang", how)
        if how == "wait":  # what it is about to be killed for is said before
            loops: list[str] = []
            while "engine" not in loops:  # others may have been late for a moment, and caught up
                before = await journal.until("watchdog.late", before)
                loops = json.loads(str(before["MESSAGE"]))["loops"]
            assert loops == ["engine"]
        killed = await journal.until(f"Watchdog timeout (limit {WATCHDOG_S}s)", before)
        if how == "block":
            await journal.until("in filled_or_never", before)  # and where it hung is in the journal
        ready = await journal.until("daemon.ready", killed)
        await journal.until("feed.gap", ready)
        live = await journal.until('"state": "live"', ready)
        print(
            f"\nkilled to READY: {seconds_between(killed, ready):.2f} s, to live: {seconds_between(killed, live):.2f} s"
        )
        unit = await guest.properties()
        assert (unit["ActiveState"], unit["NRestarts"]) == ("active", "1")
        # The rule was firing and still is: the restart is no reason to say it again.
        assert await alerts(guest) == [("at-once", ["sent"])]
        assert len(world.slack.posts) == 1


async def test_a_dead_schwab_and_a_dead_slack_do_not_kill_it(guest: Guest) -> None:
    async with outside(guest) as world:
        if OUTAGE_S < 100:
            await watchdog_of(guest, f"WatchdogSec={WATCHDOG_S}")
        await world.slack_dies()  # nobody listens on its port any more
        async with guest.journal() as journal:
            await guest.sh(SERVER, folder=COPY)
            await journal.until("delivery.retrying")
            await world.schwab_dies()
            await journal.until("stream.lost")
            await asyncio.sleep(OUTAGE_S)  # the outage itself
            now_us = int(float((await guest.sh("cat /proc/uptime")).split()[0]) * 1e6)
            unit = await guest.properties()
        assert (unit["ActiveState"], unit["NRestarts"]) == ("active", "0")
        assert unit["StatusText"].split(",")[0] in ("backoff", "logging_in", "connecting")
        interval_s = int(unit["WatchdogUSec"].removesuffix("s"))
        assert (now_us - int(unit["WatchdogTimestampMonotonic"])) / 1e6 < interval_s


async def test_the_users_own_service(guest: Guest) -> None:
    async with outside(guest) as world:
        await guest.sh("useradd --create-home trader")
        await guest.sh(f"cp -r {COPY} /home/trader/tradeassist && chown -R trader: /home/trader")
        number = (await guest.sh("id -u trader")).strip()
        await guest.sh("loginctl enable-linger trader")
        await guest.sh(f"systemctl start user@{number}")

        async def typed(lines: str) -> str:
            session = f"export HOME=/home/trader XDG_RUNTIME_DIR=/run/user/{number}\ncd ~/tradeassist\n"
            command = ("runuser", "-u", "trader", "--", "bash", "-ec", session + lines)
            return (await guest.run(*command)).ok()

        secrets = f"base_url: '{world.schwab.base_url}', app_key: {APP_KEY}, app_secret: {APP_SECRET}"
        settings = f"clock: market\nschwab: {{{secrets}}}\nchannels: {{slack: {{url: '{world.slack.url}'}}}}\n"
        await guest.write("/home/trader/tradeassist/config.yaml", settings)
        await typed("install -D -m 0600 -t ~/.config/tradeassist config.yaml")
        await typed("install -D -m 0644 -t ~/.config/tradeassist/rules.d rules.d/*.yaml")
        await typed("install -D -m 0600 -t ~/.local/state/tradeassist token.json")
        await typed(USER)
        await world.slack.until(1)
        assert (await typed("systemctl --user is-active tradeassist")).strip() == "active"
        # The command line of the same user finds the same state without being told.
        assert json.loads(await typed("/opt/tradeassist/bin/tradeassist alerts --json"))[0]["rule"] == "at-once"
        assert (await typed("ls ~/.config/tradeassist")).split() == ["config.yaml", "rules.d"]
        await typed("systemctl --user stop tradeassist")
        assert "Result=success" in await typed("systemctl --user show tradeassist")
