"""The real daemon on the simulator, asked over its socket by the real command line."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Watcher, running, settings_for
from tests.e2e.test_process import daemon, ended, market, said, start
from tradeassistd.api import models
from tradeassistd.cli import exit_codes
from tradeassistd.cli.client import ask
from tradeassistd.market.tick import Tick
from tradeassistd.store import queries

RULES = """version: 1
rules:
  - {id: at-once, symbols: [/ES], when: price > 1, at_load: fire, cooldown: 1h, description: as soon as it can}
  - id: deep
    symbols: [/ES, SPY]
    for: 30s
    when:
      all:
        - price > 1M
        - any: ['sma(close, 20, 5m) > 0', 'not sym($VIX).price < 1']
  - {id: crossing, symbols: [SPY], when: 'price crosses any [1, 100k]', mode: shadow}
"""


class Desk:
    """A daemon that runs in this process, and a command line that asks it."""

    def __init__(self, folder: Path, watcher: Watcher) -> None:
        self.folder = folder
        self.watcher = watcher
        self.socket = folder / "state" / "api.sock"

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `tradeassist WORDS`."""
        return await ended(await self.begin(*words))

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        return await start("-m", "tradeassistd.cli.main", *words, "--config", str(self.folder / "config.yaml"))

    async def ask(self, target: str) -> Any:
        return (await asyncio.to_thread(ask, self.socket, target)).document

    def write(self, rules: str) -> None:
        (self.folder / "rules.d" / "rules.yaml").write_text(rules, "utf-8")


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    """A daemon with a quote of every symbol, until the block is left."""
    async with market() as simulator, running(settings_for(folder, simulator, RULES)) as watcher:
        seen: set[str] = set()

        def all_seen(event: object) -> bool:
            seen.update({event.symbol} if isinstance(event, Tick) else ())
            return seen >= {"/ES", "SPY", "$VIX"}

        await watcher.until(all_seen)
        yield Desk(folder, watcher)


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_the_real_daemon_answers_what_the_models_say(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        detailed = await here.ask("/health/detailed")
        assert models.DetailedHealth(**detailed).health.healthy is True
        assert detailed["feed"]["state"] == "live"
        assert set(models.FeedHealth.model_fields) <= set(detailed["feed"])
        assert set(models.RulesHealth.model_fields) <= set(detailed["rules"])
        assert {quote["symbol"] for quote in await here.ask("/quotes")} == {"/ES", "SPY", "$VIX"}
        assert [rule["id"] for rule in await here.ask("/rules")] == ["at-once", "deep", "crossing"]
        stored: list[Any] = []
        while not stored:  # until the ledger has committed it
            stored = (await here.ask("/alerts?rule=at-once"))["alerts"]
        assert (stored[0]["symbol"], stored[0]["kind"]) == ("/ES", "fired")


# --- rules list | show | reload ---------------------------------------------------------------------------------------


async def test_rules_list_and_show_read_well_in_a_terminal(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        code, output, errors = await here.run("rules", "list")
        assert (code, errors) == (0, "")
        lines = output.splitlines()
        assert [line.split() for line in lines] == [
            ["at-once", "warning", "1", "firing", "/ES"],
            ["deep", "warning", "2", "ok", "/ES", "SPY"],
            ["crossing", "warning", "1", "ok", "SPY", "(shadow)"],
            ["3", "rules"],
        ]
        code, output, errors = await here.run("rules", "show", "deep")
        assert (code, errors) == (0, "")
        text = output.splitlines()
        assert text[0] == "deep  warning, tick, for 30 s, live, rules.yaml:4"
        assert text[2].startswith("/ES  ok, ") and text[2].endswith("% away")
        assert text[3] == "false    and"
        assert text[4].startswith("├─ false    price > 1M   [6,") and "against 1,000,000; to go +99" in text[4]
        assert text[5] == "└─ true     or"
        why = r"warming until \d\d:\d\d: 0 of 20 bars of 5m"
        assert re.fullmatch(rf"   ├─ unknown  sma\(close, 20, 5m\) > 0   \[\? against 0; {why}\]", text[6])
        assert text[7] == "   └─ true     not"
        assert text[8].startswith("      └─ false    sym($VIX).price < 1   [")
        code, output, errors = await here.run("rules", "show", "crossing")
        assert "seen above, below]" in output


async def test_rules_list_and_show_as_json_are_the_apis_documents(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        code, output, _ = await here.run("rules", "list", "--json")
        assert code == 0
        assert [models.Rule(**one).id for one in json.loads(output)] == ["at-once", "deep", "crossing"]
        code, output, _ = await here.run("rules", "show", "at-once", "--json")
        detail = models.RuleDetail(**json.loads(output))
        assert (detail.description, detail.standings[0].condition.outcome) == ("as soon as it can", True)
        code, output, errors = await here.run("rules", "show", "nobody")
        assert (code, output) == (exit_codes.NO, "")
        assert "no rule is called 'nobody'" in errors


async def test_a_reload_from_the_command_line(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.write("version: 1\nrules:\n  - {id: new, symbols: [/ES], when: price > 2}\n")
        code, output, errors = await here.run("rules", "reload")
        # The directory's watcher may have been quicker: then nothing was left to change.
        assert code == 0, errors
        assert "1 added, 3 removed" in output or "nothing changed" in output
        assert [rule["id"] for rule in await here.ask("/rules")] == ["new"]
        here.write("version: 1\nrules:\n  - {id: new, symbols: [/ES], when: prise > 2}\n")
        code, output, errors = await here.run("rules", "reload", "--wait")
        assert code == exit_codes.NO
        assert "rules.yaml:3:" in errors and "prise" in errors
        assert "as it was: rules.yaml" in output
        assert [rule["id"] for rule in await here.ask("/rules")] == ["new"]
        code, output, _ = await here.run("rules", "reload", "--json")
        assert (code, models.Reloaded(**json.loads(output)).accepted) == (exit_codes.NO, False)
        (here.folder / "rules.d" / "rules.yaml").unlink()
        code, output, errors = await here.run("rules", "reload")
        assert code == exit_codes.NO, output
        assert [rule["id"] for rule in await here.ask("/rules")] == ["new"]
        code, output, errors = await here.run("rules", "reload", "--allow-empty")
        assert code == 0, errors
        assert await here.ask("/rules") == []


async def test_a_reload_that_is_not_waited_for(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.write("version: 1\nrules:\n  - {id: new, symbols: [/ES], when: price > 2}\n")
        code, output, _ = await here.run("rules", "reload", "--no-wait")
        assert (code, output) == (0, "asked for; `tradeassist status` shows the result\n")
        await here.watcher.reloaded()
        assert [rule["id"] for rule in await here.ask("/rules")] == ["new"]


# --- ack -------------------------------------------------------------------------------------------------------------


async def test_an_acknowledgement_from_the_command_line(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        code, output, errors = await here.run("ack", "at-once", "/ES")
        assert (code, errors) == (0, "")
        assert output.startswith("at-once /ES: no more reminders for the firing since ")
        (rule,) = [rule for rule in await here.ask("/rules") if rule["id"] == "at-once"]
        assert [(state["state"], state["acked"]) for state in rule["states"]] == [("firing", True)]
        ((_, kind, body),) = queries.audit(here.folder / "state", 1, kinds=["ack"])
        assert (kind, body["rule"], body["symbol"]) == ("ack", "at-once", "/ES") and body["by"]
        code, output, errors = await here.run("ack", "deep")
        assert (code, output) == (exit_codes.NO, "")
        assert errors == "deep: nothing fires that anybody was told about\n"
        code, output, errors = await here.run("ack", "nobody")
        assert (code, output) == (exit_codes.NO, "")
        assert errors.startswith("tradeassist: no rule is called 'nobody'")
        code, output, errors = await here.run("ack", "at-once", "SPY")
        assert code == exit_codes.NO and "at-once does not watch SPY" in errors
        code, output, _ = await here.run("ack", "at-once", "--json")
        assert (code, models.Acked(**json.loads(output)).firings[0].symbol) == (0, "/ES")


# --- watch -----------------------------------------------------------------------------------------------------------


async def test_watch_shows_events_as_they_happen_until_ctrl_c(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        watching = await here.begin("watch", "--kinds", "tick_update", "--symbols", "/ES", "--json")
        assert watching.stdout is not None
        subscribed = json.loads(await watching.stdout.readline())
        assert subscribed == {"kind": "subscribed", "kinds": ["tick_update"], "symbols": ["/ES"]}
        ticks = [json.loads(await watching.stdout.readline()) for _ in range(5)]
        assert {tick["symbol"] for tick in ticks} == {"/ES"}
        seen = {tick.event_us: tick for tick in here.watcher.ticks}
        assert [tick["last"] for tick in ticks] == [(seen[tick["event_us"]].last or 0) / 1e8 for tick in ticks]
        watching.send_signal(signal.SIGINT)
        code, _, errors = await ended(watching)
        assert (code, errors) == (0, "")


async def test_watch_in_words_shows_a_new_alert_with_where_it_goes(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        watching = await here.begin("watch", "--kinds", "alert_fired,rule_triggered,health_status")
        assert watching.stdout is not None
        assert b"health  well; since the start: ticks " in await watching.stdout.readline()
        here.write(
            "version: 1\nrules:\n  - {id: new, symbols: [/ES], when: price > 2, severity: critical, at_load: fire}\n"
        )
        lines: list[str] = []
        while not any("ALERT" in line for line in lines):
            lines.append((await watching.stdout.readline()).decode())
            assert lines[-1], "watch ended"
        triggered = next(line for line in lines if "rule    new" in line)
        alert = next(line for line in lines if "ALERT" in line)
        assert triggered.rstrip().endswith("rule    new /ES fired")
        assert "ALERT   !! /ES 6," in alert and alert.rstrip().endswith("- new  -> no channel")
        watching.send_signal(signal.SIGINT)
        assert (await ended(watching))[0] == 0


async def test_watch_ends_quietly_when_its_reader_does(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        command = (
            f"{sys.executable} -m tradeassistd.cli.main watch --kinds tick_update --config {here.folder}/config.yaml"
        )
        piped = await asyncio.create_subprocess_shell(
            f"{{ {command}; echo $? >&2; }} | head -n 2",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, output, errors = await ended(piped)
        assert len(output.splitlines()) == 2
        assert errors == "0\n"


async def test_watch_says_why_it_was_refused_and_when_the_daemon_stops(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        code, _, errors = await here.run("watch", "--kinds", "ticks")
        assert code == exit_codes.NO
        assert "the daemon refused: kinds.0" in errors
        watching = await here.begin("watch")
        assert watching.stdout is not None
        await watching.stdout.readline()
    code, _, errors = await ended(watching)
    assert (code, errors) == (exit_codes.NOT_RUNNING, "tradeassist: the daemon has stopped\n")


# --- the process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("rules", "list"), ("rules", "show", "a"), ("rules", "reload"), ("watch",), ("ack", "a")]
)
async def test_without_a_daemon_the_exit_code_is_69(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"store: {{path: '{tmp_path / 'state'}'}}\n", "utf-8")
    code, output, errors = await ended(
        await start("-m", "tradeassistd.cli.main", *words, "--config", str(tmp_path / "config.yaml"))
    )
    assert (code, output) == (exit_codes.NOT_RUNNING, "")
    assert errors.startswith("tradeassist: the daemon is not running") and errors.count("\n") == 1


async def test_a_daemon_that_was_killed_is_not_running_and_the_next_takes_its_socket(tmp_path: Path) -> None:
    async with market() as simulator:
        settings_for(tmp_path, simulator, RULES)
        config = ("--config", str(tmp_path / "config.yaml"))
        killed = await start(*daemon(tmp_path))
        await said(killed, "daemon.ready")
        killed.kill()
        await ended(killed)
        assert (tmp_path / "state" / "api.sock").exists()
        assert (await ended(await start("-m", "tradeassistd.cli.main", "rules", "list", *config)))[0] == 69
        second = await start(*daemon(tmp_path))
        await said(second, "daemon.ready")
        assert (await ended(await start("-m", "tradeassistd.cli.main", "rules", "list", *config)))[0] == 0
        second.terminate()
        code, _, errors = await ended(second)
        assert code == 0, errors
        assert "Traceback" not in errors
        assert not (tmp_path / "state" / "api.sock").exists()
        assert queries.daemon_running(tmp_path / "state") is None


async def test_with_the_api_off_the_daemon_brings_no_web_server(tmp_path: Path) -> None:
    async with market() as simulator:
        settings_for(tmp_path, simulator, RULES)
        with (tmp_path / "config.yaml").open("a") as file:
            file.write("api: {socket: off}\n")
        script = (
            "import asyncio, sys; from pathlib import Path\n"
            "from tradeassistd.app import Daemon; from tradeassistd.base.config import load_settings\n"
            "async def live():\n"
            "    daemon, stop = Daemon(load_settings(Path(sys.argv[1]))), asyncio.Event()\n"
            "    running = asyncio.create_task(daemon.run(stop))\n"
            "    running.add_done_callback(lambda _: daemon.ready.set())\n"
            "    await daemon.ready.wait(); stop.set(); await running\n"
            "asyncio.run(live())\n"
            "print(sorted({'fastapi', 'uvicorn', 'starlette'} & set(sys.modules)))"
        )
        code, output, errors = await ended(await start("-c", script, str(tmp_path / "config.yaml")))
        assert (code, output.splitlines()[-1]) == (0, "[]"), errors
        assert not (tmp_path / "state" / "api.sock").exists()
        listing = await start("-m", "tradeassistd.cli.main", "rules", "list", "--config", str(tmp_path / "config.yaml"))
        code, _, errors = await ended(listing)
        assert code == 69 and "turn the local API off" in errors


async def test_the_commands_start_without_the_heavy_libraries() -> None:
    script = (
        "import sys; from tradeassistd.cli import acknowledge, main, rules_live, watch\n"
        "heavy = {'schwab', 'apprise', 'fastapi', 'uvicorn', 'aiosqlite', 'httpx', 'websockets', 'lark', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    code, output, errors = await ended(await start("-c", script))
    assert (code, output.strip()) == (0, "[]"), errors
