"""`tradeassist backfill`: how it looks, what it takes, and that it works while no daemon runs."""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.cli.test_status import a_running, text
from tests.e2e.harness import settings_for
from tests.e2e.test_process import ended, start
from tradeassistd.api.models import Backfill
from tradeassistd.cli.backfill_view import Bar, show_answers
from tradeassistd.cli.main import app
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries
from tradeassistd.store.directory import DirectoryLock

NOON_US = round(datetime(2026, 11, 30, 12, 0, tzinfo=NEW_YORK).timestamp()) * 1_000_000
RULES = "version: 1\nrules: [{id: any, symbols: [SPY], when: price > 1}]\n"
AT = Backfill(
    state="done", symbols=["SPY", "/ES"], interval="1m", from_day="2026-11-24", to_day="2026-11-30", again=False, by="",
    since="2026-11-30T17:00:00.000000Z", days=10, done=10, asked=3, stored=8, there=1, empty=1, refused=0, bars=12_345,
    waiting="", error="",
).model_dump()  # fmt: skip


def day(name: str, outcome: str, bars: int = 0, detail: str = "", symbol: str = "SPY") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "day": f"2026-11-{name}",
        "outcome": outcome,
        "detail": detail,
        "bars": bars,
        "whole": True,
    }


def shown(
    capsys: pytest.CaptureFixture[str], days: list[dict[str, Any]], *, every_day: bool = False, **at: Any
) -> list[str]:
    show_answers(AT | at, days, every_day=every_day, as_json=False)
    return capsys.readouterr().out.splitlines()


def test_runs_of_days_with_the_same_answer_take_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    days = [
        day("27", "stored", 780), day("24", "stored", 960, symbol="/ES"), day("25", "stored", 960),
        day("26", "empty", 0, "closed: Thanksgiving"), day("24", "stored", 960), day("30", "stored", 480, "not over"),
    ]  # fmt: skip
    assert shown(capsys, days) == [
        "symbol  trading days                                         bars",
        "SPY     2026-11-24 - 2026-11-25      2  stored              1,920",
        "SPY     2026-11-26                      empty                   0  closed: Thanksgiving",
        "SPY     2026-11-27                      stored                780",
        "SPY     2026-11-30                      stored                480  not over",
        "/ES     2026-11-24                      stored                960",
        "10 of 10 days: 8 stored (12,345 bars), 1 already there, 1 empty, 0 refused; 3 questions answered by Schwab",
    ]
    assert len(shown(capsys, days, every_day=True)) == len(days) + 2


def test_an_end_that_was_none_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [], state="failed", error="given up (try later)")[-1] == "FAILED: given up (try later)"
    assert "9 days left" in shown(capsys, [], state="stopped", done=1)[-1]


def test_the_bar_says_how_far_it_is_and_what_it_waits_for() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with Bar(AT, console) as bar:
        bar.show(AT | {"done": 4, "bars": 5_000, "waiting": "Schwab's REST failed: HTTP 429; again in 7 s"})
    said = screen.getvalue()
    assert "SPY /ES 1m" in said and "4/10" in said and "5,000 bars" in said and "waiting: Schwab's REST failed" in said
    nowhere = io.StringIO()
    with Bar(AT, Console(file=nowhere, force_terminal=False)) as bar:
        bar.show(AT)
    assert nowhere.getvalue() == ""


def test_status_says_what_is_under_way_and_what_failed() -> None:
    backfill = {
        "state": "running",
        "what": "SPY, 1m from 2026-11-02 to 2026-11-20",
        "days": 15,
        "done": 4,
        "waiting": "",
    }
    assert "backfill SPY, 1m from 2026-11-02 to 2026-11-20: 4 of 15 days channel" in text(a_running(backfill=backfill))
    assert "waiting: HTTP 429" in text(a_running(backfill=backfill | {"waiting": "HTTP 429; again in 7 s"}))
    assert "backfill! SPY" in text(a_running(backfill=backfill | {"state": "failed", "error": "given up"})).replace(
        " !", "!"
    )
    assert "backfill" not in text(a_running(backfill=backfill | {"state": "done"}))


def settings(folder: Path) -> list[str]:
    (folder / "config.yaml").write_text(f"store: {{path: '{folder / 'state'}'}}\n", "utf-8")
    return ["backfill", "--config", str(folder / "config.yaml")]


def test_what_cannot_be_meant_is_a_usage_error(tmp_path: Path) -> None:
    for option in ("--from", "--to"):
        result = CliRunner().invoke(app, [*settings(tmp_path), "SPY", option, "monday"])
        assert result.exit_code == 2 and "'monday' is no date such as 2026-11-20" in result.output
    backwards = CliRunner().invoke(
        app, [*settings(tmp_path), "SPY", "--from", "2026-11-20", "--to", "2026-11-19"]
    )  # fmt: skip
    assert backwards.exit_code == 2 and "2026-11-19 lies before 2026-11-20" in backwards.output
    odd = CliRunner().invoke(app, [*settings(tmp_path), "SPY", "--interval", "2m"])
    assert odd.exit_code == 2 and "write one of 1m, 5m, 1d" in odd.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "has no backfill under way.*name symbols"), (["--stop"], "nobody serves")],
)
def test_without_a_daemon_there_is_nothing_to_watch_or_stop(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, [*settings(tmp_path), *arguments])
    assert isinstance(result.exception, NotRunningError)
    assert re.search(words, str(result.exception))
    assert not (tmp_path / "state").exists()


async def test_while_no_daemon_runs_it_fetches_by_itself_and_says_what_is_not_provided(tmp_path: Path) -> None:
    market = SyntheticMarket(5, NOON_US, ["SPY", "/ES", "$TICK"])
    async with Simulator(market, futures_history=False) as simulator:
        settings_for(tmp_path, simulator, RULES)
        command = ("-m", "tradeassistd.cli.main", "backfill", "--config", str(tmp_path / "config.yaml"))
        program = await start(*command, "SPY,/ES", "$TICK", "--from", "2026-11-25", "--days", "--interval", "5m")
        code, output, errors = await ended(program)
        assert code == 1, errors
        assert "the daemon is not running: fetching from here" in errors
        assert (
            "/ES     2026-11-30                      REFUSED                 0  not provided: Schwab gives no" in output
        )
        assert "SPY     2026-11-26                      empty                   0  closed: Thanksgiving" in output
        assert "SPY     2026-11-30                      stored                 95  the day is not over" in output
        assert output.splitlines()[-1].startswith("12 of 12 days: 6 stored (")
        last = output.splitlines()[-1]
        assert "0 already there, 2 empty, 4 refused; 3 questions answered by Schwab" in last
        (tmp_path / "token.json").unlink()
        code, output, errors = await ended(await start(*command, "SPY"))
        assert code == 78 and "there is no token file" in errors and "tradeassist auth login" in errors
    states = [body["state"] for _, kind, body in queries.audit(tmp_path / "state", 10) if kind == "backfill"]
    assert states == ["done", "begun"]
    lock = DirectoryLock(tmp_path / "state")
    assert lock.take(), "nothing is left behind"
    lock.release()
