"""`tradeassist history verify`: what it says of days that agree and of days that do not, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tradeassistd.cli import history
from tradeassistd.cli.main import app


def day(number: int, outcome: str = "agrees", symbol: str = "SPY", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "day": f"2026-11-{number:02d}", "outcome": outcome, "detail": "", "bars": 960,
        "not_stored": 0, "restated": 0, "compared": 950, "differing": 0, "only_ours": 0, "only_official": 0,
        "fields": {}, **more,
    }  # fmt: skip


DIFFERS = day(
    18, "differs", differing=3, only_official=1, only_ours=2, restated=1, not_stored=4,
    fields={"high": {"count": 1, "most": 0.25, "most_at": "2026-11-18T15:31:00.000000Z"},
            "volume": {"count": 3, "most": -1200.0, "most_at": "2026-11-18T20:00:00.000000Z"}},
)  # fmt: skip
FOUND = [day(16), day(17), DIFFERS, day(16, "refused", "/ES", bars=0, compared=0, detail="not provided")]


def lines(found: list[dict[str, Any]], *, every_day: bool = False) -> list[str]:
    return [*history._table(found, every_day=every_day), *history._sum(found)]


def test_days_that_agree_are_one_line_and_one_that_differs_says_in_what() -> None:
    assert [" ".join(line.split()) for line in lines(FOUND)[1:]] == [
        "SPY 2026-11-16 - 2026-11-17 agrees 1,920 1,900",
        "SPY 2026-11-18 DIFFERS 960 950",
        "high in 1 minute, at most +0.25 (2026-11-18 10:31)",
        "volume in 3 minutes, at most -1,200 (2026-11-18 15:00)",
        "1 minute in which we saw no trade, and Schwab has a bar",
        "2 minutes in which we saw trades, and Schwab has no bar",
        "1 minute that Schwab told otherwise before",
        "4 minutes not stored: `tradeassist backfill SPY`",
        "/ES 2026-11-16 REFUSED 0 0 not provided",
        "4 days in all: agrees 2, DIFFERS 1, REFUSED 1",
    ]
    assert len(lines(FOUND, every_day=True)) == len(lines(FOUND)) + 1


def test_a_span_without_trading() -> None:
    assert lines([]) == ["no trading day in that span"]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(f"store: {{path: '{tmp_path / 'state'}'}}\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("found", "code"),
    [([day(16)], 0), ([day(16), day(17, "empty")], 0), (FOUND, 1), ([day(16, "nothing")], 1), ([], 1)],
)
def test_the_exit_code_says_whether_all_that_schwab_has_is_here(
    desk: Path, monkeypatch: pytest.MonkeyPatch, found: list[dict[str, Any]], code: int
) -> None:
    async def here(*_: object) -> list[dict[str, Any]]:
        return found

    monkeypatch.setattr(history, "_from_here", here)
    result = CliRunner().invoke(app, ["history", "verify", "SPY", "--json", "--config", str(desk / "config.yaml")])
    assert (result.exit_code, json.loads(result.stdout)) == (code, found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("SPY", "--from", "monday"), "is no date"),
        (("SPY", "--from", "2026-11-20", "--to", "2026-11-19"), "lies before"),
        ((), "no "),
    ],
)
def test_what_cannot_be(desk: Path, arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["history", "verify", *arguments, "--config", str(desk / "config.yaml")])
    assert result.exit_code != 0
    assert said in f"{result.output}{result.exception}"
