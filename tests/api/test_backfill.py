"""Backfills over the API and the command line: begun, watched, shown, stopped, and what is refused in which words."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.api.service import Service, serving
from tests.history.backfilled import NOW_US, until
from tests.history.test_backfills import Life, life
from tradeassistd.base.errors import PermanentError
from tradeassistd.cli import backfill as commands
from tradeassistd.cli.backfill_view import Bar
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.feed.history import NOT_PROVIDED, Answer

WEEK: dict[str, Any] = {"symbol": "SPY", "from_day": "2026-11-16", "to_day": "2026-11-20"}


class Desk:
    """A daemon's API with its backfills, and a settings file that leads to both."""

    def __init__(self, folder: Path, service: Service, of_life: Life) -> None:
        self.service = service
        self.life = of_life
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"store: {{path: '{of_life.store.directory}'}}\napi: {{socket: '{service.path}'}}\n", "utf-8"
        )

    async def run(self, *symbols: str, every_day: bool = False, as_json: bool = False, again: bool = False) -> int:
        """`tradeassist backfill SYMBOL... --from 2026-11-16 --to 2026-11-20`."""
        return await asyncio.to_thread(
            commands.run, self.config, symbols, "1m", date(2026, 11, 16), date(2026, 11, 20), again=again,
            every_day=every_day, as_json=as_json,
        )  # fmt: skip


@asynccontextmanager
async def desk(folder: Path, now_us: int = NOW_US) -> AsyncIterator[Desk]:
    async with life(folder / "life", now_us) as one, serving(folder, backfills=one.backfiller) as service:
        yield Desk(folder, service, one)


def printed(out: str) -> list[str]:
    """The lines below the heading; above it is what the daemon's parts log in these tests."""
    lines = out.splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.startswith("symbol ")) + 1 :]


async def test_a_backfill_is_begun_watched_and_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        ask, held = at_desk.service.ask, at_desk.life.hold()
        begun = await ask("/backfill", method="POST", by="anna", **WEEK)
        assert (begun.status, begun.document["state"], begun.document["by"]) == (202, "running", "anna")
        await held.wait()
        at = (await ask("/backfill")).document
        assert (at["days"], at["done"], at["interval"], at["since"]) == (5, 0, "1m", "2026-11-21T03:00:00.000000Z")
        assert (at["from_day"], at["to_day"], at["again"]) == ("2026-11-16", "2026-11-20", False)
        assert (await ask("/backfill/days")).document == []
        stopped = (await ask("/backfill", method="DELETE")).document
        assert stopped["state"] == "stopped"
        await ask("/backfill", method="POST", **WEEK)
        await until(lambda: at_desk.life.backfiller.progress.state == "done")  # type: ignore[union-attr]
        at = (await ask("/backfill")).document
        assert (at["done"], at["stored"], at["bars"], at["asked"]) == (5, 5, 80, 1)
        days = (await ask("/backfill/days", after=1, limit=2)).document
        assert days == [
            {"symbol": "SPY", "day": f"2026-11-{day}", "outcome": "stored", "detail": "", "bars": 16, "whole": True}
            for day in (17, 18)
        ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"symbol": "spy"}, "'spy' is not a symbol"),
        ({"interval": "2m"}, "no candles of '2m'"),
        ({"to_day": "2026-11-24"}, "2026-11-24 is out of reach"),
        ({"from_day": "2026-11-21"}, "after its end"),
        ({"from_day": "monday"}, "valid date"),
        ({"symbol": ""}, "is not a symbol"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_words(tmp_path: Path, query: dict[str, str], words: str) -> None:
    async with desk(tmp_path) as at_desk:
        with pytest.raises(PermanentError, match=words):
            await at_desk.service.ask("/backfill", method="POST", **WEEK | query)
        for method in ("GET", "DELETE"):
            with pytest.raises(PermanentError, match="no backfill"):
                await at_desk.service.ask("/backfill", method=method)


async def test_a_daemon_without_schwab_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for method in ("GET", "POST", "DELETE"):
            with pytest.raises(PermanentError, match="this daemon fetches no history"):
                await service.ask("/backfill", method=method, **WEEK)


async def test_the_command_shows_what_came_of_the_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.life.schwab.refuses = lambda symbol, from_us, to_us: (
            Answer("refused", (), NOT_PROVIDED, to_us) if symbol == "/ES" else None
        )
        assert await at_desk.run("SPY", "/ES") == 1  # something was refused
        shown = capsys.readouterr()
        assert printed(shown.out) == [
            "SPY     2026-11-16 - 2026-11-20      5  stored                 80",
            f"/ES     2026-11-16 - 2026-11-20      5  REFUSED                 0  {NOT_PROVIDED}",
            "10 of 10 days: 5 stored (80 bars), 0 already there, 0 empty, 5 refused; 2 questions answered by Schwab",
        ]
        assert shown.err == ""
        assert await at_desk.run("SPY", every_day=True) == 0
        lines = printed(capsys.readouterr().out)
        assert lines[0] == "SPY     2026-11-16                      already there          16" and len(lines) == 6
        assert await at_desk.run("SPY", "SPY", again=True, as_json=True) == 0
        out = capsys.readouterr().out
        document = json.loads(out[out.index("{\n") :])
        assert (document["symbols"], document["again"], document["there"]) == (["SPY"], True, 5)
        assert [one["day"] for one in document["answers"]] == [f"2026-11-{day}" for day in range(16, 21)]


async def test_without_symbols_the_command_watches_what_is_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path) as at_desk:
        with pytest.raises(PermanentError, match="no backfill since the start"):
            await at_desk.run()
        held = at_desk.life.hold()
        await at_desk.service.ask("/backfill", method="POST", **WEEK)
        await held.wait()
        with pytest.raises(PermanentError, match="SPY, 1m from 2026-11-16 to 2026-11-20 is under way"):
            await at_desk.run("QQQ")
        watching = asyncio.create_task(at_desk.run())
        assert await asyncio.to_thread(commands.stop_it, at_desk.config, as_json=False) == 0
        assert await watching == 1
        out = capsys.readouterr().out
        assert out.count("stopped, 5 days left; the same command goes on there") == 2


async def test_a_command_that_is_interrupted_leaves_the_daemon_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(bar: Bar, at: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "show", impatient)
    async with desk(tmp_path) as at_desk:
        held = at_desk.life.hold()
        assert await at_desk.run("SPY") == 1
        assert "the daemon goes on; `tradeassist backfill` shows how far it is" in capsys.readouterr().err
        await held.wait()
        assert at_desk.life.backfiller.progress is not None
        assert at_desk.life.backfiller.progress.state == "running"


async def test_a_daemon_that_goes_away_is_said(tmp_path: Path) -> None:
    async with life(tmp_path / "life") as one:
        async with serving(tmp_path, backfills=one.backfiller) as service:
            at_desk, held = Desk(tmp_path, service, one), one.hold()
            watching = asyncio.create_task(at_desk.run("SPY"))
            await held.wait()
        with pytest.raises(NotRunningError, match=r"went away.*takes the backfill up again"):
            await watching
    with pytest.raises(NotRunningError, match="has no backfill under way"):
        await at_desk.run()
    async with life(tmp_path / "life"):
        with pytest.raises(NotRunningError, match=f"process {os.getpid()} has .*nobody serves.*wait for its end"):
            await at_desk.run("SPY")
