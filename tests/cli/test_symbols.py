"""A symbol that is not Schwab's, or more often another one: every command says what is meant."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tradeassistd.base.clock import ManualClock
from tradeassistd.cli import exit_codes
from tradeassistd.cli.main import app
from tradeassistd.cli.symbols import given_symbols, note_meant
from tradeassistd.store.writer import Store

NAMING = ["bars", "quotes", "history verify", "backfill", "alerts --symbol", "watch --symbols", "ack up"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a state directory whose store is empty."""
    path = tmp_path / "config.yaml"
    path.write_text("store: {path: state}\nschwab: {app_key: key, app_secret: secret}\n")

    async def empty() -> None:
        await (await Store.open(tmp_path / "state", clock=ManualClock(1))).close()

    asyncio.run(empty())
    return path


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(config)], env={"COLUMNS": "200"})


@pytest.mark.parametrize("command", NAMING)
@pytest.mark.parametrize(("written", "right"), [("es", "/ES"), ("ES=F", "/ES"), ("^SPX", "$SPX"), ("/ESZ6", "/ESZ26")])
def test_what_is_no_symbol_is_a_usage_error_that_says_what_to_write(
    config: Path, command: str, written: str, right: str
) -> None:
    done = run(config, *command.split(), written)
    assert done.exit_code == exit_codes.USAGE
    assert "is not a symbol" in done.output and right in done.output


@pytest.mark.parametrize("command", ["bars", "quotes", "alerts --symbol"])
def test_where_nothing_is_stored_of_a_bare_root_the_future_is_named(config: Path, command: str) -> None:
    assert "(did you mean /ES?)" in run(config, *command.split(), "ES").output
    assert "did you mean" not in run(config, *command.split(), "SPY").output


def test_what_asks_schwab_or_waits_says_beforehand_whose_symbol_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    note_meant(given_symbols(["ES,SPY", "VIX", "ES"]))
    assert capsys.readouterr().err.splitlines() == [
        "tradeassist: ES is Eversource Energy; the future is /ES (did you mean /ES?)",
        "tradeassist: VIX is read as a stock; the index is $VIX (did you mean $VIX?)",
    ]
