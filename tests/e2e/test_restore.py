"""A machine is lost: one backup file, made while the daemon ran, and everything goes on elsewhere as after a crash."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from tests.e2e.harness import PATIENCE_S, all_settled, until_stored
from tests.e2e.test_process import daemon, ended, market, said
from tests.e2e.webhook import webhook
from tradeassistd.feed.token import TokenFile
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET
from tradeassistd.store import queries

RULES = """version: 1
rules:
  - {id: spent, symbols: [/ES], when: price > 1, at_load: fire, fire: once, notify: [desk]}
  - {id: at-once, symbols: [/ES], when: price > 1, at_load: fire, cooldown: 1h, notify: [phone]}
"""
SETTINGS = """# ours
clock: market
store: {{path: state}}
schwab: {{base_url: '{base_url}', app_key: '{key}', app_secret: '{secret}', token_file: token.json}}
channels:
  desk: {{url: '{desk}', ttl: 24h}}
  phone: {{url: '{phone}', ttl: 24h}}
"""


async def program(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """One of the two programs, with the secrets of `folder/credentials` as systemd hands them over."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADEASSIST_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**environment, "CREDENTIALS_DIRECTORY": str(folder / "credentials")},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def typed(folder: Path, *arguments: str) -> str:
    """What a command of the CLI prints; it must succeed."""
    command = ("-m", "tradeassistd.cli.main", *arguments, "--config", str(folder / "config.yaml"))
    code, output, errors = await ended(await program(folder, *command))
    assert code == 0, output + errors
    return output


def secrets(folder: Path, **values: str) -> None:
    (folder / "credentials").mkdir(parents=True)
    for name, value in values.items():
        (folder / "credentials" / name.replace("__", ".")).write_text(value)


def states_of_deliveries(state: Path) -> set[str]:
    return {one.state.value for alert in queries.alerts(state) for one in alert.deliveries}


async def test_a_lost_machine_goes_on_elsewhere_from_one_file(tmp_path: Path) -> None:
    lost, new, backup = tmp_path / "lost", tmp_path / "new", tmp_path / "backup.tar.gz"
    async with market() as simulator, webhook() as desk, webhook("503 Busy") as broken, webhook() as phone:
        secrets(lost)
        (lost / "rules.d").mkdir()
        (lost / "rules.d" / "rules.yaml").write_text(RULES)
        (lost / "config.yaml").write_text(SETTINGS.format(
            base_url=simulator.base_url, key=APP_KEY, secret=APP_SECRET, desk=desk.url, phone=broken.url))  # fmt: skip
        TokenFile(lost / "token.json").write(simulator.tokens())
        first = await program(lost, *daemon(lost))
        await desk.until(1)
        await broken.until(1)
        # A backup from before it is noted would have to tell it again.
        await until_stored(lambda: "sent" in states_of_deliveries(lost / "state"))
        await typed(lost, "db", "backup", str(backup))
        assert "of alerts" in await typed(lost, "db", "export", "alerts", str(tmp_path / "alerts.csv"))
        (tmp_path / "bars.csv").write_text(
            "symbol,interval,start,open,high,low,close\n/ES,1m,2025-11-13T15:00:00Z,6800,6801.25,6799,6800.5\n"
        )
        assert "1 new row" in await typed(lost, "db", "import", "bars", str(tmp_path / "bars.csv"), "--complete")
        assert "0 new rows" in await typed(lost, "db", "import", "bars", str(tmp_path / "bars.csv"))
        first.kill()
        async with asyncio.timeout(PATIENCE_S):
            await first.communicate()
        before = queries.alerts(lost / "state")
        noted = [(kind, body) for _, kind, body in queries.audit(lost / "state")]
        assert [body["file"] for kind, body in noted if kind == "db.backup"] == [backup.name]
        assert [body["file"] for kind, body in noted if kind == "db.export"] == ["alerts.csv"]
        assert [(body["new"], body["complete"]) for kind, body in noted if kind == "db.import"] == [(0, 0), (1, 1)]

        # Nothing of the lost machine is left but the file, the secrets and the login, which are kept elsewhere.
        token = (lost / "token.json").read_bytes()
        shutil.rmtree(lost)
        secrets(new, schwab__app_key=APP_KEY, schwab__app_secret=APP_SECRET, channels__desk__url=desk.url,
                channels__phone__url=phone.url)  # fmt: skip
        printed = await typed(new, "db", "restore", str(backup))
        assert "2 alerts, 1 delivery pending" in printed and "put schwab.app_key" in printed
        assert APP_SECRET not in (new / "config.yaml").read_text() and desk.url not in (new / "config.yaml").read_text()
        (new / "token.json").write_bytes(token)
        states = queries.rule_states(new / "state")

        second = await program(new, *daemon(new))
        await phone.until(1)
        sent = await said(second, "delivery.sent")
        assert sent["channel"] == "phone"
        await until_stored(lambda: all_settled(new / "state"))
        status = json.loads(await typed(new, "status", "--json"))
        assert status["rules"]["loaded"] == 2
        second.terminate()
        code, _, errors = await ended(second)
        assert code == 0, errors
        assert (len(desk.posts), len(phone.posts)) == (1, 1)  # what was told is not told again, what waited is, once
        after = queries.alerts(new / "state")
        assert [one.alert for one in after] == [one.alert for one in before]
        assert states_of_deliveries(new / "state") == {"sent"}
        assert {(one.rule_id, one.told_count) for one in states} == {
            (one.rule_id, one.told_count) for one in queries.rule_states(new / "state")
        }
        assert [body["by"] for _, kind, body in queries.audit(new / "state") if kind == "db.restore"] != []
